"""One broadcast as one call to Telegram: each fan's version, with their own values, links and language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from siyu.broadcasts import placeholders
from siyu.broadcasts.buttons import Hand, keyboard
from siyu.broadcasts.content import Composed
from siyu.broadcasts.editions import Edition, edition_for, pieces_of
from siyu.broadcasts.links import Tracking
from siyu.broadcasts.media import DOCUMENT, PHOTO, VIDEO
from siyu.broadcasts.placeholders import NOTHING, REFERRAL_LINK, Values
from siyu.kit.wording import Words
from siyu.tables import Broadcast

Payload = dict[str, Any]  # Any: the method's own fields

METHODS = {PHOTO: "sendPhoto", VIDEO: "sendVideo", DOCUMENT: "sendDocument"}


@dataclass(frozen=True)
class Letter:
    """A Bot API method and its fields."""

    method: str
    payload: Mapping[str, Any]  # Any: the method's own fields


def letter_to(
    telegram_id: int,
    broadcast: Broadcast,
    words: Words,
    *,
    values: Values = NOTHING,
    variant: str | None = None,
    language: str | None = None,
    fan_id: int | None = None,
    tracking: Tracking | None = None,
    test: bool = False,
) -> Letter:
    """What is sent to one chat.

    Links are tracked where `tracking` and `fan_id` are given; a test carries them as they were written.
    """
    edition = edition_for(pieces_of(broadcast), broadcast.winner or variant, language)
    hand = hand_of(broadcast, edition, values, tracking=None if test else tracking, fan_id=fan_id)
    keys = keyboard(
        broadcast.id or 0, edition.rows, offer=broadcast.offer_id is not None, words=words, test=test, hand=hand
    )
    common = {"chat_id": telegram_id, **_circumstances(broadcast, test=test)}
    buttons = {"reply_markup": {"inline_keyboard": keys}}
    text = placeholders.fill(edition.text, values)
    match broadcast.media:
        case _ if broadcast.copied:
            return Letter("copyMessage", {**common, **_original(broadcast.copied), **buttons})
        case []:
            return Letter("sendMessage", {**common, **_words(broadcast, text), **buttons})
        case [one]:
            file = {one.get("kind", PHOTO): one["file"]}
            caption = {"caption": text, "parse_mode": "HTML"}
            return Letter(METHODS[one.get("kind", PHOTO)], {**common, **file, **caption, **buttons})
        case album:
            return Letter("sendMediaGroup", {**common, "media": _album(album, captioned(text, words))})


def messages_in(broadcast: Composed) -> int:
    """How many messages Telegram counts: an album is as many as it has pictures."""
    return max(1, len(broadcast.media)) if broadcast.copied is None else 1


def hand_of(
    broadcast: Broadcast, edition: Edition, values: Values, *, tracking: Tracking | None, fan_id: int | None
) -> Hand:
    """What the buttons of this edition do for this fan."""
    copied = partial(placeholders.fill_plain, values=values)
    link = values.get(REFERRAL_LINK, "")
    if tracking is None or fan_id is None:
        return Hand(copied, link)

    def address(place: str, url: str) -> str:
        return tracking.address(broadcast.id or 0, fan_id, edition.numbers[place], url)

    return Hand(copied, link, address)


def captioned(text: str, words: Words) -> str:
    """An album has no buttons, but still a way out."""
    return f"{text}\n\n🔕 {words.gettext('No more of these: /settings')}"


def preview(broadcast: Broadcast, words: Words, *, variant: str | None = None, language: str | None = None) -> Letter:
    """As an invented fan would get it."""
    names = placeholders.names_in(pieces_of(broadcast).texts)
    return letter_to(
        0, broadcast, words, values=placeholders.sample(names, words), variant=variant, language=language, test=True
    )


def _circumstances(broadcast: Broadcast, *, test: bool) -> Payload:
    quiet = {"disable_notification": True} if broadcast.silent else {}
    paid = {"allow_paid_broadcast": True} if broadcast.paid and not test else {}
    return quiet | paid


def _words(broadcast: Broadcast, text: str) -> Payload:
    preview = {} if broadcast.link_preview else {"link_preview_options": {"is_disabled": True}}
    return {"text": text, "parse_mode": "HTML", **preview}


def _original(copied: Mapping[str, Any]) -> Payload:  # Any: checked as it was composed
    return {"from_chat_id": copied["chat_id"], "message_id": copied["message_id"]}


def _album(media: Sequence[Mapping[str, Any]], caption: str) -> list[Payload]:  # Any: as above
    first, *others = [{"type": one.get("kind", PHOTO), "media": one["file"]} for one in media]
    return [{**first, "caption": caption, "parse_mode": "HTML"}, *others]
