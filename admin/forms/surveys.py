"""The forms of a questionnaire and of one question: words in each language, choices and ways on in rows."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from siyu.kit.errors import Invalid
from siyu.kit.wording import LOCALES
from siyu.surveys import Choice, Jump, Question, Texts

Fields = Mapping[str, str]

_PLACE = re.compile(r"c(0|[1-9][0-9]?)-key")
JUMPS = 2  # rows of marks that lead elsewhere


@dataclass(frozen=True)
class ChoiceRow:
    """One choice, as typed."""

    key: str = ""
    label: Texts = field(default_factory=dict)
    to: str = ""

    @property
    def is_blank(self) -> bool:
        return not (self.key.strip() or any(text.strip() for text in self.label.values()))


@dataclass(frozen=True)
class JumpRow:
    """Marks that lead elsewhere, as typed."""

    low: str = ""
    high: str = ""
    to: str = ""


@dataclass(frozen=True)
class QuestionForm:
    """A question, as typed."""

    text: Texts = field(default_factory=dict)
    attribute: str = ""
    skippable: bool = False
    to: str = ""
    choices: tuple[ChoiceRow, ...] = ()
    jumps: tuple[JumpRow, ...] = ()


def read_texts(fields: Fields, name: str) -> dict[str, str]:
    """`title-en`, `title-zh_CN`: each language that has words."""
    typed = {locale: fields.get(f"{name}-{locale}", "").replace("\r\n", "\n").strip() for locale in LOCALES}
    return {locale: text for locale, text in typed.items() if text}


def typed_question(fields: Fields) -> QuestionForm:
    """What stands in the form."""
    places = sorted(int(found[1]) for name in fields if (found := _PLACE.fullmatch(name)))
    return QuestionForm(
        text=read_texts(fields, "text"),
        attribute=fields.get("attribute", "").strip(),
        skippable=bool(fields.get("skippable")),
        to=fields.get("to", ""),
        choices=tuple(_choice(fields, place) for place in places),
        jumps=tuple(_jump(fields, place) for place in range(JUMPS)),
    )


def filled_question(question: Question) -> QuestionForm:
    """A question as its form shows it, with room for one choice more where it has none."""
    rows = tuple(ChoiceRow(one.key, one.label, one.to) for one in question.choices)
    jumps = tuple(JumpRow(str(one.low), str(one.high), one.to) for one in question.jumps)
    blank = (JumpRow(),) * (JUMPS - len(jumps))
    two = (ChoiceRow(), ChoiceRow())
    return QuestionForm(
        question.text, question.attribute, question.skippable, question.to, rows or two, (*jumps, *blank)
    )


def read_question(form: QuestionForm, before: Question) -> tuple[Question, list[Invalid]]:
    """The question as it would be; and what could not be read. Blank rows are none; a key left blank is the label."""
    choices = tuple(_read_choice(row) for row in form.choices if not row.is_blank)
    jumps, wrong = _read_jumps(form.jumps)
    return before.model_copy(
        update={
            "text": form.text, "attribute": form.attribute, "skippable": form.skippable, "to": form.to,
            "choices": choices, "jumps": jumps,
        }
    ), wrong  # fmt: skip


def done_to_rows(form: QuestionForm, deed: str) -> QuestionForm:
    """One more row, one less, or one a step up or down: `more`, `off 2`, `up 2`, `down 2`."""
    rows = list(form.choices)
    word, _, place = deed.partition(" ")
    if word == "more":
        return replace(form, choices=(*rows, ChoiceRow()))
    if not place.isdecimal() or int(place) >= len(rows):
        return form
    row = rows.pop(int(place))
    if word != "off":
        rows.insert(max(int(place) + (1 if word == "down" else -1), 0), row)
    return replace(form, choices=tuple(rows))


def with_levels(form: QuestionForm, levels: Iterable[tuple[str, Texts]]) -> QuestionForm:
    """The levels of a dimension as the choices."""
    return replace(form, choices=tuple(ChoiceRow(key, label) for key, label in levels))


def _choice(fields: Fields, place: int) -> ChoiceRow:
    label = read_texts(fields, f"c{place}")
    return ChoiceRow(fields.get(f"c{place}-key", ""), label, fields.get(f"c{place}-to", ""))


def _jump(fields: Fields, place: int) -> JumpRow:
    return JumpRow(*(fields.get(f"j{place}-{name}", "").strip() for name in ("low", "high", "to")))


def _read_choice(row: ChoiceRow) -> Choice:
    label = {locale: text.strip() for locale, text in row.label.items() if text.strip()}
    key = row.key.strip() or next((label[locale] for locale in reversed(LOCALES) if locale in label), "")
    return Choice(key=key, label=label, to=row.to)


def _read_jumps(rows: Sequence[JumpRow]) -> tuple[tuple[Jump, ...], list[Invalid]]:
    jumps, wrong = [], list[Invalid]()
    for row in rows:
        if not (row.low or row.high):
            continue
        marks = [text for text in (row.low or row.high, row.high or row.low) if text.isascii() and text.isdecimal()]
        if len(marks) < 2 or any(len(mark) > 3 for mark in marks):
            wrong.append(Invalid("write a whole number", where=("to",)))
        elif row.to:
            jumps.append(Jump(low=int(marks[0]), high=int(marks[1]), to=row.to))
    return tuple(jumps), wrong
