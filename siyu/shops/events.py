"""What shops tell: written down before it is read, booked once, and put aside for a person where it cannot be.

A shop is answered 2xx as soon as its event is written down: WooCommerce closes the door after five refusals in a row,
and what cannot be read today will not be tomorrow.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import literal, or_, update
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select

from siyu import catalogue, purchases
from siyu.audit import Actor, note
from siyu.catalogue import NewProduct
from siyu.fans import get_fan
from siyu.idempotency import hash_of
from siyu.kit.database import Database, ReadSession, WriteSession
from siyu.kit.errors import Conflict, NotFound
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.purchases import Sale, Verdict
from siyu.shops import buyers, shopify, signatures, standard, woocommerce
from siyu.shops.buyers import Nobody
from siyu.shops.doors import source_of
from siyu.shops.orders import GivenBack, Paid, Telling, Unreadable
from siyu.shops.signatures import Door, Headers
from siyu.tables import EventState, InboundEvent, Purchase, Shop, ShopKind

LARGEST_BODY = 1024 * 1024
BODIES_KEPT = timedelta(days=30)
# What is younger is in the hands of whoever received it.
LEFT_ALONE = timedelta(minutes=1)
AT_ONCE = 500

Reader = Callable[[str, bytes], Telling | None]
READERS: Mapping[ShopKind, Reader] = {
    ShopKind.STANDARD: standard.read,
    ShopKind.WOOCOMMERCE: woocommerce.read,
    ShopKind.SHOPIFY: shopify.read,
}
OPEN = (EventState.RECEIVED, EventState.WAITING, EventState.QUARANTINED)
SETTLED = (EventState.APPLIED, EventState.IGNORED, EventState.DROPPED)


@dataclass(frozen=True)
class Outcome:
    """What became of an event; `reason` is a stable word, `detail` whatever helps a person."""

    state: EventState
    reason: str = ""
    detail: str = ""
    fan_id: int | None = None
    purchase_id: int | None = None


async def accept(
    database: Database, shop_key: str, headers: Headers, body: bytes, *, zone: ZoneInfo, now: datetime
) -> Door:
    """How to answer a webhook. `headers` have small letters; what is answered 200 is written down."""
    async with database.reading() as session:
        shop = await session.get(Shop, shop_key)
    if shop is None or shop.closed_at is not None:
        return Door.UNKNOWN
    if signatures.is_ping(shop.kind, headers, body):
        return Door.OPEN
    keys = [key for key in (shop.secret, shop.old_secret) if key]
    door = signatures.check(shop.kind, keys, headers, body, now=now)
    if door is Door.OPEN:
        topic = signatures.topic_of(shop.kind, headers)
        async with database.writing() as session:
            event_id = await _write_down(session, shop, topic, body, now=now)
        await settle(database, event_id, zone=zone, now=now)
    return door


async def settle(database: Database, event_id: int, *, zone: ZoneInfo, now: datetime) -> EventState:
    """Book one event, and whatever waited for its order; what became of the one."""
    state = await _settle_alone(database, event_id, zone=zone, now=now)
    if state is EventState.APPLIED:
        async with database.reading() as session:
            held = await _held_for(session, await get_event(session, event_id))
        for other in held:
            await _settle_alone(database, other, zone=zone, now=now)
    return state


async def settle_left_behind(database: Database, *, zone: ZoneInfo, now: datetime) -> int:
    """What a process that died had only written down, and refunds whose order came at the same moment; how many."""
    async with database.reading() as session:
        left = await _left_behind(session, now=now)
    for event_id in left:
        await settle(database, event_id, zone=zone, now=now)
    return len(left)


async def any_left_behind(session: ReadSession, *, now: datetime) -> bool:
    return bool(await _left_behind(session, now=now))


async def forget_bodies(session: WriteSession, *, now: datetime) -> int:
    """Addresses and telephone numbers are not kept longer than it takes to notice a mistake; how many went."""
    old = col(InboundEvent.received_at) < now - BODIES_KEPT, col(InboundEvent.body) != ""
    settled = update(InboundEvent).where(col(InboundEvent.state).in_(SETTLED), *old)
    return await session.run(settled.values(body=""))


async def list_events(
    session: ReadSession, *, shop_key: str = "", open_only: bool = False, cursor: str | None = None, limit: int = 50
) -> Page[InboundEvent]:
    """The newest first; of one shop, or only what waits for somebody."""
    statement = select(InboundEvent).order_by(col(InboundEvent.id).desc()).limit(limit + 1)
    if shop_key:
        statement = statement.where(col(InboundEvent.shop_key) == shop_key)
    if open_only:
        statement = statement.where(col(InboundEvent.state).in_(OPEN))
    if cursor:
        statement = statement.where(col(InboundEvent.id) < key_of(cursor, length=1)[0])
    found = await session.all(statement)
    return Page(found[:limit], cursor_of((found[limit - 1].id or 0,)) if len(found) > limit else None)


async def get_event(session: ReadSession, event_id: int) -> InboundEvent:
    """Raises NotFound."""
    event = await session.get(InboundEvent, event_id)
    if event is None:
        raise NotFound("there is no such event")
    return event


async def name_buyer(session: WriteSession, actor: Actor, event_id: int, telegram_id: int, *, now: datetime) -> None:
    """Somebody knows who bought; the event is to be settled again afterwards. Raises NotFound for no such fan."""
    fan = await get_fan(session, max(telegram_id, 0))  # below zero are those who asked to be forgotten
    if not await _change_open(session, event_id, fan_id=fan.id):
        raise Conflict("somebody decided this already", reason="decided")
    await note(session, actor, "shop.buyer_named", "event", event_id, now=now, fan=telegram_id)


async def note_replay(session: WriteSession, actor: Actor, event_id: int, *, now: datetime) -> None:
    """Somebody wants it settled again. Raises Conflict where it is settled."""
    if not await _change_open(session, event_id, state=EventState.RECEIVED):
        raise Conflict("somebody decided this already", reason="decided")
    await note(session, actor, "shop.event_replayed", "event", event_id, now=now)


async def drop(session: WriteSession, actor: Actor, event_id: int, *, now: datetime) -> None:
    """Let it go: nothing is booked of it, however often it comes."""
    if not await _change_open(session, event_id, state=EventState.DROPPED, settled_at=now):
        raise Conflict("somebody decided this already", reason="decided")
    await note(session, actor, "shop.event_dropped", "event", event_id, now=now)


async def _write_down(session: WriteSession, shop: Shop, topic: str, body: bytes, *, now: datetime) -> int:
    """The event's id; another delivery of the same change is the same event."""
    key, order_id, change = _named(shop.kind, topic, body)
    fresh = session.insert(InboundEvent).values(
        shop_key=shop.key, key=key, order_id=order_id, topic=(topic or change)[:128], body=_text(body),
        state=EventState.RECEIVED, reason="", detail="", deliveries=1, received_at=now,
    )  # fmt: skip
    once_more = {"deliveries": InboundEvent.__table__.c.deliveries + 1}  # type: ignore[attr-defined]
    written = fresh.on_conflict_do_update(index_elements=["shop_key", "key"], set_=once_more)
    await session.run(update(Shop).where(col(Shop.key) == shop.key).values(heard_at=now))
    rows = await session.returning(written.returning(col(InboundEvent.id)))
    return int(next(iter(rows))[0])


