"""What may be filled into a text for each fan, as the composer's menu offers it."""

from admin.forms.vocabulary import METRICS, Grouped
from siyu import segments
from siyu.broadcasts.placeholders import COUPON, FIRST_NAME, LEVEL, METRIC, NAME, POINTS, USERNAME
from siyu.kit.database import ReadSession
from siyu.kit.wording import Words, phrase
from siyu.segments import Sentence, sentences


async def menu(session: ReadSession, words: Words) -> Grouped:
    """Groups of (placeholder, label), each with a fallback for whoever lacks it."""
    say = words.gettext
    friend = say(phrase("friend"))
    person = [
        (_mark(FIRST_NAME, friend), say(phrase("First name"))),
        (_mark(NAME, friend), say(phrase("Full name"))),
        (_mark(USERNAME, friend), say(phrase("Username"))),
        (_mark(POINTS, "0"), say(phrase("Points"))),
        (_mark(COUPON), say(phrase("Their coupon code"))),
    ]
    whole = await segments.classification_in_force(session)
    levels = [(_mark(LEVEL + one.key, friend), Sentence(one.label).said(words)) for one in whole.dimensions]
    numbers = [(_mark(METRIC + name, "0"), say(sentences.LABELS[name])) for names in METRICS.values() for name in names]
    return [(say(phrase("The fan")), person), (say(phrase("Levels")), levels), (say(phrase("Numbers")), numbers)]


def _mark(name: str, fallback: str = "") -> str:
    inside = f"{name}|{fallback}" if fallback else name
    return f"{{{inside}}}"
