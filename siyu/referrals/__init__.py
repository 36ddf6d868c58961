"""Referrals: who brought whom, and what both get when a friend buys and keeps it."""

from siyu.referrals.books import RULES, books
from siyu.referrals.edges import brought_by, connect, referrer_of
from siyu.referrals.programme import Programme, change_programme, programme
from siyu.referrals.progress import Place, Progress, board, join_board, leave_board, progress, totals
from siyu.referrals.rewards import Days, Moved, counting_friends, keep_promises, reverse_for
from siyu.referrals.suspicion import Doubt, block, count_doubts, doubts, release
from siyu.referrals.telling import tell

__all__ = [
    "RULES", "Days", "Doubt", "Moved", "Place", "Programme", "Progress", "block", "board", "books",
    "brought_by", "change_programme", "connect", "count_doubts", "counting_friends", "doubts", "join_board",
    "keep_promises", "leave_board", "programme", "progress", "referrer_of", "release", "reverse_for",
    "tell", "totals",
]  # fmt: skip
