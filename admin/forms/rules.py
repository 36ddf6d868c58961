"""A rule as a form: a tree of groups and conditions, each field under its path, as in `rule.0.metric`.

The numbers of a path say which part of which group: `rule.1.0` is the first part of the rule's second part.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from admin.forms import Errors, sentence
from siyu.kit.errors import Invalid
from siyu.kit.money import exponent, parse_money
from siyu.kit.wording import Words, phrase
from siyu.metrics.measures import MEASURES, Kind
from siyu.segments import rules
from siyu.segments.rules import DEEPEST, MOST_LEAVES, All, AnyOf, Attribute, Fans, Match, Metric, NoneOf, Rule

ROOT = "rule"
GROUPS = ("all", "any", "none")
# What is asked for each kind of condition, in the order of the form; the first names it in the contract's RULE.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "metric": ("metric", "op", "value"),
    "dimension": ("dimension", "in"),
    "tag": ("tag",),
    "attribute": ("attribute", "op", "value"),
    "did": ("did", "days", "at_least"),
    "segment": ("segment",),
    "fans": ("fans",),
    "was": ("was", "on"),
}
SEVERAL = {"in"}
KIND = "is"  # the field that says what a part is

Path = tuple[int, ...]
Json = dict[str, Any]  # Any: the contract's RULE


@dataclass(frozen=True)
class Condition:
    """A leaf as it was typed: every field a text, those of `SEVERAL` any number of them."""

    kind: str
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return next(iter(self.said.get(name, ())), "").strip()

    def texts(self, name: str) -> tuple[str, ...]:
        return self.said.get(name, ())


@dataclass(frozen=True)
class Group:
    """Conditions and groups together."""

    kind: str
    of: tuple["Part", ...] = ()


Part = Group | Condition


def read_tree(pairs: Iterable[tuple[str, str]]) -> Group:
    """The tree from a form's fields; what belongs to none of its parts is passed over."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return _read_group(found, ROOT, 1)


def write_tree(tree: Part, place: str = ROOT) -> Iterator[tuple[str, str]]:
    """The other way round."""
    yield f"{place}.{KIND}", tree.kind
    if isinstance(tree, Group):
        for n, part in enumerate(tree.of):
            yield from write_tree(part, f"{place}.{n}")
    else:
        for name in FIELDS[tree.kind]:
            for text in tree.texts(name):
                yield f"{place}.{name}", text


def tree_of(rule: Rule, currency: str) -> Group:
    """A rule as its form shows it; a lone condition stands in a group."""
    part = _part_of(rule, currency)
    return part if isinstance(part, Group) else Group("all", (part,))


def names_in(tree: Part) -> Iterator[str]:
    """Usernames somebody wrote for people."""
    if isinstance(tree, Group):
        for part in tree.of:
            yield from names_in(part)
    elif tree.kind == "fans":
        yield from (word.removeprefix("@").lower() for word in _words(tree.text("fans")) if not word.isdecimal())


class Reader:
    """The tree as a rule; what cannot be read is kept in `mistakes`, each with its place."""

    def __init__(self, currency: str, known: Mapping[str, int]) -> None:
        self.mistakes: list[Invalid] = []
        self._currency = currency
        self._known = known  # Telegram ids by username

    def read(self, part: Part, where: tuple[str | int, ...] = (ROOT,)) -> Json:
        if isinstance(part, Group):
            if not part.of:
                self._miss(phrase("a group needs at least one condition"), where)
            return {part.kind: [self.read(one, (*where, part.kind, n)) for n, one in enumerate(part.of)]}
        first = FIELDS[part.kind][0]
        if not part.text(first):
            what = phrase("choose one of these") if part.kind != "fans" else phrase("name at least one person")
            self._miss(what, (*where, first))
        return {first: part.text(first), **getattr(self, f"_{part.kind}")(part, where)}

    def _miss(self, what: str, where: tuple[str | int, ...]) -> None:
        self.mistakes.append(Invalid(what, where=where))

    def _metric(self, part: Condition, where: tuple[str | int, ...]) -> Json:
        measure, text = MEASURES.get(part.text("metric")), part.text("value")
        if not text:
            self._miss(phrase("a value is missing"), (*where, "value"))
        elif measure is not None:
            try:
                return {"op": part.text("op"), "value": value_of(text, measure.kind, self._currency)}
            except Invalid as mistake:
                mistake.where = (*where, "value")
                self.mistakes.append(mistake)
        return {"op": part.text("op"), "value": text}

    def _dimension(self, part: Condition, where: tuple[str | int, ...]) -> Json:
        levels = [text for text in part.texts("in") if text]
        if part.text("dimension") and not levels:
            self._miss(phrase("choose at least one"), (*where, "in"))
        return {"in": levels}

    def _tag(self, part: Condition, where: tuple[str | int, ...]) -> Json:
        return {}

    def _attribute(self, part: Condition, where: tuple[str | int, ...]) -> Json:
        op, text = part.text("op"), part.text("value")
        if op == Match.KNOWN:
            return {"op": op}
        if not text:
            self._miss(phrase("a value is missing"), (*where, "value"))
        return {"op": op, "value": _list(text) if op == Match.ONE_OF else text}

    def _did(self, part: Condition, where: tuple[str | int, ...]) -> Json:
        return {name: self._whole(part.text(name), (*where, name)) for name in ("days", "at_least")}

    def _segment(self, part: Condition, where: tuple[str | int, ...]) -> Json:
        return {}

    def _was(self, part: Condition, where: tuple[str | int, ...]) -> Json:
        if not part.text("on"):
            self._miss(phrase("choose a day"), (*where, "on"))
        return {"on": part.text("on")}

    def _fans(self, part: Condition, where: tuple[str | int, ...]) -> Json:
        found: list[int] = []
        for word in _words(part.text("fans")):
            name = word.removeprefix("@").lower()
            if word.isascii() and word.isdecimal() and len(word) <= 15:
                found.append(int(word))
            elif name in self._known:
                found.append(self._known[name])
            else:
                self.mistakes.append(Invalid("nobody here is called %(name)s", where=(*where, "fans"), name=word))
        return {"fans": list(dict.fromkeys(found))}

    def _whole(self, text: str, where: tuple[str | int, ...]) -> int:
        if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 15 and int(text)):
            self._miss(phrase("write a whole number from 1 on"), where)
            return 1
        return int(text)


