"""Home: what needs somebody today, and how the community stands against the days before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, distinct, exists, func, or_, select
from sqlmodel import col

from siyu import conversations, fans, followups, purchases, referrals
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession
from siyu.segments import Direction, SegmentView
from siyu.tables import (
    AsOf,
    BotAccount,
    Broadcast,
    BroadcastState,
    Delivery,
    DeliveryState,
    EventState,
    Fan,
    FanDay,
    FanLevel,
    InboundEvent,
    Inbox,
    InboxState,
    JobRun,
    LevelChange,
    Offer,
    OfferState,
    Purchase,
    RefundRequest,
)

RECENTLY = timedelta(days=7)
ENDS_SOON = timedelta(days=3)
NEARLY_GONE = 10  # an offer is nearly out when at most one piece in ten is left
SHOWN = 5
NEWS = 3  # fans

SLIPPING = ("at_risk", "lost")
BRINGING = ("referrer", "ambassador")


@dataclass(frozen=True)
class HeldLook:
    """The levels show another time than now, and are kept so for a while."""

    as_of: datetime
    until: datetime


@dataclass(frozen=True)
class Doubtful:
    """A broadcast that waits for a decision: it stopped by itself, or cannot know who got it."""

    broadcast: Broadcast
    unknown: int


@dataclass(frozen=True)
class Asked:
    """A fan who wants the money back."""

    fan: Fan
    purchase: Purchase
    at: datetime


@dataclass(frozen=True)
class Slipped:
    """How many fans came into a level nobody wants them in, and how many of those a broadcast would reach."""

    level: str
    entered: int
    reachable: int


@dataclass(frozen=True)
class Thanks:
    """A fan who brought somebody lately for the first time, or often enough to be called an ambassador."""

    fan: Fan
    level: str
    at: datetime


@dataclass(frozen=True)
class Today:
    """Everything that waits for somebody, the most urgent first."""

    quarantined: int
    from_shops: int  # what shops told and nobody could book
    unanswered: int  # fans who wrote
    overdue: int  # follow-ups
    suspicious: int  # rewards for friends that somebody should look at
    to_approve: Sequence[Broadcast]
    doubtful: Sequence[Doubtful]
    asked: Sequence[Asked]
    failed: Sequence[JobRun]
    slipped: Sequence[Slipped]
    thanks: Sequence[Thanks]
    offers: Sequence[Offer]

    @property
    def is_quiet(self) -> bool:
        counted = self.quarantined or self.from_shops or self.unanswered or self.overdue or self.suspicious
        waiting = self.to_approve or self.doubtful or self.asked or self.failed
        return not (counted or waiting or self.slipped or self.thanks or self.offers)


@dataclass(frozen=True)
class Figure:
    """A number of now beside the same of the period before."""

    now: int
    before: int

    @property
    def change(self) -> float | None:
        """The growth as a ratio; None where there was nothing to grow from."""
        return self.now / self.before - 1 if self.before else None


@dataclass(frozen=True)
class Standing:
    """How the community stands."""

    fans: Figure  # thirty days before
    reachable: int
    active: Figure  # in 7 days, against the 7 before
    bought: Figure  # purchases in 30 days, against the 30 before


async def waiting(session: ReadSession) -> dict[str, int]:
    """How much waits behind which entry of the navigation; every page asks, so only what an index knows."""
    counts = {
        "home": await session.one(select(func.count()).where(col(RefundRequest.answered_at).is_(None))),
        "quarantine": await _quarantined(session),
        "shops": await _from_shops(session),
        "conversations": await conversations.waiting(session),
        "followups": await followups.overdue(session),
        "broadcasts": await session.one(select(func.count()).select_from(Broadcast).where(_needs_somebody())),
    }
    return {section: count for section, count in counts.items() if count}


async def held_look(session: ReadSession) -> HeldLook | None:
    """A look at another time that is still kept, if there is one."""
    row = await session.first(select(AsOf).where(col(AsOf.held_until).is_not(None)))
    return HeldLook(row.as_of, row.held_until) if row and row.held_until else None


async def bot_account(session: ReadSession) -> BotAccount | None:
    """Who our bot is; None until it was started once."""
    return await session.first(select(BotAccount).order_by(col(BotAccount.seen_at).desc()))


async def today(session: ReadSession, *, zone: ZoneInfo, now: datetime) -> Today:
    """What needs somebody, as of now."""
    since = local_day(now - RECENTLY, zone)
    return Today(
        quarantined=await _quarantined(session),
        from_shops=await _from_shops(session),
        unanswered=await conversations.waiting(session),
        overdue=await followups.overdue(session),
        suspicious=await referrals.count_doubts(session),
        to_approve=await session.all(select(Broadcast).where(_WAITS_FOR_A_SECOND).order_by(col(Broadcast.id))),
        doubtful=await _doubtful(session),
        asked=[Asked(fan, purchase, r.asked_at) for r, purchase, fan in await purchases.open_requests(session)],
        failed=await _failed(session),
        slipped=await _slipped(session, since),
        thanks=await _thanks(session, since),
        offers=await _offers_at_their_end(session, now),
    )


async def standing(session: ReadSession, *, zone: ZoneInfo, now: datetime) -> Standing:
    """The calm numbers."""
    day = local_day(now, zone)
    joined_before = case((col(Fan.joined_day) <= day - timedelta(days=30), 1), else_=0)
    reached = case((fans.can_be_reached(), 1), else_=0)
    counted = select(func.count(), func.coalesce(func.sum(joined_before), 0), func.coalesce(func.sum(reached), 0))
    ((everybody, a_month_ago, reachable),) = await session.rows(counted.select_from(Fan))
    return Standing(
        fans=Figure(everybody, a_month_ago),
        reachable=reachable,
        active=Figure(await _active(session, day, 7), await _active(session, day - timedelta(days=7), 7)),
        bought=await _bought(session, day, 30),
    )


def biggest_moves(views: Sequence[SegmentView]) -> list[SegmentView]:
    """The segments that grew or shrank most against the period before, a handful of fans being no news.

    Only those that should grow or shrink: a level without a good direction is the other side of one that has.
    """
    wanted = (view for view in views if view.good_direction is not Direction.NONE)
    moved = [view for view in wanted if abs(view.size - view.previous) >= NEWS]
    return sorted(moved, key=lambda view: abs(view.change or 1), reverse=True)[:SHOWN]


async def _quarantined(session: ReadSession) -> int:
    return await session.one(select(func.count()).where(col(Inbox.state) == InboxState.QUARANTINED))


async def _from_shops(session: ReadSession) -> int:
    mine = col(InboundEvent.state) == EventState.QUARANTINED
    return await session.one(select(func.count()).select_from(InboundEvent).where(mine))


def _in_doubt() -> ColumnElement[bool]:
    """Deliveries that may have arrived, and nobody said yet what to do about it."""
    return and_(
        col(Delivery.broadcast_id) == col(Broadcast.id),
        col(Delivery.state) == DeliveryState.UNKNOWN,
        col(Delivery.reason).is_distinct_from("left"),
    )


_WAITS_FOR_A_SECOND = col(Broadcast.state) == BroadcastState.AWAITING


def _needs_somebody() -> ColumnElement[bool]:
    return or_(_WAITS_FOR_A_SECOND, _needs_a_decision())


def _needs_a_decision() -> ColumnElement[bool]:
    stopped = col(Broadcast.state).in_([BroadcastState.PAUSED, BroadcastState.FAILED])
    return or_(and_(stopped, col(Broadcast.state_reason).is_not(None)), exists().where(_in_doubt()))


async def _doubtful(session: ReadSession) -> list[Doubtful]:
    unknown = select(func.count()).where(_in_doubt()).correlate(Broadcast).scalar_subquery()
    newest = select(Broadcast, unknown).where(_needs_a_decision()).order_by(col(Broadcast.id).desc())
    return [Doubtful(broadcast, count) for broadcast, count in await session.rows(newest)]


async def _failed(session: ReadSession) -> Sequence[JobRun]:
    """Jobs whose latest run failed."""
    latest = select(func.max(col(JobRun.id))).group_by(col(JobRun.job))
    failed = select(JobRun).where(col(JobRun.id).in_(latest), col(JobRun.error).is_not(None))
    return await session.all(failed.order_by(col(JobRun.job)))


def _came(dimension: str, levels: Sequence[str], since: date) -> Select[Fan, FanLevel]:
    """Fans who came from another level into one of these and are still there; not those first classified into it."""
    # From the few changes of these days to their fans: the other way round reads every fan of the level.
    came = (
        select(col(LevelChange.fan_id).label("fan_id"), col(LevelChange.new_level).label("level"))
        .where(
            col(LevelChange.dimension) == dimension,
            col(LevelChange.day) > since,
            col(LevelChange.new_level).in_(levels),
            col(LevelChange.old_level).is_not(None),
            col(LevelChange.cause) != "look",
        )
        .distinct()
        .subquery()
    )
    still = and_(
        col(FanLevel.dimension) == dimension,
        col(FanLevel.fan_id) == came.c.fan_id,
        col(FanLevel.level) == came.c.level,
    )
    there = select(Fan, FanLevel).select_from(came).join(FanLevel, still)
    return there.join(Fan, col(Fan.id) == col(FanLevel.fan_id))


async def _slipped(session: ReadSession, since: date) -> list[Slipped]:
    reached = func.sum(case((fans.can_be_reached(), 1), else_=0))
    counted = _came("loyalty", SLIPPING, since).with_only_columns(col(FanLevel.level), func.count(), reached)
    found = [Slipped(*row) for row in await session.rows(counted.group_by(col(FanLevel.level)))]
    return sorted(found, key=lambda slipped: SLIPPING.index(slipped.level))


async def _thanks(session: ReadSession, since: date) -> list[Thanks]:
    newest = _came("referral", BRINGING, since).order_by(col(FanLevel.since).desc()).limit(SHOWN)
    return [Thanks(fan, level.level, level.since) for fan, level in await session.rows(newest)]


async def _offers_at_their_end(session: ReadSession, now: datetime) -> Sequence[Offer]:
    nearly_gone = (col(Offer.stock) - col(Offer.claimed)) * NEARLY_GONE <= col(Offer.stock)
    ends_soon = col(Offer.ends_at) <= now + ENDS_SOON
    running = and_(col(Offer.state) == OfferState.ACTIVE, col(Offer.ends_at) > now)
    return await session.all(select(Offer).where(running, or_(nearly_gone, ends_soon)).order_by(col(Offer.ends_at)))


async def _active(session: ReadSession, last: date, days: int) -> int:
    """Fans who did or bought something on one of the days up to and including the last: each has a row of that day."""
    window = and_(col(FanDay.day) > last - timedelta(days=days), col(FanDay.day) <= last)
    return await session.one(select(func.count(distinct(col(FanDay.fan_id)))).where(window))


async def _bought(session: ReadSession, last: date, days: int) -> Figure:
    """Purchases that were paid and not wholly given back."""
    counts = and_(col(Purchase.day) <= last, col(Purchase.day) > last - timedelta(days=2 * days))
    kept = or_(col(Purchase.refunded_minor) < col(Purchase.amount_minor), col(Purchase.amount_minor) == 0)
    lately = func.coalesce(func.sum(case((col(Purchase.day) > last - timedelta(days=days), 1), else_=0)), 0)
    ((recent, both),) = await session.rows(select(lately, func.count()).where(counts, kept))
    return Figure(recent, both - recent)
