"""Paying: beyond Telegram's free pace, for a tenth of a Star a message, where Telegram lets the bot."""

from siyu.broadcasts.content import Composed
from siyu.broadcasts.letters import messages_in
from siyu.kit.money import STARS, Money

MESSAGES_PER_STAR = 10


def price(written: Composed, fans: int) -> Money:
    """What it costs at most, in whole Stars; what leaves within the free pace is free."""
    return Money(-(-fans * messages_in(written) // MESSAGES_PER_STAR), STARS)
