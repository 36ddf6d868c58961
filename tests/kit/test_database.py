"""Sessions keep their promises on both databases."""

import asyncio

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from siyu.app import App
from siyu.kit.database import WriteSession
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


async def test_staging_computes_aside_and_writes_briefly(app: App) -> None:
    async with app.database.staging() as staging:
        async with staging.computing() as session:
            await session.run(text("CREATE TEMPORARY TABLE aside AS SELECT 'me' AS owner"))
            async with app.database.writing() as other:
                other.add(Lease(name="a", owner="b", until=NOON))
        async with staging.writing() as session:
            await session.run(text("UPDATE lease SET owner = (SELECT owner FROM aside)"))
            await session.run(text("DROP TABLE aside"))

    assert await _owner(app) == "me"


async def _owner(app: App) -> str | None:
    async with app.database.reading() as session:
        return await session.first(select(Lease.owner))


async def _read(session: WriteSession) -> str:
    return await session.one(select(Lease.owner).where(col(Lease.name) == "n"))