def _named(kind: ShopKind, topic: str, body: bytes) -> tuple[str, str | None, str]:
    """The event's key, its order, and what it tells of it; of what cannot be read, only the key."""
    try:
        telling = READERS[kind](topic, body)
    except Unreadable:
        telling = None
    if telling is None:
        return f"body:{hash_of(body.hex())}", None, ""
    return telling.key, telling.order_id, telling.change.partition("@")[0]


async def _settle_alone(database: Database, event_id: int, *, zone: ZoneInfo, now: datetime) -> EventState:
    """What fails is undone and put aside, never half booked."""
    try:
        async with database.writing() as session:
            outcome = await _book(session, event_id, zone=zone, now=now)
            await _note_outcome(session, event_id, outcome, now=now)
    except OperationalError:
        return EventState.RECEIVED  # the database's trouble, not the event's: the job tries again
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told to a person
        outcome = Outcome(EventState.QUARANTINED, "failed", _clean(f"{type(error).__name__}: {error}")[:1000])
        async with database.writing() as session:
            await _note_outcome(session, event_id, outcome, now=now)
    return outcome.state


async def _book(session: WriteSession, event_id: int, *, zone: ZoneInfo, now: datetime) -> Outcome:
    """Its row is ours until the end: two deliveries at once are booked one after the other."""
    mine = update(InboundEvent).where(col(InboundEvent.id) == event_id)
    await session.run(mine.values(deliveries=col(InboundEvent.deliveries)))
    event = await get_event(session, event_id)
    if event.state not in OPEN:
        return Outcome(event.state, event.reason, event.detail, event.fan_id, event.purchase_id)
    shop = await session.get(Shop, event.shop_key)
    assert shop is not None, "a foreign key says so"
    try:
        telling = READERS[shop.kind](event.topic, event.body.encode())
    except Unreadable as error:
        return Outcome(EventState.QUARANTINED, "unreadable", str(error)[:1000], event.fan_id)
    if telling is None:
        return Outcome(EventState.IGNORED, "other_topic")
    return await _book_telling(session, event, telling, zone=zone, now=now)


