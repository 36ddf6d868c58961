"""Where a fan stands: what there is, what runs out next, the tier and the way to the next one, and every movement."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from siyu.kit.database import ReadSession
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.points.expiry import is_due, total
from siyu.points.ledger import balance
from siyu.points.terms import programme
from siyu.points.tiers import earned_in_window, tiers
from siyu.tables import PointsAccount, PointsEntry, PointsKind, PointsLot, PointsNote, Tier


@dataclass(frozen=True)
class Standing:
    """Everything about a fan's points at one moment."""

    balance: int
    owed: int
    expiring: int  # points that run out next, and when
    expires_at: datetime | None
    tier: Tier | None
    falls_at: datetime | None
    earned: int  # in the window of the tiers
    window_days: int
    next_tier: Tier | None

    @property
    def missing(self) -> int:
        """To the next tier; 0 where there is none."""
        return max(0, self.next_tier.minimum - self.earned) if self.next_tier else 0


@dataclass(frozen=True)
class Movement:
    """One line of the ledger; the words only of what was done by hand."""

    id: int
    kind: PointsKind
    points: int  # of the balance
    owed: int
    at: datetime
    cause: str
    reason: str | None
    by: str | None


async def standing(session: ReadSession, fan_id: int, *, now: datetime) -> Standing:
    terms, steps = await programme(session), await tiers(session)
    account = await session.first(
        select(PointsAccount).where(col(PointsAccount.fan_id) == fan_id).execution_options(populate_existing=True)
    ) or PointsAccount(fan_id=fan_id)
    expiring, expires_at = await _next_to_run_out(session, fan_id, now=now)
    return Standing(
        balance=await balance(session, fan_id, now=now),
        owed=account.owed,
        expiring=expiring,
        expires_at=expires_at,
        tier=next((step for step in steps if step.rank == account.tier), None),
        falls_at=account.falls_at,
        earned=await earned_in_window(session, fan_id, terms, now=now),
        window_days=terms.window_days,
        next_tier=next((step for step in steps if step.rank > account.tier), None),
    )


async def movements(session: ReadSession, fan_id: int, *, cursor: str | None = None, limit: int = 20) -> Page[Movement]:
    """The newest first."""
    columns = (
        PointsEntry.id, PointsEntry.kind, PointsEntry.delta, PointsEntry.owed, PointsEntry.at, PointsEntry.cause,
        PointsNote.reason, PointsNote.by,
    )  # fmt: skip
    joined = select(*(col(column) for column in columns))
    joined = joined.outerjoin(PointsNote, col(PointsNote.entry_id) == col(PointsEntry.id))
    mine = joined.where(col(PointsEntry.fan_id) == fan_id).order_by(col(PointsEntry.id).desc()).limit(limit + 1)
    if cursor:
        mine = mine.where(col(PointsEntry.id) < key_of(cursor, length=1)[0])
    found = [Movement(*row) for row in await session.rows(mine)]
    return Page(found[:limit], cursor_of((found[limit - 1].id,)) if len(found) > limit else None)


async def _next_to_run_out(session: ReadSession, fan_id: int, *, now: datetime) -> tuple[int, datetime | None]:
    live = col(PointsLot.fan_id) == fan_id, col(PointsLot.remaining) > 0, ~is_due(now)
    grouped = select(col(PointsLot.expires_at), total(col(PointsLot.remaining))).where(
        *live, col(PointsLot.expires_at).is_not(None)
    )
    grouped = grouped.group_by(col(PointsLot.expires_at)).order_by(col(PointsLot.expires_at)).limit(1)
    found = await session.rows(grouped)
    return (found[0][1], found[0][0]) if found else (0, None)
