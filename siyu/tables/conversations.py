"""What fans write and what we answer: one conversation per fan, line by line."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word

_OPEN = text("state = 'open'")
_REPLIES = text("broadcast_id IS NOT NULL")


class ConversationState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"  # until the fan writes again


class Conversation(SQLModel, table=True):
    """Where the talk with one fan stands."""

    __tablename__ = "conversation"
    __table_args__ = (Index("ix_conversation_open", "last_at", sqlite_where=_OPEN, postgresql_where=_OPEN),)

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    state: ConversationState = Field(default=ConversationState.OPEN, sa_type=Word(ConversationState))
    assigned_to: int | None = Field(default=None, foreign_key="operator.id", sa_type=BigKey)
    unread: int = 0  # lines of the fan since the last answer
    waiting_since: datetime | None = Field(default=None, sa_type=Instant)  # the fan's first line without an answer
    last_at: datetime = Field(sa_type=Instant)


class ConversationLine(SQLModel, table=True):
    """Something the fan wrote, or we did."""

    __tablename__ = "conversation_line"
    __table_args__ = (
        Index("ix_conversation_line_fan", "fan_id", "id"),
        Index(
            "ix_conversation_line_broadcast",
            "broadcast_id",
            "fan_id",
            sqlite_where=_REPLIES,
            postgresql_where=_REPLIES,
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    from_fan: bool
    text: str = Field(default="", sa_type=Text)
    kind: str = "text"  # photo, voice, sticker…: what came with it
    file: str | None = None  # Telegram's id of it
    at: datetime = Field(sa_type=Instant)
    by: str | None = None  # the operator, of an answer
    message_id: int | None = Field(default=None, sa_type=BigKey)
    cause: str | None = Field(default=None, unique=True)  # the update, or the answer's outbox key: never twice
    broadcast_id: int | None = Field(default=None, foreign_key="broadcast.id", sa_type=BigKey)  # it replies to


class ConversationNotice(SQLModel, table=True):
    """A line shown in an operator's own chat: who replies to it answers that fan."""

    __tablename__ = "conversation_notice"

    cause: str = Field(primary_key=True)  # of the outbox row, which learns the message's id
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    at: datetime = Field(sa_type=Instant)
