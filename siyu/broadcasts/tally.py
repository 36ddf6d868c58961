"""What a broadcast did: counted from the ledger every time, so that the numbers cannot drift from it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, exists, func, type_coerce
from sqlmodel import col, select

from siyu.broadcasts.composing import get_broadcast
from siyu.kit.database import ReadSession
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.tables import Broadcast, BroadcastState, Delivery, DeliveryState, Fan, Purchase

PURCHASE_WINDOW = timedelta(days=7)
RATE_WINDOW = timedelta(seconds=10)
# The newest 500 sent ones tell a rate of up to 50 a second without reading the whole ledger.
RATE_SAMPLE = 500


@dataclass(frozen=True)
class Results:
    """A broadcast with its numbers; the counts always add up to the audience."""

    broadcast: Broadcast
    counts: dict[DeliveryState, int]
    clicks: int
    purchases: int

    @property
    def audience(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Figures:
    """The four numbers of a broadcast that a list shows."""

    audience: int
    sent: int
    clicks: int
    purchases: int


@dataclass(frozen=True)
class Progress:
    """How far a broadcast is; `rate` in messages a second just now, `seconds_left` where that can be said."""

    state: BroadcastState
    state_reason: str | None
    counts: dict[DeliveryState, int]
    rate: float
    seconds_left: int | None

    @property
    def audience(self) -> int:
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """Nothing more will happen to these by itself."""
        return self.audience - self.counts[DeliveryState.PENDING] - self.counts[DeliveryState.SENDING]


@dataclass(frozen=True)
class DeliveryLine:
    """One fan's row, as pages and programs show it."""

    telegram_id: int
    name: str
    state: DeliveryState
    reason: str | None
    message_id: int | None
    sent_at: datetime | None
    clicked_at: datetime | None


async def results(session: ReadSession, broadcast_id: int) -> Results:
    broadcast = await get_broadcast(session, broadcast_id)
    return Results(
        broadcast,
        await counts(session, broadcast_id),
        clicks=await _clicks(session, broadcast_id),
        purchases=await _buyers(session, broadcast_id),
    )


async def figures(session: ReadSession, broadcast_ids: Collection[int]) -> dict[int, Figures]:
    """The numbers of each of these, in two readings of the ledger however many they are; a draft has none."""
    of_these = col(Delivery.broadcast_id).in_(broadcast_ids)
    sent = col(Delivery.state) == DeliveryState.SENT
    ledger = await session.rows(
        select(
            col(Delivery.broadcast_id), func.count(), func.count().filter(sent), func.count(col(Delivery.clicked_at))
        )
        .where(of_these)
        .group_by(col(Delivery.broadcast_id))
    )
    bought = await session.rows(
        select(col(Delivery.broadcast_id), func.count(col(Delivery.fan_id).distinct()))
        .join(Purchase, col(Purchase.fan_id) == col(Delivery.fan_id))
        .where(of_these, sent, *_bought_after_it())
        .group_by(col(Delivery.broadcast_id))
    )
    buyers: dict[int, int] = {row[0]: row[1] for row in bought}
    return {row[0]: Figures(row[1], row[2], row[3], buyers.get(row[0], 0)) for row in ledger}


async def progress(session: ReadSession, broadcast_id: int, *, now: datetime) -> Progress:
    broadcast = await get_broadcast(session, broadcast_id)
    ledger = await counts(session, broadcast_id)
    rate = await _rate(session, broadcast_id, now) if broadcast.state is BroadcastState.RUNNING else 0.0
    left = ledger[DeliveryState.PENDING] + ledger[DeliveryState.SENDING]
    seconds = round(left / rate) if rate and left else None
    return Progress(broadcast.state, broadcast.state_reason, ledger, rate, seconds)


async def counts(session: ReadSession, broadcast_id: int) -> dict[DeliveryState, int]:
    """How many fans are in each of the eight states."""
    found = await session.rows(
        select(col(Delivery.state), func.count())
        .where(col(Delivery.broadcast_id) == broadcast_id)
        .group_by(col(Delivery.state))
    )
    return {**dict.fromkeys(DeliveryState, 0), **dict(found)}


async def reasons(session: ReadSession, broadcast_id: int) -> dict[tuple[DeliveryState, str], int]:
    """Why fans were left out or not reached, and how many each."""
    found = await session.rows(
        select(col(Delivery.state), col(Delivery.reason), func.count())
        .where(col(Delivery.broadcast_id) == broadcast_id, col(Delivery.reason).is_not(None))
        .group_by(col(Delivery.state), col(Delivery.reason))
    )
    return {(state, reason): number for state, reason, number in found}


async def deliveries(
    session: ReadSession,
    broadcast_id: int,
    *,
    state: DeliveryState | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[DeliveryLine]:
    """The ledger row by row, in the order of sending."""
    await get_broadcast(session, broadcast_id)
    statement = (
        select(Delivery, col(Fan.telegram_id), col(Fan.name))
        .join(Fan, col(Fan.id) == col(Delivery.fan_id))
        .where(col(Delivery.broadcast_id) == broadcast_id)
        .order_by(col(Delivery.fan_id))
        .limit(limit + 1)
    )
    if state:
        statement = statement.where(col(Delivery.state) == state)
    if cursor:
        statement = statement.where(col(Delivery.fan_id) > key_of(cursor, length=1)[0])
    found = await session.rows(statement)
    more = cursor_of((found[limit - 1][0].fan_id,)) if len(found) > limit else None
    return Page([_line(*row) for row in found[:limit]], more)


async def _clicks(session: ReadSession, broadcast_id: int) -> int:
    clicked = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.clicked_at).is_not(None))
    return await session.one(select(func.count()).select_from(Delivery).where(*clicked))


async def _buyers(session: ReadSession, broadcast_id: int) -> int:
    """Fans who bought within a week of getting it, each once; what was refunded in full is no purchase."""
    bought = exists().where(col(Purchase.fan_id) == col(Delivery.fan_id), *_bought_after_it())
    sent = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == DeliveryState.SENT)
    return await session.one(select(func.count()).select_from(Delivery).where(*sent, bought))


def _bought_after_it() -> tuple[ColumnElement[bool], ...]:
    sent_at, paid_at = type_coerce(col(Delivery.sent_at), BigInteger), type_coerce(col(Purchase.paid_at), BigInteger)
    kept = (col(Purchase.refunded_minor) == 0) | (col(Purchase.refunded_minor) < col(Purchase.amount_minor))
    return paid_at >= sent_at, paid_at <= sent_at + int(PURCHASE_WINDOW.total_seconds()), kept


async def _rate(session: ReadSession, broadcast_id: int, now: datetime) -> float:
    """Messages a second over the last ten: sending goes by fan id, so the newest stand at the end of the index."""
    newest = (
        select(col(Delivery.sent_at))
        .where(col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == DeliveryState.SENT)
        .order_by(col(Delivery.fan_id).desc())
        .limit(RATE_SAMPLE)
    )
    moments = [moment for moment in await session.all(newest) if moment and moment >= now - RATE_WINDOW]
    return len(moments) / RATE_WINDOW.total_seconds()


def _line(delivery: Delivery, telegram_id: int, name: str) -> DeliveryLine:
    return DeliveryLine(
        telegram_id=telegram_id,
        name=name,
        state=delivery.state,
        reason=delivery.reason,
        message_id=delivery.message_id,
        sent_at=delivery.sent_at,
        clicked_at=delivery.clicked_at,
    )
