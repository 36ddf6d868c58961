"""How fast the bot may write: a window for the whole bot and an allowance for each chat."""

from collections import deque
from math import ceil

from bot.sandbox.options import SandboxOptions
from bot.sandbox.refusals import too_many


class Pacer:
    """Counts accepted messages and refuses those that come too soon."""

    def __init__(self, options: SandboxOptions) -> None:
        rate = options.rate
        limit = max(1, ceil(rate)) if rate else 0
        self._recent: deque[float] | None = deque(maxlen=limit) if rate else None
        self._window = limit / rate if rate else 0.0
        self._interval = 1 / options.chat_rate if rate and options.chat_rate else 0.0
        self._slack = self._interval * max(0, options.chat_burst - 1)
        self._chat_due: dict[int, float] = {}

    def admit(self, chat_id: int, now: float) -> None:
        """Raise 429 if a message to this chat would be one too many at this moment."""
        recent = self._recent
        if recent is None:
            return
        if len(recent) == recent.maxlen and (early := recent[0] + self._window - now) > 0:
            raise too_many(max(1, ceil(early)))
        if (early := self._chat_due.get(chat_id, 0.0) - self._slack - now) > 0:
            raise too_many(max(1, ceil(early)))

    def note(self, chat_id: int, now: float) -> None:
        """Count an accepted message."""
        if self._recent is None:
            return
        self._recent.append(now)
        if self._interval:
            self._chat_due[chat_id] = max(now, self._chat_due.get(chat_id, 0.0)) + self._interval
