"""Segments as people see them: how big, which way they move, and who is in them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select
from sqlmodel import col

from siyu import fans
from siyu.fans import matches
from siyu.kit import wording
from siyu.kit.database import ReadSession
from siyu.kit.paging import Page, cursor_of, key_of, moment_of
from siyu.kit.wording import ENGLISH, Words, phrase
from siyu.segments import definitions
from siyu.segments.classification import Classification, is_tag
from siyu.segments.dimensions import Dimension, Direction, Level
from siyu.segments.reasons import Facts, facts_of, why
from siyu.segments.sentences import Sentence, stands
from siyu.tables import AsOf, Fan, FanLevel, FanMetrics, LevelSize, Reach

TREND_DAYS = 30
SAVED = phrase("Saved segments")


@dataclass(frozen=True)
class SegmentView:
    """One level of one dimension, or a saved segment, whose dimension has no label.

    Label, dimension label, sentence and invitation are message ids.
    """

    key: str
    label: str
    dimension: str
    dimension_label: str
    level: str
    sentence: str
    values: Mapping[str, int]  # the thresholds the sentence names
    invites: str
    size: int
    reachable: int
    share: float  # of everybody in the dimension
    trend: tuple[int, ...]  # daily sizes, the last is today's; shorter while younger than 30 days
    previous: int  # 30 days ago, or the oldest known
    good_direction: Direction
    computed_at: datetime | None  # None: before the first recompute
    broken: str = ""  # why its rule cannot be worked out at the moment
    sparse: bool = False  # saved, or an interest: fans are in it or not
    asked: bool = False  # fans are asked for it

    @property
    def name(self) -> Sentence:
        """What people call it: "Loyalty: At risk", or a saved segment's own name."""
        return stands(self.dimension_label, self.label) if self.dimension_label else Sentence(self.label)

    @property
    def change(self) -> float | None:
        """Growth against `previous`; None where there was nothing to grow from."""
        return self.size / self.previous - 1 if self.previous else None


@dataclass(frozen=True)
class Member:
    """A fan in a segment, with what an operator wants to see first."""

    fan_id: int
    telegram_id: int
    name: str
    username: str | None
    reach: Reach
    muted: bool
    reachable: bool
    spend_total: int  # minor units of the main currency
    last_interaction_at: datetime | None
    since: datetime


@dataclass(frozen=True)
class DayChange:
    """How many entered and left on a day."""

    day: date
    entered: int
    left: int


@dataclass(frozen=True)
class LevelOf:
    """Where one fan stands, since when, and why."""

    level: str
    since: datetime
    why: str


async def list_segments(session: ReadSession) -> list[SegmentView]:
    """Every level of every dimension and every saved segment, from the sizes the last recompute left."""
    as_of = await session.get(AsOf, 1)
    return await _views(session, as_of, definitions.applied(as_of).everything)


async def get_segment(session: ReadSession, key: str) -> SegmentView:
    """One segment, from the sizes of its dimension alone. Raises NotFound."""
    as_of = await session.get(AsOf, 1)
    dimension, _ = definitions.applied(as_of).place(key)
    return next(segment for segment in await _views(session, as_of, (dimension,)) if segment.key == key)


def grouped(views: Iterable[SegmentView]) -> list[tuple[str, list[SegmentView]]]:
    """By dimension, as lists show them: the saved ones first; labels are message ids."""
    groups: dict[str, list[SegmentView]] = {SAVED: []}
    for view in views:
        groups.setdefault(view.dimension_label or SAVED, []).append(view)
    return [(label, found) for label, found in groups.items() if found]


async def whole(session: ReadSession) -> Classification:
    """Every dimension and saved segment as they were last worked out."""
    return await definitions.classification_applied(session)


async def members(
    session: ReadSession, key: str, *, q: str = "", cursor: str | None = None, limit: int = 50
) -> Page[Member]:
    """Who is in it, the latest to enter first; `q` looks in names, usernames and Telegram ids."""
    statement = _members_of(*(await whole(session)).place(key)).limit(limit + 1)
    if q.strip():
        statement = statement.where(col(FanLevel.fan_id).in_(select(col(Fan.id)).where(matches(q))))
    if cursor:
        statement = statement.where(_after(cursor))
    found = [_member(row) for row in await session.rows(statement)]
    return Page(found[:limit], _cursor(found[limit - 1]) if len(found) > limit else None)


