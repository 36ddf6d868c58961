"""Runs: a fan's way through a questionnaire, one step at a time, each step taken once.

1. A run names the version it began with, so that editing and publishing change nothing for whoever is under way.
2. Every button carries the run and the step it was shown at. A step is left by one guarded UPDATE; of two taps at once
   one moves it, the other finds it moved and changes nothing.
3. All of it lies in rows: a process that dies in mid-answer leaves the fan where they were.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlmodel import col

from siyu import attributes, interactions, points
from siyu.interactions import Interacted
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.surveys.content import Content, Kind, Question
from siyu.surveys.editing import content_of, get_survey
from siyu.surveys.replies import Reply, Said, Tick, detail_of, understood
from siyu.tables import Fan, RunState, Survey, SurveyAnswer, SurveyRun

SOURCE = "survey"
CLOSING = (RunState.OPEN, RunState.STOPPED)


@dataclass(frozen=True)
class Asked:
    """Where a fan stands: the question to show, or none after the last; `said` is what they just answered."""

    run: SurveyRun
    content: Content
    question: Question | None
    said: Said | None = None
    answered: Question | None = None  # the question that `said` is about
    points: int = 0  # given for the whole

    @property
    def ticked(self) -> frozenset[int]:
        return places(self.run.chosen)

    @property
    def number(self) -> int:
        """The question's place, from 1."""
        return self.content.place(self.question.key) + 1 if self.question else len(self.content.questions)

    @property
    def rating(self) -> str | None:
        """`nps:3` where that is what was answered."""
        if self.said is None or self.answered is None or self.said.skipped:
            return None
        is_rating = self.answered.kind in (Kind.NPS, Kind.STARS)
        return f"{self.answered.kind}:{self.said.values[0]}" if is_rating else None


async def begin(session: WriteSession, fan: Fan, survey: Survey, *, cause: str, now: datetime) -> Asked:
    """The first question, or the one where the fan is already. Raises Conflict for what they answered before."""
    if survey.version == 0 or survey.archived_at:
        raise NotFound("these questions are not asked any more")
    await _one_at_a_time(session, fan.id)
    known = await _known(session, fan, survey, cause)
    if known is not None:
        return await _go_on(session, known, now=now)
    await session.run(update(SurveyRun).where(*_open_of(fan)).values(state=RunState.STOPPED))
    content = await content_of(session, survey.id or 0, survey.version)
    row = {
        "survey_id": survey.id,
        "version": survey.version,
        "fan_id": fan.id,
        "cause": cause,
        "state": RunState.OPEN,
        "question": content.questions[0].key,
        "step": 0,
        "chosen": "",
        "seen": await interactions.latest(session),
        "started_at": now,
    }
    once = session.insert(SurveyRun).values(row).on_conflict_do_nothing()
    if not await session.returning(once.returning(col(SurveyRun.id))):
        raise Conflict("that was too quick for us: try again", reason="race")
    return await _standing(session, await _get_open(session, fan), content)


async def answer(
    session: WriteSession, fan: Fan, run_id: int, step: int, reply: Reply, *, zone: ZoneInfo, now: datetime
) -> Asked:
    """What follows. Raises Conflict for a step that was left already, Invalid for words that will not do.

    A run that was stopped is only taken up again: the question is asked once more.
    """
    run = await _at(session, fan, run_id, step)
    if run.state is RunState.STOPPED:
        return await _go_on(session, run, now=now)
    survey = await get_survey(session, run.survey_id)
    content = await content_of(session, run.survey_id, run.version)
    question = _current(content, run)
    said = understood(question, reply, places(run.chosen))
    kept = await _as_attribute(session, question, said)
    following = content.after(question, said.to)
    moved = await _move(session, run, following, now=now)
    await _write_down(session, moved, question, said, now=now)
    if kept:
        await attributes.keep(session, [(fan, kept)], now=now)
    if not said.skipped:
        await _note(session, fan, survey, question, said, moved, zone=zone, now=now)
    earned = await _reward(session, moved, now=now) if following is None else 0
    return Asked(moved, content, following, said, question, earned)


