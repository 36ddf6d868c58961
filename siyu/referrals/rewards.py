"""Rewards: promised when a friend buys, given when the purchase has stood long enough, taken back with its money.

Each step asks for its set; whoever grants holds the programme's row, so that two workers count the same caps.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    type_coerce,
    update,
)
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from siyu import coupons, fans, points
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import SiyuError
from siyu.points import Grant
from siyu.referrals import suspicion
from siyu.referrals.programme import Programme, programme
from siyu.tables import (
    Coupon,
    CouponState,
    Fan,
    Offer,
    PointsKind,
    Purchase,
    Referral,
    ReferralProgramme,
    Refund,
    RewardGrant,
    RewardRule,
    RewardState,
)

CHUNK = 500
# Purchases are told late by files and programs; what comes later than a month after its hold is history.
LATE_DAYS = 31
SIDES = {RewardRule.REFERRER: PointsKind.REFERRER, RewardRule.NEWCOMER: PointsKind.NEWCOMER}


@dataclass(frozen=True)
class Days:
    """When a friend counts: bought so many days after joining at most, and that purchase stood so many days."""

    join: int
    hold: int


@dataclass(frozen=True)
class Moved:
    """What one round did."""

    opened: int = 0
    granted: int = 0
    reversed: int = 0

    @property
    def total(self) -> int:
        return self.opened + self.granted + self.reversed


async def keep_promises(session: WriteSession, days: Days, *, zone: ZoneInfo, now: datetime) -> Moved:
    """One round, at most 500 rewards of each kind of step; doing it again, or twice at once, gives nothing twice."""
    await session.run(update(ReferralProgramme).values(id=col(ReferralProgramme.id)))
    terms = await programme(session)
    taken_back = await _take_back_spoiled(session, days, now=now)
    opened = await _open(session, terms, days, now=now, today=local_day(now, zone)) if terms.is_on else 0
    await _follow_the_hold(session, days)
    granted = await _grant_due(session, terms, zone=zone, now=now)
    return Moved(opened, granted, taken_back)


async def reverse_for(session: WriteSession, purchase_id: int, *, now: datetime) -> int:
    """The purchase was paid back in full: what it promised or gave to either side goes."""
    return await _reverse(session, col(RewardGrant.purchase_id) == purchase_id, now=now)


def counting_friends(days: Days, *, now: datetime) -> Select[int, int, Any, date]:
    """Referrer, referee, purchase and its day, of every friend whose first purchase counts or will; due or not."""
    edge = (col(Referral.referrer_id), col(Referral.referee_id))
    rows: Select[int, int, Any, date] = sa_select(*edge, col(Purchase.id).label("purchase_id"), col(Purchase.day))
    joined = rows.join(Fan, col(Fan.id) == col(Referral.referee_id)).join(
        Purchase, col(Purchase.id) == _first_counting_purchase(now)
    )
    return joined.where(
        _number(Purchase.day) - _number(Fan.joined_day) <= days.join, col(Purchase.day) >= col(Fan.joined_day)
    ).where(~_paid_back_in_hold(days))


def _first_counting_purchase(now: datetime) -> ScalarSelect[Any]:
    bought = aliased(Purchase)
    counts = or_(col(bought.refunded_minor) < col(bought.amount_minor), col(bought.refunded_minor) == 0)
    mine = select(bought.id).where(col(bought.fan_id) == col(Referral.referee_id), col(bought.paid_at) <= now, counts)
    return mine.order_by(col(bought.paid_at), col(bought.id)).limit(1).correlate(Referral).scalar_subquery()


def _paid_back_in_hold(days: Days) -> ColumnElement[bool]:
    in_hold = _number(Refund.day) - _number(Purchase.day) < days.hold
    return exists().where(col(Refund.purchase_id) == col(Purchase.id), in_hold)


def _number(day: Any) -> ColumnElement[int]:  # Any: a column of days
    return type_coerce(day, Integer)


async def _open(session: WriteSession, terms: Programme, days: Days, *, now: datetime, today: date) -> int:
    """Two pending rewards for each friend who has none alive."""
    alive = exists().where(
        col(RewardGrant.referee_id) == col(Referral.referee_id),
        or_(col(RewardGrant.state).in_(_LIVE), col(RewardGrant.purchase_id) == col(Purchase.id)),
    )
    recent = _number(Fan.joined_day) >= _day_number(today) - days.join - days.hold - LATE_DAYS
    wanted = counting_friends(days, now=now).where(~alive, recent, col(Referral.at) >= terms.since)
    found = await session.rows(wanted.order_by(col(Referral.referee_id)).limit(CHUNK))
    rows = [_promise(rule, row, days, now) for row in found for rule in SIDES]
    await session.run_many(session.insert(RewardGrant).on_conflict_do_nothing(), rows)
    await suspicion.judge(session, [row.referee_id for row in found], at_the_end=False)
    return len(found)


def _promise(rule: RewardRule, row: Row[Any], days: Days, now: datetime) -> dict[str, object]:
    due = date.fromordinal(row.day.toordinal() + days.hold)
    return {
        "rule": rule, "fan_id": row.referrer_id if rule is RewardRule.REFERRER else row.referee_id,
        "cause": f"purchase:{row.purchase_id}", "referee_id": row.referee_id, "purchase_id": row.purchase_id,
        "state": RewardState.PENDING, "due_day": due, "reasons": "", "opened_at": now, "points": 0,
    }  # fmt: skip


def _day_number(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


async def _follow_the_hold(session: WriteSession, days: Days) -> None:
    """Who changes the number of days changes it for what is promised already."""
    bought = sa_select(_number(Purchase.day) + days.hold).where(col(Purchase.id) == col(RewardGrant.purchase_id))
    due = bought.scalar_subquery()
    promised = update(RewardGrant).where(
        col(RewardGrant.state) == RewardState.PENDING, _number(RewardGrant.due_day) != due
    )
    await session.run(promised.values(due_day=due))


async def _take_back_spoiled(session: WriteSession, days: Days, *, now: datetime) -> int:
    """Paid back in full at any time, or in part within the hold: then it never counted."""
    paid_back = and_(col(Purchase.refunded_minor) >= col(Purchase.amount_minor), col(Purchase.refunded_minor) > 0)
    spoiled = sa_select(col(Purchase.id)).where(
        col(Purchase.refunded_minor) > 0, or_(paid_back, _paid_back_in_hold(days))
    )
    return await _reverse(session, col(RewardGrant.purchase_id).in_(spoiled), now=now)


async def _reverse(session: WriteSession, which: ColumnElement[bool], *, now: datetime) -> int:
    ended = update(RewardGrant).where(which, col(RewardGrant.state).in_(_LIVE))
    ended = ended.values(state=RewardState.REVERSED, ended_at=now)
    rows = await session.returning(ended.returning(*_COLUMNS))
    for row in rows:
        if row.granted_at is not None:
            await _undo(session, row, now=now)
    lost = {row.fan_id for row in rows if row.rule is RewardRule.REFERRER and row.granted_at is not None}
    for fan_id in sorted(lost):
        await _undo_milestones(session, fan_id, now=now)
    return len(rows)


async def _undo(session: WriteSession, row: Row[Any], *, now: datetime) -> None:
    await points.take_back(session, _kind(row.rule), _points_cause(row), now=now)
    if row.coupon_id is not None:
        unused = update(Coupon).where(col(Coupon.id) == row.coupon_id, col(Coupon.state) == CouponState.ACTIVE)
        await session.run(unused.values(state=CouponState.REVOKED))


async def _undo_milestones(session: WriteSession, fan_id: int, *, now: datetime) -> None:
    """Steps that lie above the friends who are left."""
    left = await rewarded_friends(session, fan_id)
    mine = await _milestones(session, fan_id)
    above = [row.id for row in mine if _step(row.cause) > left and row.state is RewardState.GRANTED]
    if above:
        await _reverse(session, col(RewardGrant.id).in_(above), now=now)


async def rewarded_friends(session: ReadSession, fan_id: int) -> int:
    mine = col(RewardGrant.fan_id) == fan_id, col(RewardGrant.rule) == RewardRule.REFERRER
    return await session.one(select(func.count()).where(*mine, col(RewardGrant.state) == RewardState.GRANTED))


async def _grant_due(session: WriteSession, terms: Programme, *, zone: ZoneInfo, now: datetime) -> int:
    today = local_day(now, zone)
    due = col(RewardGrant.state) == RewardState.PENDING, col(RewardGrant.due_day) <= today
    fresh = col(RewardGrant.reviewed_by).is_(None), col(RewardGrant.reasons) == ""
    waiting = select(col(RewardGrant.referee_id)).where(*due, *fresh).distinct().limit(CHUNK)
    await suspicion.judge(session, await session.all(waiting), at_the_end=True)
    clear = or_(col(RewardGrant.reviewed_by).is_not(None), col(RewardGrant.reasons) == "")
    rows = await session.rows(sa_select(*_COLUMNS).where(*due, clear).order_by(col(RewardGrant.id)).limit(CHUNK))
    over = await _over_the_caps(session, terms, rows, today)
    await _block(session, over, now=now)
    ready = [row.id for row in rows if row.id not in over]
    granted = await _claim(session, ready, today, now=now)
    await _give(session, terms, granted, zone=zone, now=now)
    await _reach_milestones(session, terms, granted, today, now=now)
    return len(granted)


async def _over_the_caps(
    session: ReadSession, terms: Programme, rows: Sequence[Row[Any]], today: date
) -> dict[int, str]:
    """Which of these go beyond what their referrer may get today or this month; what somebody released may."""
    mine = [row for row in rows if row.rule is RewardRule.REFERRER and row.reviewed_by is None]
    month = today.replace(day=1)
    given = sa_select(col(RewardGrant.fan_id), col(RewardGrant.granted_day)).where(
        col(RewardGrant.fan_id).in_({row.fan_id for row in mine}),
        col(RewardGrant.rule) == RewardRule.REFERRER,
        col(RewardGrant.state) == RewardState.GRANTED,
        col(RewardGrant.granted_day) >= month,
    )
    this_month, this_day = Counter[int](), Counter[int]()
    for fan_id, day in await session.rows(given):
        this_month[fan_id] += 1
        this_day[fan_id] += day == today
    over: dict[int, str] = {}
    for row in mine:
        if this_month[row.fan_id] >= terms.month_cap or this_day[row.fan_id] >= terms.day_cap:
            over[row.id] = "month_cap" if this_month[row.fan_id] >= terms.month_cap else "day_cap"
            continue
        this_month[row.fan_id] += 1
        this_day[row.fan_id] += 1
    return over


async def _block(session: WriteSession, over: dict[int, str], *, now: datetime) -> None:
    blocked = update(RewardGrant).where(
        col(RewardGrant.id) == bindparam("one"), col(RewardGrant.state) == RewardState.PENDING
    )
    blocked = blocked.values(state=RewardState.BLOCKED, ended_at=now, reasons=bindparam("why"))
    await session.run_many(blocked, [{"one": one, "why": why} for one, why in over.items()])


async def _claim(session: WriteSession, ids: Sequence[int], today: date, *, now: datetime) -> Sequence[Row[Any]]:
    """The one guard: a reward is granted by whoever turns it."""
    turned = update(RewardGrant).where(col(RewardGrant.id).in_(ids), col(RewardGrant.state) == RewardState.PENDING)
    turned = turned.values(state=RewardState.GRANTED, granted_at=now, granted_day=today)
    return await session.returning(turned.returning(*_COLUMNS))


async def _give(
    session: WriteSession, terms: Programme, rows: Sequence[Row[Any]], *, zone: ZoneInfo, now: datetime
) -> None:
    """Coupons first: offers are held before accounts, everywhere."""
    given = {row.id: await _coupon(session, terms, row, zone=zone, now=now) for row in rows}
    earned: dict[int, int] = {}
    for rule, kind in SIDES.items():
        mine = [row for row in rows if row.rule is rule]
        in_force = await points.rule_in_force(session, kind) if mine else None
        grants = [Grant(row.fan_id, _points_cause(row), in_force.amount, now) for row in mine] if in_force else []
        got = await points.grant(session, in_force, grants) if in_force else {}
        earned |= {row.id: got.get(_points_cause(row), 0) for row in mine}
    kept = update(RewardGrant).where(col(RewardGrant.id) == bindparam("one"))
    kept = kept.values(points=bindparam("earned"), coupon_id=bindparam("given"))
    await session.run_many(
        kept, [{"one": row.id, "earned": earned.get(row.id, 0), "given": given[row.id]} for row in rows]
    )
    await fans.look_again(session, [row.fan_id for row in rows], now=now)


async def _coupon(
    session: WriteSession, terms: Programme, row: Row[Any], *, zone: ZoneInfo, now: datetime
) -> int | None:
    """None where the programme gives none, or the offer has none left: points come all the same."""
    offer_id = terms.referrer_offer_id if row.rule is RewardRule.REFERRER else terms.newcomer_offer_id
    if offer_id is None:
        return None
    offer, fan = await session.get(Offer, offer_id), await session.get(Fan, row.fan_id)
    assert offer is not None, "a foreign key"
    assert fan is not None, "a foreign key"
    try:
        key = f"reward:{row.id}"
        claimed = await coupons.claim(session, offer, fan, claim_key=key, zone=zone, now=now)
    except SiyuError:
        return None
    return claimed.coupon.id


async def _reach_milestones(
    session: WriteSession, terms: Programme, granted: Sequence[Row[Any]], today: date, *, now: datetime
) -> None:
    for fan_id in sorted(
        {row.fan_id for row in granted if row.rule is RewardRule.REFERRER} if terms.milestones else ()
    ):
        friends, before = await rewarded_friends(session, fan_id), await _milestones(session, fan_id)
        for step, worth in terms.milestones.items():
            mine = [row.state for row in before if _step(row.cause) == step]
            if step <= friends and RewardState.GRANTED not in mine:
                await _reach(session, fan_id, _cause(step, len(mine)), worth, today, now=now)


async def _milestones(session: ReadSession, fan_id: int) -> Sequence[Row[Any]]:
    columns = (col(RewardGrant.id), col(RewardGrant.cause), col(RewardGrant.state))
    mine = col(RewardGrant.fan_id) == fan_id, col(RewardGrant.rule) == RewardRule.MILESTONE
    return await session.rows(sa_select(*columns).where(*mine))


def _cause(step: int, before: int) -> str:
    """`10`; and `10:2` where it was taken back with a friend's refund and another friend made up for it."""
    return f"{step}:{before + 1}" if before else str(step)


