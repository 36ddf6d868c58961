"""Levels: staged where they differ, written with their history, counted into sizes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Insert,
    ScalarSelect,
    Select,
    Table,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    true,
    union_all,
    update,
)

from siyu.kit.staging import Batch, Params
from siyu.metrics import stage
from siyu.metrics.stage import AS_OF, TODAY
from siyu.segments.compiler import Scope, level_in
from siyu.segments.dimensions import DIMENSIONS, Dimension
from siyu.segments.thresholds import parse
from siyu.tables import FanLevel, FanMetrics, LevelChange, LevelSize

fan_level, fan_metrics, level_change, level_size = (
    stage.table_of(model) for model in (FanLevel, FanMetrics, LevelChange, LevelSize)
)


class Cause(StrEnum):
    """Why somebody changed levels."""

    FACT = "fact"
    TIME = "time"
    RULE = "rule"
    LOOK = "look"


@dataclass(frozen=True)
class Size:
    """How many fans a level holds, how many of them can be reached, and how many came and went in this run."""

    size: int = 0
    reachable: int = 0
    entered: int = 0
    left: int = 0


Sizes = Mapping[tuple[str, str], Size]  # by dimension and level


def stage_levels(batch: Batch, given: Params, *, rules: str, coming_back: bool) -> None:
    """Stage the levels that differ from those that stand.

    Coming back from a look at another time, those that stood before it count, and every row is staged:
    what the look wrote in their place must go.
    """
    if coming_back:
        batch.run(insert(stage.standing).from_select(stage.standing.c.keys(), _before_the_look()))
    batch.run(_differing(rules, coming_back=coming_back), given)


def write_levels(batch: Batch, given: Params, *, ruled: frozenset[str], look: bool, coming_back: bool) -> int:
    """Write the staged levels and what changed; returns how many levels did."""
    if coming_back:
        _forget_the_look(batch)
    changed = batch.run(_changes(ruled, look=look), given)
    batch.run(_in_place(batch.dialect))
    return changed


def new_sizes(batch: Batch, given: Params, *, rules: str) -> Sizes:
    """How many of the staged fans each level will hold."""
    rows = batch.rows(_counted(rules), given)
    return {(dimension, level): Size(size, reachable) for dimension, level, size, reachable in rows}


def old_sizes(batch: Batch) -> Sizes:
    """How many of the staged fans each level holds so far."""
    rows = batch.rows(_counted_before())
    return {(dimension, level): Size(size, reachable) for dimension, level, size, reachable in rows if dimension}


def moves(batch: Batch) -> Sizes:
    """How many of the staged fans each level gains and loses."""
    rows = batch.rows(_moves())
    return {(dimension, level): Size(entered=entered, left=left) for dimension, level, entered, left in rows}


def newest_sizes(batch: Batch, *, day: date) -> Sizes:
    """What the lists showed last, up to a day."""
    newest = select(func.max(level_size.c.day)).where(level_size.c.day <= day).scalar_subquery()
    columns = (level_size.c.dimension, level_size.c.level, level_size.c.size, level_size.c.reachable)
    rows = batch.rows(select(*columns).where(level_size.c.day == newest))
    return {(dimension, level): Size(size, reachable) for dimension, level, size, reachable in rows}


def moved(base: Sizes, old: Sizes, new: Sizes, moves: Sizes) -> Sizes:
    """The base without what the staged fans held, and with what they hold now; and who came and went."""
    keys = [(dimension.key, level.key) for dimension in DIMENSIONS for level in dimension.levels]
    none = Size()
    return {
        key: Size(
            base.get(key, none).size - old.get(key, none).size + new.get(key, none).size,
            base.get(key, none).reachable - old.get(key, none).reachable + new.get(key, none).reachable,
            moves.get(key, none).entered,
            moves.get(key, none).left,
        )
        for key in keys
    }


def write_sizes(batch: Batch, sizes: Sizes, *, day: date, coming_back: bool) -> None:
    """The day's row of every level; a look into the future leaves none behind."""
    if coming_back:
        batch.run(delete(level_size).where(level_size.c.day > day))
    new = batch.insert(level_size)
    values = {
        "size": new.excluded.size,
        "reachable": new.excluded.reachable,
        "entered": level_size.c.entered + new.excluded.entered,
        "left": level_size.c.left + new.excluded.left,
    }
    statement = new.on_conflict_do_update(index_elements=["dimension", "level", "day"], set_=values)
    rows = [
        {"dimension": dimension, "level": level, "day": day, **asdict(size)}
        for (dimension, level), size in sizes.items()
    ]
    batch.run_many(statement, rows)


def _forget_the_look(batch: Batch) -> None:
    """Its changes go, and the days it wrote to are counted without them."""
    looked_at = select(level_change.c.day).where(level_change.c.cause == Cause.LOOK).distinct()
    days = [day for (day,) in batch.rows(looked_at)]
    batch.run(delete(level_change).where(level_change.c.cause == Cause.LOOK))
    came, went = (_count_of_changes(level_change.c[name]) for name in ("new_level", "old_level"))
    batch.run(update(level_size).where(level_size.c.day.in_(days)).values(entered=came, left=went))


