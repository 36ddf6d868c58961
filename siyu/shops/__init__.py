"""Shops outside the chat: their orders and refunds, told by signed webhooks and booked once each."""

from siyu.shops.doors import (
    LONGEST_SECRET,
    LONGEST_TITLE,
    PATH,
    change_secret,
    close,
    forget_old_secret,
    get_shop,
    list_shops,
    open_shop,
    reopen,
    source_of,
)
from siyu.shops.events import (
    LARGEST_BODY,
    accept,
    any_left_behind,
    drop,
    forget_bodies,
    get_event,
    list_events,
    name_buyer,
    note_replay,
    settle,
    settle_left_behind,
)
from siyu.shops.signatures import WINDOW, Door, sign_body, sign_standard

__all__ = [
    "LARGEST_BODY", "LONGEST_SECRET", "LONGEST_TITLE", "PATH", "WINDOW", "Door", "accept", "any_left_behind",
    "change_secret", "close", "drop", "forget_bodies", "forget_old_secret", "get_event",
    "get_shop", "list_events", "list_shops", "name_buyer", "note_replay", "open_shop", "reopen", "settle",
    "settle_left_behind", "sign_body", "sign_standard", "source_of",
]  # fmt: skip
