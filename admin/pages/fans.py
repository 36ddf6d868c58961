"""The pages of fans: everybody, and one of them with all that is known."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response

from admin.framing import show_block
from admin.pages.frame import (
    Administering,
    Flash,
    Me,
    Operating,
    Page,
    Viewing,
    app_of,
    frame_of,
    go,
    refusal,
    show,
    show_or_block,
    words_of,
)
from siyu import (
    attributes,
    broadcasts,
    catalogue,
    consents,
    conversations,
    coupons,
    fans,
    followups,
    points,
    privacy,
    purchases,
    referrals,
    segments,
    tags,
)
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.operators import Permission
from siyu.portrait import Portrayed, families, glances, interests, portrayed
from siyu.segments import Classification, Dimension
from siyu.tables import Fan
from siyu.timeline import timeline, visits

router = APIRouter()

# Above every Telegram id, below what a database integer holds; who was forgotten has a number below zero.
TelegramId = Annotated[int, Path(ge=-(2**52), le=2**52)]
Context = dict[str, Any]  # Any: whatever the template shows
RowId = Annotated[int, Path(ge=1, le=2**52)]
PURCHASES, RECEIVED, EVENTS, LINES = 10, 5, 30, 3
SHOWN = "admin/fans/show.html"


@router.get("/fans")
async def index(request: Request, me: Viewing, q: str = "", tag: str = "", cursor: str | None = None) -> Response:
    app = app_of(request)
    async with app.database.reading() as session:
        found = await fans.list_fans(session, q=q, tag=tag, cursor=cursor)
        return await show_or_block(
            request,
            session,
            "admin/fans/index.html",
            "rows",
            Page(words_of(request).gettext("Fans"), "fans"),
            glances=await glances(session, found.items),
            next=found.next,
            q=q,
            tag=await tags.get_tag(session, tag) if tag else None,
            cursor=cursor,
            loyalty=(await segments.whole(session)).dimension("loyalty"),
            currency=app.settings.currency,
        )


@router.get("/fans/{telegram_id}")
async def fan(
    request: Request,
    me: Viewing,
    telegram_id: TelegramId,
    bought: str | None = None,
    got: str | None = None,
    since: str | None = None,
) -> Response:
    """`bought`, `got` and `since` are places in the fan's purchases, broadcasts and timeline, turned one by one."""
    async with app_of(request).database.reading() as session:
        found = await fans.get_fan(session, telegram_id)
        page = Page(found.name, "fans", ((words_of(request).gettext("Fans"), "/fans"),))
        past = {
            "fan": found,
            **await _purchases(request, session, me, found, bought),
            **await _timeline(session, found, since),
        }
        past |= {"received": await broadcasts.received(session, found.id or 0, cursor=got, limit=RECEIVED), "got": got}
        if frame_of(request).partial:
            turned = "purchases" if bought is not None else "received" if got is not None else "timeline"
            return show_block(request, SHOWN, turned, page, **past)
        return await show(request, session, SHOWN, page, **past, **await _portrait(request, session, found))


@router.post("/fans/{telegram_id}/tags")
async def tag(request: Request, me: Operating, telegram_id: TelegramId, word: Annotated[str, Form()] = "") -> Response:
    app = app_of(request)
    try:
        async with app.database.writing() as session:
            found = await fans.get_fan(session, telegram_id)
            await tags.tag(session, me.actor, found, word, now=app.clock())
    except Invalid as error:
        return go(f"/fans/{telegram_id}", refusal(request, error))
    return go(f"/fans/{telegram_id}")


@router.post("/fans/{telegram_id}/tags/removal")
async def untag(request: Request, me: Operating, telegram_id: TelegramId, word: Annotated[str, Form()]) -> Response:
    app = app_of(request)
    async with app.database.writing() as session:
        await tags.untag(session, me.actor, await fans.get_fan(session, telegram_id), word, now=app.clock())
    return go(f"/fans/{telegram_id}")


@router.post("/fans/{telegram_id}/forgetting")
async def forget(request: Request, me: Administering, telegram_id: TelegramId) -> Response:
    """At the wish of somebody who wrote or called instead of pressing the button in chat."""
    app = app_of(request)
    try:
        async with app.database.writing() as session:
            found = await fans.get_fan(session, telegram_id)
            await privacy.forget(session, me.actor, found, now=app.clock())
    except Conflict as error:
        return go(f"/fans/{telegram_id}", refusal(request, error))
    return go("/fans", Flash(words_of(request).gettext("Forgotten. Nothing here tells who that was.")))


