"""Levels: staged where they differ, written with their history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from itertools import compress, count
from operator import ne
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Row,
    ScalarSelect,
    Table,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)

from siyu.kit.staging import Batch, Line, Params
from siyu.metrics import stage
from siyu.metrics.stage import AS_OF, TODAY, Cause, Rows
from siyu.segments import places
from siyu.segments.dimensions import IN, OUT, Dimension
from siyu.segments.meaning import classification
from siyu.segments.places import Layout, level_at, place_of
from siyu.tables import FanLevel, FanMetrics, LevelChange, LevelSize

fan_level, fan_metrics, level_change, level_size = (
    stage.table_of(model) for model in (FanLevel, FanMetrics, LevelChange, LevelSize)
)


# Of these dimensions only; where it is all of them, naming 65 in each of four statements was a millisecond.
_THESE = stage.levels.c.dimension.in_(bindparam("dimensions", expanding=True))
Keys = Sequence[str] | None  # None: all of them
Moved = Sequence[Row[*tuple[Any, ...]]]  # a fan, their word before, and now
Part = tuple[int, int] | None  # of fan ids; None: of all of them, who then are told one after the other


@dataclass(frozen=True)
class Task:
    """What is to be worked out: by which definitions, and what of them is new, or means something else now."""

    layout: Layout
    redefined: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()  # of these, what nobody was ever held against
    straight: frozenset[str] = frozenset()  # of these, what is written from its places, since nothing stands to compare
    everybody: bool = True  # all fans are staged, not only a few
    coming_back: bool = False
    first: bool = False  # nothing stands yet

    @property
    def definitions(self) -> str:
        return self.layout.definitions


# Words of more moved fans than this are not kept here, 280 bytes each: a statement for each dimension finds the moves.
# Of 210,000 fans whom a night moves 93,000 of, letter by letter took 1 s, and the statements 5.3.
MOST_MOVED = 200_000
FANS_AT_ONCE = 1_000


def stage_places(batch: Batch, given: Params, task: Task) -> None:
    """Where every staged fan stands by the rules, before anybody is held against the levels that stand."""
    everybody = task.everybody or bool(task.redefined)
    asked_anew = None if task.everybody else task.redefined
    places.stage_places(batch, given, task.layout, everybody=everybody, asked_anew=asked_anew)


def stage_levels(batch: Batch, given: Params, task: Task, moved: Moved | None, held: Mapping[str, int]) -> None:
    """Stage the levels that differ from those that stand; `held`: how many places each dimension has, if counted.

    Coming back from a look at another time, those that stood before it count, and whatever the look moved is staged.
    """
    if task.coming_back:
        batch.run(insert(stage.standing).from_select(stage.standing.c.keys(), _before_the_look()))
    for key in classification(task.definitions).by_key:
        asked = moved is None or key in task.redefined
        if asked and key not in task.straight and not _all_stand_right(batch, task, key, held):
            batch.run(_differing(task, key), given)
    if moved is not None:
        _stage_moves(batch, given, task, moved)


def _all_stand_right(batch: Batch, task: Task, key: str, held: Mapping[str, int]) -> bool:
    """As many stand in it as have a place in it, and every one of them where that place is.

    As nearly always in a full run. Seen from those who stand: for 40 small segments a third of the time it takes to
    look from everybody's places for whoever stands otherwise.
    """
    if not task.everybody or task.coming_back:
        return False
    standing, right = batch.rows(_standing_right(task.layout, key))[0]
    return bool(standing == right == held[key])


def write_changes(batch: Batch, given: Params, task: Task, keys: Keys, part: Part, *, look: bool) -> None:
    """The history of what is about to change in these dimensions, for these fans."""
    theirs = _named(given, keys) if part is None else {**_named(given, keys), **stage.range_of(part)}
    batch.run(_changes(task.redefined, look=look, some=keys is not None, ranged=part is not None), theirs)


def forget_what_did_not_come(batch: Batch, moment: datetime) -> None:
    """The changes that a run of that moment told before it died, and never made."""
    told = level_change.c
    there = and_(fan_level.c.dimension == told.dimension, fan_level.c.fan_id == told.fan_id)
    made = and_(there, fan_level.c.level == told.new_level, fan_level.c.since == moment)
    left = and_(told.new_level == OUT, ~select(fan_level.c.level).where(there).exists())
    batch.run(delete(level_change).where(told.at == moment, ~select(fan_level.c.level).where(made).exists(), ~left))


def write_at_once(batch: Batch, given: Params, task: Task) -> None:
    """On PostgreSQL, history and levels of all dimensions in one statement.

    Not to or from a look at another time: there the old levels are not those that stand.
    """
    batch.run(_at_once(task.redefined), given)


def write_levels(batch: Batch, given: Params, keys: Keys) -> None:
    """Write the staged levels of these dimensions."""
    theirs, some = _named(given, keys), keys is not None
    for statement in (*_in_place(batch.dialect, some=some), _gone(some=some)):
        batch.run(statement, theirs)


def _named(given: Params, keys: Keys) -> Params:
    return given if keys is None else {**given, "dimensions": list(keys)}


def _these(*, some: bool) -> ColumnElement[bool]:
    return _THESE if some else true()


def write_first(batch: Batch, task: Task, key: str, part: tuple[int, int], given: Params) -> int:
    """Where nothing stands yet: the places of these fans, straight from the stage."""
    return batch.changed(_all_of(batch.dialect, task.layout, key), {**given, **stage.range_of(part)})


def forget(batch: Batch, keys: Iterable[str]) -> None:
    """Nothing is kept of dimensions and segments that are no more."""
    for key in keys:
        for table in (fan_level, level_change, level_size):
            batch.run(delete(table).where(table.c.dimension == key))


def forget_the_look(batch: Batch) -> None:
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


def moved_words(batch: Batch, task: Task) -> Moved | None:
    """`fan_id, word before, word now` of staged fans who moved; None if so many that SQL had better compare them.

    A full run believes no word: whatever stands otherwise is put right.
    """
    if task.everybody:
        return None
    new, old = stage.words, fan_metrics
    differs = old.c.places.is_distinct_from(new.c.places)
    theirs = and_(differs, stage.fans.c.cause != Cause.RULE) if task.redefined else differs
    found = select(new.c.fan_id, func.coalesce(old.c.places, ""), new.c.places).where(theirs)
    joined = new.join(stage.fans, stage.fans.c.fan_id == new.c.fan_id).outerjoin(old, old.c.fan_id == new.c.fan_id)
    rows = batch.rows(found.select_from(joined).limit(MOST_MOVED + 1))
    return rows if len(rows) <= MOST_MOVED else None


def _stage_moves(batch: Batch, given: Params, task: Task, moved: Moved) -> None:
    """Letter by letter; what is redefined was compared already.

    A thousand fans at a time: a hundred thousand rows made at once kept every other thread waiting for 160 ms.
    """
    words = _Words(task)
    # All at the same moment: said once, where 2,000 rows had it converted 2,000 times.
    same = {"since": int(given["as_of_moment"].timestamp()), "since_day": int(given["as_of_day"])}
    for start in range(0, len(moved), FANS_AT_ONCE):
        batch.fill(stage.levels, _MOVE, list(words.moves(moved[start : start + FANS_AT_ONCE])), same)


_MOVE = ("dimension", "fan_id", "old_level", "new_level")


class _Words:
    """What a letter in a slot of somebody's word means."""

    def __init__(self, task: Task) -> None:
        known = {n: d for n, d in task.layout.places if d.key not in task.redefined}
        self._levels = {n: (d.key, {letter: key for key, letter in d.letters.items()}) for n, d in known.items()}
        # Of somebody new, none; of a segment younger than the word, that they were not in it.
        self._unsaid = "".join("0" if n in known and known[n].sparse else " " for n in range(len(task.layout.slots)))

    def moves(self, moved: Moved) -> Iterator[Line]:
        """For every level that is another than before what `_MOVE` names."""
        for fan_id, before, now in moved:
            stood = before + self._unsaid[len(before) :]
            for n in compress(count(), map(ne, stood, now)):
                if n in self._levels:
                    key, levels = self._levels[n]
                    yield key, fan_id, levels.get(stood[n]), levels[now[n]]