def _count_of_changes(level: ColumnElement[str]) -> ScalarSelect[int]:
    """Of the size's own dimension and day, those to or from its level."""
    same = (level_change.c.dimension == level_size.c.dimension, level_change.c.day == level_size.c.day)
    return select(func.count()).select_from(level_change).where(*same, level == level_size.c.level).scalar_subquery()


@lru_cache
def _differing(rules: str, *, coming_back: bool) -> Insert:
    standing = stage.standing if coming_back else fan_level
    scope = Scope(stage.metrics, parse(rules))
    rows = union_all(*(_levels_of(dimension, scope, standing) for dimension in DIMENSIONS)).subquery()
    differing = true() if coming_back else rows.c.new_level.is_distinct_from(rows.c.old_level)
    return insert(stage.levels).from_select(stage.levels.c.keys(), select(rows).where(differing))


def _levels_of(dimension: Dimension, scope: Scope, standing: Table) -> Select[*tuple[Any, ...]]:
    new = level_in(dimension, scope)
    same_place = and_(standing.c.dimension == dimension.key, standing.c.fan_id == scope.metrics.c.fan_id)
    return select(
        literal(dimension.key),
        scope.metrics.c.fan_id,
        standing.c.level.label("old_level"),
        new.label("new_level"),
        case((new.is_distinct_from(standing.c.level), AS_OF), else_=standing.c.since).label("since"),
    ).select_from(scope.metrics.outerjoin(standing, same_place))


@lru_cache
def _changes(ruled: frozenset[str], *, look: bool) -> Insert:
    staged = stage.levels.c
    cause = literal(Cause.LOOK) if look else _cause(ruled)
    rows = (
        select(staged.fan_id, staged.dimension, staged.old_level, staged.new_level, AS_OF, TODAY, cause)
        .join(stage.fans, stage.fans.c.fan_id == staged.fan_id)
        .where(staged.new_level.is_distinct_from(staged.old_level))
    )
    names = ["fan_id", "dimension", "old_level", "new_level", "at", "day", "cause"]
    return insert(level_change).from_select(names, rows)


@cache
def _in_place(dialect: str) -> Insert:
    staged = stage.levels.c
    rows = select(staged.dimension, staged.fan_id, staged.new_level, staged.since).where(true())
    return stage.put(dialect, fan_level, rows)


@lru_cache
def _counted(rules: str) -> CompoundSelect[*tuple[Any, ...]]:
    scope = Scope(stage.metrics, parse(rules))
    levels = ((dimension.key, level_in(dimension, scope).label("level")) for dimension in DIMENSIONS)
    return union_all(
        *(select(literal(key), level, func.count(), _reachable(stage.metrics)).group_by(level) for key, level in levels)
    )


@cache
def _counted_before() -> Select[*tuple[Any, ...]]:
    """Outer joins from the staged fans, so that nobody else is looked at."""
    keys = [dimension.key for dimension in DIMENSIONS]
    theirs = and_(fan_level.c.dimension.in_(keys), fan_level.c.fan_id == stage.fans.c.fan_id)
    joined = stage.fans.outerjoin(fan_level, theirs)
    joined = joined.outerjoin(fan_metrics, fan_metrics.c.fan_id == stage.fans.c.fan_id)
    level = (fan_level.c.dimension, fan_level.c.level)
    return select(*level, func.count(), _reachable(fan_metrics)).select_from(joined).group_by(*level)


@cache
def _moves() -> Select[*tuple[Any, ...]]:
    staged = stage.levels.c
    differing = staged.new_level.is_distinct_from(staged.old_level)
    none: ColumnElement[int] = literal_column("0")
    one: ColumnElement[int] = literal_column("1")
    came = select(staged.dimension, staged.new_level.label("level"), one.label("came"), none.label("went"))
    went = select(staged.dimension, staged.old_level, none, one).where(staged.old_level.is_not(None))
    both = union_all(came.where(differing), went.where(differing)).subquery()
    level = (both.c.dimension, both.c.level)
    return select(*level, func.sum(both.c.came), func.sum(both.c.went)).group_by(*level)


def _before_the_look() -> Select[*tuple[Any, ...]]:
    """History knows: a look leaves no other trace in it than rows that say so."""
    last = select(func.max(level_change.c.id)).where(level_change.c.cause != Cause.LOOK)
    latest = last.group_by(level_change.c.fan_id, level_change.c.dimension)
    columns = (level_change.c.dimension, level_change.c.fan_id, level_change.c.new_level, level_change.c.at)
    return select(*columns).where(level_change.c.id.in_(latest))


def _cause(ruled: frozenset[str]) -> ColumnElement[str]:
    return case(
        (stage.levels.c.dimension.in_(sorted(ruled)), literal(Cause.RULE)),
        (stage.fans.c.by_fact, literal(Cause.FACT)),
        else_=literal(Cause.TIME),
    )


def _reachable(metrics: Table) -> ColumnElement[int]:
    return func.count().filter(metrics.c.reachable)
