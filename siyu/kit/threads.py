"""Work in a thread that nobody leaves half done."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def to_the_end(work: Callable[[], Result]) -> Result:
    """In a thread; whoever is cancelled meanwhile still waits for it, for nothing else may touch its connection."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return running.result()
