"""One broadcast as one call to Telegram: the same words for everybody, the added buttons in each fan's language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from siyu.broadcasts.buttons import keyboard
from siyu.broadcasts.composing import rows_of
from siyu.kit.wording import Words
from siyu.tables import Broadcast


@dataclass(frozen=True)
class Letter:
    """A Bot API method and its fields."""

    method: str
    payload: Mapping[str, Any]  # Any: the method's own fields


def letter_to(telegram_id: int, broadcast: Broadcast, words: Words, *, test: bool = False) -> Letter:
    """What is sent to one chat."""
    keys = keyboard(broadcast.id or 0, rows_of(broadcast), offer=broadcast.offer_id is not None, words=words, test=test)
    common = {"chat_id": telegram_id, "parse_mode": "HTML", "reply_markup": {"inline_keyboard": keys}}
    if broadcast.photo:
        return Letter("sendPhoto", {**common, "photo": broadcast.photo, "caption": broadcast.text})
    return Letter("sendMessage", {**common, "text": broadcast.text})
