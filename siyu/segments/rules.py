"""What a rule is: a frozen tree of conditions on what is known of a fan, nested with all, any and none."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from siyu.kit.errors import Invalid

DEEPEST = 12
MOST_LEAVES = 200
MOST_FANS = 10_000
LONGEST_WINDOW = 3_650
# Below what a database's integer holds, above every sum of money.
LARGEST = 10**15


class Op(StrEnum):
    LESS = "<"
    AT_MOST = "<="
    IS = "="
    IS_NOT = "!="
    AT_LEAST = ">="
    MORE = ">"


class Match(StrEnum):
    """How an attribute is compared."""

    IS = "="
    IS_NOT = "!="
    ONE_OF = "in"
    CONTAINS = "contains"
    KNOWN = "known"


# Made by us in order, or checked from what somebody sent.
STRICT = ConfigDict(extra="forbid", populate_by_name=True)


@dataclass(frozen=True, config=STRICT)
class Metric:
    """A number, or a moment, against a value; in a dimension's own rule the name of one of its thresholds."""

    metric: str
    op: Op
    value: int | float | str


@dataclass(frozen=True, config=STRICT)
class Stands:
    """In one of these levels of a dimension."""

    dimension: str
    levels: Annotated[tuple[str, ...], Field(alias="in", min_length=1)]


@dataclass(frozen=True, config=STRICT)
class Tagged:
    tag: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, config=STRICT)
class Attribute:
    """What is known of a fan beyond the numbers; `value` is a text, several for `in`, none for `known`."""

    attribute: Annotated[str, Field(min_length=1)]
    op: Match = Match.IS
    value: str | tuple[str, ...] | None = None


@dataclass(frozen=True, config=STRICT)
class Did:
    """So many interactions of a kind within the last days."""

    did: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    days: Annotated[int, Field(ge=1, le=LONGEST_WINDOW)]
    at_least: Annotated[int, Field(ge=1, le=LARGEST)] = 1


@dataclass(frozen=True, config=STRICT)
class InSegment:
    segment: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, config=STRICT)
class Fans:
    """These people, by Telegram id."""

    fans: Annotated[tuple[Annotated[int, Field(ge=1, le=LARGEST)], ...], Field(min_length=1, max_length=MOST_FANS)]


@dataclass(frozen=True, config=STRICT)
class Was:
    """In a segment at the end of a day that is over."""

    was: Annotated[str, Field(min_length=1)]
    on: date


@dataclass(frozen=True, config=STRICT)
class Above:
    """Above a share of the buyers by a column of fan_metrics; the share, or the name of a threshold in percent."""

    above: str
    share: float | str


@dataclass(frozen=True, config=STRICT)
class OnGrid:
    """Where R and F (and M) scores meet in one of these cells; scores out of so many parts."""

    cells: tuple[int, ...]
    parts: int


@dataclass(frozen=True, config=STRICT)
class Channel:
    """Came by one of these channels; or by one that none of these names."""

    channels: tuple[str, ...]
    other: bool = False


@dataclass(frozen=True, config=STRICT)
class Interested:
    """Showed interest in one of these categories within so many days, or named it."""

    categories: Annotated[tuple[str, ...], Field(min_length=1)]
    days: int


@dataclass(frozen=True, config=STRICT)
class Stays:
    """In the saved segment already: how one that is frozen, or broken, keeps its members."""

    stays: str


@dataclass(frozen=True, config=STRICT)
class All:
    all: Annotated[tuple["Rule", ...], Field(min_length=1)]

    @property
    def of(self) -> tuple["Rule", ...]:
        return self.all


@dataclass(frozen=True, config=STRICT)
class AnyOf:
    any: Annotated[tuple["Rule", ...], Field(min_length=1)]

    @property
    def of(self) -> tuple["Rule", ...]:
        return self.any


@dataclass(frozen=True, config=STRICT)
class NoneOf:
    none: Annotated[tuple["Rule", ...], Field(min_length=1)]

    @property
    def of(self) -> tuple["Rule", ...]:
        return self.none


Leaf = (
    Metric | Stands | Tagged | Attribute | Did | InSegment | Fans | Was | Above | OnGrid | Channel | Interested | Stays
)
Group = All | AnyOf | NoneOf
Rule = Leaf | Group

Where = tuple[str | int, ...]

_GROUPS: Mapping[str, type[Group]] = {"all": All, "any": AnyOf, "none": NoneOf}
_LEAVES: Mapping[str, type[Leaf]] = {
    "dimension": Stands, "metric": Metric, "tag": Tagged, "attribute": Attribute, "did": Did, "segment": InSegment,
    "fans": Fans, "was": Was,
}  # fmt: skip


