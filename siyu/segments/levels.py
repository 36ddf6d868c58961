"""Levels: staged where they differ, written with their history, counted into sizes."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Insert,
    Row,
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
class Move:
    """How many fans came into a level and left it in a run, and how many it gained and lost who can be reached."""

    entered: int = 0
    left: int = 0
    gained: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Size:
    """How many fans a level holds, and how many of them can be reached."""

    size: int = 0
    reachable: int = 0

    def after(self, move: Move) -> "Size":
        return Size(self.size + move.entered - move.left, self.reachable + move.gained - move.lost)


Sizes = Mapping[tuple[str, str], Size]  # by dimension and level
Moves = Mapping[tuple[str, str], Move]


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


def moves(batch: Batch) -> Moves:
    """What the staged fans do to each level that they come into or leave."""
    return {(dimension, level): Move(*counts) for dimension, level, *counts in batch.rows(_moves())}


def sizes_of_everybody(batch: Batch, given: Params, *, rules: str) -> Sizes:
    """Everybody is staged: the staged fans, counted."""
    return _sizes_from(batch.rows(_counted(rules), given))


def sizes_after(batch: Batch, moves: Moves, *, day: date) -> Sizes:
    """What the lists showed last, up to a day, moved on by what the staged fans do."""
    newest = select(func.max(level_size.c.day)).where(level_size.c.day <= day).scalar_subquery()
    columns = (level_size.c.dimension, level_size.c.level, level_size.c.size, level_size.c.reachable)
    before = _sizes_from(batch.rows(select(*columns).where(level_size.c.day == newest)))
    return {key: size.after(moves.get(key, Move())) for key, size in before.items()}


def write_sizes(batch: Batch, sizes: Sizes, moves: Moves, *, day: date, coming_back: bool) -> None:
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
    batch.run_many(statement, [_row(key, day, size, moves.get(key, Move())) for key, size in sizes.items()])


def _row(key: tuple[str, str], day: date, size: Size, move: Move) -> Params:
    dimension, level = key
    counts = {**asdict(size), "entered": move.entered, "left": move.left}
    return {"dimension": dimension, "level": level, "day": day, **counts}


def _sizes_from(rows: Iterable[Row[*tuple[Any, ...]]]) -> Sizes:
    """Of every level, also of those that hold nobody."""
    found = {(dimension, level): Size(size, reachable) for dimension, level, size, reachable in rows}
    levels = [(dimension.key, level.key) for dimension in DIMENSIONS for level in dimension.levels]
    return {key: found.get(key, Size()) for key in levels}


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
def _moves() -> Select[*tuple[Any, ...]]:
    parts = union_all(_came(), _went(), _stayed()).subquery()
    totals = (func.sum(parts.c[name]) for name in ("entered", "left", "gained", "lost"))
    return select(parts.c.dimension, parts.c.level, *totals).group_by(parts.c.dimension, parts.c.level)


def _came() -> Select[*tuple[Any, ...]]:
    staged, new = stage.levels, stage.metrics
    joined = staged.join(new, new.c.fan_id == staged.c.fan_id)
    return _part(staged.c.new_level, entered=_ONE, gained=_one_if(new.c.reachable)).select_from(joined)


def _went() -> Select[*tuple[Any, ...]]:
    staged, old = stage.levels, fan_metrics
    joined = staged.outerjoin(old, old.c.fan_id == staged.c.fan_id)
    parts = _part(staged.c.old_level, left=_ONE, lost=_one_if(old.c.reachable)).select_from(joined)
    return parts.where(staged.c.old_level.is_not(None))


def _part(level: ColumnElement[str | None], **counts: ColumnElement[int]) -> Select[*tuple[Any, ...]]:
    staged = stage.levels
    columns = (counts.get(name, _NONE).label(name) for name in ("entered", "left", "gained", "lost"))
    differing = staged.c.new_level.is_distinct_from(staged.c.old_level)
    return select(staged.c.dimension, level.label("level"), *columns).where(differing)


def _stayed() -> Select[*tuple[Any, ...]]:
    """Those who only blocked us or came back. Outer joins, so that nobody but the staged fans is looked at."""
    new, old, staged = stage.metrics, fan_metrics, stage.levels
    theirs = and_(fan_level.c.dimension.in_(_KEYS), fan_level.c.fan_id == new.c.fan_id)
    moving = and_(staged.c.dimension == fan_level.c.dimension, staged.c.fan_id == fan_level.c.fan_id)
    joined = new.join(old, old.c.fan_id == new.c.fan_id).outerjoin(fan_level, theirs).outerjoin(staged, moving)
    gained, lost = _one_if(new.c.reachable), _one_if(old.c.reachable)
    columns = (fan_level.c.dimension, fan_level.c.level, _NONE, _NONE, gained, lost)
    moves = staged.c.new_level.is_distinct_from(staged.c.old_level)
    changed = and_(new.c.reachable != old.c.reachable, fan_level.c.level.is_not(None), ~moves)
    return select(*columns).select_from(joined).where(changed)


_KEYS = [dimension.key for dimension in DIMENSIONS]
_ONE: ColumnElement[int] = literal_column("1")
_NONE: ColumnElement[int] = literal_column("0")


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, _ONE), else_=_NONE)


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
