"""The loops' common step: work while there is some, rest until somebody rings, outlive a database that is away."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger("bot")

Result = TypeVar("Result")

# Other processes cannot ring here; their work is found by looking this often.
REST_SECONDS = 0.5
LONGEST_PAUSE = 30.0


class Backoff:
    """Longer and longer pauses while something is away, each a little different."""

    def __init__(self, first: float = 0.5, longest: float = LONGEST_PAUSE) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def reset(self) -> None:
        self._next = self._first

    def pause(self) -> float:
        """Seconds to wait now; the next ones are twice as many. Jitter keeps processes apart."""
        seconds, self._next = self._next, min(self._longest, self._next * 2)
        return seconds * random.uniform(0.5, 1.0)


async def keep(name: str, step: Callable[[], Awaitable[bool]], *, bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Repeat a step until stopped; it says whether it found work, and without any we rest."""
    backoff = Backoff()
    while not stop.is_set():
        bell.clear()
        try:
            busy = await step()
            backoff.reset()
        except (SQLAlchemyError, OSError) as error:
            # A full disk, a server that restarts: what was not committed is still in the tables.
            log.error("database.away", loop=name, error=type(error).__name__, detail=str(error)[:300])
            await rest(stop, backoff.pause())
            continue
        if not busy:
            await rest(bell, REST_SECONDS)


async def rest(bell: asyncio.Event, seconds: float) -> None:
    """Until somebody rings, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        return


async def unless_stopped(stop: asyncio.Event, work: Coroutine[object, object, Result]) -> Result | None:
    """What the work brings, or None when we are stopped before it does; it is cancelled then."""
    async with asyncio.TaskGroup() as both:
        working = both.create_task(work)
        stopping = both.create_task(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
    return None if working.cancelled() else working.result()
