"""When a broadcast leaves: at a moment, at each fan's own hour, again and again, or spread over hours."""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from typing import Any, Protocol, assert_never
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, case, func, literal
from sqlmodel import col

from siyu.kit.clock import find_zone, local_day
from siyu.kit.errors import Invalid
from siyu.kit.wording import phrase
from siyu.tables import Fan, Timing

# Where a day begins first, and where it ends last.
EASTERNMOST, WESTERNMOST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
# A schedule beyond two years is a slip of the pen.
LONGEST_WAIT = timedelta(days=730)
LONGEST_SPREAD_MINUTES = 7 * 24 * 60
# The 31st of every month comes within 31 days, and so does every weekday.
LONGEST_GAP_DAYS = 31

_PASSED = phrase("this time has passed")
_TOO_FAR = phrase("this lies more than two years ahead")


class Every(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True)
class Series:
    """Again and again at this time of the day; `on` are weekdays (Monday is 1) or days of the month."""

    every: Every
    at: time
    on: tuple[int, ...] = ()
    zone: ZoneInfo | None = None  # the community's, unless told

    def is_on(self, day: date) -> bool:
        """Whether it comes on this day; a month's last day stands for the 29th to 31st it does not have."""
        match self.every:
            case Every.DAILY:
                return True
            case Every.WEEKLY:
                return day.isoweekday() in self.on
            case Every.MONTHLY:
                last = monthrange(day.year, day.month)[1]
                return day.day in {min(number, last) for number in self.on}
            case _ as never:
                assert_never(never)


@dataclass(frozen=True)
class Occurrence:
    """One of a series: its local day, which no other has, and its moment."""

    day: date
    moment: datetime


class Timed(Protocol):
    """A draft or a broadcast, as far as its time goes."""

    @property
    def timing(self) -> Timing: ...

    @property
    def send_at(self) -> datetime | None: ...

    @property
    def local_at(self) -> str | None: ...

    @property
    def series(self) -> Mapping[str, Any] | None: ...  # Any: read by `read_series`

    @property
    def spread_minutes(self) -> int: ...


def first_moment(timed: Timed, *, now: datetime) -> datetime:
    """When the house has to look at it first. A series is looked at once, to see when it comes next."""
    match timed.timing:
        case Timing.NOW | Timing.SERIES:
            return now
        case Timing.AT:
            return max(now, timed.send_at or now)
        case Timing.LOCAL:
            return max(now, read_wall(timed.local_at).replace(tzinfo=EASTERNMOST).astimezone(UTC))
        case _ as never:
            assert_never(never)


def meant_for(timed: Timed, zone: ZoneInfo, *, now: datetime) -> datetime:
    """When it should leave: of each fan's own hour, the community's; what lies before is only there to be in time."""
    if timed.timing is Timing.LOCAL:
        return max(_at(read_wall(timed.local_at), zone), timed.send_at or now)
    return timed.send_at or now


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A wall clock's time as a moment: skipped by a clock change, it is an hour later; shown twice, the first."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def next_after(series: Series, moment: datetime, zone: ZoneInfo) -> Occurrence:
    """The first occurrence after a moment; `zone` is the community's."""
    today = local_day(moment, series.zone or zone)
    days = (today + timedelta(days=n) for n in range(LONGEST_GAP_DAYS + 2))
    return next(one for one in _occurrences(series, days, zone) if one.moment > moment)


def newest_by(series: Series, moment: datetime, zone: ZoneInfo) -> Occurrence:
    """The last occurrence up to a moment."""
    today = local_day(moment, series.zone or zone)
    days = (today - timedelta(days=n) for n in range(LONGEST_GAP_DAYS + 2))
    return next(one for one in _occurrences(series, days, zone) if one.moment <= moment)


def planned(timed: Timed, start: datetime, *, zones: Iterable[str], zone: ZoneInfo) -> ColumnElement[int]:
    """Each fan's moment in seconds, over Fan: `start`, or their own hour where that is later."""
    if timed.timing is not Timing.LOCAL:
        return literal(int(start.timestamp()), BigInteger)
    wall = read_wall(timed.local_at)
    own = {name: found for name in zones if (found := find_zone(name))}
    moments = [(col(Fan.zone) == name, _seconds(max(start, _at(wall, found)))) for name, found in own.items()]
    home = _seconds(max(start, _at(wall, zone)))
    return case(*moments, else_=home) if moments else home


