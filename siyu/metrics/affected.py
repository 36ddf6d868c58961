"""Whose place may have changed: fans with new facts, fans for whom time alone did it, who brought them, and peers."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Integer,
    and_,
    case,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
)

from siyu.kit.staging import Batch
from siyu.metrics import stage
from siyu.metrics.days import fan_day, purchase
from siyu.metrics.interests import fan_interest
from siyu.metrics.measures import EDGES, ROUNDING, cooling
from siyu.metrics.stage import Cause, Rows
from siyu.metrics.sums import Crossing, fan, fan_metrics, referral

YEAR = 365  # of what friends spend, so much counts for whoever brought them


def stage_fans_with_facts(batch: Batch, *, everybody: bool) -> None:
    """Fans of the staged days, and who brought those of them who bought: their numbers count their friends'.

    Where the numbers of everybody are worked out anew, nobody asks whose friends or interests that concerns.
    """
    batch.run(_with_facts(batch.dialect, everybody=everybody))
    batch.run(_who_brought_buyers(batch.dialect))


def stage_fans_by_time(
    batch: Batch, *, before: date, day: date, edges: Mapping[int, Iterable[str]], crossings: Iterable[Crossing]
) -> None:
    """Fans for whom a day left a window, or a threshold was crossed, after `before` and up to `day`."""
    for edge, measures in sorted(edges.items()):
        batch.run(_staged(batch.dialect, _leaving(edge, before, day, measures), Cause.TIME))
    for crossing in sorted(crossings, key=str):
        batch.run(_staged(batch.dialect, _crossed(crossing, before, day), Cause.TIME))


def stage_who_brought_them(batch: Batch, *, before: date, day: date, hold: Crossing) -> None:
    """Fans one of whose friends counts as a buying one from now on, or bought a year ago."""
    for friends in (_crossed(hold, before, day), _leaving(YEAR, before, day, EDGES[YEAR])):
        batch.run(_staged(batch.dialect, _brought(friends), Cause.TIME, brought=True))


def stage_interests_given_up(batch: Batch, *, before: date, day: date, days: int) -> None:
    """Fans whose interest in a category got too old."""
    since, until = before - timedelta(days=days), day - timedelta(days=days)
    gone = select(fan_interest.c.fan_id).where(fan_interest.c.day > since, fan_interest.c.day <= until).distinct()
    batch.run(_staged(batch.dialect, gone, Cause.TIME))


def stage_fans_who_cooled(batch: Batch, *, before: date, day: date, scores: Iterable[float]) -> None:
    """Fans whose intent sank below one of these scores in between: a range of an index each."""
    for score in sorted(scores):
        heat = fan_metrics.c.intent_heat
        low, high = (score - 2 * ROUNDING) / cooling(before), score / cooling(day)
        cooled = select(fan_metrics.c.fan_id).where(heat > literal_column("0"), heat >= low, heat <= high)
        batch.run(_staged(batch.dialect, cooled, Cause.TIME))


def stage_fans_between(batch: Batch, measure: str, low: int, high: int) -> None:
    """Buyers whom a cut passed on its way from one value to the other; nothing else changed for them."""
    value = type_coerce(fan_metrics.c[measure], Integer)
    passed = select(fan_metrics.c.fan_id).where(is_buyer(), value > low, value <= high)
    batch.run(_staged(batch.dialect, passed, Cause.PEERS))


def stage_everybody(batch: Batch, cause: Cause = Cause.TIME) -> None:
    batch.run(_staged(batch.dialect, select(fan.c.id.label("fan_id")), cause))


def is_buyer(rows: FromClause = fan_metrics) -> ColumnElement[bool]:
    """In the very words of the partial indexes."""
    return rows.c.orders_total > literal_column("0")


def _leaving(edge: int, before: date, day: date, measures: Iterable[str]) -> Rows:
    since, until = before - timedelta(days=edge), day - timedelta(days=edge)
    left = select(fan_day.c.fan_id).where(fan_day.c.day > since, fan_day.c.day <= until)
    held = [fan_day.c[measure] != 0 for measure in sorted(measures)]
    return (left.where(or_(*held)) if held else left).distinct()


def _crossed(crossing: Crossing, before: date, day: date) -> Rows:
    since, until = before - timedelta(days=crossing.days), day - timedelta(days=crossing.days)
    column = fan_metrics.c[crossing.column]
    crossed = select(fan_metrics.c.fan_id).where(column > since, column <= until)
    deeds = _DEEDS.get(crossing.column)
    if deeds is None:
        return crossed
    # The day of a deed stands in no index of theirs, but in that of the days.
    did = select(fan_day.c.fan_id).where(fan_day.c.day > since, fan_day.c.day <= until, deeds > 0)
    return crossed.where(fan_metrics.c.fan_id.in_(did))


_DEEDS = {
    "last_interaction_day": fan_day.c.interactions,
    "first_purchase_day": fan_day.c.purchases,
    "last_purchase_day": fan_day.c.purchases,
}


@cache
def _with_facts(dialect: str, *, everybody: bool) -> Insert:
    """What somebody is interested in is told by a view, by a purchase, even one given back, and by what they say of
    themselves, which is written on the day they joined.

    Of a day without all this nobody's 20 views are read again: 5 of a tick's 100 ms on PostgreSQL.
    """
    mine = stage.days.c
    if everybody:
        return _staged(dialect, select(mine.fan_id).distinct(), Cause.FACT)
    # Purchase by purchase: SQLite walked through all of them, 85 of a tick's 950 ms among a million fans.
    theirs = select(purchase.c.fan_id).where(purchase.c.id == stage.paid_back.c.purchase_id).scalar_subquery()
    given_back = select(theirs).select_from(stage.paid_back)
    shown = or_(mine.views > 0, mine.purchases > 0, mine.fan_id.in_(given_back), fan.c.joined_day == mine.day)
    told = case((shown, 1), else_=0)
    fans = select(mine.fan_id, (func.max(told) == 1).label("shown")).join_from(stage.days, fan, fan.c.id == mine.fan_id)
    return _staged(dialect, fans.group_by(mine.fan_id), Cause.FACT)


@cache
def _who_brought_buyers(dialect: str) -> Insert:
    """What a friend looked at or pressed is nothing to whoever brought them; when they joined is, and what they bought.

    Where a purchase came, changed or went, the day has one now or had one before. Everybody who brought a fan with a
    new fact was a sixth of a tick's fans, and their friends most of the friends it counted.
    """
    mine = stage.days.c
    friends = select(mine.fan_id, mine.day, mine.purchases, referral.c.referrer_id)
    # Who was brought first, or PostgreSQL asks all of them when they joined.
    known = friends.join_from(stage.days, referral, referral.c.referee_id == mine.fan_id).cte("friends")
    again = known.prefix_with("MATERIALIZED").c
    before = and_(fan_day.c.fan_id == again.fan_id, fan_day.c.day == again.day)
    told = or_(again.purchases > 0, fan_day.c.purchases > 0, fan.c.joined_day == again.day)
    brought = select(again.referrer_id.label("fan_id")).join(fan, fan.c.id == again.fan_id).outerjoin(fan_day, before)
    return _staged(dialect, brought.where(told).distinct(), Cause.FACT, brought=True)


def _brought(friends: Rows) -> Rows:
    return select(referral.c.referrer_id.label("fan_id")).where(referral.c.referee_id.in_(friends)).distinct()


def _staged(dialect: str, found: Rows, cause: Cause, *, brought: bool = False) -> Insert:
    rows = found.subquery()
    shown = rows.c.get("shown", false())
    staged = select(rows.c.fan_id, literal(cause), shown, literal(brought)).where(literal(True))
    return stage.add(dialect, stage.fans, staged, **{"brought": True} if brought else {})
