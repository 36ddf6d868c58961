"""SQLite's write-ahead log, copied back into the file beside those who write."""

import asyncio
from contextlib import AbstractAsyncContextManager, closing

from sqlalchemy import Engine

from siyu.kit.threads import to_the_end

# A tick of 400 fans changes 700 pages: 32 stay below 128 MiB, where the next fan's commit would copy them back. One of
# 4,000 among a million fans is 77 turns of 430 pages; copied every sixteen turns it took a tenth longer.
TURNS = 32


class WriteAheadLog:
    """Copied back every so many turns, on a connection of its own.

    Between the turns it took a third of a tick among a million fans, and in a fan's commit 100 ms.
    """

    def __init__(self, engine: Engine, turn: AbstractAsyncContextManager[None]) -> None:
        self._engine = engine
        self._turn = turn
        self._turns = 0
        self._copying: asyncio.Task[None] | None = None

    async def grew(self) -> None:
        """By a turn at writing, which stands whatever comes of this.

        Whoever writes faster than it is copied waits; raises what failed in copying before.
        """
        self._turns += 1
        if self._turns % TURNS == 0:
            await self._copied()
            self._copying = asyncio.ensure_future(self._copy())

    async def close(self) -> None:
        """Once nobody writes any more; raises what failed in copying."""
        try:
            await self._copied()
        finally:
            await to_the_end(self._engine.dispose)

    async def _copied(self) -> None:
        if self._copying is not None:
            await asyncio.wait({self._copying})
            copying, self._copying = self._copying, None
            copying.result()

    async def _copy(self) -> None:
        """All there is; what came meanwhile; and in a turn the page or two since, for the log to begin anew."""
        await to_the_end(self._copy_back)
        await to_the_end(self._copy_back)
        async with self._turn:
            await to_the_end(self._copy_back)

    def _copy_back(self) -> None:
        with closing(self._engine.raw_connection()) as connection:  # outside of a transaction
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
