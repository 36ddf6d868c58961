"""A rule told in plain language: as one sentence, or line by line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from siyu.kit.errors import NotFound
from siyu.kit.wording import phrase
from siyu.metrics.measures import MEASURES, Kind
from siyu.segments import sentences
from siyu.segments.classification import INTERESTS, INTERESTS_LABEL, Classification
from siyu.segments.dimensions import Dimension
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
)
from siyu.segments.sentences import Sentence, phrases


@dataclass(frozen=True)
class Line:
    """A condition and its sentence, or a group (all · any · none) and what is in it."""

    kind: str
    sentence: Sentence
    of: tuple["Line", ...] = ()


def told(rule: Rule, whole: Classification, currency: str) -> Sentence:
    """The whole rule: "bought at least 2 times in 90 days and (Loyalty: Lost or is in “VIP”)"."""
    match rule:
        case All() if len(rule.of) > 1:
            return sentences.both([_within(part, whole, currency) for part in rule.of])
        case AnyOf() if len(rule.of) > 1:
            return sentences.either([_within(part, whole, currency) for part in rule.of])
        case All() | AnyOf():
            return told(rule.of[0], whole, currency)
        case NoneOf():
            inner = sentences.either([_within(part, whole, currency) for part in rule.of])
            return Sentence(phrase("not (%(what)s)"), values={"what": inner})
        case _:
            return condition(rule, whole, currency)


def outline(rule: Rule, whole: Classification, currency: str) -> Line:
    """The same, line by line."""
    kind = {All: "all", AnyOf: "any", NoneOf: "none"}.get(type(rule), "")
    of = tuple(outline(part, whole, currency) for part in rule.of) if isinstance(rule, All | AnyOf | NoneOf) else ()
    return Line(kind, told(rule, whole, currency), of)


def condition(leaf: Leaf, whole: Classification, currency: str) -> Sentence:
    """One condition, said of whom it fits."""
    match leaf:
        case Metric():
            return _metric(leaf, currency)
        case Stands():
            return _stands(leaf, whole)
        case Tagged():
            return sentences.tagged(leaf.tag, holds=True)
        case Attribute():
            return _attribute(leaf, whole)
        case Did():
            return _did(leaf)
        case InSegment():
            return sentences.in_segment(name_of(leaf.segment, whole), holds=True)
        case Was():
            return sentences.was(name_of(leaf.was, whole), leaf.on, holds=True)
        case Fans():
            one, many = NAMED
            return Sentence(one, many, len(leaf.fans), {"number": len(leaf.fans)})
        case Above() | OnGrid() | Channel() | Interested() | Stays():
            return _ours(leaf)
        case _ as never:
            assert_never(never)


def name_of(key: str, whole: Classification) -> Sentence:
    """What a segment is called; one that is not there any more by its key."""
    try:
        dimension, level = whole.place(key)
    except NotFound:
        return Sentence(phrase("%(key)s (gone)"), values={"key": key})
    return sentences.segment_name(dimension, level)


BOUNDS: Mapping[Op, str] = {
    Op.LESS: phrase("fewer than %(number)s"),
    Op.AT_MOST: phrase("at most %(number)s"),
    Op.IS: phrase("exactly %(number)s"),
    Op.IS_NOT: phrase("any number but %(number)s"),
    Op.AT_LEAST: phrase("at least %(number)s"),
    Op.MORE: phrase("more than %(number)s"),
}
DAYS: Mapping[Op, str] = {
    Op.LESS: phrase("before %(day)s"),
    Op.AT_MOST: phrase("on %(day)s or before"),
    Op.IS: phrase("on %(day)s"),
    Op.IS_NOT: phrase("any day but %(day)s"),
    Op.AT_LEAST: phrase("on %(day)s or after"),
    Op.MORE: phrase("after %(day)s"),
}
MATCHED: Mapping[Match, str] = {
    Match.IS: phrase("%(label)s: %(value)s"),
    Match.IS_NOT: phrase("%(label)s: anything but %(value)s"),
    Match.ONE_OF: phrase("%(label)s: one of %(value)s"),
    Match.CONTAINS: phrase("%(label)s contains %(value)s"),
    Match.KNOWN: phrase("%(label)s is known"),
}
NAMED = phrases("is the %(number)s person named here", "is one of the %(number)s people named here")
DEEDS = phrases(
    "%(kind)s at least %(times)s time in %(days)s days", "%(kind)s at least %(times)s times in %(days)s days"
)


def _within(part: Rule, whole: Classification, currency: str) -> Sentence:
    """Inside another group: in brackets where the words would run into each other."""
    said = told(part, whole, currency)
    if isinstance(part, All | AnyOf) and len(part.of) > 1:
        return Sentence(phrase("(%(what)s)"), values={"what": said})
    return said


def _metric(leaf: Metric, currency: str) -> Sentence:
    if leaf.metric in MEASURES and MEASURES[leaf.metric].kind is Kind.MOMENT:
        return sentences.labelled(leaf.metric, Sentence(DAYS[leaf.op], values={"day": str(leaf.value)}))
    if leaf.value == 0 and leaf.op in {Op.IS, Op.AT_MOST} and leaf.metric in sentences.NOT_ONCE:
        return Sentence(sentences.NOT_ONCE[leaf.metric])
    bound = Sentence(BOUNDS[leaf.op], values={"number": sentences.shown(leaf.metric, leaf.value, currency)})
    if leaf.metric not in sentences.FACTS:
        return sentences.labelled(leaf.metric, bound)
    one, many = sentences.FACTS[leaf.metric]
    return Sentence(one, many, _whole(leaf.value), {"fact": bound})


def _whole(value: "int | float | str") -> int:
    """What chooses between one and many: 1.5 are many."""
    return 1 if value == 1 else 2


def _stands(leaf: Stands, whole: Classification) -> Sentence:
    dimension = whole.by_key.get(leaf.dimension)
    label = INTERESTS_LABEL if leaf.dimension == INTERESTS else dimension.label if dimension else leaf.dimension
    levels = [_level(dimension, key) for key in leaf.levels]
    return Sentence(
        phrase("%(dimension)s: %(level)s"),
        values={"dimension": Sentence(label), "level": sentences.either(levels)},
    )


def _level(dimension: Dimension | None, key: str) -> Sentence:
    found = next((level.label for level in dimension.levels if level.key == key), None) if dimension else None
    return Sentence(found) if found else Sentence("%(key)s", values={"key": key})


def _attribute(leaf: Attribute, whole: Classification) -> Sentence:
    """An attribute that a dimension asks for is called like it, and so are its values."""
    asking = next((one for one in whole.dimensions if one.asked == leaf.attribute), None)
    label = Sentence(asking.label) if asking else leaf.attribute
    texts = leaf.value if isinstance(leaf.value, tuple) else (leaf.value or "",)
    value = sentences.either([_level(asking, text) for text in texts])
    return Sentence(MATCHED[leaf.op], values={"label": label, "value": value})


def _did(leaf: Did) -> Sentence:
    one, many = DEEDS
    values = {"kind": sentences.kind(leaf.did), "times": leaf.at_least, "days": leaf.days}
    return Sentence(one, many, leaf.at_least, values)


def _ours(leaf: Above | OnGrid | Channel | Interested | Stays) -> Sentence:
    """Conditions only shipped dimensions have; nobody writes them, but a frozen segment is one."""
    match leaf:
        case Above():
            values: dict[str, int | str | Sentence] = {
                "what": Sentence(sentences.LABELS.get(sentences.RANKED[leaf.above], sentences.VALUE_LABEL)),
                "share": round(float(leaf.share) * 100),
            }
            return Sentence(phrase("%(what)s: more than %(share)s %% of buyers"), values=values)
        case OnGrid():
            return Sentence(phrase("RFM scores: %(cells)s"), values={"cells": ", ".join(map(str, leaf.cells))})
        case Channel():
            return sentences.either([sentences.channel(name) for name in leaf.channels])
        case Interested():
            return sentences.interested(leaf.categories, leaf.days, holds=True)
        case Stays():
            return sentences.stays(holds=True)
        case _ as never:
            assert_never(never)
