"""What fans agreed to, and took back."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word


class Purpose(StrEnum):
    """What a fan agrees to, each by itself."""

    MESSAGES = "messages"  # to hear from us without having asked
    PROFILING = "profiling"  # that what they did decides what they hear


class Way(StrEnum):
    """Where it was said."""

    START = "start"  # told in the welcome, which says how to take it back
    SETTINGS = "settings"
    BROADCAST = "broadcast"  # the button under a message


class Consent(SQLModel, table=True):
    """Said once and never rewritten: the latest of a purpose is how it stands."""

    __tablename__ = "consent"
    __table_args__ = (Index("ix_consent_fan", "fan_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    purpose: Purpose = Field(sa_type=Word(Purpose))
    granted: bool
    text_version: int  # of the sentence that was shown (`siyu.consents.TEXTS`)
    language: str
    way: Way = Field(sa_type=Word(Way))
    at: datetime = Field(sa_type=Instant)


class GeneralOnly(SQLModel, table=True):
    """A fan who wants nothing that was chosen for them: few, so that an audience is all less these."""

    __tablename__ = "general_only"

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    at: datetime = Field(sa_type=Instant)
