"""Which days a report compares."""

from dataclasses import dataclass
from datetime import date, timedelta

from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid
from siyu.tables import AsOf

PERIODS = (7, 30, 90)
USUAL = 30


@dataclass(frozen=True)
class Period:
    """From the end of one day to the end of a later one."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days


async def period_of(
    session: ReadSession, *, days: int = USUAL, start: date | None = None, end: date | None = None, today: date
) -> Period:
    """The last days, or those from `start` to `end`; nothing is known behind the day the levels are true for."""
    as_of = await session.get(AsOf, 1)
    known = as_of.day if as_of else today
    last = min(end or known, known)
    first = start or last - timedelta(days=days)
    if first >= last:
        raise Invalid(
            "the first day must be before the last, and that no later than %(day)s", where=("from",), day=known
        )
    return Period(first, last)
