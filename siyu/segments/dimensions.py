"""What a dimension is: levels in order, each with a rule, and the thresholds operators may change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from siyu.kit.errors import NotFound
from siyu.segments.rules import Rule

# Where a fan stands who is in a saved segment; nothing is kept of those who are not.
IN, OUT = "in", "out"


class Direction(StrEnum):
    """Which way a level should grow."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class Unit(StrEnum):
    TIMES = "times"
    DAYS = "days"
    HOURS = "hours"
    PEOPLE = "people"
    PERCENT = "percent"
    POINTS = "points"


class Own(StrEnum):
    """What else operators may make their own of a dimension."""

    NAMES = "names"  # of levels: {level: text}
    INVITES = "invites"  # what a level invites: {level: text}
    CATEGORIES = "categories"  # more levels: [{key, label}]
    GRID = "grid"  # which level each cell of the RFM grid is
    HOME = "home"  # {country, region} of the community; {place, km} of a circle around it


@dataclass(frozen=True)
class Threshold:
    """A number operators may change; it stays above `above`, another threshold of the dimension."""

    name: str
    label: str
    shipped: int
    unit: Unit
    at_least: int = 1
    at_most: int = 100_000
    above: str | None = None


@dataclass(frozen=True)
class Level:
    """A place in a dimension. Without a rule it takes whom no other level takes, and `told_by` says what shows it."""

    key: str
    label: str
    sentence: str  # the rule in words, with thresholds by name
    rule: Rule | None = None
    told_by: str = ""
    good: Direction = Direction.NONE
    invites: str = ""


@dataclass(frozen=True)
class Dimension:
    """One way of looking at fans. A fan stands in the first level of `order` whose rule holds."""

    key: str
    label: str
    levels: tuple[Level, ...]  # as people read them
    order: tuple[str, ...]  # as they are tried; the last takes the rest
    thresholds: tuple[Threshold, ...] = ()
    own: frozenset[Own] = frozenset({Own.NAMES, Own.INVITES})
    asked: str = ""  # the attribute that says it
    custom: bool = False

    @property
    def sparse(self) -> bool:
        """A saved segment: in it, or not, and of the latter nothing is kept."""
        return self.order == (IN, OUT)

    def tried(self) -> Iterator[Level]:
        return (self.level(key) for key in self.order)

    def level(self, key: str) -> Level:
        found = next((level for level in self.levels if level.key == key), None)
        if found is None:
            raise NotFound("there is no segment %(key)s", key=f"{self.key}.{key}")
        return found

    @property
    def letters(self) -> Mapping[str, str]:
        """Of each level; whoever no rule puts anywhere else stands at 0."""
        rest = self.order[-1]
        others = (level.key for level in self.levels if level.key != rest)
        return {rest: "0", **{key: chr(ord("1") + n) for n, key in enumerate(others)}}

    def shipped(self) -> Mapping[str, int]:
        return {threshold.name: threshold.shipped for threshold in self.thresholds}
