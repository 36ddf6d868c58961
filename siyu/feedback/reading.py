"""Reading: what fans said of us in a stretch of time, with as much certainty as there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlmodel import col

from siyu.kit.database import ReadSession
from siyu.kit.paging import Page, cursor_of, key_of, moment_of
from siyu.surveys import Nps, nps_of
from siyu.tables import Fan, Feedback, Scale


@dataclass(frozen=True)
class Figures:
    """What was asked and rated; `stars` and `nps` are how often each mark was given."""

    asked: int
    rated: int
    stars: Mapping[int, int]
    nps: Mapping[int, int]

    @property
    def stars_mean(self) -> float | None:
        number = sum(self.stars.values())
        return sum(mark * times for mark, times in self.stars.items()) / number if number else None

    @property
    def score(self) -> Nps | None:
        return nps_of(self.nps)


@dataclass(frozen=True)
class Rated:
    """A rating and who gave it."""

    feedback: Feedback
    fan: Fan


async def figures(session: ReadSession, *, since: datetime) -> Figures:
    """Of the questions put and the ratings given since then."""
    asked = await session.one(select(func.count()).select_from(Feedback).where(col(Feedback.asked_at) >= since))
    given = col(Feedback.rating).is_not(None), col(Feedback.rated_at) >= since
    counted = select(col(Feedback.scale), col(Feedback.rating), func.count()).where(*given)
    rows = await session.rows(counted.group_by(col(Feedback.scale), col(Feedback.rating)))
    marks: dict[Scale, dict[int, int]] = {scale: {} for scale in Scale}
    for scale, rating, times in rows:
        marks[scale][rating] = times
    return Figures(asked, sum(times for _, _, times in rows), marks[Scale.STARS], marks[Scale.NPS])


async def latest(session: ReadSession, *, cursor: str | None = None, limit: int = 30) -> Page[Rated]:
    """The newest ratings first."""
    joined = select(Feedback, Fan).join(Fan, col(Fan.id) == col(Feedback.fan_id))
    newest = col(Feedback.rated_at).desc(), col(Feedback.id).desc()
    statement = joined.where(col(Feedback.rating).is_not(None)).order_by(*newest)
    if cursor:
        seconds, last = key_of(cursor, length=2)
        at, rated_at = moment_of(seconds), col(Feedback.rated_at)
        statement = statement.where(or_(rated_at < at, and_(rated_at == at, col(Feedback.id) < last)))
    rows = await session.rows(statement.limit(limit + 1))
    found = [Rated(*row) for row in rows[:limit]]
    return Page(found, _cursor(found[-1].feedback) if len(rows) > limit else None)


def _cursor(last: Feedback) -> str:
    return cursor_of((int(last.rated_at.timestamp()) if last.rated_at else 0, last.id or 0))