async def tick(session: WriteSession, fan: Fan, run_id: int, step: int, given: Tick, *, now: datetime) -> Asked:
    """One of several choices, on or off; nothing is answered yet."""
    run = await _at(session, fan, run_id, step)
    if run.state is RunState.STOPPED:
        return await _go_on(session, run, now=now)
    content = await content_of(session, run.survey_id, run.version)
    question, before = _current(content, run), places(run.chosen)
    if question.kind is not Kind.MANY or given.place >= len(question.choices):
        raise Conflict("this button does not fit the question", reason="stale")
    after = before | {given.place} if given.on else before - {given.place}
    unmoved = _is(run, RunState.OPEN), col(SurveyRun.step) == step, col(SurveyRun.chosen) == run.chosen
    chosen = ",".join(map(str, sorted(after)))
    if not await session.run(update(SurveyRun).where(*unmoved).values(chosen=chosen)):
        raise Conflict("that was too quick for us: try again", reason="race")
    return Asked(_as_moved(run, chosen=chosen), content, question)


async def look(session: ReadSession, fan: Fan, run_id: int, step: int) -> Asked:
    """Where this step stands. Raises Conflict where it was left already."""
    run = await _at(session, fan, run_id, step)
    return await _standing(session, run, await content_of(session, run.survey_id, run.version))


async def stop(session: WriteSession, fan: Fan, run_id: int, step: int, *, now: datetime) -> Asked:
    """No more questions for now; what was answered stays, and the fan can go on later."""
    asked = await look(session, fan, run_id, step)
    here = _is(asked.run, RunState.OPEN), col(SurveyRun.step) == step
    await session.run(update(SurveyRun).where(*here).values(state=RunState.STOPPED))
    return asked


async def go_on(session: WriteSession, fan: Fan, run_id: int, step: int, *, now: datetime) -> Asked:
    """The same question once more."""
    return await _go_on(session, await _at(session, fan, run_id, step), now=now)


async def words_wanted(session: ReadSession, fan: Fan, *, zone: ZoneInfo) -> Asked | None:
    """The question that plain words answer: a fan who did something else since is talking to us instead."""
    asked = await find_open(session, fan)
    if asked is None or asked.question is None or asked.question.kind is not Kind.TEXT:
        return None
    day = local_day(asked.run.started_at, zone)
    if await interactions.turned_away(session, fan.id or 0, seen=asked.run.seen, since=day):
        return None
    return asked


async def find_open(session: ReadSession, fan: Fan) -> Asked | None:
    """What the fan is being asked."""
    run = await session.first(_fresh(*_open_of(fan)))
    if run is None:
        return None
    return await _standing(session, run, await content_of(session, run.survey_id, run.version))


def places(chosen: str) -> frozenset[int]:
    """`0,2` as numbers."""
    return frozenset(int(place) for place in chosen.split(",") if place)


async def _known(session: ReadSession, fan: Fan, survey: Survey, cause: str) -> SurveyRun | None:
    """The run to go on with: of this cause, or any that is open."""
    theirs = col(SurveyRun.survey_id) == survey.id, col(SurveyRun.fan_id) == fan.id
    found = await session.all(_fresh(*theirs))
    same = next((run for run in found if run.cause == cause), None)
    if same is not None and same.state is RunState.DONE:
        raise Conflict("you have answered these questions already: thank you", reason="answered")
    return same or next((run for run in found if run.state is RunState.OPEN), None)


async def _at(session: ReadSession, fan: Fan, run_id: int, step: int) -> SurveyRun:
    run = await session.first(_fresh(col(SurveyRun.id) == run_id, col(SurveyRun.fan_id) == fan.id))
    if run is None:
        raise Conflict("this button does not work any more", reason="forged")
    if run.state is RunState.DONE:
        raise Conflict("you have answered these questions already: thank you", reason="answered")
    if run.step != step:
        raise Conflict("this question is behind you already", reason="stale")
    return run


def _fresh(*conditions: ColumnElement[bool]) -> Select[SurveyRun]:
    """Runs as they are now: a step moves past the objects of a session, and a batch of updates has only one."""
    return select(SurveyRun).where(*conditions).execution_options(populate_existing=True)


def _current(content: Content, run: SurveyRun) -> Question:
    question = content.find(run.question)
    assert question is not None, "a version never changes"
    return question


async def _standing(session: ReadSession, run: SurveyRun, content: Content) -> Asked:
    return Asked(run, content, _current(content, run))


async def _one_at_a_time(session: WriteSession, fan_id: int | None) -> None:
    """Two beginnings at once would both find nothing open; on PostgreSQL the second waits here for the first."""
    await session.first(select(col(Fan.id)).where(col(Fan.id) == fan_id).with_for_update(key_share=True))


