"""Time as the house knows it: aware UTC instants, and calendar days in the community's zone."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

Clock = Callable[[], datetime]

EPOCH = date(1970, 1, 1)


def system_clock() -> datetime:
    """The moment it is, aware, in UTC."""
    return datetime.now(UTC)


def find_zone(name: object) -> ZoneInfo | None:
    """None for what is no zone, or none any more: what fans chose is older than the machine's list."""
    return ZoneInfo(name) if isinstance(name, str) and name in zones() else None


@cache
def zones() -> frozenset[str]:
    """Every time zone there is; read once, for it walks over 600 files."""
    return frozenset(available_timezones())


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    """The calendar day of a moment in a zone; fixed once, when a fact is written."""
    return moment.astimezone(zone).date()


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last whole second of a local day, in UTC."""
    return start_of_day(day + timedelta(days=1), zone) - timedelta(seconds=1)


def whole_day(text: str) -> str:
    """As of a bare day means with all of it: `2026-03-04` becomes its last second, a moment stays as it is."""
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return text
    return f"{text.strip()}T23:59:59"


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """An ISO 8601 moment as UTC; without an offset it is the zone's. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
