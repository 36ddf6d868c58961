"""Upkeep: the temporary tables of a connection are made once, emptied before each run, and counted while it fills."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Table, text
from sqlalchemy.schema import CreateTable

from siyu.kit.staging import Batch
from siyu.metrics import stage

# PostgreSQL plans a statement anew whenever a table that it names was truncated or counted: of a tick of one fan half
# the time, of 55 ms. So ticks in a row only delete what was staged before them and keep its counts, until the dead
# rows, which nobody vacuums in temporary tables, are worth a truncation.
TICKS_IN_A_ROW = 8


@dataclass
class _Upkeep:
    """Of one connection's tables during a run."""

    ticks: int  # in a row before this one that left their rows and counts to it
    made: set[str]  # names of tables
    counting: bool = True


def set_up(batch: Batch, *, tick: bool) -> None:
    """Empty tables: made once for each connection, since making and dropping them costs more than a small run."""
    ticks = batch.kept.pop("ticks", 0)  # after a run that failed none
    made = batch.kept.pop("made", set())
    batch.kept["upkeep"] = _Upkeep(ticks if tick and ticks < TICKS_IN_A_ROW else 0, made)
    make(batch, stage.TABLES.sorted_tables)


def expect(batch: Batch, *, few: bool) -> None:
    """A tick of a few fans, or a run of many."""
    upkeep = _upkeep(batch)
    upkeep.counting = batch.dialect == "postgresql" and not (few and upkeep.ticks)
    if batch.dialect == "postgresql":
        # Fans of a tick are looked up one by one, whichever they are.
        batch.say("SET plan_cache_mode = force_generic_plan" if few else "SET plan_cache_mode = auto")


def leave(batch: Batch, *, few: bool) -> None:
    """What was staged stays, for a tick to go on from; and the tables, for any run."""
    batch.kept["made"] = _upkeep(batch).made
    if few:
        batch.kept["ticks"] = _upkeep(batch).ticks + 1


def make(batch: Batch, tables: Sequence[Table]) -> None:
    """These tables, with nothing in them."""
    made = _upkeep(batch).made
    if not made.issuperset(table.name for table in tables):
        made |= {name for (name,) in batch.rows(text(_FIND[batch.dialect]))}
        for table in tables:
            if table.name not in made:
                batch.run(CreateTable(table))
        made |= {table.name for table in tables}
    clear(batch, tables)


def clear(batch: Batch, tables: Sequence[Table]) -> None:
    """Nothing in them."""
    for statement in _emptying(batch, [table.name for table in tables]):
        batch.say(statement)


def _emptying(batch: Batch, names: Sequence[str]) -> Sequence[str]:
    deleting = [" ".join(("DELETE FROM", name)) for name in names]
    if batch.dialect != "postgresql":
        return deleting
    if not _upkeep(batch).ticks:
        return ["TRUNCATE " + ", ".join(names)]
    *others, last = deleting
    together = ", ".join(f"n{n} AS ({one})" for n, one in enumerate(others))
    return [" ".join(("WITH", together, last))]


@contextmanager
def walking(batch: Batch) -> Iterator[None]:
    """Everybody is walked through, in order: expecting fewer, PostgreSQL looked for 280,000 days one by one."""
    if batch.dialect == "postgresql":
        batch.say("SET LOCAL enable_nestloop = off")
    yield
    if batch.dialect == "postgresql":
        batch.say("SET LOCAL enable_nestloop = on")


def count(batch: Batch, *tables: Table) -> None:
    """How many rows were staged, for PostgreSQL's planner: nobody counts temporary tables by themselves, and it walked
    through everybody's levels and days for 40 fans. SQLite follows its indexes anyway."""
    if _upkeep(batch).counting:
        for table in tables:
            batch.say(f"ANALYZE {table.name} (fan_id)")


def _upkeep(batch: Batch) -> _Upkeep:
    kept: _Upkeep = batch.kept["upkeep"]
    return kept


_FIND = {
    "sqlite": "SELECT name FROM sqlite_temp_master WHERE type = 'table'",
    "postgresql": "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'",
}
