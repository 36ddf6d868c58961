"""Why a fan is in a segment, or is not: each condition with the fact, what it needs, and whether it holds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from siyu import fans
from siyu.kit.database import ReadSession
from siyu.kit.errors import NotFound
from siyu.metrics.measures import MEASURES, MOMENTS, SCORES, Kind, Present, ranked_value, read_above, read_score
from siyu.segments import definitions, rules, sentences
from siyu.segments.circumstances import Beside, beside
from siyu.segments.classification import INTEREST_DAYS, INTERESTS, Classification, cut_of
from siyu.segments.compiler import COMPARE
from siyu.segments.dimensions import Dimension, Level
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
    Match,
    Metric,
    NoneOf,
    OnGrid,
    Rule,
    Stands,
    Stays,
    Tagged,
    Was,
)
from siyu.segments.sentences import Sentence
from siyu.tables import AsOf, Fan, FanLevel, FanMetrics

Fact = int | float | str | bool | datetime | date | tuple[str, ...] | None


@dataclass(frozen=True)
class Facts:
    """One fan's numbers, what is known beside them, and what they are read against."""

    metrics: FanMetrics
    present: Present
    whole: Classification
    beside: Beside = field(default_factory=Beside)


@dataclass(frozen=True)
class Leaf:
    """A condition; `fact` is None for a fan for whom there is none, and then it does not hold.

    `of` is what decides it where it asks for another segment or level.
    """

    holds: bool
    sentence: Sentence
    rule: rules.Leaf
    fact: Fact
    threshold: Fact
    of: tuple["Node", ...] = ()


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
    """The whole answer: where the fan stands, since when, and the segment's rule held against what is known."""

    key: str
    telegram_id: int
    holds: bool
    dimension: Dimension
    level: str  # where the fan stands in this dimension; of a saved segment: in or out
    since: datetime | None  # None: never in it
    rule: Node
    computed_at: datetime


async def explain(session: ReadSession, key: str, telegram_id: int) -> Explanation:
    """Why this fan is in the segment, or not; for members and others alike."""
    fan = await fans.get_fan(session, telegram_id)
    as_of = await session.get(AsOf, 1)
    whole = definitions.applied(as_of)
    dimension, level = whole.place(key)
    standing = await session.get(FanLevel, (dimension.key, fan.id))
    if as_of is None or (standing is None and not dimension.sparse):
        raise _not_yet()
    facts = await facts_of(session, fan, as_of, [rule for one in dimension.levels if (rule := one.rule)])
    return Explanation(
        key=key,
        telegram_id=telegram_id,
        holds=standing is not None and standing.level == level.key,
        dimension=dimension,
        level=standing.level if standing else "out",
        since=standing.since if standing else None,
        rule=judge_segment(dimension, level, facts),
        computed_at=as_of.as_of,
    )


async def explain_rule(session: ReadSession, rule: Rule, telegram_id: int) -> Node:
    """The same for a rule that nobody saved."""
    fan, as_of = await fans.get_fan(session, telegram_id), await session.get(AsOf, 1)
    if as_of is None:
        raise _not_yet()
    return judge(rule, await facts_of(session, fan, as_of, [rule]))


async def facts_of(session: ReadSession, fan: Fan, as_of: AsOf, asked: list[Rule]) -> Facts:
    """What these rules ask for of one fan."""
    metrics, whole = await session.get(FanMetrics, fan.id), definitions.applied(as_of)
    if metrics is None:
        raise _not_yet()
    known = await beside(session, fan, as_of, whole, asked)
    return Facts(metrics, await definitions.present(session, as_of), whole, known)


def judge_segment(dimension: Dimension, level: Level, facts: Facts) -> Node:
    """A saved segment's rule, or what decides a level."""
    if dimension.sparse:
        assert level.rule is not None, "IN always has one"
        return judge(level.rule, facts)
    return judge_level(dimension, level, facts)


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
    return next((level for level in tried if level.rule and judge(level.rule, facts).holds), rest)


def why(dimension: Dimension, level: Level, facts: Facts) -> Sentence:
    """In one sentence what put a fan there."""
    if level.rule is None:
        return _told_by(dimension, level, facts)
    proof = tuple(_proof(judge(level.rule, facts)))
    return (
        sentences.together(proof) if proof else Sentence(level.sentence, values=facts.whole.thresholds[dimension.key])
    )


