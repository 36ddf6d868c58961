"""What a text of definitions means: the classification that is built from it, and what differs between two."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from siyu.kit.errors import Invalid, NotFound
from siyu.kit.wording import phrase
from siyu.segments import rules
from siyu.segments.classification import INTEREST_DAYS, INTERESTS, INTERESTS_LABEL, Classification, tag_key
from siyu.segments.dimensions import IN, OUT, Dimension, Direction, Level
from siyu.segments.own import made_own, plain, resolved
from siyu.segments.rules import Interested, Rule, Stays
from siyu.segments.shipped import DIMENSIONS
from siyu.segments.soundness import must_be_sound

TAG_LABEL = phrase("Tag")


@dataclass(frozen=True)
class Saved:
    """A saved rule as the classification holds it."""

    key: str
    label: str
    rule: Mapping[str, Any]  # Any: the contract's RULE
    good: str = "none"
    frozen: bool = False


@lru_cache(maxsize=64)
def classification(definitions: str) -> Classification:
    """From the definitions' text; what it does not know is as shipped."""
    known = json.loads(definitions)
    own: dict[str, dict[str, Any]] = known.get("own", {})  # Any: names, categories, a grid
    shipped = [made_own(dimension, own.get(dimension.key, {})) for dimension in DIMENSIONS]
    thresholds = {d.key: {**d.shipped(), **known.get("thresholds", {}).get(d.key, {})} for d in shipped}
    dimensions = tuple(resolved(dimension, thresholds[dimension.key]) for dimension in shipped)
    custom = tuple(custom_dimension(one["key"], one["label"], one["levels"]) for one in known.get("custom", ()))
    interests = tuple(_interest(category) for category in known.get("interests", ()))
    unreadable: dict[str, str] = {}
    tags = [_tag(word, _read(tag_key(word), rule, unreadable)) for word, rule in known.get("tags", {}).items()]
    saved = [Saved(key, **one) for key, one in known.get("saved", {}).items()]
    whole = Classification(
        (*dimensions, *custom),
        (*interests, *tags, *(_saved(one, _read(one.key, one.rule, unreadable)) for one in saved)),
        thresholds | {one.key: {} for one in custom},
    )
    return _without_broken(whole, [*(tag.key for tag in tags), *(one.key for one in saved)], unreadable)


def custom_dimension(key: str, label: str, levels: Iterable[Mapping[str, Any]]) -> Dimension:
    """Levels by rules, the first that holds; the last takes the rest."""
    made = tuple(
        Level(one["key"], plain(one["label"]), plain(one.get("note") or one["label"]),
              rules.parse(one["rule"]) if one.get("rule") else None, told_by="rest",
              good=Direction(one.get("good") or Direction.NONE), invites=plain(one.get("invites") or ""))
        for one in levels
    )  # fmt: skip
    return Dimension(key, plain(label), made, tuple(level.key for level in made), own=frozenset(), custom=True)


def changed(before: str, after: str) -> frozenset[str]:
    """Keys of what is new in the second set of definitions, or means something else than in the first."""
    if before == after:
        return frozenset()
    old, new = classification(before), classification(after)
    return frozenset(key for key in new.by_key if key not in old.by_key or old.meaning(key) != new.meaning(key))


def _read(key: str, rule: Mapping[str, Any], unreadable: dict[str, str]) -> Rule:
    """One that this version cannot read, from a newer one or written by hand, holds up nobody else's."""
    try:
        return rules.parse(rule)
    except Invalid as mistake:
        unreadable[key] = str(mistake)
        return Stays(stays=key)


def _interest(category: str) -> Dimension:
    rule = Interested(categories=(category,), days=INTEREST_DAYS)
    return _sparse(f"{INTERESTS}.{category}", plain(category), INTERESTS_LABEL, rule, Direction.NONE)


def _tag(word: str, rule: Rule) -> Dimension:
    return _sparse(tag_key(word), plain(word), TAG_LABEL, rule, Direction.NONE)


def _saved(saved: Saved, rule: Rule) -> Dimension:
    return _sparse(
        saved.key, plain(saved.label), "", Stays(stays=saved.key) if saved.frozen else rule, Direction(saved.good)
    )


def _sparse(key: str, label: str, family: str, rule: Rule, good: Direction) -> Dimension:
    levels = (Level(IN, label, label, rule, good=good), Level(OUT, OUT, OUT))
    return Dimension(key, family, levels, (IN, OUT), own=frozenset())


def _without_broken(whole: Classification, keys: Iterable[str], unreadable: Mapping[str, str]) -> Classification:
    """Whoever is in a segment with a broken rule stays; nobody comes until it is mended."""
    broken = dict(unreadable)
    for key in keys:
        try:
            must_be_sound(whole.by_key[key].level(IN).rule, whole, within=key)
        except (Invalid, NotFound) as error:
            broken[key] = str(error)
    sparse = tuple(
        replace(d, levels=(replace(d.level(IN), rule=Stays(stays=d.key)), d.level(OUT))) if d.key in broken else d
        for d in whole.sparse
    )
    return Classification(whole.dimensions, sparse, whole.thresholds, broken)
