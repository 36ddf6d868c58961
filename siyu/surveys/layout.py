"""Layout: a question as chat shows it, in at most three rows of buttons; the same for the fan and for the preview."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from siyu.kit.wording import Words
from siyu.surveys.content import Choice, Kind, Question, said

# Two rows of choices above the row that leads on. Three short ones fit side by side, two of usual length.
SHORT, USUAL = 8, 18


@dataclass(frozen=True)
class Button:
    """What stands on it, and what it tells us after the run and the step; no data: it is only looked at."""

    text: str
    tells: str


def rows(
    question: Question, words: Words, *, page: int = 0, ticked: Collection[int] = ()
) -> Sequence[Sequence[Button]]:
    """From top to bottom."""
    if question.marks:
        return [*_marks(question), _last_row(question, words)]
    if not question.choices:
        return [_last_row(question, words)]
    labels = [_label(choice, words) for choice in question.choices]
    width = _width(labels)
    page = min(page, (len(labels) - 1) // (2 * width))
    places = range(len(labels))[page * 2 * width : (page + 1) * 2 * width]
    buttons = [_choice(question, place, labels[place], place in ticked) for place in places]
    before = [Button("‹", f"p{page - 1}")] if page else []
    after = [Button("›", f"p{page + 1}")] if places[-1] + 1 < len(labels) else []
    return [*_in_rows(buttons, width), [*before, *_last_row(question, words), *after]]


def hint(question: Question, words: Words) -> str:
    """What to do, where the buttons do not say it."""
    _ = words.gettext
    match question.kind:
        case Kind.NPS:
            return _("0: not at all likely · 10: certainly")
        case Kind.SCALE:
            return _("1: not at all · 5: very much")
        case Kind.MANY:
            return _("Choose as many as you like, then Done.")
        case Kind.TEXT:
            return _("Just write your answer.")
        case Kind.CONTACT:
            return _("Share your number with the button below.")
        case Kind.LOCATION:
            return _("Share where you are with the button below.")
        case _:
            return ""


def page_of(question: Question, words: Words, place: int) -> int:
    """The page on which this choice stands."""
    return place // (2 * _width([_label(choice, words) for choice in question.choices]))


def _marks(question: Question) -> Sequence[Sequence[Button]]:
    if question.kind is Kind.STARS:
        return _in_rows([Button("★" * mark, f"v{mark}") for mark in question.marks], 3)
    return _in_rows([Button(str(mark), f"v{mark}") for mark in question.marks], 6)


def _choice(question: Question, place: int, label: str, is_ticked: bool) -> Button:
    if question.kind is not Kind.MANY:
        return Button(label, f"c{place}")
    # What a press would make of it, not a switch: two taps on one button are one choice.
    return Button(f"✅ {label}", f"u{place}") if is_ticked else Button(f"▫️ {label}", f"t{place}")


def _last_row(question: Question, words: Words) -> list[Button]:
    done = [Button(words.gettext("Done"), "d")] if question.kind is Kind.MANY else []
    skip = [Button(words.gettext("Skip"), "s")] if question.skippable else []
    return [*done, *skip, Button(words.gettext("Stop"), "x")]


def _label(choice: Choice, words: Words) -> str:
    return said(choice.label, words) or choice.key


def _width(labels: Sequence[str]) -> int:
    longest = max(map(_broad, labels))
    if longest > USUAL:
        return 1
    # Four stand better two by two than three and one.
    return 3 if longest <= SHORT and len(labels) != 4 else 2


def _broad(label: str) -> int:
    """Chinese signs are twice as broad."""
    return sum(2 if ord(sign) > 0x2E7F else 1 for sign in label)


def _in_rows(buttons: Sequence[Button], width: int) -> list[Sequence[Button]]:
    return [buttons[n : n + width] for n in range(0, len(buttons), width)]
