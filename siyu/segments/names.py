"""What may be asked for in a rule: metrics by name, and the values each is compared with."""

from datetime import date, datetime

from siyu.kit.errors import Invalid
from siyu.metrics.measures import MEASURES, Kind
from siyu.segments.rules import Metric, Where, moment_of


def must_be_a_metric(leaf: Metric, where: Where) -> None:
    """Known, and compared with a value of its kind. Raises Invalid with the place."""
    if leaf.metric not in MEASURES:
        raise Invalid("there is no metric %(name)s", where=(*where, "metric"), name=leaf.metric)
    if MEASURES[leaf.metric].kind is Kind.MOMENT:
        moment_value(leaf, where)
    elif isinstance(leaf.value, str):
        raise Invalid("%(name)s is compared with a number", where=(*where, "value"), name=leaf.metric)


def moment_value(leaf: Metric, where: Where = ()) -> date | datetime:
    """The day or moment a rule names."""
    try:
        return moment_of(str(leaf.value))
    except ValueError:
        raise Invalid(
            "%(name)s is compared with a day such as 2026-03-04, or a moment with its offset",
            where=(*where, "value"), name=leaf.metric,
        ) from None  # fmt: skip
