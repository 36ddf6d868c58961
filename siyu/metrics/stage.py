"""The temporary tables a recompute works in, so that it computes long and writes briefly."""

from datetime import date, datetime
from typing import Any  # what a column takes

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    Insert,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    bindparam,
    inspect,
    text,
)  # fmt: skip
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable
from sqlmodel import SQLModel

from siyu.kit.clock import EPOCH
from siyu.kit.columns import BigKey, Day, Instant
from siyu.kit.staging import Batch, Params
from siyu.tables import FanDay, FanMetrics

_STAGE = MetaData()

# What every statement of a run may name. Statements are made once and kept: making one costs as much as
# running it over a few fans.
AS_OF: BindParameter[datetime] = bindparam("as_of_moment", type_=Instant())
TODAY: BindParameter[int] = bindparam("as_of_day", type_=Integer())  # days since 1970
CURRENCY: BindParameter[str] = bindparam("main_currency", type_=String())


def parameters(*, as_of: datetime, day: date, currency: str) -> Params:
    """Values for the three of them."""
    return {"as_of_moment": as_of, "as_of_day": (day - EPOCH).days, "main_currency": currency}


def table_of(model: type[SQLModel]) -> Table:
    """A model's table, for statements that copy whole columns."""
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table


def _temporary(name: str, *columns: Column[object]) -> Table:
    several = sum(column.primary_key for column in columns) > 1
    return Table(name, _STAGE, *columns, prefixes=["TEMPORARY"], sqlite_with_rowid=not several)


def _like(model: type[SQLModel]) -> list[Column[object]]:
    columns = table_of(model).columns
    return [Column(c.name, c.type, primary_key=c.primary_key, autoincrement=False) for c in columns]


# Which rows of dirty_day this run answers: exactly these go when it has written.
dirty = _temporary("stage_dirty", Column("id", BigKey, primary_key=True, autoincrement=False))
# Days to count again.
dirty_days = _temporary(
    "stage_dirty_day",
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("day", Day, primary_key=True, autoincrement=False),
)
# Those days as they are now; one without anything left on it is to go.
days = _temporary("stage_day", *_like(FanDay))
# What was given back of a purchase up to now.
paid_back = _temporary(
    "stage_paid_back",
    Column("purchase_id", BigKey, primary_key=True, autoincrement=False),
    Column("minor", BigInteger, nullable=False),
)
# Fans whose numbers may have changed, and whether a fact did it or only time.
fans = _temporary(
    "stage_fan",
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("by_fact", Boolean, nullable=False),
)
metrics = _temporary("stage_metrics", *_like(FanMetrics))
# Of those, whose row differs from the one that stands.
changed_metrics = _temporary("stage_changed", Column("fan_id", BigKey, primary_key=True, autoincrement=False))
# Levels that differ from the ones that stand.
levels = _temporary(
    "stage_level",
    Column("dimension", String, primary_key=True),
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("old_level", String),
    Column("new_level", String, nullable=False),
    Column("since", Instant, nullable=False),
)

# Where everybody stood before a look at another time, when coming back from it.
standing = _temporary(
    "stage_standing",
    Column("dimension", String, primary_key=True),
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("level", String, nullable=False),
    Column("since", Instant, nullable=False),
)


def add(dialect: str, table: Table, rows: Select[*tuple[Any, ...]]) -> Insert:
    """Whole rows into a table that may have them already. `rows` needs a WHERE on SQLite."""
    return _insert(dialect, table, rows).on_conflict_do_nothing()


def put(dialect: str, table: Table, rows: Select[*tuple[Any, ...]]) -> Insert:
    """Whole rows into a table, in the place of those with the same key. `rows` needs a WHERE on SQLite."""
    new = _insert(dialect, table, rows)
    keys = [column.name for column in table.primary_key]
    values = {column.name: new.excluded[column.name] for column in table.c if not column.primary_key}
    return new.on_conflict_do_update(index_elements=keys, set_=values)


def _insert(dialect: str, table: Table, rows: Select[*tuple[Any, ...]]) -> postgresql.Insert | sqlite.Insert:
    new = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return new.from_select(table.c.keys(), rows)


def set_up(batch: Batch) -> None:
    """Empty tables: made once for each connection, since making and dropping them costs more than a small run."""
    if not batch.rows(text(_FIND[batch.dialect])):
        for table in _STAGE.sorted_tables:
            batch.run(CreateTable(table))
    _clear(batch)


def _clear(batch: Batch) -> None:
    if batch.dialect == "postgresql":
        # Rows that were only deleted would stay: nothing vacuums temporary tables.
        batch.run(text("TRUNCATE " + ", ".join(table.name for table in _STAGE.sorted_tables)))
        return
    for table in _STAGE.sorted_tables:
        batch.run(table.delete())


_FIND = {
    "sqlite": "SELECT 1 FROM sqlite_temp_master WHERE name = 'stage_day'",
    "postgresql": "SELECT 1 WHERE to_regclass('pg_temp.stage_day') IS NOT NULL",
}