_IN_ORDER = fan_level.c.fan_id > literal_column("-1")


@lru_cache(maxsize=1024)
def _standing_right(layout: Layout, key: str) -> Rows:
    """How many stand in a dimension, and how many of them where their places are.

    In the order of fans, as the places are: by the index of levels SQLite jumped to and fro in a million of them.
    """
    dimension = classification(layout.definitions).by_key[key]
    staged, place = place_of(dimension, layout.definitions)
    right = func.count(case((level_at(dimension, place) == fan_level.c.level, 1)))
    joined = fan_level.outerjoin(staged, staged.c.fan_id == fan_level.c.fan_id)
    return select(func.count(), right).select_from(joined).where(fan_level.c.dimension == key, _IN_ORDER)


@lru_cache(maxsize=4096)
def _differing(task: Task, key: str) -> Insert:
    """Of one dimension. Fans staged only because rules changed are held against what changed, and nothing else."""
    dimension = classification(task.definitions).by_key[key]
    if key in task.added and not task.coming_back:
        return _of_what_is_new(dimension, task)
    staged, place = place_of(dimension, task.definitions)
    stood = _standing(dimension, task)
    joined = staged.outerjoin(fan_level, _same_fan(fan_level, key, staged))
    if task.coming_back:
        joined = joined.outerjoin(stage.standing, _same_fan(stage.standing, key, staged))
    new = level_at(dimension, place)
    moving = new.is_distinct_from(stood["level"])
    if dimension.sparse:
        moving = and_(moving, or_(stood["level"].is_not(None), new == IN))
    rows = select(
        literal(key), staged.c.fan_id, stood["level"], stood["since"], stood["since_day"], new,
        case((moving, AS_OF), else_=func.coalesce(stood["since"], AS_OF)),
        case((moving, TODAY), else_=func.coalesce(stood["since_day"], TODAY)),
    ).select_from(joined)  # fmt: skip
    if task.redefined and key not in task.redefined and not task.everybody:
        rows = rows.join(stage.fans, stage.fans.c.fan_id == staged.c.fan_id).where(stage.fans.c.cause != Cause.RULE)
    kept = or_(moving, stage.standing.c.fan_id.is_not(None)) if task.coming_back else moving
    return insert(stage.levels).from_select(_STAGED, rows.where(kept))


