"""Questionnaires and follow-ups, for programs: results are read, follow-ups are read and opened."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from admin.api.doors import At, Cursor, Limit, Listing, Reader, Reading, Shape, Writer, Writing
from siyu import fans, followups, surveys
from siyu.followups import Pile, Task
from siyu.kit.errors import NotFound
from siyu.surveys import results
from siyu.surveys.results import Outcome
from siyu.tables import Survey
from siyu.transfer.rows import Moment as Time
from siyu.transfer.rows import TelegramId, utc

router = APIRouter(tags=["questionnaires"])

DUE_IN = timedelta(hours=24)


class SurveyShown(Shape):
    key: str
    title: dict[str, str] = Field(description="By language: `zh_CN`, `en`; what stands in the draft.")
    version: int = Field(description="The latest that was published; 0: none yet.")
    for_newcomers: bool
    archived: bool
    begun: int
    done: int


class NpsShown(Shape):
    n: int
    score: float = Field(description="Percent of 9–10 less percent of 0–6.")
    low: float = Field(description="The 95 % interval's lower end.")
    high: float


class OutcomeShown(Shape):
    key: str
    kind: surveys.Kind
    text: dict[str, str]
    attribute: str = Field(description="What the answers are kept as; empty: only as answers.")
    answered: int
    skipped: int
    counts: dict[str, int] = Field(description="How many gave each answer; empty where people write.")
    mean: float | None = Field(description="Of a scale or of stars.")
    nps: NpsShown | None
    latest: list[str] = Field(description="The newest words, where people write.")


class ResultsShown(Shape):
    key: str
    begun: int
    open: int
    stopped: int
    done: int
    questions: list[OutcomeShown]


class FollowUpDraft(BaseModel):
    """What is to be done about one fan."""

    model_config = ConfigDict(extra="forbid")

    telegram_id: TelegramId
    why: Annotated[str, Field(min_length=1, max_length=followups.LONGEST_WHY)]
    due_at: Time | None = Field(None, description="24 hours from now, unless told.")


class FollowUpShown(Shape):
    id: int
    telegram_id: int
    why: str = Field(description="Words; or the rating that opened it, such as `stars:2` or `nps:3`.")
    words: str = Field(description="What the fan said about it.")
    due_at: datetime
    assigned_to: str | None
    opened_at: datetime
    done_at: datetime | None
    note: str


@router.get("/surveys", summary="List questionnaires")
async def list_surveys(program: Reader, session: Reading) -> list[SurveyShown]:
    """All of them, those in use first."""
    found = await surveys.list_surveys(session)
    reached = await results.progress(session, [one.id or 0 for one in found])
    return [_survey(one, reached[one.id or 0]) for one in found]


@router.get("/surveys/{key}/results", summary="How often each answer was given")
async def read_results(key: Annotated[str, InPath(max_length=64)], program: Reader, session: Reading) -> ResultsShown:
    """Of all versions together; a question that is not asked any more keeps its answers."""
    survey = await surveys.find_survey(session, key)
    if survey is None:
        raise NotFound("there is no such questionnaire")
    reached = (await results.progress(session, [survey.id or 0]))[survey.id or 0]
    told = [_outcome(one) for one in await results.outcomes(session, survey)]
    return ResultsShown(
        key=key, begun=reached.begun, open=reached.open, stopped=reached.stopped, done=reached.done, questions=told
    )


@router.get("/followups", summary="List follow-ups")
async def list_followups(
    program: Reader,
    session: Reading,
    state: Annotated[str, Query(pattern="^(open|done)$")] = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Listing[FollowUpShown]:
    """What is due first, first; of what is done the latest first."""
    page = await followups.list_followups(session, Pile(state), cursor=cursor, limit=limit)
    return Listing(items=[_followup(task) for task in page.items], next=page.next)


@router.post("/followups", summary="Open a follow-up", status_code=201)
async def open_followup(draft: FollowUpDraft, program: Writer, session: Writing, at: At) -> FollowUpShown:
    """For nobody in particular: operators take it from their list, and are reminded when it is due."""
    fan = await fans.get_fan(session, draft.telegram_id)
    due_at = utc(draft.due_at, at.zone) if draft.due_at else at.now + DUE_IN
    made = await followups.open_followup(session, program.actor, fan, draft.why, due_at=due_at, now=at.now)
    return _followup(Task(made, fan, None))


def _survey(survey: Survey, reached: results.Progress) -> SurveyShown:
    title = dict(surveys.draft_of(survey).title)
    return SurveyShown(
        key=survey.key, title=title, version=survey.version, for_newcomers=survey.for_newcomers,
        archived=survey.archived_at is not None, begun=reached.begun, done=reached.done,
    )  # fmt: skip


def _outcome(told: Outcome) -> OutcomeShown:
    question = told.question
    return OutcomeShown(
        key=question.key, kind=question.kind, text=dict(question.text), attribute=question.attribute,
        answered=told.answered, skipped=told.skipped, counts=dict(told.values), mean=told.mean,
        nps=NpsShown.model_validate(told.nps) if told.nps else None, latest=[one.words for one in told.words],
    )  # fmt: skip


def _followup(task: Task) -> FollowUpShown:
    one, operator = task.followup, task.operator
    return FollowUpShown(
        id=one.id or 0, telegram_id=task.fan.telegram_id, why=one.why, words=one.words, due_at=one.due_at,
        assigned_to=(operator.name or str(operator.telegram_id)) if operator else None, opened_at=one.opened_at,
        done_at=one.done_at, note=one.note,
    )  # fmt: skip