async def _book_telling(
    session: WriteSession, event: InboundEvent, telling: Telling, *, zone: ZoneInfo, now: datetime
) -> Outcome:
    source = source_of(event.shop_key)
    if telling.paid is not None:
        refused = await _book_purchase(session, event, telling.order_id, telling.paid, zone=zone, now=now)
        if refused is not None:
            return refused
    elif not telling.given_back:
        return Outcome(EventState.IGNORED, "nothing_to_book")
    purchase = await _purchase(session, source, telling.order_id)
    if purchase is None:
        return Outcome(EventState.WAITING, "order_missing")
    applied = Outcome(EventState.APPLIED, fan_id=purchase.fan_id, purchase_id=purchase.id)
    for part in telling.given_back:
        wrong = await _give_back(session, purchase, part, zone=zone, now=now)
        if wrong:
            return replace(applied, state=EventState.QUARANTINED, reason=wrong, detail=part.key)
    return applied


async def _book_purchase(
    session: WriteSession, event: InboundEvent, order_id: str, paid: Paid, *, zone: ZoneInfo, now: datetime
) -> Outcome | None:
    """None where it stands in the books now; else why it does not."""
    source = source_of(event.shop_key)
    before = await _purchase(session, source, order_id)
    buyer = before.fan_id if before else event.fan_id or await buyers.find(session, paid, zone=zone, now=now)
    if isinstance(buyer, Nobody):
        state = EventState.IGNORED if buyer is Nobody.FORGOTTEN else EventState.QUARANTINED
        return Outcome(state, buyer.value)
    (verdict,) = await purchases.record(session, [_sale(source, order_id, buyer, paid)], zone=zone)
    match verdict:
        case Verdict.CONFLICT:
            return Outcome(EventState.QUARANTINED, "changed", fan_id=buyer, purchase_id=before.id if before else None)
        case Verdict.REJECTED:
            return Outcome(EventState.QUARANTINED, "bad_amount", fan_id=buyer)
        case Verdict.CREATED:
            named = [NewProduct(line.sku, line.name, category=line.category) for line in paid.lines]
            await catalogue.add_stubs(session, named, now=now)
    return None


