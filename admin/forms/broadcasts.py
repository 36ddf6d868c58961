"""The composer: what is typed becomes a draft and comes back as it was typed; and how Telegram will show it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import nh3
from markupsafe import Markup, escape
from pydantic import BaseModel

from admin.forms import Errors, sentence
from siyu import broadcasts
from siyu.broadcasts import Action, Draft, Funnel
from siyu.broadcasts.buttons import check_buttons
from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid, NotFound
from siyu.kit.wording import Words
from siyu.tables import Broadcast

BESIDE = "||"  # parts the buttons of one row
BETWEEN = "|"  # parts a button's words from what it does

# All that Telegram's HTML knows; the domain refused everything else before.
TAGS = set("b strong i em u ins s strike del tg-spoiler code pre blockquote a span tg-emoji".split())
ATTRIBUTES = {"a": {"href"}, "span": {"class"}, "code": {"class"}}

Row = dict[str, object]


class Written(BaseModel):
    """The form as it came: all text."""

    id: str = ""
    title: str = ""
    segment: str = ""
    text: str = ""
    buttons: str = ""
    photo: str = ""
    offer: str = ""
    on_unknown: str = "leave"

    def draft(self, *, rate: float | None = None) -> Draft:
        return Draft(
            title=self.title,
            segment=self.segment,
            text=self.text.replace("\r\n", "\n"),
            buttons=read_rows(self.buttons),
            photo=self.photo.strip() or None,
            offer_id=_id(self.offer),
            on_unknown=self.on_unknown,
            rate=rate,
        )

    @property
    def broadcast_id(self) -> int | None:
        return _id(self.id)


def written(broadcast: Broadcast) -> Written:
    """A draft as its form shows it."""
    return Written(
        id=str(broadcast.id),
        title=broadcast.title,
        segment=broadcast.segment,
        text=broadcast.text,
        buttons=write_rows(broadcast.buttons),
        photo=broadcast.photo or "",
        offer=str(broadcast.offer_id or ""),
        on_unknown=broadcast.on_unknown,
    )


def read_rows(text: str) -> list[list[Row]]:
    """One row of buttons a line: `Words | https://…`, beside each other with `||`."""
    return [[_button(piece) for piece in line.split(BESIDE)] for line in text.splitlines() if line.strip()]


def write_rows(rows: Sequence[Sequence[Row]]) -> str:
    return "\n".join(f" {BESIDE} ".join(_line(button) for button in row) for row in rows)


def mistakes_at(mistakes: Iterable[Invalid], words: Words) -> Errors:
    """Each mistake at its field; one in a button says in which row."""
    told: Errors = {}
    for mistake in mistakes:
        field, *place = mistake.where or ("",)
        said = sentence(mistake, words)
        if field == "buttons" and place:
            row = int(place[0]) + 1
            said = words.gettext("Row %(row)d: %(mistake)s") % {"row": row, "mistake": said}
        told.setdefault(str(field), said)
    return told


@dataclass(frozen=True)
class Preview:
    """How it will look, and who will get it."""

    markup: Markup
    rows: list[list[str]]
    picture: str  # what stands for the picture: our pages may not fetch it
    funnel: Funnel | None
    errors: Errors


async def preview(session: ReadSession, draft: Draft, *, words: Words) -> Preview:
    """The draft as it is now, mistakes included."""
    errors = mistakes_at(await broadcasts.mistakes(session, draft), words)
    rows, _ = check_buttons(draft.buttons)
    keys = broadcasts.keyboard(0, rows, offer=draft.offer_id is not None, words=words)
    return Preview(
        markup=escape(draft.text) if "text" in errors else shown(draft.text),
        rows=[[key["text"] for key in row] for row in keys],
        picture=picture(draft.photo),
        funnel=await _funnel(session, draft.segment),
        errors=errors,
    )


def shown(text: str) -> Markup:
    """Telegram's HTML for our page; whatever could do more than look is taken out."""
    cleaned = nh3.clean(text.strip(), tags=TAGS, attributes=ATTRIBUTES, url_schemes={"http", "https", "tg"})
    return Markup(cleaned)  # nosec B704  # cleaned a line above


def picture(photo: str | None) -> str:
    """What names the picture: the host it comes from, or its file id."""
    return (urlsplit(photo).hostname or photo) if photo else ""


async def _funnel(session: ReadSession, segment: str) -> Funnel | None:
    try:
        return await broadcasts.funnel(session, segment)
    except (NotFound, Invalid):
        return None


def _button(piece: str) -> Row:
    said, _, does = piece.rpartition(BETWEEN) if BETWEEN in piece else (piece, "", "")
    words, does = said.strip(), does.strip()
    if does.lower() in set(Action):
        return {"text": words, "action": does.lower()}
    return {"text": words, "url": does}


def _line(button: Row) -> str:
    return f"{button['text']} {BETWEEN} {button.get('url') or button.get('action')}"


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None
