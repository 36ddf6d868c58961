"""Beside an offer's coupons: codes to claim it with, tries at codes, and who is compared with whom."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word


class OfferCode(SQLModel, table=True):
    """A code printed once, for whoever types it first."""

    __tablename__ = "offer_code"
    __table_args__ = (Index("ix_offer_code_offer", "offer_id", "fan_id"),)

    code: str = Field(primary_key=True)
    offer_id: int = Field(foreign_key="offer.id", sa_type=BigKey)
    created_at: datetime = Field(sa_type=Instant)
    fan_id: int | None = Field(default=None, foreign_key="fan.id", sa_type=BigKey)  # who took it
    taken_at: datetime | None = Field(default=None, sa_type=Instant)


class CodeAttempt(SQLModel, table=True):
    """Somebody typed a code that was none for them; too many in a row close the door for a while."""

    __tablename__ = "code_attempt"
    __table_args__ = (Index("ix_code_attempt_fan", "fan_id", "at"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    at: datetime = Field(sa_type=Instant)


class CodeAsked(SQLModel, table=True):
    """A fan pressed “I have a code”: what they write next is one."""

    __tablename__ = "code_asked"

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    until: datetime = Field(sa_type=Instant)


class Arm(StrEnum):
    TREATED = "treated"
    CONTROL = "control"


class OfferAudience(SQLModel, table=True):
    """A fan an offer was handed out to, or who was left out by lot, to compare with."""

    __tablename__ = "offer_audience"

    offer_id: int = Field(primary_key=True, foreign_key="offer.id", sa_type=BigKey)
    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    arm: Arm = Field(sa_type=Word(Arm))
    at: datetime = Field(sa_type=Instant)
