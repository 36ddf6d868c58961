"""The pages of fans: everybody, and one of them with all that is known."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response

from admin.framing import show_block
from admin.pages.frame import (
    Administering,
    Flash,
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
from siyu import catalogue, coupons, fans, purchases, referrals, segments
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.portrait import glances, portrait
from siyu.tables import Fan
from siyu.timeline import timeline, visits

router = APIRouter()

# Above every Telegram id, below what a database integer holds.
TelegramId = Annotated[int, Path(ge=1, le=2**52)]
Context = dict[str, Any]  # Any: whatever the template shows
RowId = Annotated[int, Path(ge=1, le=2**52)]
PURCHASES, EVENTS = 10, 30
SHOWN = "admin/fans/show.html"


@router.get("/fans")
async def index(request: Request, me: Viewing, q: str = "", cursor: str | None = None) -> Response:
    app = app_of(request)
    async with app.database.reading() as session:
        found = await fans.list_fans(session, q=q, cursor=cursor)
        return await show_or_block(
            request,
            session,
            "admin/fans/index.html",
            "rows",
            Page(words_of(request).gettext("Fans"), "fans"),
            glances=await glances(session, found.items),
            next=found.next,
            q=q,
            cursor=cursor,
            loyalty=segments.get_dimension("loyalty"),
            currency=app.settings.currency,
        )


@router.get("/fans/{telegram_id}")
async def fan(
    request: Request, me: Viewing, telegram_id: TelegramId, bought: str | None = None, since: str | None = None
) -> Response:
    """`bought` and `since` are the places in the fan's purchases and timeline, each turned on its own."""
    async with app_of(request).database.reading() as session:
        found = await fans.get_fan(session, telegram_id)
        page = Page(found.name, "fans", ((words_of(request).gettext("Fans"), "/fans"),))
        past = {"fan": found, **await _purchases(session, found, bought), **await _timeline(session, found, since)}
        if frame_of(request).partial:
            return show_block(request, SHOWN, "purchases" if bought else "timeline", page, **past)
        return await show(request, session, SHOWN, page, **past, **await _portrait(request, session, found))


@router.post("/fans/{telegram_id}/tags")
async def tag(request: Request, me: Operating, telegram_id: TelegramId, word: Annotated[str, Form()] = "") -> Response:
    app = app_of(request)
    try:
        async with app.database.writing() as session:
            found = await fans.get_fan(session, telegram_id)
            await fans.tag(session, me.actor, found, word, now=app.clock())
    except Invalid as error:
        return go(f"/fans/{telegram_id}", refusal(request, error))
    return go(f"/fans/{telegram_id}")


@router.post("/fans/{telegram_id}/tags/removal")
async def untag(request: Request, me: Operating, telegram_id: TelegramId, word: Annotated[str, Form()]) -> Response:
    app = app_of(request)
    async with app.database.writing() as session:
        await fans.untag(session, me.actor, await fans.get_fan(session, telegram_id), word, now=app.clock())
    return go(f"/fans/{telegram_id}")


@router.post("/purchases/{purchase_id}/refund")
async def refund(request: Request, me: Administering, purchase_id: RowId) -> Response:
    """Telegram is asked; the books change when it agrees."""
    app, say = app_of(request), words_of(request).gettext
    async with app.database.reading() as session:
        back = await _buyer(session, purchase_id)
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
        back = await _buyer(session, purchase_id)
    try:
        async with app.database.writing() as session:
            await purchases.decline_refund(session, me.actor, purchase_id, now=app.clock())
    except Conflict as error:
        return go(back, refusal(request, error))
    return go(back, Flash(say("The request was declined."), "info"))


async def _buyer(session: ReadSession, purchase_id: int) -> str:
    """The page of whoever bought it."""
    purchase = await purchases.get_purchase(session, purchase_id)
    return f"/fans/{(await fans.get_fan_by_id(session, purchase.fan_id)).telegram_id}"


async def _portrait(request: Request, session: ReadSession, found: Fan) -> Context:
    now, fan_id = app_of(request).clock(), found.id or 0
    return {
        "portrait": await portrait(session, found.telegram_id, now=now, words=words_of(request)),
        "referrer": await referrals.referrer_of(session, fan_id),
        "brought": await referrals.brought_by(session, fan_id),
        "wallet": await coupons.wallet(session, found, now=now),
        "currency": app_of(request).settings.currency,
    }


async def _purchases(session: ReadSession, found: Fan, cursor: str | None) -> Context:
    page = await purchases.purchases_of(session, found.id or 0, cursor=cursor, limit=PURCHASES)
    ids = [purchase.id or 0 for purchase in page.items]
    return {
        "purchases": page,
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
        "dimensions": {dimension.key: dimension for dimension in segments.DIMENSIONS},
        "since": cursor,
    }
