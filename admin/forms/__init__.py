"""What a form says back: each mistake at its field, in the reader's language, with nothing lost that was typed.

Form models take every field as text with a default, so that a browser's form is never refused before we read it.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from siyu.kit.errors import Invalid, SiyuError
from siyu.kit.money import parse_money
from siyu.kit.wording import Words

Errors = dict[str, str]
Value = TypeVar("Value")


class Reading:
    """Reads field after field and keeps what was wrong, so that a form can say all of it at once."""

    def __init__(self) -> None:
        self.mistakes: list[Invalid] = []

    def take(self, read: Callable[[], Value], otherwise: Value) -> Value:
        try:
            return read()
        except Invalid as mistake:
            self.mistakes.append(mistake)
            return otherwise


def sentence(error: SiyuError, words: Words) -> str:
    """What the house said no with, in the reader's language."""
    said = words.gettext(error.sentence)
    return said % error.values if error.values else said


def at_fields(mistakes: Iterable[Invalid], words: Words) -> Errors:
    """The first mistake of each field; those of none stand under the empty name."""
    told: Errors = {}
    for mistake in mistakes:
        field = str(mistake.where[0]).removesuffix("_minor").removesuffix("_percent") if mistake.where else ""
        told.setdefault(field, sentence(mistake, words))
    return told


def number(text: str, field: str) -> int:
    """A whole number as somebody types it. Raises Invalid with its place."""
    plain = text.strip().replace(",", "").replace(" ", "")
    if not (plain.isascii() and plain.isdecimal() and len(plain) <= 15):
        raise Invalid("write a whole number", where=(field,))
    return int(plain)


def number_or_none(text: str, field: str) -> int | None:
    return number(text, field) if text.strip() else None


def amount_or_none(text: str, currency: str, field: str) -> int | None:
    """Minor units of an amount in major ones. Raises Invalid with its place."""
    if not text.strip():
        return None
    try:
        return parse_money(text, currency).minor
    except Invalid as mistake:
        mistake.where = (field,)
        raise
