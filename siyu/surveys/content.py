"""A questionnaire's content: questions, choices, and where each answer leads; kept as JSON, read back strictly."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from siyu.kit.wording import LOCALES, Words

Texts = Mapping[str, str]  # by locale; a language without words falls back on the others
Json = dict[str, Any]  # Any: as it is kept

END = "end"  # where an answer leads that ends the questions


class Kind(StrEnum):
    """What can be answered."""

    CHOICE = "choice"  # one of a few
    MANY = "many"  # some of a few
    SCALE = "scale"  # 1 to 5
    NPS = "nps"  # 0 to 10: how likely to recommend
    STARS = "stars"  # 1 to 5 stars
    TEXT = "text"
    CONTACT = "contact"  # the fan's own number, by Telegram's button
    LOCATION = "location"


MARKS: Mapping[Kind, range] = {Kind.SCALE: range(1, 6), Kind.NPS: range(11), Kind.STARS: range(1, 6)}
CHOSEN = frozenset({Kind.CHOICE, Kind.MANY})


class _Piece(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(_Piece):
    """One of the answers: `key` is kept (and is the attribute's value), the label is shown."""

    key: str
    label: Texts
    to: str = ""  # another question, `end`, or the next one


class Jump(_Piece):
    """Marks from `low` to `high` lead elsewhere."""

    low: int
    high: int
    to: str


class Question(_Piece):
    """One question."""

    key: str
    kind: Kind
    text: Texts
    choices: tuple[Choice, ...] = ()
    jumps: tuple[Jump, ...] = ()
    attribute: str = ""  # what the answer is kept as
    skippable: bool = True
    to: str = ""  # where every other answer leads

    @property
    def marks(self) -> range:
        """The numbers one can answer with; empty where it is none."""
        return MARKS.get(self.kind, range(0))


class Content(_Piece):
    """A whole questionnaire."""

    title: Texts
    thanks: Texts = {}
    questions: tuple[Question, ...] = ()
    numbered: int = 0  # question keys given out so far: none is given twice

    def find(self, key: str) -> Question | None:
        return next((one for one in self.questions if one.key == key), None)

    def place(self, key: str) -> int:
        return next(n for n, one in enumerate(self.questions) if one.key == key)

    def after(self, question: Question, to: str = "") -> Question | None:
        """Where an answer that leads to `to` goes on; None at the end."""
        wanted = to or question.to
        if wanted:
            return None if wanted == END else self.find(wanted)
        following = self.place(question.key) + 1
        return self.questions[following] if following < len(self.questions) else None


def read_content(kept: Json) -> Content:
    return Content.model_validate(kept)


def as_json(content: Content) -> Json:
    return content.model_dump(mode="json")


def said(texts: Texts, words: Words) -> str:
    """In the reader's language, else in whichever there is."""
    return texts.get(words.locale) or next((texts[locale] for locale in LOCALES if texts.get(locale)), "")