def spread(minutes: int, place: ColumnElement[int], waiting: ColumnElement[bool]) -> ColumnElement[int]:
    """Seconds a fan waits so that all of them leave evenly over so many minutes; who gets nothing, like whoever is
    before them in line."""
    if not minutes:
        return literal(0, BigInteger)
    line = func.count().filter(waiting).over(order_by=place, rows=(None, 0))
    before = case((line > 0, line - 1), else_=0)
    return before * (minutes * 60) // func.nullif(func.count().filter(waiting).over(), 0)


def read_wall(text: str | None) -> datetime:
    """`2026-12-24T18:00`: the same hour on everybody's own clock. Raises Invalid."""
    try:
        wall = datetime.fromisoformat(str(text))
    except ValueError:
        wall = None
    if wall is None or wall.tzinfo:
        raise Invalid("a day and an hour such as 2026-12-24T18:00", where=("local_at",))
    return wall


def read_series(given: object) -> Series:
    """`{every, at, on?, zone?}`. Raises Invalid with the place."""
    if not isinstance(given, Mapping):
        raise Invalid("say how often it comes", where=("series",))
    every = _every(given.get("every"))
    zone = zone_named(given["zone"], where=("series", "zone")) if given.get("zone") else None
    return Series(every, _time(given.get("at")), _days(every, given.get("on")), zone)


def zone_named(name: object, *, where: tuple[str | int, ...]) -> ZoneInfo:
    """Raises Invalid for a zone that does not exist."""
    zone = find_zone(name)
    if zone is None:
        raise Invalid("there is no time zone %(zone)s; one is Asia/Shanghai", where=where, zone=str(name)[:80])
    return zone


def mistakes(timed: Timed, *, now: datetime | None = None) -> Iterator[Invalid]:
    """Everything wrong with its time; what has passed is only known when the moment is told."""
    try:
        yield from _at_its_time(timed, now)
    except Invalid as mistake:
        yield mistake
    minutes: object = timed.spread_minutes
    if not isinstance(minutes, int) or not 0 <= minutes <= LONGEST_SPREAD_MINUTES:
        yield Invalid("it is spread over at most %(most)d minutes", where=("spread_minutes",), most=10_080)


def _at_its_time(timed: Timed, now: datetime | None) -> Iterator[Invalid]:
    match timed.timing:
        case Timing.NOW:
            return
        case Timing.AT:
            if timed.send_at is None:
                yield Invalid("say when it leaves", where=("send_at",))
            else:
                yield from _in_time("send_at", timed.send_at, timed.send_at, now)
        case Timing.LOCAL:
            wall = read_wall(timed.local_at)
            yield from _in_time("local_at", wall.replace(tzinfo=EASTERNMOST), wall.replace(tzinfo=WESTERNMOST), now)
        case Timing.SERIES:
            read_series(timed.series)
        case _ as never:
            assert_never(never)


def _in_time(place: str, first: datetime, last: datetime, now: datetime | None) -> Iterator[Invalid]:
    if now and last <= now:
        yield Invalid(_PASSED, where=(place,))
    if now and first > now + LONGEST_WAIT:
        yield Invalid(_TOO_FAR, where=(place,))


def _occurrences(series: Series, days: Iterable[date], zone: ZoneInfo) -> Iterator[Occurrence]:
    for day in days:
        if series.is_on(day):
            yield Occurrence(day, instant(day, series.at, series.zone or zone))


def _every(word: object) -> Every:
    try:
        return Every(str(word))
    except ValueError:
        raise Invalid("it comes daily, weekly or monthly", where=("series", "every")) from None


def _time(text: object) -> time:
    try:
        at = time.fromisoformat(str(text))
    except ValueError:
        at = None
    if at is None or at.tzinfo:
        raise Invalid("a time of the day such as 18:00", where=("series", "at"))
    return at


def _days(every: Every, given: object) -> tuple[int, ...]:
    if every is Every.DAILY:
        return ()
    most, numbers = (7 if every is Every.WEEKLY else 31), _numbers(given)
    if not numbers or not all(1 <= number <= most for number in numbers):
        raise Invalid("choose days from 1 to %(most)d", where=("series", "on"), most=most)
    return tuple(sorted(set(numbers)))


def _numbers(given: object) -> Sequence[int]:
    listed = given if isinstance(given, list | tuple) else []
    whole = [one for one in listed if isinstance(one, int) and not isinstance(one, bool)]
    return whole if len(whole) == len(listed) else []


def _at(wall: datetime, zone: ZoneInfo) -> datetime:
    return instant(wall.date(), wall.time(), zone)


def _seconds(moment: datetime) -> ColumnElement[int]:
    return literal(int(moment.timestamp()), BigInteger)
