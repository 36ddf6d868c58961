"""Who went from which level to which between two days, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from siyu import segments
from siyu.kit.database import ReadSession
from siyu.kit.errors import NotFound
from siyu.metrics.stage import Cause
from siyu.report.periods import Period
from siyu.segments import Classification, Dimension
from siyu.segments.dimensions import OUT
from siyu.tables import AsOf, FanLevel, LevelChange, LevelSize

Conditions = tuple[ColumnElement[bool], ...]
Pairs = Counter[tuple[str | None, str | None]]
Rows = Select[*tuple[Any, ...]]  # Any: levels and how many


@dataclass(frozen=True)
class Migration:
    """How many fans stood in one level on the first day and in another on the last; None: in none yet, or no more."""

    dimension: Dimension
    period: Period
    counts: Mapping[tuple[str | None, str | None], int]
    causes: Mapping[str, int] = field(default_factory=dict)  # of every change on the way

    @cached_property
    def before(self) -> Mapping[str | None, int]:
        """How many stood where on the first day."""
        return self._summed(0)

    @cached_property
    def after(self) -> Mapping[str | None, int]:
        """How many stood where on the last."""
        return self._summed(1)

    @cached_property
    def levels(self) -> list[str | None]:
        """As people read them; then what is no level any more, and those who were not there."""
        known: list[str | None] = [level.key for level in self.dimension.levels if level.key in self._seen(level.key)]
        gone = {key for pair in self.counts for key in pair if key is not None} - set(known)
        return [*known, *sorted(gone), *([None] if any(None in pair for pair in self.counts) else [])]

    def share(self, old: str | None, new: str | None) -> float:
        """Of those who stood in `old`."""
        count = self.counts.get((old, new), 0)
        return count / self.before[old] if count else 0.0

    def _seen(self, key: str) -> set[str]:
        """Where nobody is kept who is out, out is told by absence."""
        return set() if self.dimension.sparse and key == OUT else {key}

    def _summed(self, side: int) -> dict[str | None, int]:
        sums: dict[str | None, int] = {}
        for pair, count in self.counts.items():
            sums[pair[side]] = sums.get(pair[side], 0) + count
        return sums


async def migration(
    session: ReadSession, key: str, period: Period, *, whole: Classification | None = None
) -> Migration:
    """Of a dimension or a saved segment. Raises NotFound."""
    known = (whole or await segments.whole(session)).by_key
    if key not in known:
        raise NotFound("there is no dimension %(key)s", key=key)
    stays = await _stays(session, known[key], period)
    moved = await _moved(session, stays)
    counts = Counter(moved)
    # Whoever stood somewhere on the first day and nowhere on the last, and the other way round.
    for level, count in await _together(session, [stays.over()]):
        counts[level, None] += count - sum(n for (old, _), n in moved.items() if old == level)
    for level, count in await _together(session, stays.on_the_last_day()):
        counts[None, level] += count
    for level, count in await _unbroken(session, stays):
        counts[level, level] += count
        counts[None, level] -= count
    for (_, new), count in moved.items():
        counts[None, new] -= count
    kept = {pair: count for pair, count in counts.items() if count}
    return Migration(known[key], period, kept, await _causes(session, key, period))


async def moves(session: ReadSession, dimension: Dimension, period: Period) -> Migration:
    """Only those who stood somewhere on both days, and not in one stay: all that words need."""
    return Migration(dimension, period, await _moved(session, await _stays(session, dimension, period)))


async def _stays(session: ReadSession, dimension: Dimension, period: Period) -> "_Stays":
    as_of = await session.get(AsOf, 1)
    return _Stays(dimension, period, to_the_end=as_of is None or period.end >= as_of.day)


async def _moved(session: ReadSession, stays: "_Stays") -> Pairs:
    moved = Pairs()
    for old, new, count in await _together(session, stays.both_known()):
        moved[old, new] += count
    return moved


async def _unbroken(session: ReadSession, stays: "_Stays") -> list[tuple[Any, ...]]:
    """By level, whose one stay covers both days."""
    oldest = select(func.min(col(LevelSize.day))).where(col(LevelSize.dimension) == stays.key)
    known_since = await session.first(oldest)
    if known_since is None or known_since > stays.period.start:
        return []
    if not stays.to_the_end:
        return await _together(session, stays.unbroken())
    came = dict(await _together(session, [stays.came()]))
    return [(level, count - came.get(level, 0)) for level, count in await _together(session, stays.on_the_last_day())]


async def _together(session: ReadSession, statements: Sequence[Rows]) -> list[tuple[Any, ...]]:
    return [tuple(row) for statement in statements for row in await session.rows(statement)]


@dataclass(frozen=True)
class _Stays:
    """Statements over the stays in the levels of one dimension.

    A stay is a row of level_change, from its old day up to the day before its day, or one of fan_level, which goes on.
    Only who moved is joined: 100,000 fans grouped by fan took half a second.
    """

    dimension: Dimension
    period: Period
    to_the_end: bool  # the last day is the one the levels are true for: there fan_level alone says who stands where

    @property
    def key(self) -> str:
        return self.dimension.key

    def both_known(self) -> list[Rows]:
        """Whose stay on the first day is over: where they stood then, and where on the last day."""
        there = and_(
            col(FanLevel.dimension) == self.key, col(FanLevel.fan_id) == col(LevelChange.fan_id), *self._going_on()
        )
        columns = (col(LevelChange.old_level), col(FanLevel.level))
        going_on = select(*columns, func.count()).select_from(LevelChange).join(FanLevel, there)
        found = [going_on.where(*self._of_the_dimension(), *self._is_over()).group_by(*columns)]
        if not self.to_the_end:
            found.append(self._over_again())
        return found

    def came(self) -> Rows:
        """Whose stay on the last day began after the first, where it goes on.

        No clock is more than 14 hours ahead of UTC: the index by level and moment finds the few to look at.
        """
        soonest = datetime.combine(self.period.start + timedelta(days=1), time.min, UTC) - timedelta(hours=14)
        levels = [level.key for level in self.dimension.levels]
        place = (col(FanLevel.dimension) == self.key, col(FanLevel.level).in_(levels), col(FanLevel.since) >= soonest)
        level = col(FanLevel.level)
        return select(level, func.count()).where(*place, *self._going_on()).group_by(level)

    def unbroken(self) -> list[Rows]:
        """Whose one stay covers both days, where the last is not today."""
        start, end = self.period.start, self.period.end
        closed = self._closed_by_level(col(LevelChange.old_day) <= start, col(LevelChange.day) > end)
        return [self._going_on_by_level().where(col(FanLevel.since_day) <= start), closed]

    def over(self) -> Rows:
        """Every stay on the first day that is over by the last."""
        return self._closed_by_level(*self._is_over())

    def on_the_last_day(self) -> list[Rows]:
        if self.to_the_end:
            everybody = select(col(FanLevel.level), func.count()).where(col(FanLevel.dimension) == self.key)
            return [everybody.group_by(col(FanLevel.level))]
        end = self.period.end
        closed = self._closed_by_level(col(LevelChange.old_day) <= end, col(LevelChange.day) > end)
        return [self._going_on_by_level().where(col(FanLevel.since_day) <= end), closed]

    def _going_on_by_level(self) -> Rows:
        # Not the bare column: SQLite would walk the index by level and look each day up, which takes twice as long.
        level = col(FanLevel.level).concat("")
        return select(level, func.count()).where(col(FanLevel.dimension) == self.key).group_by(level)

    def _closed_by_level(self, *conditions: ColumnElement[bool]) -> Rows:
        level = col(LevelChange.old_level)
        return select(level, func.count()).where(*self._of_the_dimension(), *conditions).group_by(level)

    def _over_again(self) -> Rows:
        later = aliased(LevelChange)
        same = and_(
            col(later.dimension) == self.key, col(later.fan_id) == col(LevelChange.fan_id),
            col(later.old_level) != OUT, *self._closed_later(later),
        )  # fmt: skip
        columns = (col(LevelChange.old_level), col(later.old_level))
        joined = select(*columns, func.count()).select_from(LevelChange).join(later, same)
        return joined.where(*self._of_the_dimension(), *self._is_over()).group_by(*columns)

    def _of_the_dimension(self) -> Conditions:
        return (col(LevelChange.dimension) == self.key, col(LevelChange.old_level) != OUT)

    def _is_over(self) -> Conditions:
        start, end = self.period.start, self.period.end
        ends = () if self.to_the_end else (col(LevelChange.day) <= end,)
        return (col(LevelChange.old_day) <= start, col(LevelChange.day) > start, *ends)

    def _going_on(self) -> Conditions:
        ends = () if self.to_the_end else (col(FanLevel.since_day) <= self.period.end,)
        return (col(FanLevel.since_day) > self.period.start, *ends)

    def _closed_later(self, change: type[LevelChange]) -> Conditions:
        start, end = self.period.start, self.period.end
        return (col(change.old_day) > start, col(change.old_day) <= end, col(change.day) > end)


async def _causes(session: ReadSession, key: str, period: Period) -> dict[str, int]:
    within = (col(LevelChange.day) > period.start, col(LevelChange.day) <= period.end)
    told = (col(LevelChange.dimension) == key, col(LevelChange.old_level).is_not(None), *within)
    counted = select(col(LevelChange.cause), func.count()).where(*told, col(LevelChange.cause) != Cause.LOOK)
    rows = await session.rows(counted.group_by(col(LevelChange.cause)))
    return dict(sorted(((cause, count) for cause, count in rows), key=lambda one: -one[1]))
