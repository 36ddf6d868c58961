"""How a draft will look: one of its editions, with some fan's values, as Telegram draws it; and who gets it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape
from sqlmodel import col, select

from admin.forms import Errors
from admin.forms.broadcasts import Written, mistakes_at, picture, shown
from siyu import broadcasts, segments
from siyu.broadcasts import Draft, Funnel, content, letters, placeholders
from siyu.broadcasts.buttons import Hand
from siyu.broadcasts.counting import WILL_GET
from siyu.broadcasts.editions import Edition, edition_for, pieces_of
from siyu.broadcasts.placeholders import Values
from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid, NotFound
from siyu.kit.wording import Words
from siyu.segments import saved
from siyu.tables import Fan

TELEGRAM_ID = re.compile(r"[0-9]{1,15}")
# Of those who will get it, so many are there to look at it as.
SAMPLE = 5
NOBODY = "nobody"  # of whom nothing is known
# Where a friend's link would lead; nobody follows it from here.
SOMEWHERE = "https://t.me/"


@dataclass(frozen=True)
class Length:
    """How many characters a fan sees of a text, and how many fit; None where it cannot be read."""

    used: int | None
    most: int


@dataclass(frozen=True)
class Preview:
    """How it will look, and who will get it."""

    markup: Markup
    rows: Sequence[Sequence[str]]
    media: Sequence[tuple[str, str]]  # kind, and what stands for it: our pages may not fetch it
    lengths: Mapping[str, Length]  # by the field's id
    funnel: Funnel | None
    errors: Errors
    sample: Sequence[Fan]
    stars: int
    stands_still: Sequence[tuple[str, str]]  # segments that are "broken" or "frozen": nobody enters or leaves


@dataclass(frozen=True)
class Glance:
    """What is looked at: which edition, and as whom."""

    variant: str = ""
    language: str = ""
    reader: str = ""  # "" is somebody invented, else a fan's Telegram id, or NOBODY


async def preview(
    session: ReadSession,
    form: Written,
    draft: Draft,
    unread: Sequence[Invalid],
    *,
    glance: Glance,
    words: Words,
    now: datetime,
    zone: ZoneInfo,
    broadcast_id: int | None,
) -> Preview:
    """The draft as it is now, mistakes included; who is held out of it depends on what it was saved as."""
    errors = mistakes_at([*unread, *await broadcasts.mistakes(session, draft, now=now)], form, words)
    sample = await _sample(session, draft, now, zone, broadcast_id)
    edition = edition_for(pieces_of(draft), glance.variant or None, glance.language or None)
    values = await _values(session, draft, glance.reader, words)
    funnel = await _funnel(session, draft, now, zone, broadcast_id)
    return Preview(
        markup=_markup(draft, edition, values, words),
        rows=_labels(draft, edition, values, words),
        media=[(str(one.get("kind")), picture(str(one.get("file", "")))) for one in draft.media],
        lengths=_lengths(form, draft),
        funnel=funnel,
        errors=errors,
        sample=sample,
        stars=broadcasts.price(draft, funnel.will_get).minor if funnel else 0,
        stands_still=[(key, why) for key in draft.include if (why := await _stands_still(session, key))],
    )


def _markup(draft: Draft, edition: Edition, values: Values, words: Words) -> Markup:
    """With a mistake in it, as it was written."""
    try:
        content.readable(edition.text)
        text = placeholders.fill(edition.text, values)
    except Invalid:
        return escape(edition.text)
    return shown(letters.captioned(text, words) if content.is_album(draft) else text)


def _labels(draft: Draft, edition: Edition, values: Values, words: Words) -> list[list[str]]:
    """An album has no buttons."""
    if content.is_album(draft):
        return []
    hand = Hand(lambda value: _filled(value, values), values.get(placeholders.REFERRAL_LINK) or SOMEWHERE)
    keys = broadcasts.keyboard(0, edition.rows, offer=draft.offer_id is not None, words=words, hand=hand)
    return [[key["text"] for key in row] for row in keys]


def _filled(value: str, values: Values) -> str:
    try:
        return placeholders.fill_plain(value, values)
    except Invalid:
        return value


def _lengths(form: Written, draft: Draft) -> dict[str, Length]:
    most = content.longest(draft)
    texts = {"text": form.text, **{f"piece-{n}-text": piece.text for n, piece in enumerate(form.pieces)}}
    return {place: Length(_length(text), most) for place, text in texts.items()}


def _length(text: str) -> int | None:
    try:
        return len(content.readable(text.replace("\r\n", "\n")))
    except Invalid:
        return None


async def _values(session: ReadSession, draft: Draft, reader: str, words: Words) -> Values:
    """A fan's own values; an invented one's where nobody is chosen."""
    try:
        names = placeholders.names_in(pieces_of(draft).texts)
    except Invalid:
        return {}
    if reader == NOBODY:
        return {}
    found = select(col(Fan.id)).where(col(Fan.telegram_id) == int(reader)) if TELEGRAM_ID.fullmatch(reader) else None
    fan_id = await session.first(found) if found is not None else None
    if fan_id is None:
        return placeholders.sample(names, words)
    return (await placeholders.values_for(session, draft, [fan_id]))[fan_id]


async def _sample(
    session: ReadSession, draft: Draft, now: datetime, zone: ZoneInfo, broadcast_id: int | None
) -> Sequence[Fan]:
    if not _names_somebody(draft):
        return ()
    try:
        found = await broadcasts.members(
            session, draft, WILL_GET, at=now, zone=zone, broadcast_id=broadcast_id, limit=SAMPLE
        )
        return found.items
    except (NotFound, Invalid):
        return ()


async def _funnel(
    session: ReadSession, draft: Draft, now: datetime, zone: ZoneInfo, broadcast_id: int | None
) -> Funnel | None:
    if not _names_somebody(draft):
        return None
    try:
        return await broadcasts.funnel(session, draft, at=now, zone=zone, broadcast_id=broadcast_id)
    except (NotFound, Invalid):
        return None


def _names_somebody(draft: Draft) -> bool:
    return bool(draft.include) or draft.rule is not None or draft.follows_id is not None


async def _stands_still(session: ReadSession, segment: str) -> str:
    row = await saved.find_saved(session, segment)
    if row is None:
        return ""
    if saved.fault(row, await segments.classification_in_force(session)) or row.broken:
        return "broken"
    return "frozen" if row.frozen_at else ""