@router.post("/purchases/{purchase_id}/refund")
async def refund(request: Request, me: Administering, purchase_id: RowId) -> Response:
    """Telegram is asked; the books change when it agrees."""
    app, say = app_of(request), words_of(request).gettext
    async with app.database.reading() as session:
        back = await buyers_page(session, purchase_id)
    try:
        async with app.database.writing() as session:
            await purchases.refund_stars(session, me.actor, purchase_id, now=app.clock())
    except Conflict as error:
        return go(back, refusal(request, error))
    app.bells.outbox.set()
    return go(back, Flash(say("Telegram was asked to give the Stars back; the purchase changes when it agrees.")))


@router.post("/purchases/{purchase_id}/refusal")
async def refuse(request: Request, me: Administering, purchase_id: RowId) -> Response:
    """A request for money back is answered with no, once."""
    app, say = app_of(request), words_of(request).gettext
    async with app.database.reading() as session:
        back = await buyers_page(session, purchase_id)
    try:
        async with app.database.writing() as session:
            await purchases.decline_refund(session, me.actor, purchase_id, now=app.clock())
    except Conflict as error:
        return go(back, refusal(request, error))
    return go(back, Flash(say("The request was declined."), "info"))


async def buyers_page(session: ReadSession, purchase_id: int) -> str:
    """The page of whoever bought it."""
    purchase = await purchases.get_purchase(session, purchase_id)
    return f"/fans/{(await fans.get_fan_by_id(session, purchase.fan_id)).telegram_id}"


async def _portrait(request: Request, session: ReadSession, found: Fan) -> Context:
    now, fan_id = app_of(request).clock(), found.id or 0
    told = await portrayed(session, found, now=now, words=words_of(request))
    whole = await segments.whole(session)
    return {
        "said": await conversations.lines_of(session, fan_id, limit=LINES),
        "tasks": await followups.of_fan(session, fan_id),
        "followup_why": partial(followups.why_of, words=words_of(request)),
        "moment": now,
        "tags": await tags.tags_of(session, fan_id),
        "words": await tags.words_like(session),
        "definitions": await attributes.definitions(session),
        "portrait": told.portrait,
        "families": families(told.portrait, whole),
        "interests": interests(told.portrait, whole),
        "saved": _saved(told, whole),
        "referrer": told.referrer,
        "brought": await referrals.brought_by(session, fan_id),
        "consents": await consents.overview(session, found),
        "stands": await points.standing(session, fan_id, now=now),
        "wallet": await coupons.wallet(session, found, now=now),
        "currency": app_of(request).settings.currency,
    }


def _saved(told: Portrayed, whole: Classification) -> list[tuple[Dimension, datetime]]:
    """The saved segments the fan is in, the latest first, and since when."""
    saved = [(whole.by_key[key], since) for key, since in told.places.items() if "." not in key]
    return sorted(saved, key=lambda one: one[1], reverse=True)


async def _purchases(request: Request, session: ReadSession, me: Me, found: Fan, cursor: str | None) -> Context:
    page = await purchases.purchases_of(session, found.id or 0, cursor=cursor, limit=PURCHASES)
    ids = [purchase.id or 0 for purchase in page.items]
    now, always = app_of(request).clock(), me.may(Permission.ADMINISTER)
    return {
        "purchases": page,
        "sums": await purchases.sums_of(session, found.id or 0),
        "undoable": {
            one.id: me.may(Permission.OPERATE) and purchases.can_be_undone(one, at_any_time=always, now=now)
            for one in page.items
        },
        "lines": await purchases.lines_of(session, ids),
        "requests": await purchases.requests_of(session, ids),
        "bought": cursor,
    }


async def _timeline(session: ReadSession, found: Fan, cursor: str | None) -> Context:
    page = await timeline(session, found.id or 0, cursor=cursor, limit=EVENTS)
    return {
        "events": visits(page.items),
        "earlier": page.next,
        "products": {product.sku: product.title for product in await catalogue.list_products(session)},
        "dimensions": (await segments.whole(session)).by_key,
        "since": cursor,
    }