def _step(cause: str) -> int:
    return int(cause.partition(":")[0])


async def _reach(session: WriteSession, fan_id: int, cause: str, worth: int, today: date, *, now: datetime) -> None:
    row = {
        "rule": RewardRule.MILESTONE, "fan_id": fan_id, "cause": cause, "state": RewardState.GRANTED,
        "due_day": today, "reasons": "", "opened_at": now, "granted_at": now, "granted_day": today, "points": 0,
    }  # fmt: skip
    once = session.insert(RewardGrant).values(row).on_conflict_do_nothing().returning(*_COLUMNS)
    for new in await session.returning(once):
        told = _points_cause(new)
        earned = await points.earn(session, fan_id, PointsKind.REFERRER, told, now=now, amount=worth)
        await session.run(update(RewardGrant).where(col(RewardGrant.id) == new.id).values(points=earned))


def _kind(rule: RewardRule) -> PointsKind:
    return SIDES.get(rule, PointsKind.REFERRER)


def _points_cause(row: Row[Any]) -> str:
    return f"reward:{row.id}"


_LIVE = (RewardState.PENDING, RewardState.GRANTED)
_COLUMNS = tuple(
    col(getattr(RewardGrant, name))
    for name in ("id", "rule", "fan_id", "cause", "referee_id", "granted_at", "coupon_id", "reviewed_by")
)
