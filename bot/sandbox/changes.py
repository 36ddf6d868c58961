"""A counter of everything that happens, on which others may wait."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """`revision` grows with each change; waiters wake at the next one."""

    def __init__(self) -> None:
        self.revision = 0
        self._waiters: set[asyncio.Event] = set()

    def touch(self) -> int:
        """Something happened; returns its revision."""
        self.revision += 1
        for event in self._waiters:
            event.set()
        return self.revision

    async def until(self, found: Callable[[], T | None], *, within: float) -> T | None:
        """What `found` finds, as soon as it finds something; None after `within` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        event = asyncio.Event()
        self._waiters.add(event)
        try:
            while (what := found()) is None and (left := deadline - loop.time()) > 0:
                event.clear()
                await _within(event, left)
            return what
        finally:
            self._waiters.discard(event)

    async def beyond(self, seen: int, *, within: float) -> int:
        """The revision, as soon as it is greater than `seen`, or after `within` seconds."""
        await self.until(lambda: self.revision > seen or None, within=within)
        return self.revision


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
