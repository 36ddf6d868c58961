"""Results: how often each answer was given, and the words of those who wrote."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, distinct, func
from sqlmodel import col, select

from siyu.kit.database import ReadSession
from siyu.surveys.content import CHOSEN, Content, Kind, Question, read_content
from siyu.surveys.recommending import Nps, nps_of
from siyu.tables import Fan, RunState, Survey, SurveyAnswer, SurveyRun, SurveyVersion

LATEST = 8  # words shown of each question
_PAGE = 500  # runs read at once for a file


@dataclass(frozen=True)
class Progress:
    """How far fans came."""

    open: int
    stopped: int
    done: int

    @property
    def begun(self) -> int:
        return self.open + self.stopped + self.done


@dataclass(frozen=True)
class Spoken:
    """What somebody wrote."""

    fan: Fan
    words: str
    at: datetime


@dataclass(frozen=True)
class Outcome:
    """One question: how many answered and skipped it, how often each value was given, the latest words."""

    question: Question
    answered: int
    skipped: int
    counts: Mapping[str, int]
    words: Sequence[Spoken]

    @property
    def values(self) -> Sequence[tuple[str, int]]:
        """Every answer there is, in its order, with how often it was given; then those not offered any more."""
        offered = [choice.key for choice in self.question.choices] or [str(mark) for mark in self.question.marks]
        gone = [value for value in self.counts if value not in offered]
        return [(value, self.counts.get(value, 0)) for value in (*offered, *sorted(gone))]

    @property
    def nps(self) -> Nps | None:
        return nps_of(self._marks) if self.question.kind is Kind.NPS else None

    @property
    def mean(self) -> float | None:
        """Of a scale or of stars."""
        if self.question.kind not in (Kind.SCALE, Kind.STARS) or not self.answered:
            return None
        return sum(mark * times for mark, times in self._marks.items()) / sum(self._marks.values())

    @property
    def _marks(self) -> Mapping[int, int]:
        return {int(value): times for value, times in self.counts.items() if value.isdecimal()}


async def progress(session: ReadSession, survey_ids: Sequence[int]) -> dict[int, Progress]:
    """Of several questionnaires."""
    counted = select(SurveyRun.survey_id, col(SurveyRun.state), func.count())
    theirs = col(SurveyRun.survey_id).in_(survey_ids)
    rows = await session.rows(counted.where(theirs).group_by(col(SurveyRun.survey_id), col(SurveyRun.state)))
    numbers: dict[int, dict[RunState, int]] = {survey_id: {} for survey_id in survey_ids}
    for survey_id, state, times in rows:
        numbers[survey_id][state] = times
    return {
        survey_id: Progress(*(found.get(state, 0) for state in (RunState.OPEN, RunState.STOPPED, RunState.DONE)))
        for survey_id, found in numbers.items()
    }


async def outcomes(session: ReadSession, survey: Survey) -> list[Outcome]:
    """Every question that was ever asked, as it read last; those of the latest version first."""
    counts = await _counts(session, survey)
    took = await _took_part(session, survey)
    found = []
    for question in await questions_of(session, survey):
        answered, skipped = took.get(question.key, (0, 0))
        listened = question.kind not in CHOSEN and not question.marks
        words = await _words(session, survey, question.key) if listened else []
        found.append(Outcome(question, answered, skipped, counts.get(question.key, {}), words))
    return found


async def questions_of(session: ReadSession, survey: Survey) -> list[Question]:
    """Of all versions together."""
    order = col(SurveyVersion.number).desc()
    versions = await session.all(select(SurveyVersion).where(SurveyVersion.survey_id == survey.id).order_by(order))
    known: dict[str, Question] = {}
    for version in versions:
        content: Content = read_content(version.content)
        for question in content.questions:
            known.setdefault(question.key, question)
    return list(known.values())


async def table(session: ReadSession, survey: Survey) -> AsyncIterator[Sequence[Sequence[object]]]:
    """A row for each run, page by page; the first names the columns."""
    questions = await questions_of(session, survey)
    keys = [question.key for question in questions]
    yield [["telegram_id", "name", "version", "state", "started_at", "finished_at", *keys]]
    last = 0
    while True:
        joined = select(SurveyRun, Fan).join(Fan, col(Fan.id) == col(SurveyRun.fan_id))
        following = col(SurveyRun.survey_id) == survey.id, col(SurveyRun.id) > last
        rows = await session.rows(joined.where(*following).order_by(col(SurveyRun.id)).limit(_PAGE))
        if not rows:
            return
        given = await _given(session, [run.id or 0 for run, _ in rows])
        yield [_row(run, fan, keys, given.get(run.id or 0, {})) for run, fan in rows]
        last = rows[-1][0].id or 0


def _row(run: SurveyRun, fan: Fan, keys: Sequence[str], given: Mapping[str, str]) -> Sequence[object]:
    finished = run.finished_at.isoformat() if run.finished_at else ""
    standing = [run.version, run.state.value, run.started_at.isoformat(), finished]
    return [fan.telegram_id, fan.name, *standing, *(given.get(key, "") for key in keys)]


async def _given(session: ReadSession, run_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    found = await session.all(
        select(SurveyAnswer).where(col(SurveyAnswer.run_id).in_(run_ids)).order_by(col(SurveyAnswer.value))
    )
    given: dict[int, dict[str, str]] = {}
    for one in found:
        said, of_run = one.words if one.words is not None else one.value, given.setdefault(one.run_id, {})
        of_run[one.question] = f"{of_run[one.question]}; {said}" if one.question in of_run else said
    return given


async def _counts(session: ReadSession, survey: Survey) -> dict[str, dict[str, int]]:
    place = col(SurveyAnswer.question), col(SurveyAnswer.value)
    chosen = col(SurveyAnswer.survey_id) == survey.id, col(SurveyAnswer.value) != ""
    rows = await session.rows(select(*place, func.count()).where(*chosen).group_by(*place))
    counts: dict[str, dict[str, int]] = {}
    for question, value, times in rows:
        counts.setdefault(question, {})[value] = times
    return counts


async def _took_part(session: ReadSession, survey: Survey) -> dict[str, tuple[int, int]]:
    """How many answered each question and how many skipped it."""
    rather_not = and_(col(SurveyAnswer.value) == "", col(SurveyAnswer.words).is_(None))
    skipped = func.coalesce(func.sum(case((rather_not, 1), else_=0)), 0)
    counted = select(SurveyAnswer.question, func.count(distinct(col(SurveyAnswer.run_id))), skipped)
    rows = await session.rows(
        counted.where(col(SurveyAnswer.survey_id) == survey.id).group_by(col(SurveyAnswer.question))
    )
    return {question: (fans - rather, rather) for question, fans, rather in rows}


async def _words(session: ReadSession, survey: Survey, question: str) -> list[Spoken]:
    told = select(Fan, col(SurveyAnswer.words), col(SurveyAnswer.at)).join(
        SurveyAnswer, col(SurveyAnswer.fan_id) == col(Fan.id)
    )
    wanted = (
        col(SurveyAnswer.survey_id) == survey.id,
        col(SurveyAnswer.question) == question,
        col(SurveyAnswer.value) == "",
        col(SurveyAnswer.words).is_not(None),
    )
    rows = await session.rows(told.where(*wanted).order_by(col(SurveyAnswer.run_id).desc()).limit(LATEST))
    return [Spoken(*row) for row in rows]
