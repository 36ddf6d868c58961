"""Feedback: how fans rate us, asked for or not; a bad rating is followed up."""

from siyu.feedback.asking import AskDue, any_due, ask, ask_due
from siyu.feedback.rating import NEGATIVE, Thanks, add_words, heed, keys, listens, rate, words_wanted
from siyu.feedback.reading import Figures, Rated, figures, latest

__all__ = [
    "NEGATIVE", "AskDue", "Figures", "Rated", "Thanks", "add_words", "any_due", "ask", "ask_due", "figures", "heed",
    "keys", "latest", "listens", "rate", "words_wanted",
]  # fmt: skip
