"""Why a fan is in a segment, or is not: each condition with the fact, the threshold, and whether it holds."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import assert_never

from siyu import fans
from siyu.kit.database import ReadSession
from siyu.kit.errors import NotFound
from siyu.metrics.measures import value_of
from siyu.segments import sentences
from siyu.segments.compiler import COMPARE, threshold_of
from siyu.segments.dimensions import Dimension, Level, get_dimension, parse_key
from siyu.segments.rules import All, AnyOf, Metric, NoneOf, Op, Rule, Stands
from siyu.segments.sentences import Sentence
from siyu.segments.thresholds import Thresholds, thresholds_applied
from siyu.tables import AsOf, FanLevel, FanMetrics


@dataclass(frozen=True)
class Facts:
    """One fan's numbers, as of a day, under the thresholds in force."""

    metrics: FanMetrics
    day: date
    thresholds: Thresholds


@dataclass(frozen=True)
class Leaf:
    """A condition on one number; `fact` is None for a fan for whom there is none, and then it does not hold."""

    holds: bool
    sentence: Sentence
    metric: str
    op: Op
    fact: int | None
    threshold: int


@dataclass(frozen=True)
class Group:
    """Conditions together: all of them, any, or none; `sentence` says what they amount to, where they have a name."""

    holds: bool
    kind: str  # all · any · none
    of: tuple["Node", ...]
    sentence: Sentence | None = None


Node = Leaf | Group


@dataclass(frozen=True)
class Explanation:
    """The whole answer: where the fan stands, since when, and the segment's rule held against their numbers."""

    key: str
    telegram_id: int
    holds: bool
    level: str  # where the fan stands in this dimension
    since: datetime
    rule: Node
    computed_at: datetime


async def explain(session: ReadSession, key: str, telegram_id: int) -> Explanation:
    """Why this fan is in the segment, or not; for members and others alike."""
    dimension, level = parse_key(key)
    fan = await fans.get_fan(session, telegram_id)
    as_of = await session.get(AsOf, 1)
    metrics = await session.get(FanMetrics, fan.id)
    standing = await session.get(FanLevel, (dimension.key, fan.id))
    if as_of is None or metrics is None or standing is None:
        raise NotFound("this fan was not classified yet; try again in a moment")
    facts = Facts(metrics=metrics, day=as_of.day, thresholds=thresholds_applied(as_of))
    return Explanation(
        key=key,
        telegram_id=telegram_id,
        holds=standing.level == level.key,
        level=standing.level,
        since=standing.since,
        rule=judge_level(dimension, level, facts),
        computed_at=as_of.as_of,
    )


def judge_level(dimension: Dimension, level: Level, facts: Facts) -> Group:
    """A level holds where its own rule does and that of no level tried before it."""
    earlier = dimension.order[: dimension.order.index(level.key)]
    before = tuple(_named(dimension, dimension.level(key), facts) for key in earlier)
    nodes: list[Node] = [Group(holds=not any(node.holds for node in before), kind="none", of=before)] if before else []
    if level.rule is not None:
        nodes.append(_named(dimension, level, facts))
    return Group(holds=all(node.holds for node in nodes), kind="all", of=tuple(nodes))


def level_of(dimension: Dimension, facts: Facts) -> Level:
    """Where these numbers put a fan: the same rules the compiler turns into SQL."""
    *tried, rest = dimension.tried()
    return next((level for level in tried if level.rule and judge(level.rule, dimension, facts).holds), rest)


def why(dimension: Dimension, level: Level, facts: Facts) -> Sentence:
    """In one sentence what put a fan there."""
    if level.rule is None:
        return sentences.fact(level.told_by, value_of(level.told_by, facts.metrics, day=facts.day))
    proof = tuple(_proof(judge(level.rule, dimension, facts)))
    return sentences.together(proof) if proof else Sentence(level.sentence, values=facts.thresholds[dimension.key])


def judge(rule: Rule, dimension: Dimension, facts: Facts) -> Node:
    """A rule held against one fan."""
    match rule:
        case Metric():
            return _measure(rule, dimension, facts)
        case Stands():
            return _stand(rule, facts)
        case All():
            parts = tuple(judge(part, dimension, facts) for part in rule.of)
            return Group(holds=all(part.holds for part in parts), kind="all", of=parts)
        case AnyOf():
            parts = tuple(judge(part, dimension, facts) for part in rule.of)
            return Group(holds=any(part.holds for part in parts), kind="any", of=parts)
        case NoneOf():
            parts = tuple(judge(part, dimension, facts) for part in rule.of)
            return Group(holds=not any(part.holds for part in parts), kind="none", of=parts)
        case _ as never:
            assert_never(never)


def _named(dimension: Dimension, level: Level, facts: Facts) -> Group:
    """A level's rule under its name."""
    assert level.rule is not None, "only the last level has none"
    node = judge(level.rule, dimension, facts)
    name = sentences.stands(dimension.label, level.label)
    if isinstance(node, Leaf):
        return Group(holds=node.holds, kind="all", of=(node,), sentence=name)
    return Group(holds=node.holds, kind=node.kind, of=node.of, sentence=name)


def _measure(leaf: Metric, dimension: Dimension, facts: Facts) -> Leaf:
    value = value_of(leaf.metric, facts.metrics, day=facts.day)
    threshold = threshold_of(leaf, dimension, facts.thresholds)
    return Leaf(
        holds=value is not None and COMPARE[leaf.op](value, threshold),
        sentence=sentences.measured(leaf, value, threshold),
        metric=leaf.metric,
        op=leaf.op,
        fact=value,
        threshold=threshold,
    )


def _stand(rule: Stands, facts: Facts) -> Group:
    """In one of the other dimension's levels: each with its own conditions below."""
    other = get_dimension(rule.dimension)
    places = tuple(
        replace(judge_level(other, level, facts), sentence=sentences.stands(other.label, level.label))
        for level in (other.level(key) for key in rule.levels)
    )
    return Group(holds=any(place.holds for place in places), kind="any", of=places)


def _proof(node: Node) -> Iterator[Sentence]:
    """The fewest conditions that make it hold; of `none`, nothing can be shown but that nothing holds."""
    if isinstance(node, Leaf):
        yield node.sentence
    elif node.kind == "all":
        for part in node.of:
            yield from _proof(part)
    elif node.kind == "any":
        yield from _proof(next(part for part in node.of if part.holds))
