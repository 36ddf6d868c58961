"""Replies: what a fan did under a question, and what that says: values, words, an attribute, the way on."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import assert_never

from siyu.kit.errors import Conflict, Invalid
from siyu.surveys.content import Kind, Question

LONGEST_WORDS = 2000


@dataclass(frozen=True)
class Pick:
    """One choice, by its place."""

    place: int


@dataclass(frozen=True)
class Tick:
    """One of several choices, on or off."""

    place: int
    on: bool


@dataclass(frozen=True)
class Ticked:
    """These are all."""


@dataclass(frozen=True)
class Mark:
    """A number."""

    number: int


@dataclass(frozen=True)
class Written:
    """Plain words."""

    text: str


@dataclass(frozen=True)
class Shared:
    """A phone number, or a place as `latitude, longitude`; `own` where Telegram says that the number is the fan's."""

    kind: Kind
    text: str
    own: bool = True


@dataclass(frozen=True)
class Skipped:
    """Rather not."""


Reply = Pick | Ticked | Mark | Written | Shared | Skipped


@dataclass(frozen=True)
class Said:
    """What a reply says of its question: kept values, words of their own, and where it leads."""

    values: tuple[str, ...]
    words: str | None = None
    to: str = ""

    @property
    def skipped(self) -> bool:
        return self.values == ("",) and self.words is None

    @property
    def kept(self) -> str:
        """As an attribute."""
        return self.words if self.words is not None else "; ".join(self.values)


def understood(question: Question, reply: Reply, ticked: Collection[int]) -> Said:
    """What it says. Raises Conflict for what no button of this question gives, Invalid for words that will not do."""
    match reply, question.kind:
        case Skipped(), _:
            return _skip(question)
        case Pick(place), Kind.CHOICE if place < len(question.choices):
            chosen = question.choices[place]
            return Said((chosen.key,), to=chosen.to)
        case Ticked(), Kind.MANY:
            return _all_of(question, ticked)
        case Mark(number), _ if number in question.marks:
            return Said((str(number),), to=_way_of(question, number))
        case Written(text), Kind.TEXT:
            return Said(("",), _words(text))
        case Shared(kind, text, own), _ if kind is question.kind:
            return _shared(text, own=own)
        case _:
            raise Conflict("this button does not fit the question", reason="stale")


def detail_of(survey: str, question: Question, said: Said) -> str:
    """What the answer is called among the things a fan did: ratings and choices by themselves, else the question."""
    match question.kind:
        case Kind.NPS | Kind.STARS:
            return f"{question.kind}:{said.values[0]}"
        case Kind.CHOICE:
            return said.values[0]
        case Kind.MANY | Kind.SCALE | Kind.TEXT | Kind.CONTACT | Kind.LOCATION:
            return f"{survey}:{question.key}"
        case _ as never:
            assert_never(never)


def _skip(question: Question) -> Said:
    if not question.skippable:
        raise Conflict("this question cannot be skipped; you can stop at any time", reason="needed")
    return Said(("",))


def _all_of(question: Question, ticked: Collection[int]) -> Said:
    chosen = [question.choices[place] for place in sorted(ticked) if place < len(question.choices)]
    if not chosen:
        raise Conflict("choose something first, or skip it", reason="nothing")
    return Said(tuple(one.key for one in chosen), to=next((one.to for one in chosen if one.to), ""))


def _way_of(question: Question, number: int) -> str:
    return next((jump.to for jump in question.jumps if jump.low <= number <= jump.high), "")


def _words(text: str) -> str:
    words = text.replace("\0", "").strip()
    if not words:
        raise Invalid("write something first", where=("text",))
    if len(words) > LONGEST_WORDS:
        raise Invalid("takes at most %(most)s characters", where=("text",), most=LONGEST_WORDS)
    return words


def _shared(text: str, *, own: bool) -> Said:
    if not own:
        raise Invalid("this is not your own number: use the button below", where=("contact",))
    return Said(("",), text)