def parse(given: object, where: Where = ("rule",)) -> Rule:
    """The contract's RULE as a tree. Raises Invalid with the place of the first mistake."""
    rule = _parse(given, where, 1)
    if sum(1 for _ in leaves(rule)) > MOST_LEAVES:
        raise Invalid("a rule has %(most)s conditions at most", where=where, most=MOST_LEAVES)
    return rule


def to_json(rule: Rule) -> dict[str, Any]:  # Any: the contract's RULE
    """The other way round."""
    if isinstance(rule, All | AnyOf | NoneOf):
        word = next(word for word, kind in _GROUPS.items() if isinstance(rule, kind))
        return {word: [to_json(part) for part in rule.of]}
    whole: dict[str, Any] = _ADAPTERS[type(rule)].dump_python(rule, mode="json", by_alias=True, exclude_none=True)
    return whole


def leaves(rule: Rule) -> Iterator[Leaf]:
    """Every condition, in order."""
    if isinstance(rule, All | AnyOf | NoneOf):
        for part in rule.of:
            yield from leaves(part)
    else:
        yield rule


def walk(rule: Rule, where: Where = ("rule",)) -> Iterator[tuple[Where, Leaf]]:
    """Every condition with its place in the JSON."""
    if isinstance(rule, All | AnyOf | NoneOf):
        word = next(word for word, kind in _GROUPS.items() if isinstance(rule, kind))
        for n, part in enumerate(rule.of):
            yield from walk(part, (*where, word, n))
    else:
        yield where, rule


def moment_of(text: str) -> date | datetime:
    """A local day, or a moment with its offset. Raises ValueError."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment needs an offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this moment lies outside of all years") from None


def _parse(given: object, where: Where, depth: int) -> Rule:
    if not isinstance(given, Mapping) or not given:
        raise Invalid('a rule is an object such as {"all": […]} or {"metric": …}', where=where)
    if depth > DEEPEST:
        raise Invalid("a rule is %(most)s levels deep at most", where=where, most=DEEPEST)
    word = next((word for word in (*_GROUPS, *_LEAVES) if word in given), None)
    if word is None:
        raise Invalid("%(word)s is no condition", where=where, word=", ".join(map(str, given)))
    if word not in _GROUPS:
        return _leaf(_LEAVES[word], given, where)
    parts = given[word]
    if len(given) > 1:
        raise Invalid("a group holds its conditions and nothing else", where=where)
    if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        raise Invalid("a group needs at least one condition", where=(*where, word))
    return _GROUPS[word](tuple(_parse(part, (*where, word, n), depth + 1) for n, part in enumerate(parts)))


def _leaf(kind: type[Leaf], given: Mapping[str, object], where: Where) -> Leaf:
    _no_flags(given, where)
    try:
        leaf: Leaf = _ADAPTERS[kind].validate_python(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid("%(what)s", where=(*where, *first["loc"]), what=_told(first)) from None
    if isinstance(leaf, Metric) and isinstance(leaf.value, int | float) and not abs(leaf.value) <= LARGEST:
        raise Invalid("this number is too large", where=(*where, "value"))
    if isinstance(leaf, Attribute):
        _fits(leaf, where)
    return leaf


_ADAPTERS: Mapping[type[Leaf], TypeAdapter[Any]] = {  # Any: the leaf of that type
    kind: TypeAdapter(kind) for kind in get_args(Leaf)
}


def _no_flags(given: Mapping[str, object], where: Where) -> None:
    """Python takes true for 1; a rule does not."""
    for name, value in given.items():
        if isinstance(value, bool):
            raise Invalid("this must be a number or a text", where=(*where, name))


def _fits(leaf: Attribute, where: Where) -> None:
    several = isinstance(leaf.value, tuple)
    if leaf.op is Match.ONE_OF and (not several or not leaf.value):
        raise Invalid("`in` needs a list of values", where=(*where, "value"))
    if leaf.op is not Match.ONE_OF and several:
        raise Invalid("a list of values needs `in`", where=(*where, "value"))
    if leaf.op not in {Match.ONE_OF, Match.KNOWN} and not leaf.value:
        raise Invalid("a value is missing", where=(*where, "value"))


def _told(mistake: Any) -> str:  # Any: pydantic's ErrorDetails
    return str(mistake["msg"]).removeprefix("Value error, ")