def value_of(text: str, kind: Kind, currency: str) -> "int | float | str":
    """What a number is compared with: money in minor units, a day as it stands. Raises Invalid."""
    plain = text.replace(",", "").replace("，", "").strip()
    if kind is Kind.MOMENT:
        return text
    if kind is Kind.MONEY:
        return parse_money(plain, currency).minor
    try:
        number = Decimal(plain)
    except InvalidOperation:
        raise Invalid("write a number") from None
    if not number.is_finite() or abs(number) > rules.LARGEST:
        raise Invalid("write a number")
    return int(number) if number == number.to_integral_value() else float(number)


def written(value: "int | float | str", kind: Kind, currency: str) -> str:
    """The other way round: as somebody would type it."""
    if isinstance(value, str):
        return value
    if kind is Kind.MONEY:
        return f"{Decimal(repr(value)).scaleb(-exponent(currency)).normalize():f}"
    return f"{Decimal(repr(value)):f}"


def errors_at(mistakes: Iterable[Invalid], words: Words) -> Errors:
    """The first mistake of each field of the tree, under its path."""
    told: Errors = {}
    for mistake in mistakes:
        told.setdefault(place_of(mistake.where), sentence(mistake, words))
    return told


def numbered(errors: Errors, words: Words) -> Errors:
    """As a list tells them: with the number that the builder shows at the place."""
    return {at: _numbered(at, told, words) for at, told in errors.items()}


def place_of(where: Sequence[str | int]) -> str:
    """`("rule", "all", 0, "in", 2)` is the field `rule.0.in`; what lies outside the rule keeps its name."""
    if not where or where[0] != ROOT:
        return str(where[0]) if where else ""
    parts = [part for part in where[1:] if part not in GROUPS]
    ends = next((n for n, part in enumerate(parts) if isinstance(part, str)), len(parts))
    return ".".join(map(str, (ROOT, *parts[: ends + 1])))


def place(path: Path) -> str:
    return ".".join(map(str, (ROOT, *path)))


def path_of(text: str) -> Path:
    """Raises Invalid where it is none."""
    first, *rest = text.split(".")
    if first != ROOT or not all(part.isascii() and part.isdecimal() and len(part) < 4 for part in rest):
        raise Invalid("there is no such place in the rule")
    return tuple(map(int, rest))


def _numbered(at: str, told: str, words: Words) -> str:
    number = ".".join(str(int(part) + 1) for part in at.split(".")[1:] if part.isdecimal())
    return words.gettext("%(number)s: %(mistake)s") % {"number": number, "mistake": told} if number else told


def _read_group(found: Mapping[str, Sequence[str]], at: str, depth: int) -> Group:
    kind = next(iter(found.get(f"{at}.{KIND}", ())), "all")
    parts: list[Part] = []
    for n in range(MOST_LEAVES + 1):
        below = f"{at}.{n}"
        said = next(iter(found.get(f"{below}.{KIND}", ())), None)
        if said is None:
            break
        # One deeper than a rule may be: then it says so, and nothing that was typed is lost.
        if said in GROUPS and depth <= DEEPEST:
            parts.append(_read_group(found, below, depth + 1))
        elif said in FIELDS:
            fields = ((name, tuple(found.get(f"{below}.{name}", ()))) for name in FIELDS[said])
            parts.append(Condition(said, {name: texts for name, texts in fields if texts}))
    return Group(kind if kind in GROUPS else "all", tuple(parts))


def _part_of(rule: Rule, currency: str) -> Part:
    if isinstance(rule, All | AnyOf | NoneOf):
        kind = {All: "all", AnyOf: "any", NoneOf: "none"}[type(rule)]
        return Group(kind, tuple(_part_of(part, currency) for part in rule.of))
    said = rules.to_json(rule)
    kind = next(kind for kind in FIELDS if kind in said)
    return Condition(kind, {name: _texts(rule, said.get(name), currency) for name in FIELDS[kind] if name in said})


def _texts(rule: Rule, value: Any, currency: str) -> tuple[str, ...]:  # Any: what JSON holds
    match rule:
        case Metric() if value is rule.value or value == rule.value:
            return (written(rule.value, MEASURES[rule.metric].kind, currency),)
        case Attribute() if isinstance(value, list):
            return (", ".join(value),)
        case Fans():
            return ("\n".join(map(str, value)),)
        case _:
            return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace("，", " ").replace(";", " ").split()


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.replace("，", ",").split(",") if part.strip()]
