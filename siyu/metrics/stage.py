"""The temporary tables a recompute works in, so that it computes long and writes briefly."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar  # Any: what a column takes

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Float,
    Insert,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Update,
    and_,
    bindparam,
    inspect,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)  # fmt: skip
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

from siyu.kit.clock import EPOCH
from siyu.kit.columns import BigKey, Day, Instant
from siyu.kit.staging import Params
from siyu.tables import FanDay, FanMetrics

TABLES = MetaData()
Written = TypeVar("Written", Insert, Update)


class Cause(StrEnum):
    """Why somebody's place may have changed."""

    FACT = "fact"
    TIME = "time"
    RULE = "rule"
    PEERS = "peers"  # others bought more, or less, and so their place among the buyers is another
    LOOK = "look"


Rows = Select[*tuple[Any, ...]]

# What every statement of a run may name. Statements are made once and kept: making one costs as much as
# running it over a few fans.
AS_OF: BindParameter[datetime] = bindparam("as_of_moment", type_=Instant())
TODAY: BindParameter[int] = bindparam("as_of_day", type_=Integer())  # days since 1970
CURRENCY: BindParameter[str] = bindparam("main_currency", type_=String())
ONE, ZERO = (literal_column(digit, Integer()) for digit in "10")
COOLED: BindParameter[float] = bindparam("cooled", type_=Float(53))  # what is left of a signal at the origin


@cache
def cut(measure: str, k: int, n: int) -> BindParameter[int]:
    """The value that k of n parts of the buyers do not pass."""
    return bindparam(f"cut_{measure}_{k}_{n}", type_=BigInteger())


def parameters(*, as_of: datetime, day: date, currency: str) -> Params:
    """Values for the first three of them."""
    return {"as_of_moment": as_of, "as_of_day": (day - EPOCH).days, "main_currency": currency}


def table_of(model: type[SQLModel]) -> Table:
    """A model's table, for statements that copy whole columns."""
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table


def _temporary(name: str, *columns: Column[object]) -> Table:
    several = sum(column.primary_key for column in columns) > 1
    return Table(name, TABLES, *columns, prefixes=["TEMPORARY"], sqlite_with_rowid=not several)


def by_fan(name: str, columns: Sequence[Column[Any]]) -> Table:
    """A table with a row for each fan, beside those that are always there: it is made when it is asked for."""
    fan_id: Column[Any] = Column(
        "fan_id", BigKey().with_variant(BigInteger(), "postgresql"), primary_key=True, autoincrement=False
    )
    return Table(name, MetaData(), fan_id, *columns, prefixes=["TEMPORARY"])


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
# Fans whose place may have changed, and what did it: a fact, time, the rules, or their peers. Most press a button or
# say a word, and then what they are interested in and whom they brought stays as it stands.
fans = _temporary(
    "stage_fan",
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("cause", String, nullable=False),
    Column("shown", Boolean, nullable=False),  # what they are interested in is worked out anew
    Column("brought", Boolean, nullable=False),  # and so is what those they brought amount to
)
metrics = _temporary("stage_metrics", *_like(FanMetrics))
# Where each of those stands in everything, a letter each.
words = _temporary(
    "stage_word",
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("places", String, nullable=False),
)
# Of those, whose row differs from the one that stands.
changed_metrics = _temporary(
    "stage_changed",
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("turned", Boolean),  # whether they can be reached now, where it was otherwise before
)
# Levels that differ from the ones that stand.
levels = _temporary(
    "stage_level",
    Column("dimension", String, primary_key=True),
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("old_level", String),
    Column("old_since", Instant),
    Column("old_day", Day),
    Column("new_level", String, nullable=False),
    Column("since", Instant, nullable=False),
    Column("since_day", Day, nullable=False),
)

# Where those whom a look at another time moved stood before it, when coming back from it.
standing = _temporary(
    "stage_standing",
    Column("dimension", String, primary_key=True),
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("level", String),
    Column("since", Instant),
    Column("since_day", Day),
)
# Categories somebody with new facts is interested in.
interests = _temporary(
    "stage_interest",
    Column("fan_id", BigKey, primary_key=True, autoincrement=False),
    Column("category", String, primary_key=True),
    Column("day", Day, nullable=False),
)


_AFTER, _UPTO = (bindparam(name, type_=BigInteger()) for name in ("after_fan", "upto_fan"))


def within(table: Table) -> ColumnElement[bool]:
    """Of a range of fans."""
    return and_(table.c.fan_id > _AFTER, table.c.fan_id <= _UPTO)


def range_of(part: tuple[int, int]) -> Params:
    return {"after_fan": part[0], "upto_fan": part[1]}


def add(dialect: str, table: Table, rows: Rows, **values: bool) -> Insert:
    """Whole rows into a table that may have them already; those get the values. `rows` needs a WHERE on SQLite."""
    new = _insert(dialect, table, rows)
    keys = [column.name for column in table.primary_key]
    return new.on_conflict_do_update(index_elements=keys, set_=values) if values else new.on_conflict_do_nothing()


def put(dialect: str, table: Table, rows: Select[*tuple[Any, ...]]) -> Insert:
    """Whole rows into a table, in the place of those with the same key. `rows` needs a WHERE on SQLite."""
    new = _insert(dialect, table, rows)
    keys = [column.name for column in table.primary_key]
    values = {column.name: new.excluded[column.name] for column in table.c if not column.primary_key}
    return new.on_conflict_do_update(index_elements=keys, set_=values)


def put_few(dialect: str, table: Table, rows: Select[*tuple[Any, ...]]) -> Sequence[Insert | Update]:
    """The same where few rows of many are written, in statements that SQLite keeps no journal of."""
    if dialect == "postgresql":
        return [put(dialect, table, rows)]
    new = rows.subquery()
    same = and_(*(column == new.c[column.name] for column in table.primary_key))
    values = {column.name: new.c[column.name] for column in table.c if not column.primary_key}
    # Named twice, or SQLite walks through everybody.
    theirs = tuple_(*table.primary_key).in_(select(*(new.c[column.name] for column in table.primary_key)))
    missing = select(new).where(~select(literal(1)).select_from(table).where(same).exists())
    return [to_the_end(update(table).where(theirs, same).values(values)), to_the_end(_insert(dialect, table, missing))]


def to_the_end(statement: Written) -> Written:
    """A statement that fails leaves what it did to be rolled back with its turn.

    One that ABORTs, as is usual, takes it back alone: for that SQLite copied 2,600 pages in a tick of 400 fans, a
    twelfth of its time.
    """
    return statement.prefix_with("OR FAIL", dialect="sqlite")


def _insert(dialect: str, table: Table, rows: Select[*tuple[Any, ...]]) -> postgresql.Insert | sqlite.Insert:
    new = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return new.from_select(table.c.keys(), rows)