def _sale(source: str, order_id: str, fan_id: int, paid: Paid) -> Sale:
    return Sale(
        source=source,
        external_id=order_id,
        fan_id=fan_id,
        paid_at=paid.at,
        amount=paid.amount,
        items=paid.lines,
        coupon_code=paid.coupon_code,
        discount_minor=paid.discount_minor,
    )


async def _give_back(
    session: WriteSession, purchase: Purchase, part: GivenBack, *, zone: ZoneInfo, now: datetime
) -> str:
    """Book it; a word for what is wrong with it. Where nothing is left, all of it was told already.

    Shops also call it a refund when only goods go back.
    """
    if part.amount is not None and part.amount.minor == 0:
        return ""
    if part.amount is not None and part.amount.currency != purchase.currency:
        return "other_currency"
    verdict = await purchases.refund(
        session,
        source=purchase.source,
        external_id=purchase.external_id,
        refund_id=f"{purchase.external_id}:{part.key}",
        amount_minor=part.amount.minor if part.amount else None,
        at=part.at,
        zone=zone,
        now=now,
    )
    if verdict is not Verdict.REJECTED:
        return ""
    left = select(col(Purchase.amount_minor) - col(Purchase.refunded_minor)).where(col(Purchase.id) == purchase.id)
    return "" if await session.one(left) == 0 else "too_much"


async def _purchase(session: ReadSession, source: str, order_id: str) -> Purchase | None:
    mine = select(Purchase).where(col(Purchase.source) == source, col(Purchase.external_id) == order_id)
    return await session.first(mine)


async def _note_outcome(session: WriteSession, event_id: int, outcome: Outcome, *, now: datetime) -> None:
    values = {
        "state": outcome.state,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "settled_at": now if outcome.state in SETTLED else None,
        "purchase_id": outcome.purchase_id,
    }
    if outcome.fan_id is not None:
        values["fan_id"] = outcome.fan_id
    if outcome.reason == Nobody.FORGOTTEN:
        values["body"] = ""  # it speaks of somebody who asked us not to
    mine = update(InboundEvent).where(col(InboundEvent.id) == event_id, col(InboundEvent.state).in_(OPEN))
    await session.run(mine.values(values))


async def _held_for(session: ReadSession, event: InboundEvent) -> list[int]:
    """Refunds that came before this order."""
    same = col(InboundEvent.shop_key) == event.shop_key, col(InboundEvent.order_id) == event.order_id
    waiting = select(col(InboundEvent.id)).where(*same, col(InboundEvent.state) == EventState.WAITING)
    return [int(one) for one in await session.all(waiting.order_by(col(InboundEvent.id))) if one is not None]


async def _left_behind(session: ReadSession, *, now: datetime) -> list[int]:
    order = select(col(Purchase.id)).where(
        col(Purchase.source) == literal(source_of("")).concat(col(InboundEvent.shop_key)),
        col(Purchase.external_id) == col(InboundEvent.order_id),
    )
    fallen = (col(InboundEvent.state) == EventState.RECEIVED) & (col(InboundEvent.received_at) < now - LEFT_ALONE)
    joined = (col(InboundEvent.state) == EventState.WAITING) & order.exists()
    left = select(col(InboundEvent.id)).where(or_(fallen, joined)).order_by(col(InboundEvent.id)).limit(AT_ONCE)
    return [int(one) for one in await session.all(left) if one is not None]


async def _change_open(session: WriteSession, event_id: int, **values: object) -> bool:
    mine = update(InboundEvent).where(col(InboundEvent.id) == event_id, col(InboundEvent.state).in_(OPEN))
    return bool(await session.run(mine.values(values)))


def _text(body: bytes) -> str:
    """PostgreSQL takes no zero character in a text."""
    return _clean(body.decode("utf-8", "replace"))


def _clean(text: str) -> str:
    return re.sub("\x00", "\N{REPLACEMENT CHARACTER}", text)