def judge(rule: Rule, facts: Facts) -> Node:
    """A rule held against one fan."""
    match rule:
        case All():
            parts = tuple(judge(part, facts) for part in rule.of)
            return Group(holds=all(part.holds for part in parts), kind="all", of=parts)
        case AnyOf():
            parts = tuple(judge(part, facts) for part in rule.of)
            return Group(holds=any(part.holds for part in parts), kind="any", of=parts)
        case NoneOf():
            parts = tuple(judge(part, facts) for part in rule.of)
            return Group(holds=not any(part.holds for part in parts), kind="none", of=parts)
        case _:
            return _JUDGES[type(rule)](rule, facts)


def _not_yet() -> NotFound:
    return NotFound("this fan was not classified yet; try again in a moment")


def _told_by(dimension: Dimension, level: Level, facts: Facts) -> Sentence:
    """Nothing put the fan there but that no other level did."""
    measure = MEASURES.get(level.told_by)
    if measure is None:
        return Sentence(level.sentence, values=facts.whole.thresholds[dimension.key])
    value = measure.read(facts.metrics, facts.present)
    assert not isinstance(value, datetime), "no level is told by a moment"
    return sentences.fact(level.told_by, value, facts.present.currency)


def _named(dimension: Dimension, level: Level, facts: Facts) -> Group:
    """A level's rule under its name."""
    assert level.rule is not None, "only the last level has none"
    node = judge(level.rule, facts)
    name = sentences.stands(dimension.label, level.label)
    if isinstance(node, Leaf):
        return Group(holds=node.holds, kind="all", of=(node,), sentence=name)
    return replace(node, sentence=name)


def _metric(leaf: Metric, facts: Facts) -> Leaf:
    measure = MEASURES[leaf.metric]
    if measure.kind is Kind.MOMENT:
        return _moment(leaf, facts)
    value = measure.read(facts.metrics, facts.present)
    assert not isinstance(value, datetime), "moments are told apart above"
    holds = value is not None and COMPARE[leaf.op](value, leaf.value)
    return Leaf(holds, sentences.measured(leaf, value, facts.present.currency), leaf, value, leaf.value)


def _moment(leaf: Metric, facts: Facts) -> Leaf:
    wanted = moment_value(leaf)
    at, day = (getattr(facts.metrics, column) for column in MOMENTS[leaf.metric])
    value = at if isinstance(wanted, datetime) else day
    holds = value is not None and COMPARE[leaf.op](value, wanted)
    return Leaf(holds, sentences.at_moment(leaf, day), leaf, at, str(leaf.value))


def _stands(leaf: Stands, facts: Facts) -> Leaf:
    """In one of the other dimension's levels: each with its own conditions below."""
    if leaf.dimension == INTERESTS:
        return _interested(Interested(categories=leaf.levels, days=INTEREST_DAYS), facts, leaf)
    other = facts.whole.dimension(leaf.dimension)
    places = tuple(
        replace(judge_level(other, level, facts), sentence=sentences.stands(other.label, level.label))
        for level in (other.level(key) for key in leaf.levels)
    )
    here = level_of(other, facts)
    told = sentences.stands_among(other, here, leaf.levels)
    return Leaf(here.key in leaf.levels, told, leaf, here.key, leaf.levels, places)


def _in_segment(leaf: InSegment, facts: Facts) -> Leaf:
    dimension, level = facts.whole.place(leaf.segment)
    node = judge_segment(dimension, level, facts)
    name = sentences.segment_name(dimension, level)
    return Leaf(node.holds, sentences.in_segment(name, holds=node.holds), leaf, node.holds, True, (node,))


def _tagged(leaf: Tagged, facts: Facts) -> Leaf:
    rule = facts.whole.rule_of_tag(leaf.tag)
    below = () if rule is None else (judge(rule, facts),)
    holds = leaf.tag in facts.beside.tags or any(node.holds for node in below)
    return Leaf(holds, sentences.tagged(leaf.tag, holds=holds), leaf, holds, True, below)


