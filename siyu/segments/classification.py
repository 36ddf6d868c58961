"""The classification in force: every dimension with its operators' own numbers and names, and every saved rule."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import assert_never

from siyu.kit.errors import NotFound
from siyu.kit.wording import phrase
from siyu.metrics.measures import DAYS_SINCE, EDGES, SCORES, Cut, score_cuts
from siyu.metrics.sums import Crossing, Qualifying
from siyu.segments import rules
from siyu.segments.dimensions import IN, Dimension, Level
from siyu.segments.rules import Above, Did, InSegment, Interested, Metric, OnGrid, Op, Rule, Stands, Tagged

Thresholds = Mapping[str, Mapping[str, int]]  # by dimension, by name

INTERESTS = "interests"
INTEREST_DAYS = 180
CENTURY = 36_525  # days; nothing a calendar holds crosses what lies beyond
INTERESTS_LABEL = phrase("Interests")


@dataclass(frozen=True)
class Classification:
    """Dimensions in the order people read them; sparse ones are saved segments and interests: in or out."""

    dimensions: tuple[Dimension, ...]
    sparse: tuple[Dimension, ...]
    thresholds: Thresholds
    broken: Mapping[str, str] = field(default_factory=dict)  # why a saved rule cannot be worked out, a message id

    @cached_property
    def by_key(self) -> Mapping[str, Dimension]:
        return {dimension.key: dimension for dimension in self.everything}

    @property
    def everything(self) -> tuple[Dimension, ...]:
        return self.dimensions + self.sparse

    def dimension(self, key: str) -> Dimension:
        """One of the dimensions. Raises NotFound."""
        found = self.by_key.get(key)
        if found is None or found.sparse:
            raise NotFound("there is no dimension %(key)s", key=key)
        return found

    def place(self, key: str) -> tuple[Dimension, Level]:
        """Where the people of a segment stand: `loyalty.at_risk`, or a saved segment's key. Raises NotFound."""
        found = self.by_key.get(key)
        if found is not None and found.sparse:
            return found, found.level(IN)
        dimension_key, _, level_key = key.rpartition(".")
        dimension = self.by_key.get(dimension_key)
        if dimension is None or dimension.sparse:
            raise NotFound("there is no segment %(key)s", key=key)
        return dimension, dimension.level(level_key)

    def rule_of_tag(self, word: str) -> Rule | None:
        """Who has a tag by itself; None for one that is only hung by hand."""
        found = self.by_key.get(tag_key(word))
        return found.level(IN).rule if found else None

    def rule_of(self, key: str) -> Rule:
        """A segment's rule. Raises NotFound."""
        dimension, level = self.place(key)
        if dimension.sparse:
            assert level.rule is not None, "IN always has one"
            return level.rule
        return Stands(dimension.key, (level.key,))

    @property
    def qualifying(self) -> Qualifying:
        referral = self.thresholds["referral"]
        return Qualifying(join_days=referral["join_days"], hold_days=referral["hold_days"])

    @property
    def interests(self) -> frozenset[str]:
        """Categories somebody may be interested in."""
        return frozenset(one.key.partition(".")[2] for one in self.sparse if one.key.startswith(f"{INTERESTS}."))

    def leaves(self) -> Iterator[rules.Leaf]:
        for dimension in self.everything:
            for level in dimension.levels:
                if level.rule is not None:
                    yield from rules.leaves(level.rule)

    @cached_property
    def crossings(self) -> frozenset[Crossing]:
        """When the passing of days alone moves somebody over a threshold of any rule."""
        return frozenset(
            Crossing(DAYS_SINCE[leaf.metric], days)
            for leaf in self.leaves()
            if isinstance(leaf, Metric) and leaf.metric in DAYS_SINCE and isinstance(leaf.value, int | float)
            for days in _days_of_change(leaf.op, leaf.value)
            if abs(days) <= CENTURY
        )

    @cached_property
    def edges(self) -> Mapping[int, frozenset[str]]:
        """Windows that a day may leave, and of what; where a rule asks for deeds, of anything."""
        return {**EDGES, **{leaf.days: frozenset() for leaf in self.leaves() if isinstance(leaf, Did)}}

    @cached_property
    def intents(self) -> frozenset[float]:
        """Scores below which an intent may sink."""
        return frozenset(
            float(leaf.value)
            for leaf in self.leaves()
            if isinstance(leaf, Metric) and leaf.metric == "intent_score" and float(leaf.value) > 0
        )

    @cached_property
    def cuts(self) -> frozenset[Cut]:
        """Places among the buyers that any rule asks for; those of the scores everybody is shown."""
        asked = {cut for leaf in self.leaves() for cut in cuts_of(leaf)}
        return frozenset(asked | {cut for column in SCORES.values() for cut in score_cuts(column, 5)})

    @cached_property
    def interest_days(self) -> frozenset[int]:
        return frozenset(leaf.days for leaf in self.leaves() if isinstance(leaf, Interested))

    def asking_for(self, metric: str) -> frozenset[str]:
        """Keys of what asks for a metric, itself or through what it needs."""
        found = {
            dimension.key
            for dimension in self.everything
            for level in dimension.levels
            if level.rule is not None
            and any(isinstance(leaf, Metric) and leaf.metric == metric for leaf in rules.leaves(level.rule))
        }
        while more := {d.key for d in self.everything if d.key not in found and found & set(needs(d))}:
            found |= more
        return frozenset(found)

    def meaning(self, key: str) -> str:
        """What a dimension comes down to: two are the same if this is, whatever they are called."""
        found: dict[str, list[object]] = {}
        waiting = {key}
        while waiting:
            dimension = self.by_key[waiting.pop()]
            found[dimension.key] = [
                (level.key, rules.to_json(level.rule)) for level in dimension.tried() if level.rule is not None
            ]
            waiting |= set(needs(dimension)) & set(self.by_key) - set(found)
        return json.dumps(found, sort_keys=True)


