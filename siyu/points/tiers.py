"""Tiers: steps reached by what was earned in a window of days, kept for a while when it is earned no more."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    SQLColumnExpression,
    Subquery,
    Update,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    type_coerce,
    update,
)
from sqlmodel import col

from siyu import audit
from siyu.audit import Actor
from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid
from siyu.points.expiry import total
from siyu.points.terms import LONGEST_DAYS, OFF, Programme, programme
from siyu.tables import PointsAccount, PointsEntry, PointsKind, PointsProgramme, Tier, TierChange

CHUNK = 1_000
MOST_TIERS = 6
LONGEST_NAME, LONGEST_BENEFITS = 40, 300
HIGHEST = 1_000_000_000
LARGEST_FACTOR = 1_000  # percent
# Spending or losing points costs nobody the tier.
_NOT_EARNED = (PointsKind.SPENT, PointsKind.EXPIRED)


@dataclass(frozen=True)
class NewTier:
    """A step as an operator describes it; texts by language."""

    names: dict[str, str]
    minimum: int
    multiplier: int = 100
    benefits: dict[str, str] = field(default_factory=dict)


async def tiers(session: ReadSession) -> list[Tier]:
    """From the lowest to the highest."""
    return list(await session.all(select(Tier).order_by(col(Tier.rank))))


async def members_by_tier(session: ReadSession) -> dict[int, int]:
    """How many fans stand on each step."""
    counted = select(col(PointsAccount.tier), func.count()).group_by(col(PointsAccount.tier))
    return {row[0]: row[1] for row in await session.rows(counted)}


async def change_tiers(
    session: WriteSession, actor: Actor, drafts: Sequence[NewTier], *, window_days: int, grace_days: int, now: datetime
) -> None:
    """Put these steps, from low to high, in the place of those that were; everybody is looked at again.

    Raises Invalid with the place, e.g. ("tiers", 1, "minimum").
    """
    _check(drafts, window_days, grace_days)
    await session.run(delete(Tier))
    rows = [{"rank": rank, **asdict(draft)} for rank, draft in enumerate(drafts, start=1)]
    await session.run_many(session.insert(Tier), rows)
    terms = {"window_days": window_days, "grace_days": grace_days}
    row = session.insert(PointsProgramme).values(id=1, currency=OFF.currency, **terms)
    await session.run(row.on_conflict_do_update(index_elements=["id"], set_=terms))
    await session.run(update(PointsAccount).values(recheck_at=now))
    await audit.note(session, actor, "points.tiers_changed", "points", "tiers", now=now, tiers=len(drafts), **terms)


async def any_to_settle(session: ReadSession, *, now: datetime) -> bool:
    due = select(col(PointsAccount.fan_id)).where(col(PointsAccount.recheck_at) <= now).limit(1)
    return bool(await session.all(due))


async def settle_some(session: WriteSession, *, now: datetime) -> tuple[int, int]:
    """Up to 1,000 fans whose tier may be another: how many were looked at, and how many moved."""
    due = select(col(PointsAccount.fan_id)).where(col(PointsAccount.recheck_at) <= now)
    due = due.order_by(col(PointsAccount.recheck_at)).limit(CHUNK)
    mine = select(col(PointsAccount.fan_id)).where(col(PointsAccount.fan_id).in_(due))
    held = await session.all(mine.order_by(col(PointsAccount.fan_id)).with_for_update(skip_locked=True))
    if not held:
        return 0, 0
    verdict = _verdict(held, await programme(session), now=now)
    moved = await _remember(session, verdict, now=now)
    await session.run(_moved(verdict, now=now))
    return len(held), moved


async def changes_of(session: ReadSession, fan_id: int, *, limit: int = 10) -> list[TierChange]:
    """How the fan rose and fell, the latest first."""
    mine = select(TierChange).where(col(TierChange.fan_id) == fan_id)
    return list(await session.all(mine.order_by(col(TierChange.id).desc()).limit(limit)))


async def earned_in_window(session: ReadSession, fan_id: int, terms: Programme, *, now: datetime) -> int:
    since = now - timedelta(days=terms.window_days)
    mine = col(PointsEntry.fan_id) == fan_id, col(PointsEntry.at) > since, col(PointsEntry.at) <= now
    return await session.one(select(_earned()).where(*mine, col(PointsEntry.kind).not_in(_NOT_EARNED)))


def _earned() -> ColumnElement[int]:
    return total(col(PointsEntry.delta) - col(PointsEntry.owed))


def _verdict(fan_ids: Sequence[int], terms: Programme, *, now: datetime) -> Subquery:
    """Where each stands, belongs, and when that may change: one row per fan."""
    earned, account = _earnings(fan_ids, terms, now=now), col(PointsAccount.fan_id)
    enough = col(Tier.minimum) <= func.coalesce(earned.c.points, 0)
    reached = func.coalesce(select(func.max(col(Tier.rank))).where(enough).scalar_subquery(), 0).label("reached")
    standing = (
        select(account, col(PointsAccount.tier).label("old"), reached, col(PointsAccount.falls_at), earned.c.next_at)
        .select_from(PointsAccount)
        .outerjoin(earned, earned.c.fan_id == account)
        .where(account.in_(fan_ids))
        .subquery()
    )
    stays = and_(standing.c.reached < standing.c.old, _has_grace(standing, terms, now=now))
    grace = literal(now + timedelta(days=terms.grace_days), Instant())
    falls_at = case((stays, func.coalesce(standing.c.falls_at, grace)), else_=null())
    new = case((stays, standing.c.old), else_=standing.c.reached)
    settled = select(
        standing.c.fan_id, standing.c.old, new.label("new"), falls_at.label("falls_at"), standing.c.next_at
    )
    return settled.subquery()


def _has_grace(standing: Subquery, terms: Programme, *, now: datetime) -> ColumnElement[bool]:
    """The grace begins when it is seen that the tier is earned no more, and lasts to its last second."""
    still = or_(standing.c.falls_at.is_(None), standing.c.falls_at > now)
    return and_(literal(terms.grace_days) > 0, still)


def _earnings(fan_ids: Sequence[int], terms: Programme, *, now: datetime) -> Subquery:
    """What counts of each fan, and when the next entry leaves the window or begins to count."""
    at, window = col(PointsEntry.at), timedelta(days=terms.window_days)
    seconds = literal(int(window.total_seconds()))
    leaves = case((at > now, type_coerce(at, Instant())), else_=type_coerce(_plus(at, seconds), Instant()))
    points = func.sum(col(PointsEntry.delta) - col(PointsEntry.owed)).filter(at <= now)
    return (
        select(col(PointsEntry.fan_id), points.label("points"), func.min(leaves).label("next_at"))
        .where(col(PointsEntry.fan_id).in_(fan_ids), at > now - window, col(PointsEntry.kind).not_in(_NOT_EARNED))
        .group_by(col(PointsEntry.fan_id))
        .subquery()
    )


def _plus(at: SQLColumnExpression[datetime], seconds: ColumnElement[int]) -> ColumnElement[int]:
    return type_coerce(at, BigInteger()) + seconds


async def _remember(session: WriteSession, verdict: Subquery, *, now: datetime) -> int:
    reason = case((verdict.c.new > verdict.c.old, "earned"), else_="window")
    rows = select(verdict.c.fan_id, verdict.c.old, verdict.c.new, literal(now, Instant()), reason)
    moved = rows.where(verdict.c.new != verdict.c.old)
    return await session.run(insert(TierChange).from_select(["fan_id", "old", "new", "at", "reason"], moved))


def _moved(verdict: Subquery, *, now: datetime) -> Update:
    soonest = case(
        (verdict.c.falls_at < verdict.c.next_at, verdict.c.falls_at),
        else_=func.coalesce(verdict.c.next_at, verdict.c.falls_at),
    )
    since = case((verdict.c.new != verdict.c.old, literal(now, Instant())), else_=col(PointsAccount.tier_since))
    values = {"tier": verdict.c.new, "falls_at": verdict.c.falls_at, "recheck_at": soonest, "tier_since": since}
    return update(PointsAccount).where(col(PointsAccount.fan_id) == verdict.c.fan_id).values(values)


def _check(drafts: Sequence[NewTier], window_days: int, grace_days: int) -> None:
    _between(window_days, 1, LONGEST_DAYS, "window_days")
    _between(grace_days, 0, LONGEST_DAYS, "grace_days")
    if len(drafts) > MOST_TIERS:
        raise Invalid("at most %(most)d tiers", where=("tiers",), most=MOST_TIERS)
    below = 0
    for place, draft in enumerate(drafts):
        _check_one(draft, below, place)
        below = draft.minimum


def _check_one(draft: NewTier, below: int, place: int) -> None:
    if not all(0 < len(name) <= LONGEST_NAME for name in draft.names.values()) or not draft.names:
        raise Invalid("a tier needs a name in every language, of at most %(most)d characters",
                      where=("tiers", place, "names"), most=LONGEST_NAME)  # fmt: skip
    if any(len(text) > LONGEST_BENEFITS for text in draft.benefits.values()):
        raise Invalid("at most %(most)d characters", where=("tiers", place, "benefits"), most=LONGEST_BENEFITS)
    _between(draft.minimum, 1, HIGHEST, "tiers", place, "minimum")
    _between(draft.multiplier, 100, LARGEST_FACTOR, "tiers", place, "multiplier")
    if draft.minimum <= below:
        raise Invalid("more than the tier below, which takes %(below)d",
                      where=("tiers", place, "minimum"), below=below)  # fmt: skip


def _between(value: int, least: int, most: int, *where: str | int) -> None:
    if not least <= value <= most:
        raise Invalid("a whole number from %(least)d to %(most)d", where=where, least=least, most=most)
