"""The numbers a rule can ask for: which column holds each, and over how many days it is summed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import cast

from sqlalchemy import ColumnElement, FromClause, Integer, type_coerce

from siyu.metrics.stage import TODAY
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
)
# A day that gets this old leaves a window, and its fan's sums change without any new fact.
EDGES = tuple(sorted({window.days for window in WINDOWS if window.days is not None}))

# Whole local days since the last time; nobody for whom there was none has such a number.
DAYS_SINCE: Mapping[str, str] = {
    "days_silent": "last_interaction_day",
    "days_since_purchase": "last_purchase_day",
    "days_since_first_purchase": "first_purchase_day",
}
COUNTED = (
    *(window.metric for window in WINDOWS),
    "orders_total",
    "referrals_total",
    "referrals_qualified",
    "referred_spend_365d",
)


def column_of(metric: str, metrics: FromClause) -> ColumnElement[int]:
    """A metric as SQL over a table shaped like fan_metrics."""
    if metric in DAYS_SINCE:
        return TODAY - day_number(metrics.c[DAYS_SINCE[metric]])
    return cast("ColumnElement[int]", metrics.c[metric])


def value_of(metric: str, row: FanMetrics, *, day: date) -> int | None:
    """The same for one fan, in Python: for explaining, never for classifying."""
    if metric not in DAYS_SINCE:
        return cast("int", getattr(row, metric))
    last = cast("date | None", getattr(row, DAYS_SINCE[metric]))
    return None if last is None else (day - last).days


def day_number(day: ColumnElement[date]) -> ColumnElement[int]:
    """A day as the database keeps it, days since 1970, so that differences are subtractions."""
    return type_coerce(day, Integer)
