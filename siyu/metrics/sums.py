"""fan_metrics: one row of numbers per fan, summed from fan_day as it will stand when this run has written."""

from dataclasses import dataclass
from functools import cache, lru_cache

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Integer,
    ScalarSelect,
    Update,
    and_,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from siyu.fans import can_be_reached
from siyu.kit.staging import Batch, Params
from siyu.metrics import stage
from siyu.metrics.days import Rows, fan_day, purchase, refund
from siyu.metrics.measures import WINDOWS, Window, day_number
from siyu.metrics.stage import AS_OF, TODAY
from siyu.tables import Fan, FanMetrics, Referral

fan, fan_metrics, referral = (stage.table_of(model) for model in (Fan, FanMetrics, Referral))

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


def sum_up(batch: Batch, given: Params, *, qualifying: Qualifying) -> None:
    """Stage the numbers of every staged fan.

    Fans none of whose days was counted again come straight from the days that stand, the others from both.
    """
    for statement in (_own_of_fans_as_they_stand(), _own_of_fans_counted_again(), _referred(qualifying), _changed()):
        batch.run(statement, given)


def write_metrics(batch: Batch) -> None:
    """Rows that differ take the place of those that stand; the others are not touched."""
    batch.run(_in_place(batch.dialect))


def hold_over(qualifying: Qualifying) -> Crossing:
    """The day on which a first purchase has stood long enough for whoever brought the fan."""
    return Crossing("first_purchase_day", qualifying.hold_days)


@cache
def _in_place(dialect: str) -> Insert:
    changed = stage.metrics.c.fan_id.in_(select(stage.changed_metrics.c.fan_id))
    return stage.put(dialect, fan_metrics, select(stage.metrics).where(changed))


@cache
def _own_of_fans_as_they_stand() -> Insert:
    """In the order of fan_day's key, so that nothing is sorted."""
    again = select(stage.days.c.day).where(stage.days.c.fan_id == stage.fans.c.fan_id).exists()
    joined = stage.fans.outerjoin(fan_day, fan_day.c.fan_id == stage.fans.c.fan_id)
    totals = _totals(stage.fans.c.fan_id, fan_day).select_from(joined).where(~again)
    return _own(totals.group_by(stage.fans.c.fan_id))


@cache
def _own_of_fans_counted_again() -> Insert:
    again = stage.days.alias("again")
    replaced = select(again.c.day).where(again.c.fan_id == fan_day.c.fan_id, again.c.day == fan_day.c.day).exists()
    theirs = fan_day.c.fan_id.in_(select(stage.days.c.fan_id))
    days = union_all(select(fan_day).where(theirs, ~replaced), select(stage.days)).subquery()
    return _own(_totals(days.c.fan_id, days).group_by(days.c.fan_id))


def _own(rows: Rows) -> Insert:
    totals = rows.subquery()
    referred = (literal_column("0", Integer()).label(name) for name in REFERRED)
    reachable = can_be_reached().label("reachable")
    whole = select(totals, *referred, reachable).join_from(totals, fan, fan.c.id == totals.c.fan_id)
    return insert(stage.metrics).from_select([column.name for column in whole.selected_columns], whole)


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
    )


def _windowed(days: FromClause, window: Window) -> ColumnElement[int]:
    """Days after as_of hold no facts of this run, so only the far end of a window is asked for."""
    total: ColumnElement[int] = func.sum(days.c[window.measure])
    if window.days is not None:
        # Not summing costs a third of summing zeros, and most days are older than most windows.
        total = func.sum(days.c[window.measure]).filter(day_number(days.c.day) > TODAY - window.days)
    return func.coalesce(total, literal_column("0"))


@lru_cache
def _referred(qualifying: Qualifying) -> Update:
    brought = _brought(qualifying).subquery()
    statement = update(stage.metrics).where(stage.metrics.c.fan_id == brought.c.referrer_id)
    return statement.values({name: brought.c[name] for name in REFERRED})


def _brought(qualifying: Qualifying) -> Rows:
    """What each staged fan's friends amount to: one level of friends, never their friends."""
    fresh = stage.metrics.alias("fresh")
    spend = func.coalesce(fresh.c.spend_365d, fan_metrics.c.spend_365d, literal_column("0"))
    first = _first_counting_purchase()
    friends = (
        referral.join(fan, fan.c.id == referral.c.referee_id)
        .outerjoin(fan_metrics, fan_metrics.c.fan_id == referral.c.referee_id)
        .outerjoin(fresh, fresh.c.fan_id == referral.c.referee_id)
        .outerjoin(purchase, purchase.c.id == first)
    )
    qualified = case((_qualifies(qualifying), literal_column("1")), else_=literal_column("0"))
    return (
        select(
            referral.c.referrer_id,
            func.count().label("referrals_total"),
            func.sum(qualified).label("referrals_qualified"),
            func.sum(spend).label("referred_spend_365d"),
        )
        .select_from(friends)
        .where(referral.c.at <= AS_OF, referral.c.referrer_id.in_(select(stage.fans.c.fan_id)))
        .group_by(referral.c.referrer_id)
    )


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
    different = (stage.metrics.c[c.name].is_distinct_from(c) for c in fan_metrics.c if not c.primary_key)
    joined = stage.metrics.outerjoin(fan_metrics, fan_metrics.c.fan_id == stage.metrics.c.fan_id)
    rows = select(stage.metrics.c.fan_id).select_from(joined)
    return insert(stage.changed_metrics).from_select(
        ["fan_id"], rows.where(or_(fan_metrics.c.fan_id.is_(None), *different))
    )
