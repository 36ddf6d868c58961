"""Running out: lots whose time is over leave the balance, one entry each."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, SQLColumnExpression, String, and_, cast, func, literal, select, update
from sqlmodel import col

from siyu import fans
from siyu.kit.columns import Instant, Word
from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import PointsAccount, PointsEntry, PointsKind, PointsLot

CHUNK = 1_000


def is_due(now: datetime) -> ColumnElement[bool]:
    """Good until the second before; a lot without an end is never due."""
    return and_(col(PointsLot.expires_at).is_not(None), col(PointsLot.expires_at) <= now)


def total(points: SQLColumnExpression[int]) -> ColumnElement[int]:
    """0 of nothing; a whole number also on PostgreSQL, whose sums of 64 bits are decimals."""
    return cast(func.coalesce(func.sum(points), 0), BigInteger)


async def any_due(session: ReadSession, *, now: datetime) -> bool:
    due = select(col(PointsLot.entry_id)).where(col(PointsLot.remaining) > 0, is_due(now)).limit(1)
    return bool(await session.all(due))


async def run_out_some(session: WriteSession, *, now: datetime) -> int:
    """Up to 1,000 fans, fewer if somebody moves points of theirs right now; how many there were."""
    due = select(col(PointsLot.fan_id)).where(col(PointsLot.remaining) > 0, is_due(now))
    due = due.order_by(col(PointsLot.expires_at)).limit(CHUNK)
    mine = select(col(PointsAccount.fan_id)).where(col(PointsAccount.fan_id).in_(due))
    held = await session.all(mine.order_by(col(PointsAccount.fan_id)).with_for_update(skip_locked=True))
    await run_out(session, held, now=now)
    return len(held)


async def run_out(session: WriteSession, fan_ids: Sequence[int], *, now: datetime) -> int:
    """Of these fans, whose accounts are held: how many points ran out."""
    over = col(PointsLot.fan_id).in_(fan_ids), col(PointsLot.remaining) > 0, is_due(now)
    gone_now = await session.one(select(total(col(PointsLot.remaining))).where(*over))
    if gone_now:
        await _enter(session, over, now=now)
        gone = select(func.sum(col(PointsLot.remaining))).where(*over, col(PointsLot.fan_id) == PointsAccount.fan_id)
        theirs = col(PointsAccount.fan_id).in_(select(col(PointsLot.fan_id)).where(*over))
        less = col(PointsAccount.balance) - gone.correlate(PointsAccount).scalar_subquery()
        await session.run(update(PointsAccount).where(theirs).values(balance=less))
        emptied = {"expired": col(PointsLot.expired) + col(PointsLot.remaining), "remaining": 0}
        await session.run(update(PointsLot).where(*over).values(emptied))
        await fans.look_again(session, fan_ids, now=now)
    return gone_now


async def _enter(session: WriteSession, over: tuple[ColumnElement[bool], ...], *, now: datetime) -> None:
    """One entry for each lot, whose own number is the cause: a lot runs out once."""
    rows = select(
        col(PointsLot.fan_id), literal(PointsKind.EXPIRED, Word(PointsKind)), cast(col(PointsLot.entry_id), String),
        -col(PointsLot.remaining), literal(0), literal(now, Instant()),
    ).where(*over)  # fmt: skip
    await session.run(session.insert(PointsEntry).from_select(["fan_id", "kind", "cause", "delta", "owed", "at"], rows))
