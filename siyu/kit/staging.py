"""Staging: a connection that computes long in temporary tables, then writes briefly.

Its work is plain functions run in a thread of their own. A batch is some fifty statements one after another,
and each would wait four times for the loop's turn: a third of a small recompute's time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Insert,
    Row,
    Select,
    String,
    Table,
    bindparam,
    cast,
    func,
    insert,
    inspect,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlmodel import SQLModel

from siyu.kit.threads import to_the_end
from siyu.kit.wal import WriteAheadLog

Params = Mapping[str, Any]  # Any: whatever a column takes
Names = tuple[str, ...]
Line = tuple[str | int | None, ...]
Same = tuple[tuple[str, int], ...]
NOTHING: Mapping[str, int] = {}
Result = TypeVar("Result")
Value = TypeVar("Value")


class Batch:
    """One transaction's statements, one after another.

    Most of them nobody waits for. On PostgreSQL those are sent ahead, one behind the other, until an answer is asked
    for: while it works at one the next is made ready, a tenth of the time a tick takes.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ahead = ExitStack()
        self._is_ahead = False
        self.dialect = connection.dialect.name
        self.kept: dict[Any, Any] = connection.info  # outlives the transaction, with the connection

    def run(self, statement: Executable, params: Params | None = None) -> None:
        """Run one statement. What fails in it is raised here, or where the next answer is asked for."""
        self._go_ahead()
        self._connection.execute(statement, params)

    def changed(self, statement: Executable, params: Params | None = None) -> int:
        """Run one statement; how many rows it touched."""
        self.catch_up()
        # Asked for, or the count of an INSERT is -1 on PostgreSQL.
        result = self._connection.execute(statement, params, execution_options={"preserve_rowcount": True})
        return int(result.rowcount)

    def say(self, statement: str) -> None:
        """Run a fixed statement as the driver takes it: for emptying twenty tables SQLAlchemy took 2 of a tick's ms."""
        self._go_ahead()
        self._connection.exec_driver_sql(statement)

    def run_many(self, statement: Executable, rows: Params | Sequence[Params]) -> None:
        """The same statement for many rows in one trip."""
        if rows:
            self._go_ahead()
            self._connection.execute(statement, rows)

    def fill(self, table: Table, names: Names, rows: Sequence[Line], same: Mapping[str, int] = NOTHING) -> None:
        """New rows of numbers and words, none of them empty, in one trip, each with what is the same in all.

        On PostgreSQL column by column: its driver has every row answered by itself; and a column as one word, since
        it quotes every element of a list. On SQLite as its driver takes them: preparing 2,000 rows for a statement was
        6 of a tick's 125 ms.
        """
        if rows and self.dialect == "postgresql":
            self._go_ahead()
            columns = (_SEPARATOR.join(map(_said, values)) for values in zip(*rows, strict=True))
            statement = _by_column(table, names, tuple(same.items()))
            self._connection.execute(statement, dict(zip(names, columns, strict=True)))
        elif rows:
            self._connection.exec_driver_sql(_by_row(table, names, tuple(same.items())), rows)

    def rows(self, statement: Executable, params: Params | None = None) -> Sequence[Row[*tuple[Any, ...]]]:
        """What a statement gives back."""
        self.catch_up()
        return self._connection.execute(statement, params).all()

    def one(self, statement: TypedReturnsRows[Value], params: Params | None = None) -> Value:
        """The first column of the only row."""
        self.catch_up()
        return self._connection.execute(statement, params).scalars().one()

    def insert(self, model: type[SQLModel] | Table) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT that knows ON CONFLICT."""
        return insert_into(self.dialect, model)

    def catch_up(self) -> None:
        """Wait for whatever was sent ahead; raises what failed there."""
        self._is_ahead = False
        try:
            self._ahead.close()
        except psycopg.Error as error:
            raise DBAPIError("sent ahead", None, error) from error

    def forget(self) -> None:
        """What is undone: temporary tables that were made, and whatever was sent ahead, which may fail as well."""
        self.kept.clear()
        with suppress(DBAPIError):
            self.catch_up()

    def _go_ahead(self) -> None:
        if self.dialect == "postgresql" and not self._is_ahead:
            driver: Any = self._connection.connection.driver_connection  # Any: SQLAlchemy knows no drivers
            self._ahead.enter_context(driver.pipeline())
            self._is_ahead = True


Work = Callable[[Batch], Result]


class Staging:
    """A transaction to compute in, then a short turn at writing, on the same connection."""

    def __init__(
        self, connection: Connection, turn: AbstractAsyncContextManager[None], log: WriteAheadLog | None
    ) -> None:
        self._connection = connection
        self._turn = turn
        self._log = log

    async def compute(self, work: Work[Result]) -> Result:
        """May fill temporary tables only: on SQLite the file's writer stays free meanwhile."""
        return await self._in_transaction(work, "BEGIN")

    async def write(self, work: Work[Result]) -> Result:
        """A turn at writing; waits for the others first, so that SQLite never says busy."""
        async with self._turn:
            written = await self._in_transaction(work, "BEGIN IMMEDIATE")
        if self._log is not None:
            await self._log.grew()
        return written

    async def _in_transaction(self, work: Work[Result], begin: str) -> Result:
        def all_of_it() -> Result:
            connection = self._connection.execution_options(begin=begin)
            with connection.begin():
                batch = Batch(connection)
                try:
                    result = work(batch)
                    batch.catch_up()
                except BaseException:
                    batch.forget()
                    raise
                return result

        return await to_the_end(all_of_it)


