"""What fans are asked: questionnaires as they are written, as they were published, and how far each fan has come."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word

_OPEN = text("state = 'open'")
_FOR_NEWCOMERS = text("for_newcomers")


class Survey(SQLModel, table=True):
    """A questionnaire; its draft is what operators write, its versions are what fans are asked."""

    __tablename__ = "survey"
    # One at most greets newcomers.
    __table_args__ = (
        Index(
            "ix_survey_for_newcomers", "for_newcomers", unique=True,
            sqlite_where=_FOR_NEWCOMERS, postgresql_where=_FOR_NEWCOMERS,
        ),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    key: str = Field(unique=True)
    draft: dict[str, Any] = Field(sa_type=JSON)  # Any: a content of surveys; carried here, read there
    version: int = 0  # the latest that was published; 0: none yet
    for_newcomers: bool = False
    archived_at: datetime | None = Field(default=None, sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    created_by: str  # the actor's key


class SurveyVersion(SQLModel, table=True):
    """What was published: it never changes, so whoever began with it ends with it."""

    __tablename__ = "survey_version"

    survey_id: int = Field(primary_key=True, foreign_key="survey.id", sa_type=BigKey)
    number: int = Field(primary_key=True)
    content: dict[str, Any] = Field(sa_type=JSON)  # Any: as above
    published_at: datetime = Field(sa_type=Instant)
    published_by: str


class RunState(StrEnum):
    OPEN = "open"
    STOPPED = "stopped"  # by the fan, or because another one began; it can be gone on with
    DONE = "done"


class SurveyRun(SQLModel, table=True):
    """One fan on the way through one version."""

    __tablename__ = "survey_run"
    __table_args__ = (
        UniqueConstraint("survey_id", "fan_id", "cause"),
        # A fan is asked one thing at a time.
        Index("ix_survey_run_open", "fan_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_survey_run_fan", "fan_id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    survey_id: int = Field(foreign_key="survey.id", sa_type=BigKey)
    version: int
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    cause: str  # "newcomer", "broadcast:7": once for each
    state: RunState = Field(default=RunState.OPEN, sa_type=Word(RunState))
    question: str  # the one being asked, of a finished run the last
    step: int = 0  # how many were left behind: a button carries it, so that an old one is known
    chosen: str = ""  # places of the choices ticked so far, "0,2"
    seen: int = Field(default=0, sa_type=BigKey)  # the newest interaction of all when it was asked
    started_at: datetime = Field(sa_type=Instant)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)


class SurveyAnswer(SQLModel, table=True):
    """What a fan answered: a row for each choice; one without value was skipped, one with `words` was written."""

    __tablename__ = "survey_answer"
    __table_args__ = (
        Index("ix_survey_answer_question", "survey_id", "question", "value"),
        Index("ix_survey_answer_fan", "fan_id"),
    )

    run_id: int = Field(primary_key=True, foreign_key="survey_run.id", sa_type=BigKey)
    question: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    words: str | None = Field(default=None, sa_type=Text)
    survey_id: int = Field(foreign_key="survey.id", sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    at: datetime = Field(sa_type=Instant)
