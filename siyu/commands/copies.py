"""Copies of the database: taken while everything goes on, put back so that nothing is sent a second time."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from siyu import schema
from siyu.broadcasts import preparing
from siyu.kit.clock import system_clock
from siyu.kit.database import Database, sync_url
from siyu.kit.errors import SiyuError


def take(url: str, file: Path) -> None:
    """One consistent copy, readable by nobody else. Raises SiyuError."""
    if file.exists():
        raise SiyuError(f"{file} is there already; choose another name")
    source = _file_of(url, "pg_dump")
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    _copy(source, file)


def put_back(url: str, file: Path) -> int:
    """The backup instead of the database; how many of its broadcasts ask before they go on.

    They are held in a copy, which then takes the place in one transaction: killed anywhere, nothing sends by itself.
    """
    target = _file_of(url, "pg_restore")
    _must_be_ours(file)
    with TemporaryDirectory(prefix="siyu-restore-", dir=target.parent) as folder:
        held_copy = Path(folder) / "copy.db"
        _copy(file, held_copy)
        held = hold(f"sqlite:///{held_copy}")
        _copy(held_copy, target)
    return held


def hold(url: str) -> int:
    """Pause whatever would send by itself; how many broadcasts that are."""
    schema.upgrade(url)
    return asyncio.run(_hold(url))


async def _hold(url: str) -> int:
    database = Database(url)
    try:
        async with database.writing() as session:
            return len(await preparing.hold_everything(session, preparing.RESTORED, now=system_clock()))
    finally:
        await database.close()


def _file_of(url: str, instead: str) -> Path:
    parsed = sync_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise SiyuError(f"this is for a SQLite file; PostgreSQL has {instead}")
    return Path(parsed.database)


def _must_be_ours(file: Path) -> None:
    if not file.is_file():
        raise SiyuError(f"{file} is no file")
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:
        raise SiyuError(f"{file} is no backup of Siyu") from None


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)
