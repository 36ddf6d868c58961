"""The database: one URL, two kinds of sessions, and the same promises on SQLite and PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

from psycopg import _queries
from sqlalchemy import Connection, Engine, Executable, Row, SQLColumnExpression, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.asyncio import AsyncSession as Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlmodel import SQLModel

from siyu.kit.staging import Params, Stager, Staging, insert_into, insert_rows
from siyu.kit.wal import WriteAheadLog

Model = TypeVar("Model", bound=SQLModel)
Value = TypeVar("Value")

BUSY_MILLISECONDS = 10_000
READERS = 8
STAGERS = 3
# A page that many commits change is copied back once, not in every commit: at SQLite's own 1,000 each tick
# of a recompute paid 45 ms for it. The log stays at 128 MiB.
PAGES_IN_LOG = 32_000
# Negative is KiB. A page that reads goes over the same rows again and again; a broadcast to 100,000 writes each once,
# and with as much for the writer its process grew by 35 MiB.
READER_KIB, WRITER_KIB = -65_536, -16_384
# What is staged of a million fans does not fit into memory: beyond 32 MiB it goes to a file of its own, and so does a
# sort, which takes as much as the other cache. What a recompute writes can be worked out again, so its commits do not
# wait for the disk (20 ms each, of a hundred): the next fan's commit takes them along, in order. And it copies the log
# back between its turns, not in them.
STAGING: dict[str, str | int] = {
    "cache_size": -32_768, "temp_store": "FILE", "temp.cache_size": -32_768,
    "synchronous": "NORMAL", "wal_autocheckpoint": 0,
}  # fmt: skip
# The same on PostgreSQL, and no machine code for statements of a few milliseconds: a full run of 10,000 fans took 15
# percent less. Nor tables of hashes, to group by or to join: facts and days come in the order of an index, and holding
# 2 million of them against their days took 0.5 s instead of 1.3.
STAGING_ON_POSTGRES: dict[str, str] = {
    "temp_buffers": "64MB", "work_mem": "32MB", "synchronous_commit": "off", "jit": "off", "random_page_cost": "1.1",
    "enable_hashagg": "off", "enable_hashjoin": "off",
}  # fmt: skip


class ReadSession:
    """What a page that only shows is handed: it can select, and mypy refuses the rest."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: list[SQLModel] = []
        self.dialect = session.get_bind().dialect.name

    async def all(self, statement: TypedReturnsRows[Value]) -> Sequence[Value]:
        """The first column of every row."""
        return (await self._session.execute(statement)).scalars().all()

    async def first(self, statement: TypedReturnsRows[Value]) -> Value | None:
        """The first column of the first row, or None."""
        return (await self._session.execute(statement)).scalars().first()

    async def one(self, statement: TypedReturnsRows[Value]) -> Value:
        """The first column of the only row."""
        return (await self._session.execute(statement)).scalars().one()

    async def rows(self, statement: Executable, params: Params | None = None) -> Sequence[Row[*tuple[Any, ...]]]:
        """Whole rows, for statements of several columns."""
        return (await self._session.execute(statement, params)).all()

    async def get(self, model: type[Model], key: object) -> Model | None:
        """Read once: what a snapshot says does not change, and what nobody holds SQLAlchemy forgets at once."""
        found = await self._session.get(model, key)
        if found is not None:
            self._kept.append(found)
        return found


