"""Sizes: how many fans each level holds, and how many came and went in a run."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    union_all,
)

from siyu.kit.staging import Batch, Params, insert_rows
from siyu.metrics import stage
from siyu.metrics.stage import Rows
from siyu.segments import places
from siyu.segments.dimensions import OUT, Dimension
from siyu.segments.levels import Task, fan_level, is_a_move, level_size
from siyu.segments.meaning import classification


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


def moves_of(batch: Batch, definitions: str, *, some_turned: bool) -> Moves:
    """What the staged fans do to each level that they come into or leave."""
    counted = batch.rows(_moves(definitions, some_turned=some_turned))
    return {(dimension, level): Move(*counts) for dimension, level, *counts in counted}


def count_anew(batch: Batch, task: Task, *, first: bool) -> Sizes:
    """Every level whose size is not known from before, counted from the staged places."""
    everything = classification(task.definitions).everything
    anew = [d.key for d in everything if first or task.everybody or d.key in task.redefined]
    counted = places.count(batch, task.layout, anew) if anew else {}
    return {place: Size(*size) for place, size in counted.items()}


def sizes_of(batch: Batch, task: Task, moves: Moves, counted: Sizes, *, day: date | None) -> Sizes:
    """As they will be: what was counted, or what the lists showed last, moved on by what the staged fans do."""
    keys = [(d.key, level) for d in classification(task.definitions).everything for level in _kept(d)]
    known = _sizes_before(batch, day) if day and len(counted) < len(keys) else {}
    return {key: counted.get(key) or known.get(key, Size()).after(moves.get(key, Move())) for key in keys}


def came_first(sizes: Sizes, keys: Container[str]) -> Moves:
    """Everybody in a level of these dimensions came into it just now."""
    return {key: Move(entered=size.size) for key, size in sizes.items() if key[0] in keys}


def kept_in(sizes: Sizes, keys: Container[str]) -> Mapping[str, int]:
    """How many fans these dimensions hold in all their levels."""
    return {key: number for key, number in held_in(sizes).items() if key in keys}


def moved_in(moves: Moves) -> Mapping[str, int]:
    """How many levels change in each dimension."""
    total = Counter[str]()
    for (key, _), move in moves.items():
        total[key] += move.entered
    return total


def held_in(sizes: Sizes) -> Mapping[str, int]:
    """How many fans each dimension holds in all its levels."""
    total = Counter[str]()
    for (key, _), size in sizes.items():
        total[key] += size.size
    return total


def write_sizes(batch: Batch, sizes: Sizes, moves: Moves, keys: Sequence[str], *, day: date, coming_back: bool) -> None:
    """The day's row of every level of these dimensions; a look into the future leaves none behind."""
    if coming_back:
        batch.run(delete(level_size).where(level_size.c.day > day))
    theirs = set(keys)
    rows = [_row(key, day, size, moves.get(key, Move())) for key, size in sizes.items() if key[0] in theirs]
    if not rows:
        return
    new, given = insert_rows(batch.dialect, level_size, rows)
    values = {
        "size": new.excluded.size,
        "reachable": new.excluded.reachable,
        "entered": level_size.c.entered + new.excluded.entered,
        "left": level_size.c.left + new.excluded.left,
    }
    batch.run_many(new.on_conflict_do_update(index_elements=["dimension", "level", "day"], set_=values), given)


def _row(key: tuple[str, str], day: date, size: Size, move: Move) -> Params:
    dimension, level = key
    counts = {"size": size.size, "reachable": size.reachable, "entered": move.entered, "left": move.left}
    return {"dimension": dimension, "level": level, "day": day, **counts}


def _kept(dimension: Dimension) -> Sequence[str]:
    """Levels that fans are kept in."""
    return [level.key for level in dimension.levels if not (dimension.sparse and level.key == OUT)]


def _sizes_before(batch: Batch, day: date) -> Sizes:
    newest = select(func.max(level_size.c.day)).where(level_size.c.day <= day).scalar_subquery()
    columns = (level_size.c.dimension, level_size.c.level, level_size.c.size, level_size.c.reachable)
    rows: Sequence[Row[*tuple[Any, ...]]] = batch.rows(select(*columns).where(level_size.c.day == newest))
    return {(dimension, level): Size(size, reachable) for dimension, level, size, reachable in rows}


@lru_cache
def _moves(definitions: str, *, some_turned: bool) -> Rows:
    """Where nobody turned, nobody's levels are looked through for those who did: on PostgreSQL everybody's were."""
    stayed = [_stayed(tuple(classification(definitions).by_key))] if some_turned else []
    parts = union_all(_came(), _went(), *stayed).subquery()
    totals = (func.sum(parts.c[name]) for name in ("entered", "left", "gained", "lost"))
    return select(parts.c.dimension, parts.c.level, *totals).group_by(parts.c.dimension, parts.c.level)


def _came() -> Rows:
    staged, new = stage.levels, stage.metrics
    joined = staged.join(new, new.c.fan_id == staged.c.fan_id)
    return _part(staged.c.new_level, entered=stage.ONE, gained=_one_if(new.c.reachable)).select_from(joined)


def _went() -> Rows:
    """Who turned could be reached before if they cannot now, and the other way round."""
    staged, new, changed = stage.levels, stage.metrics, stage.changed_metrics
    joined = staged.join(new, new.c.fan_id == staged.c.fan_id).outerjoin(changed, changed.c.fan_id == staged.c.fan_id)
    reachable = new.c.reachable.is_distinct_from(changed.c.turned.is_not(None))
    parts = _part(staged.c.old_level, left=stage.ONE, lost=_one_if(reachable)).select_from(joined)
    return parts.where(staged.c.old_level.is_not(None))


def _part(level: ColumnElement[str | None], **counts: ColumnElement[int]) -> Rows:
    columns = (counts.get(name, stage.ZERO).label(name) for name in ("entered", "left", "gained", "lost"))
    return select(stage.levels.c.dimension, level.label("level"), *columns).where(is_a_move())


def _stayed(keys: Sequence[str]) -> Rows:
    """Those who only blocked us or came back, in every level they stay in."""
    changed, staged = stage.changed_metrics, stage.levels
    turned = select(changed.c.fan_id, changed.c.turned).where(changed.c.turned.is_not(None)).subquery()
    moving = and_(staged.c.dimension == fan_level.c.dimension, staged.c.fan_id == fan_level.c.fan_id)
    joined = fan_level.join(turned, turned.c.fan_id == fan_level.c.fan_id).outerjoin(staged, moving)
    # Named both ways, so that each is one look into an index: joined only, everybody's levels were walked through.
    theirs = and_(fan_level.c.dimension.in_(keys), fan_level.c.fan_id.in_(select(turned.c.fan_id)))
    gained, lost = _one_if(turned.c.turned), _one_if(~turned.c.turned)
    columns = (fan_level.c.dimension, fan_level.c.level, stage.ZERO, stage.ZERO, gained, lost)
    return select(*columns).select_from(joined).where(theirs, or_(staged.c.fan_id.is_(None), ~is_a_move()))


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, stage.ONE), else_=stage.ZERO)
