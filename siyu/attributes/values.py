"""How a value is written: read however people write it, kept in one way."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import assert_never

from siyu.kit.errors import Invalid
from siyu.tables import Attribute, AttributeType

LONGEST_VALUE = 4096
FIRST_YEAR, LAST_YEAR = 1900, 2199
# 18 digits before and 9 after the point: what both databases compare as numbers.
DIGITS, PLACES = 18, 9

_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})(e[+-]?\d{1,2})?", re.IGNORECASE | re.ASCII)
_DATE = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
_YES = frozenset("yes y true t 1 on 是 有".split())
_NO = frozenset("no n false f 0 off 否 无".split())


def fit(known: Mapping[str, Attribute], values: Mapping[str, str]) -> dict[str, str]:
    """The values as they are kept, without the empty ones; of a name that is not defined any text.

    Raises Invalid with the first name that does not fit as its place.
    """
    told = {name: value for name, value in values.items() if value.strip()}
    return {name: read_value(known[name], text) if name in known else _text(name, text) for name, text in told.items()}


def read_value(definition: Attribute, text: str) -> str:
    """The value as it is kept. Raises Invalid with the attribute's name as its place."""
    name, text = definition.name, text.strip()
    match definition.type:
        case AttributeType.TEXT:
            return _text(name, text)
        case AttributeType.NUMBER:
            return _number(name, text)
        case AttributeType.DATE:
            return _date(name, text)
        case AttributeType.FLAG:
            return _flag(name, text)
        case AttributeType.CHOICE:
            return _choice(name, text, definition.choices)
        case _ as never:
            assert_never(never)


def _text(name: str, text: str) -> str:
    # PostgreSQL keeps no NUL.
    if len(text) > LONGEST_VALUE or "\0" in text:
        raise Invalid("takes at most %(most)s characters", where=(name,), most=LONGEST_VALUE)
    return text


def _number(name: str, text: str) -> str:
    """Plain digits: `1e3` is 1000, `2.50` is 2.5. No commas: half the world reads them as points."""
    if _NUMBER.fullmatch(text):
        number = Decimal(text)
        plain = f"{number:f}"
        plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
        if abs(number) < 10**DIGITS and len(plain.partition(".")[2]) <= PLACES:
            return plain.lstrip("+") if number else "0"
    raise Invalid("“%(value)s” is not a number such as 12 or 3.5", where=(name,), value=_short(text))


def _date(name: str, text: str) -> str:
    if found := _DATE.fullmatch(text):
        try:
            day = date(int(found[1]), int(found[3]), int(found[4]))
        except ValueError:
            day = date.min
        if FIRST_YEAR <= day.year <= LAST_YEAR:
            return day.isoformat()
    raise Invalid("“%(value)s” is not a day such as 2026-03-04", where=(name,), value=_short(text))


def _flag(name: str, text: str) -> str:
    word = text.casefold()
    if word in _YES | _NO:
        return "yes" if word in _YES else "no"
    raise Invalid("“%(value)s” is neither yes nor no", where=(name,), value=_short(text))


def _choice(name: str, text: str, choices: Sequence[Mapping[str, str]]) -> str:
    wanted = text.casefold()
    for choice in choices:
        if wanted in (choice["value"].casefold(), choice["label"].casefold()):
            return choice["value"]
    offered = ", ".join(choice["value"] for choice in choices[:10])
    raise Invalid("“%(value)s” is none of %(choices)s", where=(name,), value=_short(text), choices=offered)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
