"""fan_metrics: one row of numbers per fan, summed from fan_day as it will stand when this run has written."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Insert,
    Integer,
    ScalarSelect,
    Update,
    all_,
    and_,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
    union_all,
    update,
)

from siyu.fans import can_be_reached
from siyu.kit.staging import Batch, Params
from siyu.metrics import stage
from siyu.metrics.days import fan_day, purchase, refund
from siyu.metrics.measures import WINDOWS, Window, day_number
from siyu.metrics.stage import AS_OF, TODAY, Rows
from siyu.tables import Fan, FanMetrics, FanScore, PointsEntry, Referral

fan, fan_metrics, referral, score = (stage.table_of(model) for model in (Fan, FanMetrics, Referral, FanScore))
points_entry = stage.table_of(PointsEntry)

EXPECTED = ("p_alive", "expected_purchases_90d", "expected_spend_90d")
REFERRED = ("referrals_total", "referrals_qualified", "referred_spend_365d")


@dataclass(frozen=True)
class Crossing:
    """On the day so many days after the one in this column of fan_metrics, something changes by itself."""

    column: str
    days: int


@dataclass(frozen=True)
class Qualifying:
    """When a friend somebody brought counts as one who buys."""

    join_days: int  # the first purchase lies at most so many days after joining
    hold_days: int  # and is so old without a refund in that time


def sum_up(batch: Batch, given: Params, *, qualifying: Qualifying, everybody: bool) -> None:
    """Stage the numbers of every staged fan.

    Fans none of whose days was counted again come straight from the days that stand, the others from both. Whoever's
    friends did nothing that counts keeps what they amount to, unless all is worked out anew.
    """
    for statement in (
        _own_of_fans_as_they_stand(everybody=everybody),
        _own_of_fans_counted_again(batch.dialect, everybody=everybody),
        _referred(qualifying, everybody=everybody),
    ):
        batch.run(statement, given)


def find_changed(batch: Batch) -> None:
    """Which of the staged rows differ from those that stand; in more than the word, all of the row is written."""
    batch.run(_changed())


def stage_as_they_stand(batch: Batch) -> None:
    """The numbers of staged fans who have none yet: nothing about themselves changed."""
    batch.run(_as_they_stand())


def write_metrics(batch: Batch, part: tuple[int, int]) -> None:
    """Of these fans, rows that differ take the place of those that stand; the others are not touched.

    SQLite writes every index anew that has a column it was told of, whether its value is another or not: eleven of
    them, of which a fan who pressed a button moves in one. PostgreSQL compares by itself.
    """
    theirs = stage.range_of(part)
    if batch.dialect == "postgresql":
        batch.run(_in_place(), theirs)
        return
    batch.run(_new_rows(), theirs)
    for names, differing in zip(_written_together(), batch.rows(_differing(), theirs)[0], strict=True):
        if differing:
            batch.run(_columns_in_place(names), theirs)


def write_words(batch: Batch, part: tuple[int, int]) -> None:
    """Of these fans, whose place is another while no number is."""
    batch.run(_words_in_place(), stage.range_of(part))


@cache
def _as_they_stand() -> Insert:
    staged = select(stage.metrics.c.fan_id).where(stage.metrics.c.fan_id == stage.fans.c.fan_id).exists()
    rows = select(fan_metrics).join_from(stage.fans, fan_metrics, fan_metrics.c.fan_id == stage.fans.c.fan_id)
    return insert(stage.metrics).from_select(fan_metrics.c.keys(), rows.where(~staged))


def hold_over(qualifying: Qualifying) -> Crossing:
    """The day on which a first purchase has stood long enough for whoever brought the fan."""
    return Crossing("first_purchase_day", qualifying.hold_days)


def qualified_by(qualifying: Qualifying) -> Rows:
    """How many of each one's friends would count as buying ones, by other numbers than those in force."""
    friends = referral.join(fan, fan.c.id == referral.c.referee_id).join(
        purchase, purchase.c.id == _first_counting_purchase()
    )
    counted = select(referral.c.referrer_id, func.count().label("referrals_qualified")).select_from(friends)
    return counted.where(referral.c.at <= AS_OF, _qualifies(qualifying)).group_by(referral.c.referrer_id)


@cache
def _in_place() -> Insert:
    return stage.put("postgresql", fan_metrics, _changed_rows())


@cache
def _new_rows() -> Insert:
    return stage.to_the_end(stage.add("sqlite", fan_metrics, _changed_rows()))


