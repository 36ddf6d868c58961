"""The pages of shops: their doors and secrets, what they told, and what could not be booked."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response

from admin.forms import Errors, at_fields, number
from admin.forms.shops import ShopForm
from admin.pages.deeds import RowId, do
from admin.pages.frame import Administering, Flash, Operating, Page, app_of, go, refusal, show, words_of
from siyu import fans, shops
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.wording import phrase
from siyu.tables import EventState, Fan, InboundEvent, Shop, ShopKind

router = APIRouter()

PLACE = "/shops"
Context = dict[str, Any]  # Any: whatever the template shows
Key = Annotated[str, Path(max_length=32)]


@router.get("/shops")
async def index(request: Request, me: Operating, cursor: str | None = None) -> Response:
    async with app_of(request).database.reading() as session:
        waiting = await shops.list_events(session, open_only=True, cursor=cursor)
        told: Context = {"shops": await shops.list_shops(session), "events": waiting, "cursor": cursor}
        page = Page(words_of(request).gettext("Shops"), "shops")
        return await show(request, session, "admin/shops/index.html", page, **told)


@router.get("/shops/new")
async def new(request: Request, me: Administering) -> Response:
    async with app_of(request).database.reading() as session:
        return await _form(request, session, ShopForm())


@router.post("/shops")
async def create(request: Request, me: Administering, form: Annotated[ShopForm, Form()]) -> Response:
    """Our own kind is answered with its secret: it is shown this once."""
    opened = partial(
        shops.open_shop, actor=me.actor, key=form.key, title=form.title, kind=form.kind, secret=form.secret
    )
    return await _with_its_secret(request, form, opened)


@router.get("/shops/{key}")
async def shop(request: Request, me: Operating, key: Key, cursor: str | None = None) -> Response:
    async with app_of(request).database.reading() as session:
        return await _shop(request, session, key, cursor=cursor)


@router.post("/shops/{key}/secret")
async def change_secret(request: Request, me: Administering, key: Key, secret: Annotated[str, Form()] = "") -> Response:
    app, changed = app_of(request), partial(shops.change_secret, actor=me.actor, key=key, secret=secret)
    try:
        async with app.database.writing() as session:
            found = await changed(session, now=app.clock())
    except Invalid as mistake:
        async with app.database.reading() as session:
            return await _shop(request, session, key, errors=at_fields([mistake], words_of(request)))
    return await _secret(request, found)


@router.post("/shops/{key}/secret/removal")
async def forget_old_secret(request: Request, me: Administering, key: Key) -> Response:
    verb = partial(shops.forget_old_secret, actor=me.actor, key=key, now=app_of(request).clock())
    return await do(request, f"{PLACE}/{key}", phrase("Only the new secret is good now."), verb)


@router.post("/shops/{key}/closing")
async def close(request: Request, me: Administering, key: Key) -> Response:
    verb = partial(shops.close, actor=me.actor, key=key, now=app_of(request).clock())
    return await do(request, f"{PLACE}/{key}", phrase("Closed: nothing is heard from this shop any more."), verb)


@router.post("/shops/{key}/return")
async def reopen(request: Request, me: Administering, key: Key) -> Response:
    verb = partial(shops.reopen, actor=me.actor, key=key, now=app_of(request).clock())
    return await do(request, f"{PLACE}/{key}", phrase("Open again."), verb)


@router.post("/shops/events/{event_id}/replay")
async def replay(request: Request, me: Operating, event_id: RowId) -> Response:
    """Once more, with what is known now: a fan who came meanwhile, a fault that was mended."""

    async def note(session: WriteSession) -> None:
        await shops.note_replay(session, me.actor, event_id, now=app_of(request).clock())

    return await _again(request, event_id, note)


@router.post("/shops/events/{event_id}/buyer")
async def name_buyer(
    request: Request, me: Operating, event_id: RowId, telegram_id: Annotated[str, Form()] = ""
) -> Response:
    async def name(session: WriteSession) -> None:
        wanted = number(telegram_id, "telegram_id")
        await shops.name_buyer(session, me.actor, event_id, wanted, now=app_of(request).clock())

    return await _again(request, event_id, name)


@router.post("/shops/events/{event_id}/dropping")
async def drop(request: Request, me: Operating, event_id: RowId) -> Response:
    verb = partial(shops.drop, actor=me.actor, event_id=event_id, now=app_of(request).clock())
    return await do(request, PLACE, phrase("Let go: nothing is booked of it."), verb)


async def _again(request: Request, event_id: int, first: Callable[[WriteSession], Awaitable[None]]) -> Response:
    app = app_of(request)
    try:
        async with app.database.writing() as session:
            await first(session)
    except (Conflict, Invalid, NotFound) as error:
        return go(PLACE, refusal(request, error))
    state = await shops.settle(app.database, event_id, zone=app.settings.zone, now=app.clock())
    app.bells.outbox.set()
    return go(PLACE, Flash(words_of(request).gettext(_TOLD.get(state, phrase("It still cannot be booked.")))))


_TOLD = {
    EventState.APPLIED: phrase("It is in the books now."),
    EventState.WAITING: phrase("It waits for its order."),
    EventState.IGNORED: phrase("There is nothing in it to book."),
}


async def _with_its_secret(request: Request, form: ShopForm, opened: Callable[..., Awaitable[Shop]]) -> Response:
    app = app_of(request)
    try:
        async with app.database.writing() as session:
            found = await opened(session, now=app.clock())
    except (Invalid, Conflict) as mistake:
        wrong = (
            mistake if isinstance(mistake, Invalid) else Invalid(mistake.sentence, where=("key",), key=form.key.strip())
        )
        async with app.database.reading() as session:
            return await _form(request, session, form, at_fields([wrong], words_of(request)))
    return await _secret(request, found)


async def _secret(request: Request, found: Shop) -> Response:
    """Ours is shown this once; a shop's own is known to whoever pasted it."""
    if found.kind is not ShopKind.STANDARD:
        return go(f"{PLACE}/{found.key}")
    async with app_of(request).database.reading() as session:
        page = _below(request, found.title)
        return await show(
            request, session, "admin/shops/secret.html", page, shop=found, address=_address(request, found)
        )


async def _shop(
    request: Request, session: ReadSession, key: str, *, cursor: str | None = None, errors: Errors | None = None
) -> Response:
    found = await shops.get_shop(session, key)
    events = await shops.list_events(session, shop_key=key, cursor=cursor)
    return await show(
        request,
        session,
        "admin/shops/show.html",
        _below(request, found.title),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        shop=found,
        address=_address(request, found),
        events=events,
        people=await _people(session, events.items),
        cursor=cursor,
        errors=errors or {},
    )


async def _people(session: ReadSession, events: list[InboundEvent] | Any) -> dict[int, Fan]:
    wanted = {event.fan_id for event in events if event.fan_id}
    return {fan_id: await fans.get_fan_by_id(session, fan_id) for fan_id in wanted}


async def _form(request: Request, session: ReadSession, form: ShopForm, errors: Errors | None = None) -> Response:
    page = _below(request, words_of(request).gettext("New shop"))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    told: Context = {"form": form, "longest": shops.LONGEST_TITLE, "errors": errors or {}}
    return await show(request, session, "admin/shops/form.html", page, status=status, **told)


def _address(request: Request, found: Shop) -> str:
    """What is pasted into the shop."""
    return f"{app_of(request).settings.site}{shops.PATH}/{found.key}"


def _below(request: Request, title: str) -> Page:
    return Page(title, "shops", ((words_of(request).gettext("Shops"), PLACE),))