def _of_what_is_new(dimension: Dimension, task: Task) -> Insert:
    """Nobody stood anywhere in it."""
    staged, place = place_of(dimension, task.definitions)
    nowhere = (null().label(name) for name in ("level", "since", "day"))
    rows = select(literal(dimension.key), staged.c.fan_id, *nowhere, level_at(dimension, place), AS_OF, TODAY)
    return insert(stage.levels).from_select(_STAGED, rows.where(place == "1") if dimension.sparse else rows)


_STAGED = ("dimension", "fan_id", "old_level", "old_since", "old_day", "new_level", "since", "since_day")


def _standing(dimension: Dimension, task: Task) -> Mapping[str, ColumnElement[Any]]:
    """Where each fan stood; before a look, what it left behind is not asked."""
    stood: dict[str, ColumnElement[Any]] = {name: fan_level.c[name] for name in ("level", "since", "since_day")}
    if task.coming_back:
        looked = stage.standing.c.fan_id.is_not(None)
        stood = {name: case((looked, stage.standing.c[name]), else_=column) for name, column in stood.items()}
    if dimension.sparse and dimension.key not in task.added:
        stood["level"] = func.coalesce(stood["level"], OUT)
    return stood


def _same_fan(table: Table, key: str, staged: Table) -> ColumnElement[bool]:
    return and_(table.c.dimension == key, table.c.fan_id == staged.c.fan_id)


def is_a_move() -> ColumnElement[bool]:
    return stage.levels.c.new_level.is_distinct_from(stage.levels.c.old_level)


@lru_cache
def _changes(redefined: frozenset[str], *, look: bool, some: bool, ranged: bool) -> Insert:
    """The first level of all is told by no change; but what a look did must be undone."""
    known = is_a_move() if look else and_(is_a_move(), stage.levels.c.old_level.is_not(None))
    cause: ColumnElement[str] = literal(Cause.LOOK) if look else _cause(redefined)
    rows = _moves(cause).where(known, _these(some=some), stage.within(stage.levels) if ranged else true())
    return stage.to_the_end(insert(level_change).from_select(_HISTORY, rows))