def _changed_rows() -> Rows:
    changed = select(stage.changed_metrics.c.fan_id).where(stage.within(stage.changed_metrics))
    rows = select(*(_staged(c.name) for c in fan_metrics.c)).join_from(
        stage.metrics, stage.words, _same_fan(stage.words)
    )
    return rows.where(stage.metrics.c.fan_id.in_(changed))


def _staged(name: str) -> ColumnElement[Any]:
    return stage.words.c.places if name == "places" else stage.metrics.c[name]


def _same_fan(rows: FromClause) -> ColumnElement[bool]:
    return rows.c.fan_id == stage.metrics.c.fan_id


@cache
def _written_together() -> Sequence[tuple[str, ...]]:
    """What stands in no index; then each column that stands in one, and the conditions of some with the last."""
    indexed = {column.name for index in fan_metrics.indexes for column in index.columns}
    others = tuple(c.name for c in fan_metrics.c if not c.primary_key and c.name not in indexed)
    return [others, *((name,) for name in sorted(indexed))]


@cache
def _differing() -> Rows:
    """Of how many fans each of these differs."""
    changed = stage.changed_metrics
    joined: FromClause = changed.join(stage.metrics, _same_fan(changed))
    for rows in (stage.words, fan_metrics):
        joined = joined.join(rows, rows.c.fan_id == changed.c.fan_id)
    counts = (func.count(case((_differs(names), 1))) for names in _written_together())
    return select(*counts).select_from(joined).where(stage.within(changed))


@cache
def _columns_in_place(names: tuple[str, ...]) -> Update:
    staged = fan_metrics.c.fan_id.in_(select(stage.changed_metrics.c.fan_id).where(stage.within(stage.changed_metrics)))
    same = [_same_fan(fan_metrics), *([_same_fan(stage.words)] if "places" in names else [])]
    changed = update(fan_metrics).where(staged, *same, _differs(names))
    return stage.to_the_end(changed.values({name: _staged(name) for name in names}))


def _differs(names: Sequence[str]) -> ColumnElement[bool]:
    return or_(*(fan_metrics.c[name].is_distinct_from(_staged(name)) for name in names))


@cache
def _words_in_place() -> Update:
    """A new segment changes the words of many and no number: their rows stand in eleven indexes, the word in none."""
    mine = stage.words.c
    # Named twice, or SQLite walks through everybody: 33 of a tick's 360 ms.
    staged = fan_metrics.c.fan_id.in_(select(mine.fan_id).where(stage.within(stage.words)))
    same = and_(fan_metrics.c.fan_id == mine.fan_id, fan_metrics.c.places != mine.places)
    return stage.to_the_end(update(fan_metrics).where(staged, same).values(places=mine.places))


@cache
def _own_of_fans_as_they_stand(*, everybody: bool) -> Insert:
    """In the order of fan_day's key, so that nothing is sorted."""
    again = select(stage.days.c.day).where(stage.days.c.fan_id == stage.fans.c.fan_id).exists()
    joined = stage.fans.outerjoin(fan_day, fan_day.c.fan_id == stage.fans.c.fan_id)
    totals = _totals(stage.fans.c.fan_id, fan_day).select_from(joined).where(~again)
    return _own(totals.group_by(stage.fans.c.fan_id), everybody=everybody)


@cache
def _own_of_fans_counted_again(dialect: str, *, everybody: bool) -> Insert:
    days = _fan_by_fan() if dialect == "postgresql" else _of_all_of_them()
    return _own(_totals(days.c.fan_id, days).group_by(days.c.fan_id), everybody=everybody)


def _of_all_of_them() -> FromClause:
    """Days that stand and are not replaced, and those that replace them."""
    again = stage.days.alias("again")
    replaced = select(again.c.day).where(again.c.fan_id == fan_day.c.fan_id, again.c.day == fan_day.c.day).exists()
    theirs = fan_day.c.fan_id.in_(select(stage.days.c.fan_id))
    return union_all(select(fan_day).where(theirs, ~replaced), select(stage.days)).subquery()


def _fan_by_fan() -> FromClause:
    """The same in the order of fans: PostgreSQL sorted 5,000 days twice otherwise, 2 of a tick's 100 ms."""
    mine = stage.days.alias("mine")
    again = select(mine.c.fan_id, func.array_agg(mine.c.day).label("days")).group_by(mine.c.fan_id).subquery("again")
    stood = select(fan_day).where(fan_day.c.fan_id == again.c.fan_id, fan_day.c.day != all_(again.c.days))
    fresh = select(stage.days).where(stage.days.c.fan_id == again.c.fan_id)
    both = union_all(stood.correlate(again), fresh.correlate(again)).lateral()
    measures = (column for column in both.c if column.name != "fan_id")
    return select(again.c.fan_id, *measures).select_from(again.join(both, true())).subquery()


