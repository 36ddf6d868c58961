"""How fans like it: ratings asked for and given, and the follow-ups that bad ones and operators open."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word

_NOT_DONE = text("done_at IS NULL")
_RATED = text("rating IS NOT NULL")


class Scale(StrEnum):
    """What a rating is given in."""

    STARS = "stars"  # 1 to 5
    NPS = "nps"  # 0 to 10


class Feedback(SQLModel, table=True):
    """A rating that was asked for, and what the fan gave."""

    __tablename__ = "feedback"
    __table_args__ = (
        CheckConstraint("rating IS NULL OR (rating >= 0 AND rating <= 10)", name="rating_on_its_scale"),
        Index("ix_feedback_fan", "fan_id", "id"),
        Index("ix_feedback_rated", "rated_at", "scale", "rating", sqlite_where=_RATED, postgresql_where=_RATED),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    scale: Scale = Field(sa_type=Word(Scale))
    cause: str = Field(unique=True)  # "purchase:7", or the message that asked to be asked
    purchase_id: int | None = Field(default=None, foreign_key="purchase.id", index=True, sa_type=BigKey)
    asked_at: datetime = Field(sa_type=Instant)
    rating: int | None = None
    rated_at: datetime | None = Field(default=None, sa_type=Instant)
    words: str | None = Field(default=None, sa_type=Text)
    seen: int = Field(default=0, sa_type=BigKey)  # the newest interaction of all when words were asked for


class FeedbackTurn(SQLModel, table=True):
    """When a fan was asked last by ourselves: nobody is asked too often."""

    __tablename__ = "feedback_turn"

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    asked_at: datetime = Field(sa_type=Instant)


class FollowUp(SQLModel, table=True):
    """Something to be done about one fan, by a time."""

    __tablename__ = "follow_up"
    __table_args__ = (
        Index("ix_follow_up_due", "due_at", "id", sqlite_where=_NOT_DONE, postgresql_where=_NOT_DONE),
        Index("ix_follow_up_fan", "fan_id", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    why: str = Field(sa_type=Text)  # an operator's words, or the rating that opened it: "stars:2"
    words: str = Field(default="", sa_type=Text)  # what the fan said about it
    cause: str | None = Field(default=None, unique=True)  # "feedback:7"; none where an operator opened it
    due_at: datetime = Field(sa_type=Instant)
    assigned_to: int | None = Field(default=None, foreign_key="operator.id", sa_type=BigKey)
    opened_at: datetime = Field(sa_type=Instant)
    opened_by: str  # the actor's key
    reminded_at: datetime | None = Field(default=None, sa_type=Instant)
    done_at: datetime | None = Field(default=None, index=True, sa_type=Instant)
    done_by: str | None = None
    note: str = Field(default="", sa_type=Text)  # what was done
