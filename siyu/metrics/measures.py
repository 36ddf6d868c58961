"""The numbers a rule can ask for: what each is, which column holds it, and how it is read for one fan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any, cast

from sqlalchemy import ColumnElement, Float, FromClause, Integer, case, func, literal, literal_column, type_coerce

from siyu.metrics.stage import COOLED, ONE, TODAY, ZERO, cut
from siyu.tables import FanMetrics


@dataclass(frozen=True)
class Window:
    """A sum over the last local days up to and including the as-of day; None: over a whole life."""

    metric: str
    measure: str  # the column of fan_day
    days: int | None


WINDOWS = (
    Window("interactions_7d", "interactions", 7),
    Window("interactions_30d", "interactions", 30),
    Window("interactions_90d", "interactions", 90),
    Window("interactions_total", "interactions", None),
    Window("purchases_30d", "purchases", 30),
    Window("purchases_90d", "purchases", 90),
    Window("purchases_365d", "purchases", 365),
    Window("purchases_total", "purchases", None),
    Window("spend_30d", "spend_minor", 30),
    Window("spend_90d", "spend_minor", 90),
    Window("spend_365d", "spend_minor", 365),
    Window("spend_total", "spend_minor", None),
    Window("views_90d", "views", 90),
    Window("purchases_with_coupon", "with_coupon", None),
)
# A day that gets this old leaves a window, and its fan's sums change without any new fact, if it held any of these.
EDGES: Mapping[int, frozenset[str]] = {
    window.days: frozenset(other.measure for other in WINDOWS if other.days == window.days)
    for window in WINDOWS
    if window.days is not None
}

# Whole local days since the last time; nobody for whom there was none has such a number.
DAYS_SINCE: Mapping[str, str] = {
    "days_silent": "last_interaction_day",
    "days_since_purchase": "last_purchase_day",
    "rfm_recency_days": "last_purchase_day",
    "days_since_first_purchase": "first_purchase_day",
    "days_since_joined": "joined_day",
    "days_since_feedback": "feedback_day",
}
# The column of the moment, and that of its local day.
MOMENTS: Mapping[str, tuple[str, str]] = {
    "last_interaction_at": ("last_interaction_at", "last_interaction_day"),
    "first_purchase_at": ("first_purchase_at", "first_purchase_day"),
    "last_purchase_at": ("last_purchase_at", "last_purchase_day"),
}

# A signal counts half as much after a week, by whole days. Sums of signals are kept as of this day, never rewritten
# as time passes: comparing costs one multiplication, and who cooled down is one range of an index.
HALF_LIFE_DAYS = 7
HEAT_ORIGIN = date(2026, 1, 1)
# A number holds 1,023 of them: 19 years either way.
MOST_HALVINGS = 1_000
# What multiplying takes away of a number at most: a score of 8 is at least 8.
ROUNDING = 1e-9
# Less than this is nothing: one look at a product is forgotten after 53 days.
FAINT = 0.005


class Kind(StrEnum):
    """What a metric counts: how its value is written and said."""

    COUNT = "count"
    MONEY = "money"  # minor units of the main currency
    DAYS = "days"
    HOURS = "hours"
    MOMENT = "moment"
    NUMBER = "number"


@dataclass(frozen=True)
class Cut:
    """A place among the buyers: the ⌈share·N⌉-th smallest value of a column of fan_metrics.

    Who has more stands above at least that share of them, whatever order rows come in.
    """

    measure: str
    share: Fraction

    @property
    def key(self) -> tuple[str, int, int]:
        return self.measure, self.share.numerator, self.share.denominator


Cuts = Mapping[tuple[str, int, int], int]  # those known; none while nobody bought


@dataclass(frozen=True)
class Present:
    """What a number of one fan is read against."""

    as_of: datetime
    day: date
    cuts: Cuts
    currency: str = ""


Reader = Callable[[FanMetrics, Present], "int | float | datetime | None"]


@dataclass(frozen=True)
class Measure:
    """A metric by its name in rules: as SQL over a table shaped like fan_metrics, and for one fan in Python."""

    name: str
    kind: Kind
    sql: Callable[[FromClause], ColumnElement[Any]]  # Any: whole numbers, parts of one, moments
    read: Reader
    can_be_missing: bool = False


SCORES: Mapping[str, str] = {"rfm_r": "last_purchase_day", "rfm_f": "orders_total", "rfm_m": "spend_total"}


def score_cuts(measure: str, parts: int) -> tuple[Cut, ...]:
    """Between so many equal parts of the buyers."""
    return tuple(Cut(measure, Fraction(k, parts)) for k in range(1, parts))


def score_of(measure: str, parts: int, metrics: FromClause) -> ColumnElement[int]:
    """1 + how many cuts lie strictly below; NULL for whoever never bought."""
    passed = (case((above(one, metrics), ONE), else_=ZERO) for one in score_cuts(measure, parts))
    total: ColumnElement[int] = ONE
    for one in passed:
        total = total + one
    return case((metrics.c.orders_total > 0, total))


def above(place: Cut, metrics: FromClause) -> ColumnElement[bool]:
    """More than a cut; among nobody, nobody is above."""
    return func.coalesce(type_coerce(metrics.c[place.measure], Integer) > cut(*place.key), literal_column("1 = 0"))


def read_score(measure: str, parts: int, row: FanMetrics, present: Present) -> int | None:
    if not row.orders_total:
        return None
    return 1 + sum(read_above(one, row, present) for one in score_cuts(measure, parts))


def read_above(place: Cut, row: FanMetrics, present: Present) -> bool:
    value, limit = ranked_value(place.measure, row), present.cuts.get(place.key)
    return value is not None and limit is not None and value > limit


def ranked_value(measure: str, row: FanMetrics) -> int | None:
    """What buyers are ranked by, as a whole number; a day counts from 1970."""
    value = getattr(row, measure)
    return (value - date(1970, 1, 1)).days if isinstance(value, date) else value


def cooling(day: date) -> float:
    """What is left on a day of a signal given at the origin; more than 1 before it."""
    return float(2.0 ** min(MOST_HALVINGS, (HEAT_ORIGIN - day).days / HALF_LIFE_DAYS))


def _intent(rows: FromClause) -> ColumnElement[float]:
    return case((rows.c.intent_heat > 0, rows.c.intent_heat * COOLED + ROUNDING), else_=literal(0.0))


def _read_intent(row: FanMetrics, present: Present) -> float:
    return row.intent_heat * cooling(present.day) + ROUNDING if row.intent_heat > 0 else 0.0


def day_number(day: ColumnElement[Any]) -> ColumnElement[int]:  # Any: a day, or none
    """A day as the database keeps it, days since 1970, so that differences are subtractions."""
    return type_coerce(day, Integer)


def _column(name: str, kind: Kind, *, can_be_missing: bool = False) -> Measure:
    return Measure(
        name, kind, lambda rows: cast("ColumnElement[Any]", rows.c[name]),
        lambda row, _: cast("int", getattr(row, name)), can_be_missing,
    )  # fmt: skip


def _days_since(name: str, column: str) -> Measure:
    def read(row: FanMetrics, present: Present) -> int | None:
        day = cast("date | None", getattr(row, column))
        return None if day is None else (present.day - day).days

    return Measure(name, Kind.DAYS, lambda rows: TODAY - day_number(rows.c[column]), read, can_be_missing=True)


def _score(name: str, column: str) -> Measure:
    return Measure(
        name, Kind.NUMBER, lambda rows: score_of(column, 5, rows),
        lambda row, present: read_score(column, 5, row, present), can_be_missing=True,
    )  # fmt: skip


def _average(rows: FromClause) -> ColumnElement[float]:
    return type_coerce(rows.c.spend_total * 1.0 / func.nullif(rows.c.orders_total, 0), Float())


def _coupon_share(rows: FromClause) -> ColumnElement[float]:
    return type_coerce(rows.c.purchases_with_coupon * 1.0 / func.nullif(rows.c.purchases_total, 0), Float())


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        *(_column(w.metric, Kind.MONEY if w.measure == "spend_minor" else Kind.COUNT) for w in WINDOWS),
        *(_days_since(name, column) for name, column in DAYS_SINCE.items()),
        *(_column(name, Kind.MOMENT, can_be_missing=True) for name in MOMENTS),
        *(_score(name, column) for name, column in SCORES.items()),
        _column("orders_total", Kind.COUNT),
        Measure(
            "acts_90d", Kind.COUNT, lambda rows: rows.c.interactions_90d - rows.c.views_90d,
            lambda row, _: row.interactions_90d - row.views_90d,
        ),
        Measure(
            "coupon_share", Kind.NUMBER, _coupon_share,
            lambda row, _: row.purchases_with_coupon / row.purchases_total if row.purchases_total else None,
            can_be_missing=True,
        ),
        Measure(
            "average_order", Kind.MONEY, _average,
            lambda row, _: row.spend_total / row.orders_total if row.orders_total else None, can_be_missing=True,
        ),
        _column("referrals_total", Kind.COUNT),
        _column("referrals_qualified", Kind.COUNT),
        _column("referred_spend_365d", Kind.MONEY),
        Measure(
            "hours_to_first_purchase", Kind.HOURS, lambda rows: rows.c.seconds_to_first_purchase / literal(3600.0),
            lambda row, _: None if row.seconds_to_first_purchase is None else row.seconds_to_first_purchase / 3600,
            can_be_missing=True,
        ),
        Measure("intent_score", Kind.NUMBER, _intent, _read_intent),
        _column("feedback_score", Kind.NUMBER, can_be_missing=True),
        _column("points", Kind.COUNT),
        _column("p_alive", Kind.NUMBER, can_be_missing=True),
        _column("expected_purchases_90d", Kind.NUMBER, can_be_missing=True),
        _column("expected_spend_90d", Kind.MONEY, can_be_missing=True),
    )
}  # fmt: skip
