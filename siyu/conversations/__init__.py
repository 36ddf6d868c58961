"""Conversations: what fans write to us, who answers, and what became of the answer."""

from siyu.conversations.answering import LONGEST_ANSWER, Said, answer, assign, close, must_be_reachable, reopen
from siyu.conversations.hearing import Heard, hear, needs_no_answer
from siyu.conversations.listing import (
    Box,
    Spoken,
    Talk,
    count_replies,
    find_conversation,
    get_line,
    lines_of,
    list_talks,
    sizes,
    waiting,
)
from siyu.conversations.notices import Notice, fan_meant, forget_notices, hearers, post_notices, want_notices

__all__ = [
    "LONGEST_ANSWER", "Box", "Heard", "Notice", "Said", "Spoken", "Talk", "answer", "assign", "close",
    "count_replies", "fan_meant", "find_conversation", "forget_notices", "get_line", "hear", "hearers", "lines_of",
    "list_talks", "must_be_reachable", "needs_no_answer", "post_notices", "reopen", "sizes", "waiting", "want_notices",
]  # fmt: skip