async def audience(session: ReadSession, key: str) -> Select[int]:
    """The ids of the fans in a segment, as a SELECT to count, join or insert from. Raises NotFound."""
    return select(col(FanLevel.fan_id)).where(*_in_level(*(await whole(session)).place(key)))


async def history(session: ReadSession, key: str, *, days: int = TREND_DAYS) -> list[DayChange]:
    """Entered and left on each of the last days, today included; the oldest first."""
    as_of = await session.get(AsOf, 1)
    dimension, level = definitions.applied(as_of).place(key)
    if as_of is None:
        return []
    first = as_of.day - timedelta(days=days - 1)
    changes = await _changes(session, dimension, level, first, as_of.day)
    return [DayChange(day, *changes.get(day, (0, 0))) for day in _days(first, as_of.day)]


async def levels_of(session: ReadSession, fan: Fan, *, words: Words | None = None) -> dict[str, LevelOf]:
    """By dimension where a fan stands and why, in the language of `words`; empty before the first recompute."""
    as_of = await session.get(AsOf, 1)
    if as_of is None or await session.get(FanMetrics, fan.id) is None:
        return {}
    known = definitions.applied(as_of)
    asked = [level.rule for dimension in known.dimensions for level in dimension.levels if level.rule is not None]
    facts = await facts_of(session, fan, as_of, asked)
    standing = await _standing_of(session, fan, [dimension.key for dimension in known.dimensions])
    return {
        dimension.key: _level_of(dimension, standing[dimension.key], facts, words or wording.words(ENGLISH))
        for dimension in known.dimensions
        if dimension.key in standing
    }


async def segments_of(session: ReadSession, fan: Fan) -> dict[str, datetime]:
    """Every segment a fan is in, by key, and since when; levels and saved ones alike."""
    known = await whole(session)
    standing = await _standing_of(session, fan, list(known.by_key))
    return {
        key if known.by_key[key].sparse else f"{key}.{standing[key].level}": standing[key].since
        for key in known.by_key
        if key in standing
    }


async def tags_of(session: ReadSession, fan: Fan) -> list[str]:
    """Every tag a fan has, by hand or by its rule."""
    known = await whole(session)
    by_rule = {dimension.key: dimension.key.removeprefix("tag:") for dimension in known.sparse if is_tag(dimension.key)}
    standing = await _standing_of(session, fan, list(by_rule))
    return sorted({*await fans.tags_of(session, fan.id or 0), *(by_rule[key] for key in standing)})


async def _standing_of(session: ReadSession, fan: Fan, keys: Sequence[str]) -> dict[str, FanLevel]:
    mine = select(FanLevel).where(col(FanLevel.dimension).in_(keys), col(FanLevel.fan_id) == fan.id)
    return {row.dimension: row for row in await session.all(mine)}


Sizes = Mapping[tuple[str, str], Mapping[date, tuple[int, int]]]  # of each level, by day


async def _views(session: ReadSession, as_of: AsOf | None, dimensions: Sequence[Dimension]) -> list[SegmentView]:
    sizes = await _sizes(session, as_of, dimensions)
    known = definitions.applied(as_of)
    return [
        _view(dimension, level, sizes, known, as_of)
        for dimension in dimensions
        for level in (dimension.levels[:1] if dimension.sparse else dimension.levels)
    ]


async def _sizes(session: ReadSession, as_of: AsOf | None, dimensions: Sequence[Dimension]) -> Sizes:
    found: dict[tuple[str, str], dict[date, tuple[int, int]]] = {}
    if as_of is None:
        return found
    # Twice the trend: a day without a run shows the size of the run before it.
    since = as_of.day - timedelta(days=2 * TREND_DAYS)
    keys = [dimension.key for dimension in dimensions]
    columns = (col(LevelSize.dimension), col(LevelSize.level), col(LevelSize.day), col(LevelSize.size))
    shown = select(*columns, col(LevelSize.reachable)).where(
        col(LevelSize.dimension).in_(keys), col(LevelSize.day) > since, col(LevelSize.day) <= as_of.day
    )
    for dimension, level, day, size, reachable in await session.rows(shown.order_by(col(LevelSize.day))):
        found.setdefault((dimension, level), {})[day] = (size, reachable)
    return found


