"""Sessions keep their promises on both databases."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Insert, func, insert, literal, text, union_all, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from siyu.app import App
from siyu.kit.columns import Instant
from siyu.kit.database import Database, WriteSession
from siyu.kit.staging import Batch
from siyu.metrics import stage
from siyu.tables import Lease
from tests.clocks import NOON


async def test_a_block_that_raises_leaves_nothing_behind(app: App) -> None:
    with pytest.raises(RuntimeError):
        async with app.database.writing() as session:
            session.add(Lease(name="a", owner="b", until=NOON))
            raise RuntimeError

    assert await _owner(app) is None


async def test_a_savepoint_that_raises_is_undone_alone(app: App) -> None:
    async with app.database.writing() as session:
        session.add(Lease(name="a", owner="first", until=NOON))
        await session.flush()
        with pytest.raises(RuntimeError):
            async with session.savepoint():
                await session.run(update(Lease).values(owner="second"))
                raise RuntimeError

    assert await _owner(app) == "first"


async def test_a_reader_cannot_write(app: App) -> None:
    with pytest.raises(DBAPIError):
        async with app.database.reading() as session:
            await WriteSession(session._session).run(update(Lease).values(owner="x"))


async def test_a_reader_sees_one_moment(app: App) -> None:
    async with app.database.reading() as session:
        assert await session.first(select(Lease.owner)) is None
        async with app.database.writing() as other:
            other.add(Lease(name="a", owner="b", until=NOON))

        assert await session.first(select(Lease.owner)) is None


async def test_writers_take_turns_and_none_is_refused(app: App) -> None:
    async with app.database.writing() as session:
        session.add(Lease(name="n", owner="0", until=NOON))

    async def add_one() -> None:
        async with app.database.writing() as session:
            await session.run(update(Lease).values(owner=str(int(await _read(session)) + 1)))

    await asyncio.gather(*(add_one() for _ in range(20)))

    # PostgreSQL lets read-then-write lose counts: that is why stock is never changed like this.
    assert await _owner(app) == "20" or app.database.dialect == "postgresql"


async def test_whoever_comes_while_somebody_builds_the_house_waits(tmp_path: Path) -> None:
    """Before a file has a log, SQLite itself waits for nobody."""
    builder = sqlite3.connect(tmp_path / "new.db", isolation_level=None, check_same_thread=False)
    for statement in ("CREATE TABLE kept (x)", "BEGIN IMMEDIATE", "INSERT INTO kept VALUES (1)"):
        builder.execute(statement)
    done = threading.Timer(0.2, builder.commit)
    done.start()

    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    async with database.writing() as session:
        await session.run(text("INSERT INTO kept VALUES (2)"))
        kept = await session.rows(text("SELECT x FROM kept ORDER BY x"))
    await database.close()
    done.join()
    builder.close()

    assert kept == [(1,), (2,)]


async def test_staging_computes_aside_and_writes_briefly(app: App) -> None:
    computing, written = threading.Event(), threading.Event()

    def compute(batch: Batch) -> None:
        batch.run(text("CREATE TEMPORARY TABLE aside AS SELECT 'me' AS owner"))
        computing.set()
        assert written.wait(10)

    def write(batch: Batch) -> None:
        batch.run(text("UPDATE lease SET owner = (SELECT owner FROM aside)"))
        batch.run(text("DROP TABLE aside"))

    async with app.database.staging() as staging:
        aside = asyncio.ensure_future(staging.compute(compute))
        await asyncio.to_thread(computing.wait, 10)
        async with app.database.writing() as other:
            other.add(Lease(name="a", owner="b", until=NOON))
        written.set()
        await aside
        await staging.write(write)

    assert await _owner(app) == "me"


@pytest.mark.parametrize("asks", [True, False])
async def test_what_fails_in_a_turn_is_raised_and_nothing_of_the_turn_stays(app: App, asks: bool) -> None:
    """Whether anybody waits for an answer after it or not; a statement that got half-way is no exception."""

    def write(batch: Batch) -> None:
        batch.run(insert(Lease).values(name="a", owner="b", until=NOON))
        batch.run(_twice("c"))
        batch.run(update(Lease).values(owner="d"))
        if asks:
            batch.rows(text("SELECT 1"))

    async with app.database.staging() as staging:
        with pytest.raises(DBAPIError):
            await staging.write(write)
        assert await staging.compute(lambda batch: batch.rows(select(Lease.owner))) == []


async def test_statements_sent_ahead_are_answered_in_order(app: App) -> None:
    def write(batch: Batch) -> tuple[int, int, str]:
        for name in "abc":
            batch.run(insert(Lease).values(name=name, owner="x", until=NOON))
        moved = batch.changed(update(Lease).where(col(Lease.name) > "a").values(owner="y"))
        batch.run(update(Lease).where(col(Lease.name) == "c").values(owner="z"))
        count = batch.one(select(func.count()).select_from(Lease).where(col(Lease.owner) != "x"))
        return moved, count, batch.one(select(Lease.owner).where(col(Lease.name) == "c"))

    async with app.database.staging() as staging:
        assert await staging.write(write) == (2, 2, "z")


def _twice(name: str) -> Insert:
    one = select(literal(name), literal("b"), literal(NOON, Instant()))
    return stage.to_the_end(insert(Lease).from_select(["name", "owner", "until"], union_all(one, one)))


async def test_whoever_is_cancelled_waits_for_the_batch_to_end(app: App) -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work(batch: Batch) -> None:
        begun.set()
        assert may_end.wait(10)
        assert batch.rows(text("SELECT 1")) == [(1,)]  # the connection is still this batch's own
        ended.set()

    async def stage() -> None:
        async with app.database.staging() as staging:
            await staging.compute(work)

    running = asyncio.ensure_future(stage())
    await asyncio.to_thread(begun.wait, 10)
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()  # and again: patience does not end the second time either
    asyncio.get_running_loop().call_later(0.1, may_end.set)

    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()


async def _owner(app: App) -> str | None:
    async with app.database.reading() as session:
        return await session.first(select(Lease.owner))


async def _read(session: WriteSession) -> str:
    return await session.one(select(Lease.owner).where(col(Lease.name) == "n"))