class WriteSession(ReadSession):
    """What a verb that changes things asks for; the edge commits, never the domain."""

    async def get(self, model: type[Model], key: object) -> Model | None:
        return await self._session.get(model, key)

    def add(self, *rows: SQLModel) -> None:
        self._session.add_all(rows)

    async def flush(self) -> None:
        await self._session.flush()

    async def delete(self, row: SQLModel) -> None:
        await self._session.delete(row)

    async def run(self, statement: Executable, params: Params | None = None) -> int:
        """Run one INSERT, UPDATE or DELETE; how many rows it touched.

        It goes past the objects of this session: do not touch one whose row it changes.
        """
        core = await self._core()
        # Asked for, or the count of an INSERT is -1 on PostgreSQL.
        return int((await core.execute(statement, params, execution_options={"preserve_rowcount": True})).rowcount)

    async def run_many(self, statement: Executable, rows: Sequence[Params]) -> None:
        """The same statement for many rows in one trip: 50 times cheaper than one by one."""
        if rows:
            await (await self._core()).execute(statement, rows)

    async def returning(
        self, statement: Executable, params: Params | Sequence[Params] | None = None
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """The rows an INSERT, UPDATE or DELETE … RETURNING gives back."""
        return (await (await self._core()).execute(statement, params)).all()

    async def inserted(
        self,
        model: type[SQLModel],
        rows: Sequence[Params],
        *,
        unless: str,
        returning: Sequence[SQLColumnExpression[Any]],
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """New rows in one trip, but those whose `unless` is there already; what was asked back of the others."""
        new, given = insert_rows(self.dialect, model, rows)
        return await self.returning(new.on_conflict_do_nothing(index_elements=[unless]).returning(*returning), given)

    def insert(self, model: type[SQLModel] | Table) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT that knows ON CONFLICT; both dialects spell it alike."""
        return insert_into(self.dialect, model)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What raises inside is undone alone."""
        async with self._session.begin_nested():
            yield

    async def _core(self) -> AsyncConnection:
        if self._session.new or self._session.dirty or self._session.deleted:
            await self._session.flush()
        return await self._session.connection()


class Database:
    """Opens sessions. On SQLite one writer at a time waits its turn in this process, in order."""

    def __init__(self, url: str) -> None:
        self.url = async_url(url)
        self.dialect = self.url.get_backend_name()
        self._turn = asyncio.Lock() if self.dialect == "sqlite" else nullcontext()
        if self.dialect == "sqlite":
            _make_room(self.url)
            self._reader = _sqlite_engine(self.url, begin="BEGIN", readonly=True)
            self._writer = _sqlite_engine(self.url, begin="BEGIN IMMEDIATE")
            engine, copier = (create_engine(sync_url(url), pool_size=1, max_overflow=0) for _ in range(2))
            prepare_sqlite(engine, staging=True)
            prepare_sqlite(copier)
            self._stager = Stager(engine, self._turn, connections=1, log=WriteAheadLog(copier, self._turn))
        else:
            self._writer = create_async_engine(self.url, pool_pre_ping=True, pool_size=10, max_overflow=10)
            # Fewer than a process has threads for them: five on a machine with one core.
            engine = create_engine(sync_url(url), pool_pre_ping=True, pool_size=1, max_overflow=STAGERS - 1)
            _prepare_to_stage(engine)
            self._stager = Stager(engine, self._turn, connections=STAGERS)
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[ReadSession]:
        """One snapshot: every statement inside sees the same moment."""
        async with _session(self._reader) as session:
            yield ReadSession(session)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[WriteSession]:
        """One transaction: committed when the block ends, undone when it raises."""
        async with self._turn, _session(self._writer) as session, session.begin():
            yield WriteSession(session)

    def staging(self) -> AbstractAsyncContextManager[Staging]:
        """One connection with temporary tables, for work that computes long and writes briefly."""
        return self._stager.staging()

    async def close(self) -> None:
        for engine in {id(e): e for e in (self._reader, self._writer)}.values():
            await engine.dispose()
        await self._stager.close()


def async_url(url: str) -> URL:
    """The URL with the async driver chosen: aiosqlite or psycopg."""
    parsed = make_url(url)
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    backend = parsed.drivername.split("+")[0]
    return parsed.set(drivername=drivers[backend])


def sync_url(url: str) -> URL:
    """The same for Alembic, which works without a loop."""
    parsed = async_url(url)
    return parsed.set(drivername="sqlite") if parsed.get_backend_name() == "sqlite" else parsed


def _session(bind: AsyncEngine | AsyncConnection) -> Session:
    return Session(bind, expire_on_commit=False)


def _make_room(url: URL) -> None:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)


def _sqlite_engine(url: URL, *, begin: str, readonly: bool = False) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=READERS if readonly else 1, max_overflow=0, pool_timeout=60)
    engine = engine.execution_options(begin=begin)
    prepare_sqlite(engine.sync_engine, readonly=readonly)
    return engine


def prepare_sqlite(engine: Engine, *, readonly: bool = False, staging: bool = False) -> None:
    """Settings of every connection, and our own BEGIN instead of the driver's late one.

    A deferred BEGIN failed 646 of 800 concurrent read-then-writes with "locked"; IMMEDIATE none.
    """

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for name, value in (_pragmas(readonly) | (STAGING if staging else {})).items():
            _say_patiently(cursor, f"PRAGMA {name}={value}")
        cursor.close()
        # SQLite's own knows a to z only: "köln" would not be found in "KÖLN".
        connection.create_function("lower", 1, _lower, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN IMMEDIATE"))


def _say_patiently(cursor: DBAPICursor, statement: str) -> None:
    """Before a file has a log, SQLite says at once that it is locked, whatever its patience: of two processes
    that start together in a new house one died of it."""
    until = monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            cursor.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or monotonic() > until:
                raise
        sleep(0.02)


def _prepare_to_stage(engine: Engine) -> None:
    # psycopg looks for the parameters of a statement of more than 4,096 letters, or 50 of them, anew each time, since
    # hardly a program says it again: for the dozen that a tick says each time 6 of its 125 ms.
    _queries.MAX_CACHED_STATEMENT_LENGTH, _queries.MAX_CACHED_STATEMENT_PARAMS = 131_072, 1_000

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for name, value in STAGING_ON_POSTGRES.items():
            cursor.execute(f"SET {name} = '{value}'")
        cursor.close()
        connection.commit()
        # A tick is 65 statements, always the same: planned once, not from the fifth time on until a full run's 200
        # take their place.
        connection.prepare_threshold, connection.prepared_max = 0, 1_000


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _pragmas(readonly: bool) -> dict[str, str | int]:
    return {
        "busy_timeout": BUSY_MILLISECONDS,
        **({} if readonly else {"journal_mode": "WAL", "wal_autocheckpoint": PAGES_IN_LOG}),
        "synchronous": "FULL",
        "foreign_keys": "ON",
        "cache_size": READER_KIB if readonly else WRITER_KIB,
        "temp_store": "MEMORY",
        **({"query_only": "ON"} if readonly else {}),
    }


async def answers(database: Database) -> bool:
    """Whether the database can be read right now."""
    async with database.reading() as session:
        await session.rows(text("SELECT 1"))
    return True


SQLITE_VERSION = sqlite3.sqlite_version
