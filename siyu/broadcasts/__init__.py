"""Broadcasts: one message to one segment, and a ledger of what became of it for every fan."""

from siyu.broadcasts.afterwards import follow_up_not_pressed, retry_failed, send_to_not_reached
from siyu.broadcasts.audience import Audience
from siyu.broadcasts.buttons import Action, Button, Press, broadcast_of, keyboard, parse_press
from siyu.broadcasts.comparing import Uplift
from siyu.broadcasts.composing import (
    Draft,
    archive,
    compose,
    count_broadcasts,
    draft_of,
    duplicate,
    edit,
    get_broadcast,
    list_broadcasts,
    mistakes,
    rows_of,
    save_as_template,
)
from siyu.broadcasts.counting import Funnel, funnel, members
from siyu.broadcasts.course import (
    approve,
    cancel,
    decline,
    pause,
    resolve_unknown,
    resume,
    start,
    submit,
    unschedule,
)
from siyu.broadcasts.deciding import choose_winner, decide_winner, undecided
from siyu.broadcasts.effects import (
    Earned,
    Pressed,
    Results,
    Speed,
    Version,
    clicks_per_button,
    earned,
    has_bought,
    results,
    speed,
)
from siyu.broadcasts.overview import Figures, figures
from siyu.broadcasts.paying import price
from siyu.broadcasts.presses import offer_of, press, were_sent
from siyu.broadcasts.tally import (
    DeliveryLine,
    Progress,
    Received,
    counts,
    deliveries,
    left_unknown,
    pressed_by,
    progress,
    reasons,
    received,
)
from siyu.broadcasts.trial import rehearse, test_to

__all__ = [
    "Action", "Audience", "Button", "DeliveryLine", "Draft", "Earned", "Figures", "Funnel", "Press", "Pressed",
    "Progress", "Received", "Results", "Speed", "Uplift", "Version", "approve", "archive", "broadcast_of",
    "cancel", "choose_winner", "clicks_per_button", "compose", "count_broadcasts", "counts", "decide_winner",
    "decline", "deliveries", "draft_of", "duplicate", "earned", "edit", "figures", "follow_up_not_pressed",
    "funnel", "get_broadcast", "has_bought", "keyboard", "left_unknown", "list_broadcasts", "members", "mistakes",
    "offer_of", "parse_press", "pause", "press", "pressed_by", "price", "progress", "reasons", "received", "rehearse",
    "resolve_unknown", "results", "resume", "retry_failed", "rows_of", "save_as_template", "send_to_not_reached",
    "speed", "start", "submit", "test_to", "undecided", "unschedule", "were_sent",
]  # fmt: skip
