"""A rehearsal: the real import with the real rulings, and nothing of it is kept."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from siyu.kit.database import Database, WriteSession
from siyu.transfer.importing import Transactions


@asynccontextmanager
async def rehearsal(database: Database) -> AsyncIterator[Transactions]:
    """Transactions that leave no trace.

    SQLite has one writer, and a long import undone at its end would keep the bot waiting; there a copy is written to.
    """
    rehearsed = _on_a_copy(database) if database.dialect == "sqlite" else _undone(database)
    async with rehearsed as transactions:
        yield transactions


@asynccontextmanager
async def _on_a_copy(database: Database) -> AsyncIterator[Transactions]:
    with TemporaryDirectory(prefix="siyu-rehearsal-") as folder:
        path = Path(folder) / "copy.db"
        await asyncio.to_thread(_copy, str(database.url.database), path)
        copy = Database(f"sqlite:///{path}")
        try:
            yield copy.writing
        finally:
            await copy.close()


@asynccontextmanager
async def _undone(database: Database) -> AsyncIterator[Transactions]:
    try:
        async with database.writing() as session:

            @asynccontextmanager
            async def within() -> AsyncIterator[WriteSession]:
                async with session.savepoint():
                    yield session

            yield within
            raise _Undo
    except _Undo:
        return


class _Undo(Exception):
    """Rolls the whole transaction back."""


def _copy(source: str, target: Path) -> None:
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)