async def _go_on(session: WriteSession, run: SurveyRun, *, now: datetime) -> Asked:
    """Taken up again, at the same question."""
    await _one_at_a_time(session, run.fan_id)
    content, seen = await content_of(session, run.survey_id, run.version), await interactions.latest(session)
    others = col(SurveyRun.fan_id) == run.fan_id, col(SurveyRun.id) != run.id, col(SurveyRun.state) == RunState.OPEN
    await session.run(update(SurveyRun).where(*others).values(state=RunState.STOPPED))
    this = col(SurveyRun.id) == run.id, col(SurveyRun.state).in_(CLOSING)
    if not await session.run(update(SurveyRun).where(*this).values(state=RunState.OPEN, seen=seen)):
        raise Conflict("you have answered these questions already: thank you", reason="answered")
    return Asked(_as_moved(run, state=RunState.OPEN, seen=seen), content, _current(content, run))


async def _get_open(session: ReadSession, fan: Fan) -> SurveyRun:
    return await session.one(_fresh(*_open_of(fan)))


def _open_of(fan: Fan) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(SurveyRun.fan_id) == fan.id, col(SurveyRun.state) == RunState.OPEN


def _is(run: SurveyRun, state: RunState) -> ColumnElement[bool]:
    return and_(col(SurveyRun.id) == run.id, col(SurveyRun.state) == state)


async def _move(session: WriteSession, run: SurveyRun, following: Question | None, *, now: datetime) -> SurveyRun:
    """Leave this step, once: whoever comes second finds it left and changes nothing."""
    over = {"state": RunState.DONE, "finished_at": now} if following is None else {"question": following.key}
    values = {"step": run.step + 1, "chosen": "", "seen": await interactions.latest(session), **over}
    here = _is(run, RunState.OPEN), col(SurveyRun.step) == run.step
    if not await session.run(update(SurveyRun).where(*here).values(values)):
        raise Conflict("this question is behind you already", reason="stale")
    return _as_moved(run, **values)


def _as_moved(run: SurveyRun, **values: object) -> SurveyRun:
    """The row as it is now; the object of the session stays untouched, or it would be written twice."""
    return SurveyRun(**{**run.model_dump(), **values})


async def _as_attribute(session: WriteSession, question: Question, said: Said) -> dict[str, str]:
    """What is kept of the fan. Written words that do not fit are refused; a choice that does not is only an answer."""
    if not question.attribute or said.skipped:
        return {}
    try:
        return attributes.fit(await attributes.binding(session), {question.attribute: said.kept})
    except Invalid:
        if question.kind is Kind.TEXT:
            raise
        return {}


async def _write_down(session: WriteSession, run: SurveyRun, question: Question, said: Said, *, now: datetime) -> None:
    same = {"run_id": run.id, "question": question.key, "survey_id": run.survey_id, "fan_id": run.fan_id, "at": now}
    rows = [{**same, "value": value, "words": said.words} for value in said.values]
    await session.run_many(session.insert(SurveyAnswer).on_conflict_do_nothing(), rows)


async def _reward(session: WriteSession, run: SurveyRun, *, now: datetime) -> int:
    """Points for a questionnaire, once for each fan; whoever skipped all of it gets none."""
    said = or_(col(SurveyAnswer.value) != "", col(SurveyAnswer.words).is_not(None))
    any_ = select(SurveyAnswer).where(col(SurveyAnswer.run_id) == run.id, said).limit(1)
    if await session.first(any_) is None:
        return 0
    return await points.earn(session, run.fan_id, "survey", f"{run.survey_id}:{run.fan_id}", now=now)


async def _note(
    session: WriteSession, fan: Fan, survey: Survey, question: Question, said: Said, run: SurveyRun,
    *, zone: ZoneInfo, now: datetime,
) -> None:  # fmt: skip
    """An answer is something the fan did; words and shared numbers are a message, which was written down already."""
    if question.kind in (Kind.TEXT, Kind.CONTACT, Kind.LOCATION):
        return
    key = f"{run.id}:{question.key}"
    detail = detail_of(survey.key, question, said)
    await interactions.record(session, [Interacted(SOURCE, key, fan.id or 0, now, "answer", detail)], zone=zone)
