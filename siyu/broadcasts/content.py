"""What a broadcast says, held against what Telegram takes: once while it is written, once for every fan who gets it."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import select
from sqlmodel import col

from siyu.broadcasts import markup, media, placeholders
from siyu.broadcasts.buttons import LONGEST_COPIED, Action, check_buttons, is_printable
from siyu.broadcasts.editions import FIRST_VARIANT, Edition, Where, Written, edition_for, pieces_of
from siyu.broadcasts.placeholders import COUPON, Values
from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid
from siyu.tables import Broadcast, Delivery, Fan

Json = Mapping[str, Any]  # Any: what somebody wrote, checked here

LONGEST_TEXT = 4096  # code points after the tags are read: 4,096 emoji pass
LONGEST_CAPTION = 1024
# Under an album there are no buttons; the way out is a line of its caption.
ROOM_FOR_WAY_OUT = 64

TOO_LONG, NOTHING_LEFT, NOTHING_TO_COPY, MISSING = "too_long", "empty_text", "copy_text", "missing:"

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.IGNORECASE)
_VARIANT = re.compile(r"[a-z]")


class Composed(Written, Protocol):
    """A draft, or a broadcast."""

    @property
    def media(self) -> Sequence[Json]: ...
    @property
    def copied(self) -> Json | None: ...
    @property
    def offer_id(self) -> int | None: ...


@dataclass(frozen=True)
class Checked:
    """What writing to these fans on trial found: who cannot be written to and why, and how many lack what."""

    bad: Mapping[int, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Checked") -> "Checked":
        return Checked({**self.bad, **other.bad}, Counter(self.counts) + Counter(other.counts))


def mistakes(draft: Composed) -> list[Invalid]:
    """Everything wrong with what it says, each with its place."""
    return [
        *_words_mistakes(draft, draft.text, (), needed=True),
        *media.mistakes(draft.media),
        *_copied_mistakes(draft),
        *_rows_mistakes(draft, draft.buttons, ("buttons",)),
        *_version_mistakes(draft, draft.versions, ()),
        *_variant_mistakes(draft),
        *_offer_mistakes(draft),
    ]


async def level_mistakes(session: ReadSession, draft: Composed) -> list[Invalid]:
    """Placeholders may name dimensions that operators made."""
    return await placeholders.must_be_known(session, _names(draft))


async def check_recipients(session: ReadSession, broadcast: Broadcast, fan_ids: Sequence[int]) -> Checked:
    """Write to each of these fans on trial; nothing is sent.

    `counts` has `missing:first_name` for those who get the fallback as well as for those who get nothing.
    """
    pieces = pieces_of(broadcast)
    if not placeholders.names_in(pieces.texts):
        return Checked()
    values = await placeholders.values_for(session, broadcast, fan_ids)
    bad: dict[int, str] = {}
    counts = Counter[str]()
    for fan_id, variant, language in await _readers(session, broadcast, fan_ids):
        edition = edition_for(pieces, variant, language)
        lacks = _lacks(edition, values[fan_id])
        counts.update(MISSING + name for name in lacks)
        if reason := _fault(edition, values[fan_id], lacks, most=longest(broadcast)):
            bad[fan_id] = reason
            counts[reason] += not reason.startswith(MISSING)
    return Checked(bad, counts)


def unfit(broadcast: Broadcast, values: Values, variant: str | None, language: str | None) -> str | None:
    """Why this fan cannot be written to just now."""
    edition = edition_for(pieces_of(broadcast), broadcast.winner or variant, language)
    return _fault(edition, values, _lacks(edition, values), most=longest(broadcast))


def is_album(draft: Composed) -> bool:
    return len(draft.media) > 1


def longest(draft: Composed) -> int:
    """How many characters fit."""
    if is_album(draft):
        return LONGEST_CAPTION - ROOM_FOR_WAY_OUT
    return LONGEST_CAPTION if draft.media else LONGEST_TEXT


def _words_mistakes(draft: Composed, text: str, where: Where, *, needed: bool) -> Iterator[Invalid]:
    place = (*where, "text")
    if draft.copied is not None:
        if text.strip():
            yield Invalid("a copied post brings its own words: leave the text empty", where=place)
        return
    if not is_printable(text):
        yield Invalid("the text holds signs that cannot be sent", where=place)
        return
    try:
        words, names = readable(text), placeholders.names_in([text])
    except Invalid as mistake:
        mistake.where = place
        yield mistake
        return
    if needed and not words:
        yield Invalid("write something", where=place)
    if len(words) > longest(draft):
        yield Invalid(
            "%(length)d characters are too many: %(most)d fit", where=place, length=len(words), most=longest(draft)
        )
    if COUPON in names and draft.offer_id is None:
        yield Invalid("{coupon} needs an offer", where=place)


def readable(text: str) -> str:
    """What a fan would read of whom nothing is known."""
    placeholders.used(text)
    return markup.read(placeholders.fill(text, placeholders.NOTHING)) or ("…" if placeholders.used(text) else "")


def _copied_mistakes(draft: Composed) -> Iterator[Invalid]:
    if draft.copied is None:
        return
    if not all(isinstance(draft.copied.get(part), int) for part in ("chat_id", "message_id")):
        yield Invalid("a copied post is {chat_id, message_id}", where=("copied",))
    if draft.media:
        yield Invalid("a copied post brings its own pictures", where=("media",))


def _rows_mistakes(draft: Composed, rows: object, where: Where) -> Iterator[Invalid]:
    buttons, wrong = check_buttons(rows)
    for mistake in wrong:
        mistake.where = (*where[:-1], *mistake.where)
        yield mistake
    every = [button for row in buttons for button in row]
    if every and is_album(draft):
        yield Invalid("Telegram shows no buttons under an album: send one picture, or leave them out", where=where)
    for button in every:
        if button.is_(Action.CLAIM) and draft.offer_id is None:
            yield Invalid("a Claim button needs an offer", where=("offer",))
        if button.is_(Action.COPY):
            yield from _copy_mistakes(draft, button.value or "", where)


def _copy_mistakes(draft: Composed, value: str, where: Where) -> Iterator[Invalid]:
    try:
        names = placeholders.names_in([value])
    except Invalid as mistake:
        mistake.where = where
        yield mistake
        return
    if COUPON in names and draft.offer_id is None:
        yield Invalid("{coupon} needs an offer", where=where)


def _offer_mistakes(draft: Composed) -> Iterator[Invalid]:
    if draft.offer_id is not None and is_album(draft) and COUPON not in _names(draft):
        yield Invalid("an album has no Claim button: write {coupon} into its text", where=("offer",))


def _version_mistakes(draft: Composed, versions: Mapping[str, Json], where: Where) -> Iterator[Invalid]:
    for language, one in versions.items():
        place = (*where, "versions", language)
        if not _LANGUAGE.fullmatch(language):
            yield Invalid("a language is written like en or zh-hans, not %(language)s", where=place, language=language)
        yield from _own_mistakes(draft, one, place)


def _variant_mistakes(draft: Composed) -> Iterator[Invalid]:
    keys = [str(one.get("key")) for one in draft.variants]
    for n, one in enumerate(draft.variants):
        place = ("variants", n)
        if not _VARIANT.fullmatch(keys[n]) or keys[n] in keys[:n]:
            yield Invalid("variants are called a, b, c…, each once", where=place)
        if keys[n] != FIRST_VARIANT:
            yield from _own_mistakes(draft, one, place)
            yield from _version_mistakes(draft, one.get("versions") or {}, place)


def _own_mistakes(draft: Composed, one: Json, where: Where) -> Iterator[Invalid]:
    yield from _words_mistakes(draft, str(one.get("text") or ""), where, needed=False)
    if one.get("buttons") is not None:
        yield from _rows_mistakes(draft, one["buttons"], (*where, "buttons"))


def _names(draft: Composed) -> Collection[str]:
    try:
        return placeholders.names_in(pieces_of(draft).texts)
    except Invalid:
        return ()


async def _readers(
    session: ReadSession, broadcast: Broadcast, fan_ids: Sequence[int]
) -> Iterable[tuple[int, str | None, str | None]]:
    """Fans with the variant that fell to them and their language; before the freeze everybody reads the text."""
    columns = (col(Fan.id), col(Delivery.variant), col(Fan.chosen_language), col(Fan.language))
    theirs = (col(Delivery.fan_id) == col(Fan.id)) & (col(Delivery.broadcast_id) == broadcast.id)
    found = select(*columns).select_from(Fan).outerjoin(Delivery, theirs).where(col(Fan.id).in_(fan_ids))
    return [
        (fan_id, broadcast.winner or variant, chosen or language)
        for fan_id, variant, chosen, language in await session.rows(found)
    ]


def _texts(edition: Edition) -> list[str]:
    return [edition.text, *(button.value or "" for _, button in edition.buttons() if button.is_(Action.COPY))]


def _lacks(edition: Edition, values: Values) -> Mapping[str, str | None]:
    """What the fan lacks, each with its fallback."""
    return {one.name: one.fallback for text in _texts(edition) for one in placeholders.missing(text, values)}


def _fault(edition: Edition, values: Values, lacks: Mapping[str, str | None], *, most: int) -> str | None:
    """Why this fan cannot be written to."""
    for name, fallback in lacks.items():
        if fallback is None:
            return MISSING + name
    words = markup.read(placeholders.fill(edition.text, values))
    if len(words) > most:
        return TOO_LONG
    if edition.text and not words:
        return NOTHING_LEFT
    return NOTHING_TO_COPY if not all(_can_be_copied(copied, values) for copied in _texts(edition)[1:]) else None


def _can_be_copied(value: str, values: Values) -> bool:
    return 0 < len(placeholders.fill_plain(value, values)) <= LONGEST_COPIED