def _attribute(leaf: Attribute, facts: Facts) -> Leaf:
    value = facts.beside.attributes.get(leaf.attribute)
    holds = value is not None and _matches(leaf, value)
    return Leaf(holds, sentences.attribute(leaf, value), leaf, value, leaf.value)


def _matches(leaf: Attribute, value: str) -> bool:
    fits: Mapping[Match, Callable[[], bool]] = {
        Match.IS: lambda: value == leaf.value,
        Match.IS_NOT: lambda: value != leaf.value,
        Match.ONE_OF: lambda: value in (leaf.value or ()),
        Match.CONTAINS: lambda: str(leaf.value).lower() in value.lower(),
        Match.KNOWN: lambda: value != "",
    }
    return fits[leaf.op]()


def _did(leaf: Did, facts: Facts) -> Leaf:
    times = facts.beside.deeds[leaf.did, leaf.days]
    return Leaf(times >= leaf.at_least, sentences.did(leaf, times), leaf, times, leaf.at_least)


def _fans(leaf: Fans, facts: Facts) -> Leaf:
    holds = facts.beside.telegram_id in leaf.fans
    return Leaf(holds, sentences.named(holds=holds), leaf, facts.beside.telegram_id, None)


def _was(leaf: Was, facts: Facts) -> Leaf:
    dimension, level = facts.whole.place(leaf.was)
    holds = facts.beside.stays.get((leaf.was, leaf.on), False)
    told = sentences.was(sentences.segment_name(dimension, level), leaf.on, holds=holds)
    return Leaf(holds, told, leaf, holds, True)


def _above(leaf: Above, facts: Facts) -> Leaf:
    place = cut_of(leaf)
    value, limit = ranked_value(leaf.above, facts.metrics), facts.present.cuts.get(place.key)
    holds = facts.metrics.orders_total > 0 and read_above(place, facts.metrics, facts.present)
    return Leaf(holds, sentences.above(leaf, value, limit, facts.present.currency), leaf, value, limit)


def _on_grid(leaf: OnGrid, facts: Facts) -> Leaf:
    columns = list(SCORES.values())[: 2 if leaf.parts == 5 else 3]
    scores = [read_score(column, leaf.parts, facts.metrics, facts.present) for column in columns]
    cell = None if None in scores else int("".join(str(score) for score in scores))
    return Leaf(cell in leaf.cells, sentences.on_grid(scores), leaf, cell, ", ".join(map(str, leaf.cells)))


def _channel(leaf: Channel, facts: Facts) -> Leaf:
    channel = facts.beside.channel.lower()
    holds = (channel in leaf.channels) is not leaf.other
    return Leaf(holds, sentences.channel(facts.beside.channel), leaf, facts.beside.channel, leaf.channels)


def _interested(leaf: Interested, facts: Facts, asked: rules.Leaf | None = None) -> Leaf:
    recent = [
        category
        for category, day in facts.beside.interests.items()
        if category in leaf.categories and (facts.present.day - day).days < leaf.days
    ]
    told = sentences.interested(recent or leaf.categories, leaf.days, holds=bool(recent))
    return Leaf(bool(recent), told, asked or leaf, tuple(facts.beside.interests), leaf.categories)


def _stays(leaf: Stays, facts: Facts) -> Leaf:
    holds = leaf.stays in facts.beside.segments
    return Leaf(holds, sentences.stays(holds=holds), leaf, holds, True)


_JUDGES: Mapping[type[rules.Leaf], Callable[[Any, Facts], Leaf]] = {  # Any: the leaf of that type
    Metric: _metric, Stands: _stands, InSegment: _in_segment, Tagged: _tagged, Attribute: _attribute, Did: _did,
    Fans: _fans, Was: _was, Above: _above, OnGrid: _on_grid, Channel: _channel, Interested: _interested, Stays: _stays,
}  # fmt: skip


def _proof(node: Node) -> Iterator[Sentence]:
    """The fewest conditions that make it hold; of `none`, nothing can be shown but that nothing holds."""
    if isinstance(node, Leaf):
        below = [sentence for part in node.of if part.holds for sentence in _proof(part)]
        yield from below or [node.sentence]
    elif node.kind == "all":
        for part in node.of:
            yield from _proof(part)
    elif node.kind == "any":
        yield from _proof(next((part for part in node.of if part.holds), node.of[0]))
