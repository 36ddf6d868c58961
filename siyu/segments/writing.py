"""What a recompute writes, in turns: short enough for others to write in between, and each segment in one of them.

Nobody sees half of a segment. A run that died between two turns left its mark, and the next compares everything anew.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from sqlalchemy import Subquery, func, select, update
from sqlmodel import col

from siyu.kit.staging import Batch
from siyu.metrics import cuts, days, interests, stage, sums
from siyu.metrics.stage import Rows
from siyu.segments import levels
from siyu.segments.plans import Computed, Mode, Overtaken, Plan
from siyu.segments.sizes import write_sizes
from siyu.tables import AsOf, SavedSegment

saved_segment, as_of = stage.table_of(SavedSegment), stage.table_of(AsOf)

# Rows that are written in one turn of many: some 20 ms with their indexes. On PostgreSQL nobody waits for its end.
ROWS = {"sqlite": 250, "postgresql": 2_000}
# Up to so many all is one turn: a tick of 400 fans writes 2,700 rows, and a commit for each 250 of them cost more. One
# of 4,000 fans writes 27,000; where nobody waits for its end, that took 870 ms instead of 1,000.
AT_ONCE = {"sqlite": 4_000, "postgresql": 60_000}
EVERYBODY = (-1, 2**62)  # of fan ids: after, and up to
Turn = Callable[[Batch], int]  # how many levels changed


def turns(plan: Plan, computed: Computed) -> Sequence[Turn]:
    """All in one where it is little, as it is nearly always."""
    if computed.at_once:
        return [lambda batch: _everything(batch, plan, computed)]
    return [_begin(plan), *_long(plan, computed), _end(plan, computed)]


def _everything(batch: Batch, plan: Plan, computed: Computed) -> int:
    _claim(batch, plan, unfinished=False)
    changed = sum(turn(batch) for turn in _long(plan, computed))
    return changed + _rest(batch, plan, computed)


def _begin(plan: Plan) -> Turn:
    def begin(batch: Batch) -> int:
        _claim(batch, plan, unfinished=True)
        return 0

    return begin


def _end(plan: Plan, computed: Computed) -> Turn:
    def end(batch: Batch) -> int:
        batch.run(update(as_of).values(unfinished=False))
        return _rest(batch, plan, computed)

    return end


def _long(plan: Plan, computed: Computed) -> Iterator[Turn]:
    parts = list(_wider(computed.parts)) if computed.first else computed.parts
    for part in parts:
        yield _numbers(part)
    for part in computed.word_parts:
        yield _words(part)
    if computed.first:
        yield from (_first(plan, computed, key, part) for part in parts for key in plan.classification.by_key)
    elif plan.coming_back or plan.look or computed.at_once:
        yield _levels(plan, computed, None)
    else:
        yield from (_changes(plan, computed, tuple(computed.moved), part) for part in computed.told_first)
        for keys in _together(plan, computed):
            yield from _in_turns(plan, computed, keys)


def _in_turns(plan: Plan, computed: Computed, keys: tuple[str, ...]) -> Iterator[Turn]:
    """Many moves are told first, some at a time, and then made at once: telling them took as long as making them."""
    several = computed.history_parts.get(keys[0]) if len(keys) == 1 else None
    yield from (_changes(plan, computed, keys, part) for part in several or ())
    yield _levels(plan, computed, keys, told=several is not None or bool(computed.told_first))


def _wider(parts: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Nobody reads what was never there: forty times as much in a turn."""
    for n in range(0, len(parts), 40):
        yield parts[n][0], parts[min(n + 39, len(parts) - 1)][1]


def _together(plan: Plan, computed: Computed) -> Iterator[tuple[str, ...]]:
    """Segments few of whose fans moved share a turn."""
    keys: list[str] = []
    rows = 0
    for key in plan.classification.by_key:
        more = computed.moved.get(key, 0)
        if keys and rows + more > computed.rows_in_a_turn:
            yield tuple(keys)
            keys, rows = [], 0
        keys.append(key)
        rows += more
    yield tuple(keys)


