"""How many fans stand in every level, how many came and went over a period, and what moved most."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, func, select
from sqlmodel import col

from siyu import segments
from siyu.kit.database import ReadSession
from siyu.report import telling
from siyu.report.migration import moves
from siyu.report.periods import Period
from siyu.segments import INTERESTS, Classification, Dimension, Direction, Level, Sentence
from siyu.segments.dimensions import IN
from siyu.segments.sentences import stands
from siyu.tables import AsOf, LevelSize

SHOWN = 8
NEWS = 3  # fans: fewer are none

Place = tuple[str, str]  # dimension, level


@dataclass(frozen=True)
class Growth:
    """A level, or a saved segment, at the end of a period and before it; label and invitation are message ids."""

    segment: str
    dimension: str
    dimension_label: str  # empty: a saved segment
    level: str
    label: str
    invites: str
    good: Direction
    size: int
    before: int | None  # None: nothing was known on that day
    entered: int
    left: int
    share: float  # of everybody
    share_before: float | None

    @property
    def moved(self) -> int:
        return self.size - (self.before or 0)

    @property
    def change(self) -> float | None:
        """Growth as a ratio; None where there was nothing to grow from."""
        return self.size / self.before - 1 if self.before else None

    @property
    def name(self) -> Sentence:
        return stands(self.dimension_label, self.label) if self.dimension_label else Sentence(self.label)


@dataclass(frozen=True)
class DimensionGrowth:
    """A dimension with its levels as people read them."""

    key: str
    label: str
    levels: tuple[Growth, ...]


@dataclass(frozen=True)
class Report:
    """The whole community over a period; before the first recompute everything is empty."""

    period: Period
    computed_at: datetime | None
    fans: int
    fans_before: int | None
    told: tuple[Sentence, ...]
    moves: tuple[Growth, ...]  # the biggest first
    dimensions: tuple[DimensionGrowth, ...]
    interests: tuple[Growth, ...]
    saved: tuple[Growth, ...]

    @property
    def everything(self) -> list[Growth]:
        """Every level, interest and saved segment."""
        return [*(level for dimension in self.dimensions for level in dimension.levels), *self.interests, *self.saved]


@dataclass(frozen=True)
class _Numbers:
    """Sizes on both days, and who came and went between them."""

    now: Mapping[Place, int]
    before: Mapping[Place, int]
    flows: Mapping[Place, tuple[int, int]]


async def report(session: ReadSession, period: Period) -> Report:
    """From the sizes each day left behind: nobody is counted anew."""
    as_of, whole = await session.get(AsOf, 1), await segments.whole(session)
    numbers = _Numbers(
        await _sizes(session, period.end), await _sizes(session, period.start), await _flows(session, period)
    )
    fans, before = _everybody(whole, numbers.now), _everybody(whole, numbers.before)
    dimensions = tuple(_grown(dimension, numbers) for dimension in whole.dimensions)
    sparse = [_growth(one, one.level(IN), numbers, (fans, before)) for one in whole.sparse]
    interests = tuple(one for one in sparse if _is_interest(one))
    saved = tuple(one for one in sparse if not _is_interest(one))
    biggest = _biggest([*(level for one in dimensions for level in one.levels), *saved])
    return Report(
        period=period,
        computed_at=as_of.as_of if as_of else None,
        fans=fans,
        fans_before=before or None,
        told=await _told(session, whole, period, (fans, before), saved) if as_of else (),
        moves=tuple(biggest[:SHOWN]),
        dimensions=dimensions,
        interests=interests,
        saved=saved,
    )


async def _sizes(session: ReadSession, day: date) -> dict[Place, int]:
    """At the end of a day; one without a run is like the day before it."""
    place = (col(LevelSize.dimension), col(LevelSize.level))
    newest = select(*place, func.max(col(LevelSize.day)).label("day")).where(col(LevelSize.day) <= day)
    known = newest.group_by(*place).subquery()
    same = and_(
        known.c.dimension == col(LevelSize.dimension), known.c.level == col(LevelSize.level),
        known.c.day == col(LevelSize.day),
    )  # fmt: skip
    rows = await session.rows(select(*place, col(LevelSize.size)).select_from(known.join(LevelSize, same)))
    return {(dimension, level): size for dimension, level, size in rows}


async def _flows(session: ReadSession, period: Period) -> dict[Place, tuple[int, int]]:
    place = (col(LevelSize.dimension), col(LevelSize.level))
    counted = select(*place, func.sum(col(LevelSize.entered)), func.sum(col(LevelSize.left)))
    within = counted.where(col(LevelSize.day) > period.start, col(LevelSize.day) <= period.end).group_by(*place)
    return {(dimension, level): (int(came), int(went)) for dimension, level, came, went in await session.rows(within)}


def _grown(dimension: Dimension, numbers: _Numbers) -> DimensionGrowth:
    keys = [(dimension.key, level.key) for level in dimension.levels]
    everybody = (sum(numbers.now.get(key, 0) for key in keys), sum(numbers.before.get(key, 0) for key in keys))
    levels = tuple(_growth(dimension, level, numbers, everybody) for level in dimension.levels)
    return DimensionGrowth(dimension.key, dimension.label, levels)


def _growth(dimension: Dimension, level: Level, numbers: _Numbers, everybody: tuple[int, int]) -> Growth:
    key, (now, then) = (dimension.key, level.key), everybody
    size = numbers.now.get(key, 0)
    # A level that is new in a dimension known before was empty; of a segment nobody had yet nothing was known.
    before = numbers.before.get(key, None if dimension.sparse or not then else 0)
    entered, left = numbers.flows.get(key, (0, 0))
    return Growth(
        segment=dimension.key if dimension.sparse else f"{dimension.key}.{level.key}",
        dimension=dimension.key,
        dimension_label=dimension.label,
        level=level.key,
        label=level.label,
        invites=level.invites,
        good=level.good,
        size=size,
        before=before,
        entered=entered,
        left=left,
        share=size / now if now else 0.0,
        share_before=None if before is None or not then else before / then,
    )


def _everybody(whole: Classification, sizes: Mapping[Place, int]) -> int:
    """Every fan stands in exactly one level of each dimension: any of them counts everybody."""
    first = whole.dimensions[0]
    return sum(sizes.get((first.key, level.key), 0) for level in first.levels)


def _is_interest(one: Growth) -> bool:
    return one.dimension.startswith(f"{INTERESTS}.")


def _biggest(levels: Iterable[Growth]) -> list[Growth]:
    """A level without a good direction is the other side of one that has; a saved segment was saved to be watched."""
    wanted = (one for one in levels if one.good is not Direction.NONE or not one.dimension_label)
    known = [one for one in wanted if one.before is not None and abs(one.moved) >= NEWS]
    return sorted(known, key=lambda one: (-abs(one.moved), one.segment))


async def _told(
    session: ReadSession,
    whole: Classification,
    period: Period,
    fans: tuple[int, int],
    saved: Sequence[Growth],
) -> tuple[Sentence, ...]:
    sentences = [telling.of_everybody(*fans)]
    for key in telling.DIMENSIONS:
        sentences += telling.of_moves(await moves(session, whole.dimension(key), period))
    watched = [one for one in saved if one.before is not None and one.moved]
    for one in sorted(watched, key=lambda one: -abs(one.moved))[: telling.SEGMENTS]:
        sentences.append(telling.of_segment(one.label, one.moved))
    return tuple(sentences)