def _own(rows: Rows, *, everybody: bool) -> Insert:
    totals = rows.subquery()
    joined = totals.join(fan, fan.c.id == totals.c.fan_id).outerjoin(score, score.c.fan_id == totals.c.fan_id)
    friends: dict[str, ColumnElement[int]] = dict.fromkeys(REFERRED, literal_column("0", Integer()))
    if not everybody:
        joined = joined.join(stage.fans, stage.fans.c.fan_id == totals.c.fan_id)
        joined = joined.outerjoin(fan_metrics, fan_metrics.c.fan_id == totals.c.fan_id)
        friends = {name: _as_it_stands(name) for name in REFERRED}
    first = type_coerce(totals.c.first_purchase_at, BigInteger) - type_coerce(fan.c.joined_at, BigInteger)
    buys = totals.c.orders_total > 0
    whole = select(
        *(column for column in totals.c if column.name not in ("intent_heat", "feedback")),
        _wanting(totals).label("intent_heat"),
        *(friends[name].label(name) for name in REFERRED),
        can_be_reached().label("reachable"),
        fan.c.joined_day,
        case((first < 0, literal_column("0")), else_=first).label("seconds_to_first_purchase"),
        (totals.c.spend_365d * 2 + friends["referred_spend_365d"]).label("value_halves"),
        (totals.c.feedback % 4 - 1).label("feedback_score"),
        *(case((buys, score.c[name])).label(name) for name in EXPECTED),
        _points(totals.c.fan_id).label("points"),
    ).select_from(joined)
    return insert(stage.metrics).from_select([column.name for column in whole.selected_columns], whole)


def _as_it_stands(name: str) -> ColumnElement[int]:
    """Nothing, where it is about to be counted."""
    return func.coalesce(case((~stage.fans.c.brought, fan_metrics.c[name])), literal_column("0"))


def _points(fan_id: ColumnElement[int]) -> ColumnElement[int]:
    """Read off an index, fan by fan."""
    moved = points_entry.c.fan_id == fan_id, points_entry.c.at <= AS_OF
    total = select(func.sum(points_entry.c.delta)).where(*moved).scalar_subquery()
    return func.coalesce(type_coerce(total, BigInteger), literal_column("0"))


def _totals(fan_id: ColumnElement[int], days: FromClause) -> Rows:
    interacted = case((days.c.interactions > 0, days.c.day))
    bought = case((days.c.purchases > 0, days.c.day))
    return select(
        fan_id.label("fan_id"),
        *(_windowed(days, window).label(window.metric) for window in WINDOWS),
        func.count(bought).label("orders_total"),
        func.min(days.c.first_purchase_at).label("first_purchase_at"),
        func.min(bought).label("first_purchase_day"),
        func.max(days.c.last_interaction_at).label("last_interaction_at"),
        func.max(interacted).label("last_interaction_day"),
        func.max(days.c.last_purchase_at).label("last_purchase_at"),
        func.max(bought).label("last_purchase_day"),
        func.coalesce(func.sum(days.c.heat), literal_column("0.0")).label("intent_heat"),
        func.max(days.c.feedback).label("feedback"),
        func.max(case((days.c.feedback.is_not(None), days.c.day))).label("feedback_day"),
    )


def _windowed(days: FromClause, window: Window) -> ColumnElement[int]:
    """Days after as_of hold no facts of this run, so only the far end of a window is asked for."""
    total: ColumnElement[int] = func.sum(days.c[window.measure])
    if window.days is not None:
        # Not summing costs a third of summing zeros, and most days are older than most windows.
        total = func.sum(days.c[window.measure]).filter(day_number(days.c.day) > TODAY - window.days)
    return func.coalesce(total, literal_column("0"))


@lru_cache
def _referred(qualifying: Qualifying, *, everybody: bool) -> Update:
    brought = _brought(qualifying, everybody=everybody).subquery()
    statement = update(stage.metrics).where(stage.metrics.c.fan_id == brought.c.referrer_id)
    worth = stage.metrics.c.value_halves + brought.c.referred_spend_365d
    return statement.values({name: brought.c[name] for name in REFERRED} | {"value_halves": worth})