def _numbers(part: tuple[int, int]) -> Turn:
    def write(batch: Batch) -> int:
        days.write_days(batch, part)
        sums.write_metrics(batch, part)
        return 0

    return write


def _words(part: tuple[int, int]) -> Turn:
    def write(batch: Batch) -> int:
        sums.write_words(batch, part)
        return 0

    return write


def _first(plan: Plan, computed: Computed, key: str, part: tuple[int, int]) -> Turn:
    def write(batch: Batch) -> int:
        return levels.write_first(batch, plan.task, key, part, computed.given)

    return write


def _changes(plan: Plan, computed: Computed, keys: levels.Keys, part: levels.Part = None) -> Turn:
    def write(batch: Batch) -> int:
        levels.write_changes(batch, computed.given, plan.task, keys, part, look=plan.look)
        return 0

    return write


def _levels(plan: Plan, computed: Computed, keys: levels.Keys, *, told: bool = False) -> Turn:
    theirs = tuple(plan.classification.by_key) if keys is None else keys

    def write(batch: Batch) -> int:
        if plan.coming_back:
            levels.forget_the_look(batch)
        if keys is None and batch.dialect == "postgresql" and not (plan.look or plan.coming_back):
            levels.write_at_once(batch, computed.given, plan.task)
        else:
            if not told:
                _changes(plan, computed, keys)(batch)
            levels.write_levels(batch, computed.given, keys)
        for key in plan.task.straight.intersection(theirs):
            levels.write_first(batch, plan.task, key, EVERYBODY, computed.given)
        write_sizes(batch, computed.sizes, computed.moves, theirs, day=plan.day, coming_back=plan.coming_back)
        return sum(computed.moved.get(key, 0) for key in theirs)

    return write


def _rest(batch: Batch, plan: Plan, computed: Computed) -> int:
    days.write_answered(batch)
    interests.write_interests(batch, everybody=plan.anew)
    cuts.write_cuts(batch, computed.cuts)
    levels.forget(batch, plan.gone)
    if computed.first:
        keys = tuple(plan.classification.by_key)
        write_sizes(batch, computed.sizes, computed.moves, keys, day=plan.day, coming_back=False)
    _tell_what_is_broken(batch, plan)
    return 0


def _claim(batch: Batch, plan: Plan, *, unfinished: bool) -> None:
    """Move the moment on, if nobody else did since this run was planned."""
    seen = plan.before.revision if plan.before else 0
    values = {
        "as_of": plan.as_of,
        "day": plan.day,
        "rules": plan.definitions,
        "currency": plan.currency,
        "slots": json.dumps(plan.task.layout.slots),
        "revision": seen + 1,
        "held_until": plan.held_until,
        "unfinished": unfinished,
    }
    new = batch.insert(AsOf).values(id=1, **values)
    claim = new.on_conflict_do_update(index_elements=["id"], set_=values, where=col(AsOf.revision) == seen)
    if not batch.rows(claim.returning(col(AsOf.revision))):
        raise Overtaken
    if plan.before and plan.before.unfinished:
        levels.forget_what_did_not_come(batch, plan.before.as_of)


def _tell_what_is_broken(batch: Batch, plan: Plan) -> None:
    """A rule that cannot be worked out is told on its segment, with how long it has been so."""
    broken = plan.classification.broken
    for key, why in broken.items():
        new = update(saved_segment).where(saved_segment.c.key == key, saved_segment.c.broken.is_(None))
        batch.run(new.values(broken=why, broken_since=plan.as_of))
    mended = saved_segment.c.broken.is_not(None), saved_segment.c.key.not_in(list(broken))
    batch.run(update(saved_segment).where(*mended).values(broken=None, broken_since=None))


