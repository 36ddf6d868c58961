"""Broadcasts: one message to one segment, and a ledger of what became of it for every fan."""

from siyu.broadcasts.audience import Funnel, funnel
from siyu.broadcasts.buttons import Action, Button, Press, broadcast_of, keyboard, parse_press
from siyu.broadcasts.composing import Draft, compose, edit, get_broadcast, list_broadcasts, mistakes, rows_of
from siyu.broadcasts.course import cancel, pause, resolve_unknown, resume, start
from siyu.broadcasts.presses import offer_of, press, were_sent
from siyu.broadcasts.tally import (
    DeliveryLine,
    Figures,
    Progress,
    Results,
    counts,
    deliveries,
    figures,
    progress,
    reasons,
    results,
)
from siyu.broadcasts.trial import test_to

__all__ = [
    "Action", "Button", "DeliveryLine", "Draft", "Figures", "Funnel", "Press", "Progress", "Results", "broadcast_of",
    "cancel", "compose", "counts", "deliveries", "edit", "figures", "funnel", "get_broadcast", "keyboard",
    "list_broadcasts", "mistakes", "offer_of", "parse_press", "pause", "press", "progress", "reasons",
    "resolve_unknown", "results", "resume", "rows_of", "start", "test_to", "were_sent",
]  # fmt: skip