_HISTORY = ("fan_id", "dimension", "old_level", "old_since", "old_day", "new_level", "at", "day", "cause")


def _moves(cause: ColumnElement[str]) -> Rows:
    """The history of whatever is staged, beside the rows that stand.

    Found by comparing words, a move does not know since when. Outside of a segment nobody is since a day, and with no
    fan to look for PostgreSQL does not look.
    """
    staged, stood = stage.levels.c, fan_level.c
    inside = case((staged.old_level != OUT, staged.fan_id))
    since = func.coalesce(staged.old_since, stood.since).label("old_since")
    day = func.coalesce(staged.old_day, stood.since_day).label("old_day")
    moment = AS_OF.label("at"), TODAY.label("day")
    told = select(
        staged.fan_id, staged.dimension, staged.old_level, since, day, staged.new_level, *moment, cause.label("cause")
    )
    theirs = and_(stood.dimension == staged.dimension, stood.fan_id == inside)
    return told.join(stage.fans, stage.fans.c.fan_id == staged.fan_id).outerjoin(fan_level, theirs)


_ROW: ColumnElement[Any] = literal_column("fan_level.ctid")  # where PostgreSQL keeps it


@lru_cache
def _at_once(redefined: frozenset[str]) -> Insert:
    """Each row that stands is looked for once, to tell since when, and changed where it was found.

    By themselves three statements looked for it up to three times: 26 of a tick's 105 ms, and this one takes 24.
    """
    told = _moves(_cause(redefined)).add_columns(_ROW.label("row")).cte("told").prefix_with("MATERIALIZED")
    same = told.c.dimension == fan_level.c.dimension, told.c.fan_id == fan_level.c.fan_id
    found, stays = and_(told.c.row == _ROW, *same), told.c.new_level != OUT
    values = {"level": told.c.new_level, "since": told.c.at, "since_day": told.c.day}
    known = select(*(told.c[name] for name in _HISTORY)).where(told.c.old_level.is_not(None))
    beside = (
        insert(level_change).from_select(_HISTORY, known).cte("history"),
        update(fan_level).where(found, stays).values(values).cte("changed"),
        delete(fan_level).where(found, ~stays).cte("gone"),
    )
    new = select(told.c.dimension, told.c.fan_id, *values.values()).where(stays, told.c.row.is_(None))
    return stage.put("postgresql", fan_level, new).add_cte(*beside)


@lru_cache(maxsize=1024)
def _all_of(dialect: str, layout: Layout, key: str) -> Insert:
    dimension = classification(layout.definitions).by_key[key]
    staged, place = place_of(dimension, layout.definitions)
    rows = select(literal(key), staged.c.fan_id, level_at(dimension, place), AS_OF, TODAY).where(stage.within(staged))
    if dimension.sparse:
        rows = rows.where(place == "1")
    return stage.put(dialect, fan_level, rows)


@cache
def _in_place(dialect: str, *, some: bool) -> Sequence[Insert | Update]:
    staged = stage.levels.c
    columns = (staged.dimension, staged.fan_id, staged.new_level.label("level"), staged.since, staged.since_day)
    rows = select(*columns)
    return stage.put_few(dialect, fan_level, rows.where(staged.new_level != OUT, _these(some=some)))


@cache
def _gone(*, some: bool) -> Delete:
    staged = stage.levels.c
    out = select(staged.dimension, staged.fan_id).where(staged.new_level == OUT, _these(some=some))
    return delete(fan_level).where(tuple_(fan_level.c.dimension, fan_level.c.fan_id).in_(out))


def _before_the_look() -> Rows:
    """The first change of a look knows where somebody stood before it."""
    first = select(func.min(level_change.c.id)).where(level_change.c.cause == Cause.LOOK)
    earliest = first.group_by(level_change.c.fan_id, level_change.c.dimension)
    c = level_change.c
    columns = (c.dimension, c.fan_id, c.old_level, c.old_since, c.old_day)
    return select(*columns).where(c.id.in_(earliest))


def _cause(redefined: frozenset[str]) -> ColumnElement[str]:
    if not redefined:
        return stage.fans.c.cause
    return case((stage.levels.c.dimension.in_(sorted(redefined)), literal(Cause.RULE)), else_=stage.fans.c.cause)