def _view(dimension: Dimension, level: Level, sizes: Sizes, known: Classification, as_of: AsOf | None) -> SegmentView:
    trend = _trend(sizes.get((dimension.key, level.key), {}), as_of)
    size, reachable = trend[-1] if trend else (0, 0)
    everybody = sum(_newest(sizes.get((dimension.key, other.key), {})) for other in dimension.levels)
    return SegmentView(
        key=dimension.key if dimension.sparse else f"{dimension.key}.{level.key}",
        label=level.label,
        dimension=dimension.key,
        dimension_label=dimension.label,
        level=level.key,
        sentence=level.sentence,
        values=known.thresholds.get(dimension.key, {}),
        invites=level.invites,
        size=size,
        reachable=reachable,
        share=size / everybody if everybody and not dimension.sparse else 0.0,
        trend=tuple(size for size, _ in trend),
        previous=trend[0][0] if trend else 0,
        good_direction=level.good,
        computed_at=as_of.as_of if as_of else None,
        broken=known.broken.get(dimension.key, ""),
        sparse=dimension.sparse,
        asked=bool(dimension.asked),
    )


def _trend(sizes: Mapping[date, tuple[int, int]], as_of: AsOf | None) -> list[tuple[int, int]]:
    """A size for each of the last days, from the first known on; a day without a run is like the day before."""
    trend: list[tuple[int, int]] = []
    if as_of is None:
        return trend
    first = as_of.day - timedelta(days=TREND_DAYS - 1)
    last = max((day for day in sizes if day < first), default=None)
    known = sizes[last] if last else None
    for day in _days(first, as_of.day):
        known = sizes.get(day, known)
        if known is not None:
            trend.append(known)
    return trend


def _newest(sizes: Mapping[date, tuple[int, int]]) -> int:
    return sizes[max(sizes)][0] if sizes else 0


def _members_of(dimension: Dimension, level: Level) -> Select[*tuple[Any, ...]]:  # Any: columns of three tables
    columns = (
        col(Fan.id), col(Fan.telegram_id), col(Fan.name), col(Fan.username), col(Fan.reach), col(Fan.muted_at),
        col(FanMetrics.spend_total), col(FanMetrics.last_interaction_at), col(FanLevel.since),
    )  # fmt: skip
    return (
        select(*columns)
        .select_from(FanLevel)
        .join(Fan, col(Fan.id) == col(FanLevel.fan_id))
        .join(FanMetrics, col(FanMetrics.fan_id) == col(FanLevel.fan_id))
        .where(*_in_level(dimension, level))
        .order_by(col(FanLevel.since).desc(), col(FanLevel.fan_id).desc())
    )


def _in_level(dimension: Dimension, level: Level) -> tuple[ColumnElement[bool], ...]:
    return col(FanLevel.dimension) == dimension.key, col(FanLevel.level) == level.key


def _member(row: Row[*tuple[Any, ...]]) -> Member:  # Any: as selected above
    fan_id, telegram_id, name, username, reach, muted_at, spend_total, last_interaction_at, since = row
    return Member(
        fan_id=fan_id,
        telegram_id=telegram_id,
        name=name,
        username=username,
        reach=reach,
        muted=muted_at is not None,
        reachable=reach is Reach.REACHABLE and muted_at is None,
        spend_total=spend_total,
        last_interaction_at=last_interaction_at,
        since=since,
    )


def _cursor(last: Member) -> str:
    return cursor_of((int(last.since.timestamp()), last.fan_id))


def _after(cursor: str) -> ColumnElement[bool]:
    seconds, fan_id = key_of(cursor, length=2)
    since = moment_of(seconds)
    earlier = col(FanLevel.since) < since
    return or_(earlier, and_(col(FanLevel.since) == since, col(FanLevel.fan_id) < fan_id))


async def _changes(
    session: ReadSession, dimension: Dimension, level: Level, first: date, last: date
) -> dict[date, tuple[int, int]]:
    columns = (col(LevelSize.day), col(LevelSize.entered), col(LevelSize.left))
    place = (col(LevelSize.dimension) == dimension.key, col(LevelSize.level) == level.key)
    shown = select(*columns).where(*place, col(LevelSize.day).between(first, last))
    return {day: (entered, left) for day, entered, left in await session.rows(shown)}


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _level_of(dimension: Dimension, standing: FanLevel, facts: Facts, words: Words) -> LevelOf:
    because = why(dimension, dimension.level(standing.level), facts)
    return LevelOf(standing.level, standing.since, because.said(words))
