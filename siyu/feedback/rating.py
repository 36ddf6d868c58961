"""Rating: one tap, counted once; then a word about it, if the fan likes; a bad one is to be followed up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import literal, update
from sqlmodel import col, select

from siyu import followups, interactions, points, preferences
from siyu.interactions import Interacted
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict
from siyu.tables import Fan, Feedback, RunState, Scale, SurveyRun

SOURCE = "feedback"
MARKS = {Scale.STARS: range(1, 6), Scale.NPS: range(11)}
# As published for NPS, and as the dimension `feedback` reads stars.
NEGATIVE = {Scale.STARS: range(1, 3), Scale.NPS: range(7)}
LISTENING = timedelta(days=1)  # after a rating, words are about it
LONGEST_WORDS = 2000


@dataclass(frozen=True)
class Thanks:
    """A rating that was taken, and the points it gave."""

    feedback: Feedback
    points: int

    @property
    def is_bad(self) -> bool:
        return self.feedback.rating in NEGATIVE[self.feedback.scale]


async def rate(
    session: WriteSession, fan: Fan, feedback_id: int, number: int, *, zone: ZoneInfo, now: datetime
) -> Thanks:
    """The fan's rating, once. Raises Conflict for a second one, and for a question that was not put to this fan."""
    theirs = select(Feedback).where(col(Feedback.id) == feedback_id, col(Feedback.fan_id) == fan.id)
    asked = await session.first(theirs.execution_options(populate_existing=True))
    if asked is None or number not in MARKS[asked.scale]:
        raise Conflict("this button does not work any more", reason="forged")
    unrated = col(Feedback.id) == feedback_id, col(Feedback.rating).is_(None)
    values = {"rating": number, "rated_at": now, "seen": await interactions.latest(session)}
    if not await session.run(update(Feedback).where(*unrated).values(values)):
        raise Conflict("you have rated this already: thank you", reason="answered")
    detail = f"{asked.scale}:{number}"
    fact = Interacted(SOURCE, str(feedback_id), fan.id or 0, now, "answer", detail)
    await interactions.record(session, [fact], zone=zone)
    await heed(session, fan, detail, cause=f"feedback:{feedback_id}", now=now)
    month = local_day(now, zone).replace(day=1)
    earned = await points.earn(session, fan.id or 0, "feedback", f"{fan.id}:{month}", now=now)
    return Thanks(Feedback(**{**asked.model_dump(), **values}), earned)


async def heed(session: WriteSession, fan: Fan, rating: str, *, cause: str, now: datetime) -> bool:
    """A bad rating such as `stars:2`, wherever it was given, is to be followed up; whether it was one."""
    scale, _, number = rating.partition(":")
    if int(number) not in NEGATIVE[Scale(scale)]:
        return False
    hours = (await preferences.read(session)).followup_hours
    await followups.open_for(session, fan.id or 0, rating, cause=cause, due_at=now + timedelta(hours=hours), now=now)
    return True


async def listens(session: ReadSession, fan: Fan, *, now: datetime) -> bool:
    """Whether words of this fan could be an answer at all; asked for every word that anybody writes, so in one look."""
    asked = select(literal(1)).where(col(SurveyRun.fan_id) == fan.id, col(SurveyRun.state) == RunState.OPEN)
    unsaid = col(Feedback.words).is_(None), col(Feedback.rated_at) > now - LISTENING
    rated = select(literal(1)).where(col(Feedback.fan_id) == fan.id, *unsaid)
    return bool(await session.rows(asked.union_all(rated).limit(1)))


async def words_wanted(session: ReadSession, fan: Fan, *, zone: ZoneInfo, now: datetime) -> Feedback | None:
    """The rating that plain words are about: a fan who did something else since is talking to us instead."""
    theirs = col(Feedback.fan_id) == fan.id, col(Feedback.rating).is_not(None)
    newest = select(Feedback).where(*theirs).order_by(col(Feedback.rated_at).desc()).limit(1)
    last = await session.first(newest.execution_options(populate_existing=True))
    if last is None or last.words is not None or last.rated_at is None or last.rated_at < now - LISTENING:
        return None
    day = local_day(last.rated_at, zone)
    gone = await interactions.turned_away(session, fan.id or 0, seen=last.seen, since=day)
    return None if gone else last


async def add_words(session: WriteSession, about: Feedback, text: str) -> None:
    """What the fan says about their rating."""
    said = text.replace("\0", "").strip()[:LONGEST_WORDS]
    this = update(Feedback).where(col(Feedback.id) == about.id, col(Feedback.words).is_(None))
    if await session.run(this.values(words=said)):
        await followups.tell_more(session, f"feedback:{about.id}", said)


def keys(feedback_id: int, scale: Scale) -> Sequence[Sequence[tuple[str, str]]]:
    """The buttons to rate with: what stands on each, and what it tells us."""
    marks = MARKS[scale]
    labels = ["★" * mark if scale is Scale.STARS else str(mark) for mark in marks]
    buttons = [(label, f"n:{feedback_id}:{mark}") for label, mark in zip(labels, marks, strict=True)]
    width = 3 if scale is Scale.STARS else 6
    return [buttons[n : n + width] for n in range(0, len(buttons), width)]