@dataclass(frozen=True)
class Staged:
    """How much a run has staged."""

    fans: int
    turned: int  # fans who can be reached now and could not before, or the other way round
    days: int
    changed: int
    words: int
    levels: int

    @property
    def rows(self) -> int:
        """To write, at most: a word is counted whether it is another or not."""
        return self.days + self.changed + self.words + self.levels


def staged(batch: Batch) -> Staged:
    """Counted in one question."""
    return Staged(*batch.rows(_staged())[0])


@cache
def _staged() -> Rows:
    changed = stage.changed_metrics
    turned = select(func.count(changed.c.turned)).scalar_subquery()
    fans, *others = (
        select(func.count()).select_from(table).scalar_subquery()
        for table in (stage.fans, stage.days, changed, stage.words, stage.levels)
    )
    return select(fans, turned, *others)


def is_little(batch: Batch, rows: int) -> bool:
    """Enough for one turn."""
    return rows <= AT_ONCE[batch.dialect]


def parts_of(batch: Batch, rows: int) -> Sequence[tuple[int, int]]:
    """Ranges of fan ids, `after < id <= upto`, with so many rows of numbers to write each.

    Where all is one turn, cutting it into parts cost a tick of 400 fans 30 of its 270 ms.
    """
    touched = select(stage.days.c.fan_id).union_all(select(stage.changed_metrics.c.fan_id))
    return [EVERYBODY] if is_little(batch, rows) else _ranges(batch, touched.subquery(), ROWS[batch.dialect])


def word_parts_of(batch: Batch, rows: int) -> Sequence[tuple[int, int]]:
    """The same for words: they stand in no index, and ten are as quick as the numbers of one fan."""
    return [EVERYBODY] if is_little(batch, rows) else _ranges(batch, _new_words(), 10 * ROWS[batch.dialect])


def told_first(batch: Batch, plan: Plan, rows: int) -> Sequence[tuple[int, int]]:
    """The same for all moves of a long tick, whose fans make five each. A fan's history lies together: told segment by
    segment, 19,000 moves of 4,000 fans wrote as many pages of it. Four times as many in a turn take no longer, then.

    Time moves a fan here or there: a night's moves are told shortly before they are made.
    """
    if plan.mode is not Mode.TICK or is_little(batch, rows):
        return []
    return _ranges(batch, select(stage.levels.c.fan_id).subquery(), 4 * ROWS[batch.dialect])


def history_parts_of(batch: Batch, plan: Plan, moved: Mapping[str, int]) -> Mapping[str, Sequence[tuple[int, int]]]:
    """The same for each dimension that many fans move in; none for a new one, whose first levels are told by no change:
    asking for them in 2,700 turns was a fifth of the time forty new segments took."""
    if plan.mode is Mode.TICK or plan.look or plan.coming_back:
        return {}
    most = ROWS[batch.dialect]
    return {
        key: [] if key in plan.task.straight else _ranges(batch, _moved_in(key), most)
        for key, rows in moved.items()
        if rows > most
    }


def _moved_in(key: str) -> Subquery:
    staged = stage.levels.c
    return select(staged.fan_id).where(staged.dimension == key).subquery()


def _ranges(batch: Batch, touched: Subquery, size: int) -> Sequence[tuple[int, int]]:
    number = func.row_number().over(order_by=touched.c.fan_id)
    numbered = select(touched.c.fan_id, number.label("n")).subquery()
    ends = select(numbered.c.fan_id).where(numbered.c.n % size == 0).order_by(numbered.c.fan_id)
    edges = [EVERYBODY[0], *dict.fromkeys(fan_id for (fan_id,) in batch.rows(ends)), EVERYBODY[1]]
    return list(pairwise(edges))


def _new_words() -> Subquery:
    words, stood = stage.words, sums.fan_metrics
    joined = words.outerjoin(stood, stood.c.fan_id == words.c.fan_id)
    return select(words.c.fan_id).select_from(joined).where(words.c.places.is_distinct_from(stood.c.places)).subquery()
