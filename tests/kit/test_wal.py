"""SQLite's log is copied back beside those who write, and begins anew before it outgrows them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from siyu.kit import wal
from siyu.kit.database import Database
from siyu.kit.staging import Batch, Staging
from siyu.kit.wal import WriteAheadLog
from tests import servers

EVERY = 4
PAGE = 4096


@pytest.fixture(autouse=True)
def _every_few_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "TURNS", EVERY)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(servers.fresh_sqlite(tmp_path))
    async with database.writing() as session:
        await session.run(text("CREATE TABLE kept (bytes BLOB)"))
    yield database
    await database.close()


async def test_the_log_begins_anew_while_turn_after_turn_is_written(database: Database, tmp_path: Path) -> None:
    async with database.staging() as staging:
        for _ in range(10 * EVERY):
            await staging.write(_a_hundred_pages)

    assert _size_of_log(tmp_path) < 4 * EVERY * 100 * PAGE  # of 40 turns; it is never made shorter
    async with database.reading() as session:
        assert (await session.rows(text("SELECT count(*) FROM kept"))) == [(10 * EVERY,)]


async def test_whoever_writes_faster_than_the_log_is_copied_waits(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    monkeypatch.setattr(WriteAheadLog, "_copy_back", lambda _self: may_go_on.wait(10))

    async with database.staging() as staging:
        await _write(staging, 2 * EVERY - 1)  # beside the copying, which has begun
        last = asyncio.ensure_future(staging.write(_a_hundred_pages))
        _done, waiting = await asyncio.wait({last}, timeout=0.2)
        assert waiting
        may_go_on.set()
        await last


async def test_what_fails_in_copying_is_raised_to_those_who_write(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.staging() as staging:
        with monkeypatch.context() as patch:
            patch.setattr(WriteAheadLog, "_copy_back", _fail)
            await _write(staging, EVERY)
            with pytest.raises(OSError, match="no room"):
                await _write(staging, EVERY)
        await _write(staging, EVERY)  # once there is room again


def _fail(_self: WriteAheadLog) -> None:
    raise OSError("no room left")


def _size_of_log(folder: Path) -> int:
    (log,) = folder.glob("*.db-wal")
    return log.stat().st_size


async def test_what_fails_in_copying_is_raised_at_the_latest_when_the_house_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(servers.fresh_sqlite(tmp_path))

    monkeypatch.setattr(WriteAheadLog, "_copy_back", _fail)
    async with database.writing() as session:
        await session.run(text("CREATE TABLE kept (bytes BLOB)"))
    async with database.staging() as staging:
        await _write(staging, EVERY)

    with pytest.raises(OSError, match="no room"):
        await database.close()


async def _write(staging: Staging, turns: int) -> None:
    for _ in range(turns):
        await staging.write(_a_hundred_pages)


def _a_hundred_pages(batch: Batch) -> None:
    batch.say(f"INSERT INTO kept VALUES (zeroblob({100 * PAGE}))")
