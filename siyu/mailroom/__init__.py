"""The mailroom: what comes from Telegram is written down before it is confirmed, what goes there before it is sent."""

from siyu.mailroom.account import latest_username, remember_bot, username_of
from siyu.mailroom.inbox import (
    Letter,
    NotHandled,
    Update,
    confirm_up_to,
    finish,
    next_batch,
    put_in_inbox,
    quarantined,
    replay,
    replay_all,
    set_back,
)
from siyu.mailroom.outbox import (
    ANSWER,
    NOTICE,
    REPLY,
    TRIES,
    Errand,
    Payload,
    Report,
    Verdict,
    count_due,
    declare_lost,
    is_repeatable,
    note_reports,
    outgoing,
    post,
    send,
    take_errands,
)
from siyu.mailroom.pruning import prune
from siyu.mailroom.webhook import accept_webhook

__all__ = [
    "ANSWER", "NOTICE", "REPLY", "TRIES", "Errand", "Letter", "NotHandled", "Payload", "Report", "Update",
    "Verdict", "accept_webhook", "confirm_up_to", "count_due", "declare_lost", "finish", "is_repeatable",
    "latest_username", "next_batch", "note_reports", "outgoing", "post", "prune", "put_in_inbox", "quarantined",
    "remember_bot", "replay", "replay_all", "send", "set_back", "take_errands", "username_of",
]  # fmt: skip
