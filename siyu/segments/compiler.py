"""Rules as SQL: one CASE per dimension over a table shaped like fan_metrics, with bound parameters only."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import assert_never

from sqlalchemy import ColumnElement, FromClause, and_, case, literal, not_, or_

from siyu.metrics.measures import DAYS_SINCE, column_of
from siyu.metrics.sums import Crossing
from siyu.segments.dimensions import DIMENSIONS, Dimension, get_dimension
from siyu.segments.rules import All, AnyOf, Metric, NoneOf, Op, Rule, Stands
from siyu.segments.thresholds import Thresholds

COMPARE = {Op.LESS: lt, Op.AT_MOST: le, Op.IS: eq, Op.IS_NOT: ne, Op.AT_LEAST: ge, Op.MORE: gt}


@dataclass(frozen=True)
class Scope:
    """What a rule is compiled for: the rows, and the thresholds in force. The as-of day is a parameter."""

    metrics: FromClause
    thresholds: Thresholds


def level_in(dimension: Dimension, scope: Scope) -> ColumnElement[str]:
    """The level of each row: the first whose rule holds."""
    *tried, rest = dimension.tried()
    whens = [(_holds(level.rule, dimension, scope), literal(level.key)) for level in tried if level.rule is not None]
    return case(*whens, else_=literal(rest.key))


def threshold_of(leaf: Metric, dimension: Dimension, thresholds: Thresholds) -> int:
    """The number itself, whether the rule has it or names it."""
    return leaf.value if isinstance(leaf.value, int) else thresholds[dimension.key][leaf.value]


def crossings(thresholds: Thresholds) -> frozenset[Crossing]:
    """When the passing of days alone moves somebody over a threshold of any rule."""
    return frozenset(
        Crossing(DAYS_SINCE[leaf.metric], days)
        for dimension in DIMENSIONS
        for level in dimension.levels
        if level.rule is not None
        for leaf in _leaves(level.rule)
        if leaf.metric in DAYS_SINCE
        for days in _days_of_change(leaf.op, threshold_of(leaf, dimension, thresholds))
    )


def _holds(rule: Rule, dimension: Dimension, scope: Scope) -> ColumnElement[bool]:
    match rule:
        case Metric():
            return _compares(rule, dimension, scope)
        case Stands():
            return level_in(get_dimension(rule.dimension), scope).in_(rule.levels)
        case All():
            return and_(*(_holds(part, dimension, scope) for part in rule.of))
        case AnyOf():
            return or_(*(_holds(part, dimension, scope) for part in rule.of))
        case NoneOf():
            return not_(or_(*(_holds(part, dimension, scope) for part in rule.of)))
        case _ as never:
            assert_never(never)


def _compares(leaf: Metric, dimension: Dimension, scope: Scope) -> ColumnElement[bool]:
    """Without the fact the leaf is false, so that a NOT around it is true."""
    number = column_of(leaf.metric, scope.metrics)
    compared: ColumnElement[bool] = COMPARE[leaf.op](number, threshold_of(leaf, dimension, scope.thresholds))
    return and_(number.is_not(None), compared) if leaf.metric in DAYS_SINCE else compared


def _leaves(rule: Rule) -> Iterator[Metric]:
    match rule:
        case Metric():
            yield rule
        case Stands():
            pass  # the other dimension's own levels are walked by themselves
        case All() | AnyOf() | NoneOf():
            for part in rule.of:
                yield from _leaves(part)
        case _ as never:
            assert_never(never)


def _days_of_change(op: Op, value: int) -> tuple[int, ...]:
    match op:
        case Op.LESS | Op.AT_LEAST:
            return (value,)
        case Op.AT_MOST | Op.MORE:
            return (value + 1,)
        case Op.IS | Op.IS_NOT:
            return (value, value + 1)
        case _ as never:
            assert_never(never)