def _brought(qualifying: Qualifying, *, everybody: bool) -> Rows:
    """What the friends of each of these fans amount to: one level of friends, never their friends."""
    brought = _friends_of_staged(everybody=everybody)
    fresh = stage.metrics.alias("fresh")
    spend = func.coalesce(fresh.c.spend_365d, fan_metrics.c.spend_365d, literal_column("0"))
    friends = (
        brought.join(fan, fan.c.id == brought.c.referee_id)
        .outerjoin(fan_metrics, fan_metrics.c.fan_id == brought.c.referee_id)
        .outerjoin(fresh, fresh.c.fan_id == brought.c.referee_id)
        .outerjoin(purchase, purchase.c.id == brought.c.purchase_id)
    )
    qualified = case((_qualifies(qualifying), literal_column("1")), else_=literal_column("0"))
    return (
        select(
            brought.c.referrer_id,
            func.count().label("referrals_total"),
            func.sum(qualified).label("referrals_qualified"),
            func.sum(spend).label("referred_spend_365d"),
        )
        .select_from(friends)
        .group_by(brought.c.referrer_id)
    )


def _friends_of_staged(*, everybody: bool) -> CTE:
    """With the first purchase of each; by itself, or PostgreSQL joins everybody's purchases: 180 ms in each tick."""
    mine = select(referral.c.referrer_id, referral.c.referee_id, _first_counting_purchase().label("purchase_id"))
    staged = select(stage.fans.c.fan_id)
    theirs = referral.c.referrer_id.in_(staged if everybody else staged.where(stage.fans.c.brought))
    return mine.where(referral.c.at <= AS_OF, theirs).cte("friends").prefix_with("MATERIALIZED")


def _wanting(totals: FromClause) -> ColumnElement[float]:
    """A purchase resets what the signals before it said; of its own day, only those after it were counted."""
    mine, since = totals.c.fan_id, totals.c.last_purchase_day
    again = select(stage.days.c.day).where(stage.days.c.fan_id == fan_day.c.fan_id, stage.days.c.day == fan_day.c.day)
    stood = select(func.sum(fan_day.c.heat)).where(fan_day.c.fan_id == mine, fan_day.c.day >= since)
    fresh = select(func.sum(stage.days.c.heat)).where(stage.days.c.fan_id == mine, stage.days.c.day >= since)
    parts = (part.scalar_subquery() for part in (stood.where(~again.exists()), fresh))
    first, second = (func.coalesce(part, literal_column("0.0")) for part in parts)
    reset = and_(totals.c.intent_heat > 0, since.is_not(None))
    return case((reset, first + second), else_=totals.c.intent_heat)


def _first_counting_purchase() -> ScalarSelect[int]:
    bought = purchase.alias("bought")
    paid_back = select(func.coalesce(func.sum(refund.c.amount_minor), literal_column("-1"))).where(
        refund.c.purchase_id == bought.c.id, refund.c.refunded_at <= AS_OF
    )
    return (
        select(bought.c.id)
        .where(bought.c.fan_id == referral.c.referee_id, bought.c.paid_at <= AS_OF)
        .where(paid_back.scalar_subquery() < bought.c.amount_minor)
        .order_by(bought.c.paid_at, bought.c.id)
        .limit(1)
        .scalar_subquery()
    )


def _qualifies(qualifying: Qualifying) -> ColumnElement[bool]:
    """Bought soon after joining, and the hold is over without anything paid back in it."""
    after_joining = day_number(purchase.c.day) - day_number(fan.c.joined_day)
    paid_back_in_hold = (
        select(refund.c.id)
        .where(refund.c.purchase_id == purchase.c.id, refund.c.refunded_at <= AS_OF)
        .where(day_number(refund.c.day) - day_number(purchase.c.day) < qualifying.hold_days)
    )
    return and_(
        after_joining.between(0, qualifying.join_days),
        TODAY - day_number(purchase.c.day) >= qualifying.hold_days,
        ~paid_back_in_hold.exists(),
    )


@cache
def _changed() -> Insert:
    numbers = (c for c in fan_metrics.c if not c.primary_key and c is not fan_metrics.c.places)
    different = (stage.metrics.c[c.name].is_distinct_from(c) for c in numbers)
    joined = stage.metrics.outerjoin(fan_metrics, fan_metrics.c.fan_id == stage.metrics.c.fan_id)
    now, then = stage.metrics.c.reachable, fan_metrics.c.reachable
    rows = select(stage.metrics.c.fan_id, case((now != then, now))).select_from(joined)
    return insert(stage.changed_metrics).from_select(
        ["fan_id", "turned"], rows.where(or_(fan_metrics.c.fan_id.is_(None), *different))
    )
