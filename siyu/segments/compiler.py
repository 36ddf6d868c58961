"""Rules as SQL over a table shaped like fan_metrics, with bound parameters only; never NULL, so that NOT is safe."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import eq, ge, gt, le, lt, ne
from typing import Any, assert_never

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
)

from siyu.kit.staging import Params
from siyu.metrics import cuts, interests, stage
from siyu.metrics.measures import MEASURES, MOMENTS, SCORES, Cut, Cuts, Kind, above, cooling, score_of
from siyu.metrics.stage import AS_OF, TODAY
from siyu.segments.classification import INTEREST_DAYS, INTERESTS, Classification, cut_of, cuts_of
from siyu.segments.dimensions import Dimension
from siyu.segments.names import moment_value
from siyu.segments.rules import (
    Above,
    All,
    AnyOf,
    Attribute,
    Channel,
    Did,
    Fans,
    InSegment,
    Interested,
    Leaf,
    Match,
    Metric,
    NoneOf,
    OnGrid,
    Op,
    Rule,
    Stands,
    Stays,
    Tagged,
    Was,
    leaves,
)
from siyu.segments.traits import Trait, trait_of
from siyu.tables import AsOf, Fan, FanAttribute, FanInterest, FanLevel, FanMetrics, FanTag, Interaction, LevelChange

COMPARE: Mapping[Op, Callable[[Any, Any], Any]] = {  # Any: columns and numbers alike
    Op.LESS: lt, Op.AT_MOST: le, Op.IS: eq, Op.IS_NOT: ne, Op.AT_LEAST: ge, Op.MORE: gt,
}  # fmt: skip
fan_metrics = stage.table_of(FanMetrics)
fan, tag, attribute, did, interest, standing, change = (
    stage.table_of(model) for model in (Fan, FanTag, FanAttribute, Interaction, FanInterest, FanLevel, LevelChange)
)


Said = Callable[[str], ColumnElement[str]]  # how a level is said, by its key


@dataclass(frozen=True)
class Scope:
    """What a rule is compiled for: the rows, the classification, and whether they are everybody or a few.

    For everybody, facts beside the numbers are found as sets; for a few, fan by fan.
    """

    rows: FromClause
    classification: Classification
    everybody: bool = True
    anew: bool = False  # in a run that works out every fan's interests
    letters: Mapping[str, ColumnElement[str]] = field(default_factory=dict)  # of dimensions, where known already
    sets: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)  # who is in saved segments, where known
    traits: Mapping[Trait, ColumnElement[Any]] = field(default_factory=dict)  # Any: a word, or how often

    @property
    def fan_id(self) -> ColumnElement[int]:
        return self.rows.c.fan_id

    def trait(self, leaf: Leaf) -> ColumnElement[Any] | None:
        """What the condition asks for, where that was found already; NULL where there is nothing."""
        asked = trait_of(leaf)
        return None if asked is None else self.traits.get(asked)


def level_in(dimension: Dimension, scope: Scope, said: Said = literal) -> ColumnElement[str]:
    """The level of each row: the first whose rule holds; by its key, or as it is said otherwise."""
    *tried, rest = dimension.tried()
    # The cells of a grid are one question, asked once: level by level the scores were worked out ten times.
    grids = [(level.key, level.rule) for level in tried if isinstance(level.rule, OnGrid)]
    cells = {cell: said(key) for key, rule in grids for cell in rule.cells}
    last = case(cells, value=_cell(grids[0][1].parts, scope), else_=said(rest.key)) if cells else said(rest.key)
    asked = [level for level in tried if level.rule is not None and not isinstance(level.rule, OnGrid)]
    whens = [(holds(level.rule, scope), said(level.key)) for level in asked if level.rule is not None]
    return case(*whens, else_=last) if whens else last


def holds(rule: Rule, scope: Scope) -> ColumnElement[bool]:
    """True for every row whom the rule fits, false for every other."""
    match rule:
        case All():
            return and_(*(holds(part, scope) for part in _cheap_first(rule)))
        case AnyOf():
            return or_(*(holds(part, scope) for part in _cheap_first(rule)))
        case NoneOf():
            return not_(or_(*(holds(part, scope) for part in _cheap_first(rule))))
        case _:
            return _LEAVES[type(rule)](rule, scope)


def _cheap_first(rule: All | AnyOf | NoneOf) -> Sequence[Rule]:
    """The first that settles it saves the others: SQLite asks in the order they are written in."""
    return sorted(rule.of, key=_dearness)


def _dearness(rule: Rule) -> int:
    match rule:
        case All() | AnyOf() | NoneOf():
            return max(_dearness(part) for part in rule.of)
        case Metric():
            return 0  # a number of the row
        case Stands() | InSegment():
            return 1  # a letter of its word
        case Did():
            return 3  # the facts themselves
        case _:
            return 2  # a look into another table


def parameters(classification: Classification, rule: Rule | None, as_of: AsOf, known: Cuts) -> Params:
    """Values for all that a compiled rule may name, outside of a run."""
    asked: Iterable[Cut] = classification.cuts
    if rule is not None:
        asked = {*asked, *(cut for leaf in leaves(rule) for cut in cuts_of(leaf))}
    return {
        **stage.parameters(as_of=as_of.as_of, day=as_of.day, currency=""),
        "cooled": cooling(as_of.day),
        **cuts.parameters(asked, known),
    }


def _metric(leaf: Metric, scope: Scope) -> ColumnElement[bool]:
    """Without the fact the leaf is false, so that a NOT around it is true."""
    measure = MEASURES[leaf.metric]
    if measure.kind is Kind.MOMENT:
        return _moment(leaf, scope)
    number = measure.sql(scope.rows)
    compared: ColumnElement[bool] = COMPARE[leaf.op](number, _wide(leaf.value))
    # One look at the number: asked first whether it is there, a score was worked out twice.
    return func.coalesce(compared, false()) if measure.can_be_missing else compared


def _wide(value: int | float | str) -> Any:  # Any: a number, or a bound one
    """PostgreSQL would take a whole number for as narrow as what it is compared with."""
    return literal(value, BigInteger()) if isinstance(value, int) else value


def _moment(leaf: Metric, scope: Scope) -> ColumnElement[bool]:
    value = moment_value(leaf)
    at, day = (scope.rows.c[name] for name in MOMENTS[leaf.metric])
    column = at if isinstance(value, datetime) else day
    return and_(column.is_not(None), COMPARE[leaf.op](column, value))


def _stands(leaf: Stands, scope: Scope) -> ColumnElement[bool]:
    if leaf.dimension == INTERESTS:
        return _interested(Interested(categories=leaf.levels, days=INTEREST_DAYS), scope)
    dimension = scope.classification.dimension(leaf.dimension)
    known = scope.letters.get(leaf.dimension)
    if known is None:
        return level_in(dimension, scope).in_(leaf.levels)
    return known.in_([dimension.letters[level] for level in leaf.levels])


def _in_segment(leaf: InSegment, scope: Scope) -> ColumnElement[bool]:
    known = scope.sets.get(leaf.segment)
    return holds(scope.classification.rule_of(leaf.segment), scope) if known is None else known


def _tagged(leaf: Tagged, scope: Scope) -> ColumnElement[bool]:
    known = scope.trait(leaf)
    if known is None:
        by_hand = _any_of(select(tag.c.fan_id).where(tag.c.tag == leaf.tag), tag.c.fan_id, scope)
    else:
        by_hand = func.coalesce(known > 0, false())
    rule = scope.classification.rule_of_tag(leaf.tag)
    return by_hand if rule is None else or_(by_hand, holds(rule, scope))


def _attribute(leaf: Attribute, scope: Scope) -> ColumnElement[bool]:
    known = scope.trait(leaf)
    if known is not None:
        return func.coalesce(_matches(leaf, known), false())
    fits = select(attribute.c.fan_id).where(attribute.c.name == leaf.attribute, _matches(leaf, attribute.c.value))
    return _any_of(fits, attribute.c.fan_id, scope)


def _matches(leaf: Attribute, value: ColumnElement[str]) -> ColumnElement[bool]:
    match leaf.op:
        case Match.IS:
            return value == leaf.value
        case Match.IS_NOT:
            return value != leaf.value
        case Match.ONE_OF:
            return value.in_(leaf.value or ())
        case Match.CONTAINS:
            return value.icontains(leaf.value, autoescape=True)
        case Match.KNOWN:
            return value != ""
        case _ as never:
            assert_never(never)


def _did(leaf: Did, scope: Scope) -> ColumnElement[bool]:
    known = scope.trait(leaf)
    if known is not None:
        return func.coalesce(known >= _wide(leaf.at_least), false())
    deeds = (did.c.kind == leaf.did, did.c.day > TODAY - leaf.days, did.c.at <= AS_OF)
    if scope.everybody:
        often = select(did.c.fan_id).where(*deeds).group_by(did.c.fan_id)
        return scope.fan_id.in_(often.having(func.count() >= _wide(leaf.at_least)))
    times = select(func.count()).where(did.c.fan_id == scope.fan_id, *deeds).correlate(scope.rows)
    enough: ColumnElement[bool] = times.scalar_subquery() >= _wide(leaf.at_least)
    return enough


def _fans(leaf: Fans, scope: Scope) -> ColumnElement[bool]:
    return scope.fan_id.in_(select(fan.c.id).where(fan.c.telegram_id.in_(leaf.fans)))


def _was(leaf: Was, scope: Scope) -> ColumnElement[bool]:
    """A stay that spans the end of the day: closed by a change after it, or still going on."""
    dimension, level = scope.classification.place(leaf.was)
    closed = select(change.c.fan_id).where(
        change.c.dimension == dimension.key, change.c.old_level == level.key,
        change.c.old_day <= leaf.on, change.c.day > leaf.on,
    )  # fmt: skip
    going_on = select(standing.c.fan_id).where(
        standing.c.dimension == dimension.key, standing.c.level == level.key, standing.c.since_day <= leaf.on
    )
    return or_(_any_of(closed, change.c.fan_id, scope), _any_of(going_on, standing.c.fan_id, scope))


def _above(leaf: Above, scope: Scope) -> ColumnElement[bool]:
    return and_(scope.rows.c.orders_total > 0, above(cut_of(leaf), scope.rows))


def _on_grid(leaf: OnGrid, scope: Scope) -> ColumnElement[bool]:
    if not leaf.cells:
        return false()
    return and_(scope.rows.c.orders_total > 0, _cell(leaf.parts, scope).in_(leaf.cells))


def _cell(parts: int, scope: Scope) -> ColumnElement[int]:
    """The scores side by side, as in 54; NULL for whoever never bought."""
    cell: ColumnElement[int] = stage.ZERO
    for column in list(SCORES.values())[: 2 if parts == 5 else 3]:
        cell = cell * 10 + score_of(column, parts, scope.rows)
    return cell


def _channel(leaf: Channel, scope: Scope) -> ColumnElement[bool]:
    known = scope.trait(leaf)
    named = func.lower(fan.c.source_channel) if known is None else known
    fits = named.not_in(leaf.channels) if leaf.other else named.in_(leaf.channels)
    if known is not None:
        return func.coalesce(fits, false())
    return _any_of(select(fan.c.id).where(fits), fan.c.id, scope)


def _interested(leaf: Interested, scope: Scope) -> ColumnElement[bool]:
    """In a run, as it will stand when that has written."""

    def shown(rows: Table, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        recent = rows.c.category.in_(leaf.categories), rows.c.day > TODAY - leaf.days
        return _any_of(select(rows.c.fan_id).where(*recent, *conditions), rows.c.fan_id, scope)

    if scope.rows is not stage.metrics:
        return shown(interest)
    if scope.anew:
        return shown(stage.interests)
    anew = select(stage.fans.c.fan_id).where(interests.worked_out(everybody=False))
    return or_(shown(stage.interests), shown(interest, interest.c.fan_id.not_in(anew)))


def _stays(leaf: Stays, scope: Scope) -> ColumnElement[bool]:
    return _any_of(select(standing.c.fan_id).where(standing.c.dimension == leaf.stays), standing.c.fan_id, scope)


_LEAVES: Mapping[type[Leaf], Callable[[Any, Scope], ColumnElement[bool]]] = {  # Any: the leaf of that type
    Metric: _metric, Stands: _stands, InSegment: _in_segment, Tagged: _tagged, Attribute: _attribute, Did: _did,
    Fans: _fans, Was: _was, Above: _above, OnGrid: _on_grid, Channel: _channel, Interested: _interested, Stays: _stays,
}  # fmt: skip


def _any_of(fitting: Select[int], fan_id: ColumnElement[int], scope: Scope) -> ColumnElement[bool]:
    """Among those people: by their set where everybody is asked, by a look at an index where only a few are."""
    if scope.everybody:
        return scope.fan_id.in_(fitting)
    return fitting.where(fan_id == scope.fan_id).correlate(scope.rows).exists()
