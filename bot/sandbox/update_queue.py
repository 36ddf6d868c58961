"""The updates that wait for the bot, and the rules by which it fetches them."""

import asyncio
import secrets
import time
from bisect import bisect_left
from collections.abc import Iterable

from bot.sandbox.refusals import conflict
from bot.sandbox.shapes import Payload

# Telegram delivers these kinds only to bots that name them.
_ONLY_IF_NAMED = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_SHORT_LIVED = ("callback_query", "pre_checkout_query")


class UpdateQueue:
    """Updates in order of their ids; only a higher offset, or the webhook, takes them out."""

    def __init__(self, *, query_lifetime: float) -> None:
        self.allowed: frozenset[str] = frozenset()
        self.webhook_active = False
        self._query_lifetime = query_lifetime
        self._next_id = 100_000_000 + secrets.randbelow(800_000_000)
        self._ids: list[int] = []
        self._waiting: dict[int, Payload] = {}
        self._perishable: dict[int, float] = {}
        self._poller: asyncio.Future[str | None] | None = None
        self._listeners: list[asyncio.Event] = []

    def __len__(self) -> int:
        return len(self._ids)

    def allow(self, kinds: Iterable[str] | None) -> None:
        """Remember which kinds the bot wants; None keeps what was said before."""
        if kinds is not None:
            self.allowed = frozenset(kinds)

    def push(self, update: Payload) -> int:
        """Queue an update and return its id, 0 if the bot does not want this kind."""
        kind = next((key for key in update if key != "update_id"), "")
        if not self._is_wanted(kind):
            return 0
        update_id = self._next_id
        self._next_id += 1
        self._ids.append(update_id)
        self._waiting[update_id] = {"update_id": update_id, kind: update[kind]}
        if kind in _SHORT_LIVED:
            self._perishable[update_id] = time.monotonic() + self._query_lifetime
        self._wake()
        return update_id

    async def fetch(self, *, offset: int, limit: int, within: float) -> list[Payload]:
        """What getUpdates answers; waits up to `within` seconds for the first update."""
        self._interrupt("terminated by other getUpdates request; make sure that only one bot instance is running")
        self._confirm(offset)
        if within > 0 and not self._ready(offset, 1):
            await self._long_poll(offset, within)
        return self._ready(offset, limit)

    def waiting(self, *, after: int = 0) -> list[Payload]:
        """Everything not yet confirmed and not too old, oldest first."""
        return self._ready(after + 1, len(self._ids))

    def holds(self, update_id: int) -> bool:
        """Whether an update still waits."""
        return update_id in self._waiting

    def drop(self, update_id: int) -> None:
        """Take one update out: the webhook has accepted it."""
        place = bisect_left(self._ids, update_id)
        if place < len(self._ids) and self._ids[place] == update_id:
            del self._ids[place]
            self._forget(update_id)

    def drop_all(self) -> None:
        """Forget everything that waits."""
        for update_id in self._ids:
            self._forget(update_id)
        self._ids.clear()

    def listen(self) -> asyncio.Event:
        """An event that is set whenever an update arrives."""
        event = asyncio.Event()
        self._listeners.append(event)
        return event

    def unlisten(self, event: asyncio.Event) -> None:
        """Stop setting an event."""
        self._listeners.remove(event)

    def set_webhook_active(self, *, active: bool) -> None:
        """Polling and a webhook exclude each other."""
        self.webhook_active = active
        if active:
            self._interrupt("terminated by setWebhook request")

    def _is_wanted(self, kind: str) -> bool:
        return kind in self.allowed if self.allowed else kind not in _ONLY_IF_NAMED

    def _interrupt(self, why: str) -> None:
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(why)

    def _wake(self) -> None:
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(None)
        for event in self._listeners:
            event.set()

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            offset = self._ids[offset] if -offset <= len(self._ids) else 0
        if offset > 0:
            confirmed = bisect_left(self._ids, offset)
            for update_id in self._ids[:confirmed]:
                self._forget(update_id)
            del self._ids[:confirmed]

    def _forget(self, update_id: int) -> None:
        self._waiting.pop(update_id, None)
        self._perishable.pop(update_id, None)

    async def _long_poll(self, offset: int, within: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while not self._ready(offset, 1) and (left := deadline - loop.time()) > 0:
            poller = self._poller = loop.create_future()
            await asyncio.wait([poller], timeout=left)
            if poller.done() and (why := poller.result()):
                raise conflict(why)
            self._confirm(offset)

    def _ready(self, offset: int, limit: int) -> list[Payload]:
        self._expire()
        start = bisect_left(self._ids, offset) if offset > 0 else 0
        return [self._waiting[update_id] for update_id in self._ids[start : start + limit]]

    def _expire(self) -> None:
        # Kept in order of time, so the first one that lives ends the search.
        now = time.monotonic()
        while self._perishable and next(iter(self._perishable.values())) < now:
            self.drop(next(iter(self._perishable)))