class Stager:
    """So many connections to stage on, each for one at a time.

    Who finds none free waits on the loop: waiting in threads took the very threads that those ahead needed to finish,
    and thirty recomputes at once stood still for ever.
    """

    def __init__(
        self,
        engine: Engine,
        turn: AbstractAsyncContextManager[None],
        *,
        connections: int,
        log: WriteAheadLog | None = None,
    ) -> None:
        self._engine = engine
        self._turn = turn
        self._log = log
        self._free = asyncio.Semaphore(connections)

    @asynccontextmanager
    async def staging(self) -> AsyncIterator[Staging]:
        """One connection, for as long as the block takes."""
        async with self._free:
            opened = ExitStack()
            try:
                connection = await to_the_end(lambda: opened.enter_context(self._engine.connect()))
                yield Staging(connection, self._turn, self._log)
            finally:
                await to_the_end(opened.close)

    async def close(self) -> None:
        await to_the_end(self._engine.dispose)
        if self._log is not None:
            await self._log.close()


def insert_into(dialect: str, model: type[SQLModel] | Table) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT that knows ON CONFLICT; both dialects spell it alike."""
    table = model if isinstance(model, Table) else inspect(model).local_table
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def insert_rows(
    dialect: str, model: type[SQLModel] | Table, rows: Sequence[Params]
) -> "tuple[sqlite.Insert | postgresql.Insert, Params | Sequence[Params]]":
    """An INSERT of at least one row that knows ON CONFLICT, and what to give it: on PostgreSQL column by column, where
    a thousand rows were 10,000 parameters and took twice as long."""
    new = insert_into(dialect, model)
    if dialect != "postgresql":
        return new, rows
    names = tuple(rows[0])
    return new.from_select(list(names), columns_of(model, names)), by_column(rows)


def by_column(rows: Sequence[Params]) -> Params:
    """The same rows as one list for each column."""
    return {name: [row[name] for row in rows] for name in rows[0]}


@lru_cache
def columns_of(model: type[SQLModel] | Table, names: Names) -> Select[*tuple[Any, ...]]:
    """Rows out of one list for each column, on PostgreSQL."""
    table = model if isinstance(model, Table) else inspect(model).local_table
    return select(*(func.unnest(bindparam(name, type_=postgresql.ARRAY(table.c[name].type))) for name in names))


_SEPARATOR = "\x1f"


def _said(value: str | int | None) -> str:
    return "" if value is None else str(value)


@lru_cache
def _by_column(table: Table, names: Names, same: Same) -> Insert:
    parts = ((func.string_to_array(bindparam(name, type_=String()), _SEPARATOR, ""), table.c[name]) for name in names)
    columns = [func.unnest(cast(words, postgresql.ARRAY(column.type))) for words, column in parts]
    constants: list[ColumnElement[int]] = [literal_column(str(value)) for _, value in same]
    into = [*names, *(name for name, _ in same)]
    return insert(table).from_select(into, select(*columns, *constants))


@lru_cache
def _by_row(table: Table, names: Names, same: Same) -> str:
    columns = ", ".join([*names, *(name for name, _ in same)])
    values = ", ".join(["?" for _ in names] + [str(value) for _, value in same])
    into, given = f"{table.name} ({columns})", f"({values})"
    return " ".join(["INSERT INTO", into, "VALUES", given])