def cuts_of(leaf: rules.Leaf) -> Iterable[Cut]:
    match leaf:
        case Above():
            return (cut_of(leaf),)
        case OnGrid():
            return (cut for column in SCORES.values() for cut in score_cuts(column, leaf.parts))
        case Metric() if leaf.metric in SCORES:
            return score_cuts(SCORES[leaf.metric], 5)
        case _:
            return ()


def cut_of(leaf: Above) -> Cut:
    return Cut(leaf.above, Fraction(round(float(leaf.share) * 100), 100))


def tag_key(word: str) -> str:
    """Where the fans stand who have a tag by its rule; a colon is in no other key."""
    return f"tag:{word}"


def is_tag(key: str) -> bool:
    return key.startswith("tag:")


def needs(dimension: Dimension) -> list[str]:
    """Keys of the dimensions and saved segments its rules ask for."""
    return [
        key
        for level in dimension.levels
        if level.rule is not None
        for leaf in rules.leaves(level.rule)
        for key in asks_for(leaf)
    ]


def asks_for(leaf: rules.Leaf) -> tuple[str, ...]:
    match leaf:
        case Stands():
            return (leaf.dimension,)
        case InSegment():
            return (leaf.segment, leaf.segment.rpartition(".")[0])
        case Tagged():
            return (tag_key(leaf.tag),)
        case _:
            return ()


def _days_of_change(op: Op, value: int | float) -> tuple[int, ...]:
    """Whole days at which a comparison of a growing number turns."""
    whole = int(value // 1)
    match op:
        case Op.LESS | Op.AT_LEAST:
            return (whole, whole + 1)
        case Op.AT_MOST | Op.MORE:
            return (whole + 1,)
        case Op.IS | Op.IS_NOT:
            return (whole, whole + 1)
        case _ as never:
            assert_never(never)
