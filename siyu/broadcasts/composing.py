"""Writing a broadcast: a draft, held against everything Telegram would refuse, before anybody is written to."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select

from siyu import audit
from siyu.audit import Actor
from siyu.broadcasts import markup
from siyu.broadcasts.buttons import Rows, check_buttons, is_printable
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.segments import audience
from siyu.tables import Broadcast, BroadcastState, Offer

LONGEST_TEXT = 4096  # code points after the tags are read: 4,096 emoji pass
LONGEST_CAPTION = 1024
LONGEST_TITLE = 200
FASTEST = 1000
POLICIES = ("leave", "resend")

# A file id Telegram gave, or an address it can fetch.
_PHOTO = re.compile(r"[A-Za-z0-9_-]{10,200}|https?://[^\s/.]+\.\S{1,2000}")


@dataclass(frozen=True)
class Draft:
    """What an operator wrote; `buttons` are rows of `{text, url?|action?}`."""

    title: str
    segment: str
    text: str
    buttons: Sequence[Sequence[Mapping[str, object]]] = ()
    photo: str | None = None
    offer_id: int | None = None
    on_unknown: str = "leave"
    rate: float | None = None


async def compose(session: WriteSession, actor: Actor, draft: Draft, *, now: datetime) -> Broadcast:
    """A new draft. Raises Invalid with the place of the first mistake."""
    broadcast = Broadcast(created_at=now, created_by=actor.key, **await _checked(session, draft))
    session.add(broadcast)
    await session.flush()
    await audit.note(session, actor, "broadcast.composed", "broadcast", broadcast.id, now=now, title=broadcast.title)
    return broadcast


async def edit(session: WriteSession, actor: Actor, broadcast_id: int, draft: Draft, *, now: datetime) -> Broadcast:
    """The draft, written anew; what was started stays as it is."""
    is_draft = (col(Broadcast.id) == broadcast_id, col(Broadcast.state) == BroadcastState.DRAFT)
    if not await session.run(update(Broadcast).where(*is_draft).values(**await _checked(session, draft))):
        await get_broadcast(session, broadcast_id)
        raise Conflict("this broadcast was started; it cannot be changed any more", reason="not_a_draft")
    await audit.note(session, actor, "broadcast.edited", "broadcast", broadcast_id, now=now, title=draft.title)
    return await get_broadcast(session, broadcast_id)


async def get_broadcast(session: ReadSession, broadcast_id: int) -> Broadcast:
    """The broadcast as the database has it now."""
    statement = select(Broadcast).where(Broadcast.id == broadcast_id).execution_options(populate_existing=True)
    broadcast = await session.first(statement)
    if broadcast is None:
        raise NotFound("there is no broadcast %(id)s", id=broadcast_id)
    return broadcast


async def list_broadcasts(
    session: ReadSession, *, state: BroadcastState | None = None, cursor: str | None = None, limit: int = 50
) -> Page[Broadcast]:
    """The newest first."""
    statement = select(Broadcast).order_by(col(Broadcast.id).desc()).limit(limit + 1)
    if state:
        statement = statement.where(Broadcast.state == state)
    if cursor:
        statement = statement.where(col(Broadcast.id) < key_of(cursor, length=1)[0])
    found = await session.all(statement)
    return Page(found[:limit], cursor_of((found[limit - 1].id or 0,)) if len(found) > limit else None)


async def mistakes(session: ReadSession, draft: Draft) -> list[Invalid]:
    """Everything wrong with a draft, each with its place, so that a form can show all of it at once."""
    return [
        *_title_mistakes(draft),
        *_text_mistakes(draft),
        *_photo_mistakes(draft),
        *check_buttons(draft.buttons)[1],
        *_policy_mistakes(draft),
        *_segment_mistakes(draft),
        *await _offer_mistakes(session, draft),
    ]


def rows_of(broadcast: Broadcast) -> Rows:
    """The operator's buttons, as they were checked."""
    return check_buttons(broadcast.buttons)[0]


async def _checked(session: ReadSession, draft: Draft) -> dict[str, Any]:  # Any: the columns of a broadcast
    wrong = await mistakes(session, draft)
    if wrong:
        raise wrong[0]
    buttons, _ = check_buttons(draft.buttons)
    return {
        "title": draft.title.strip(),
        "segment": draft.segment,
        "text": draft.text.replace("\r", ""),
        "buttons": [[button.as_json() for button in row] for row in buttons],
        "photo": draft.photo or None,
        "offer_id": draft.offer_id,
        "on_unknown": draft.on_unknown,
        "rate": draft.rate,
    }


def _title_mistakes(draft: Draft) -> Iterable[Invalid]:
    if not draft.title.strip():
        yield Invalid("give it a title, for yourselves", where=("title",))
    elif len(draft.title) > LONGEST_TITLE or not is_printable(draft.title):
        yield Invalid("a title has at most %(most)d plain characters", where=("title",), most=LONGEST_TITLE)


def _text_mistakes(draft: Draft) -> Iterable[Invalid]:
    if not is_printable(draft.text):
        yield Invalid("the text holds signs that cannot be sent", where=("text",))
        return
    try:
        words = markup.read(draft.text)
    except Invalid as mistake:
        mistake.where = ("text",)
        yield mistake
        return
    most = LONGEST_CAPTION if draft.photo else LONGEST_TEXT
    if not words:
        yield Invalid("write something", where=("text",))
    if len(words) > most:
        yield Invalid("%(length)d characters are too many: %(most)d fit", where=("text",), length=len(words), most=most)


def _photo_mistakes(draft: Draft) -> Iterable[Invalid]:
    if draft.photo and not _PHOTO.fullmatch(draft.photo):
        yield Invalid("a picture is an https:// address or a file id of Telegram", where=("photo",))


def _policy_mistakes(draft: Draft) -> Iterable[Invalid]:
    if draft.on_unknown not in POLICIES:
        yield Invalid("what is unknown is left or sent again: leave or resend", where=("on_unknown",))
    if draft.rate is not None and not (math.isfinite(draft.rate) and 0 < draft.rate <= FASTEST):
        yield Invalid("a pace lies above 0 and at most at %(most)d a second", where=("rate",), most=FASTEST)


def _segment_mistakes(draft: Draft) -> Iterable[Invalid]:
    try:
        audience(draft.segment)
    except (NotFound, Invalid):
        yield Invalid("there is no segment %(key)s", where=("segment",), key=draft.segment)


async def _offer_mistakes(session: ReadSession, draft: Draft) -> Iterable[Invalid]:
    asks = any(button.action == "claim" for row in check_buttons(draft.buttons)[0] for button in row)
    if draft.offer_id is None:
        return [Invalid("a Claim button needs an offer", where=("offer",))] if asks else []
    offer = await session.get(Offer, draft.offer_id)
    return [] if offer else [Invalid("there is no offer %(id)s", where=("offer",), id=draft.offer_id)]
