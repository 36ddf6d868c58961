"""The mailroom's rows: what came from Telegram, and what is to go there."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Float, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word


class InboxState(StrEnum):
    WAITING = "waiting"
    DONE = "done"
    QUARANTINED = "quarantined"  # failed three times; shown with a replay button


class Inbox(SQLModel, table=True):
    """One update, exactly as Telegram sent it."""

    __tablename__ = "inbox"
    __table_args__ = (
        # Ids restart at random after a quiet week: rows older than 48 hours are pruned.
        UniqueConstraint("bot_id", "update_id"),
        Index("ix_inbox_waiting", "state", "urgent", "id"),
        Index("ix_inbox_received", "received_at"),
        # The few that failed and wait: their fans' later updates wait with them.
        Index(
            "ix_inbox_retry",
            "not_before",
            sqlite_where=text("not_before IS NOT NULL"),
            postgresql_where=text("not_before IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    bot_id: int = Field(sa_type=BigKey)
    update_id: int = Field(sa_type=BigKey)
    person_id: int | None = Field(default=None, sa_type=BigKey)  # telegram id: keeps each fan's order
    urgent: bool = False  # a pre-checkout must be answered within 10 seconds
    payload: str = Field(sa_type=Text)
    received_at: datetime = Field(sa_type=Instant)
    state: InboxState = Field(default=InboxState.WAITING, sa_type=Word(InboxState))
    attempts: int = 0
    not_before: datetime | None = Field(default=None, sa_type=Instant)
    error: str | None = Field(default=None, sa_type=Text)
    done_at: datetime | None = Field(default=None, sa_type=Instant)


class BotAccount(SQLModel, table=True):
    """Who our bot is, as Telegram told us at its last start: links are made of its username."""

    __tablename__ = "bot_account"

    bot_id: int = Field(primary_key=True, sa_type=BigKey)
    username: str
    name: str
    seen_at: datetime = Field(sa_type=Instant)


class PollOffset(SQLModel, table=True):
    """The last offset we may confirm: committed with the updates below it."""

    __tablename__ = "poll_offset"

    bot_id: int = Field(primary_key=True, sa_type=BigKey)
    next_offset: int = Field(sa_type=BigKey)
    moved_at: datetime = Field(sa_type=Instant)


class OutboxState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the process or the line died in the call; it may have arrived


class Outbox(SQLModel, table=True):
    """One call to the Bot API that a commit decided on."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("cause", name="uq_outbox_cause"),
        Index("ix_outbox_state", "state", "lane", "id"),
        # Keeps each person's messages in order: is something for them under way, or put back?
        Index("ix_outbox_person", "person_id", "state", "id"),
        Index("ix_outbox_finished", "finished_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    cause: str | None = None  # a key when the same cause must never send twice
    person_id: int | None = Field(default=None, sa_type=BigKey)  # telegram id of the receiver, if any
    lane: int = 0  # 0 answers a button or payment, 1 reply, 2 notice
    method: str  # as the Bot API spells it, e.g. sendMessage
    payload: dict[str, Any] = Field(sa_type=JSON)  # Any: the method's own fields
    state: OutboxState = Field(default=OutboxState.WAITING, sa_type=Word(OutboxState))
    not_before: datetime | None = Field(default=None, sa_type=Instant)
    owner: str | None = None
    attempts: int = 0
    error: str | None = Field(default=None, sa_type=Text)
    message_id: int | None = Field(default=None, sa_type=BigKey)
    created_at: datetime = Field(sa_type=Instant)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)


class Pacer(SQLModel, table=True):
    """The whole bot's pace: one row per bot, shared by every process."""

    __tablename__ = "pacer"

    bot_id: int = Field(primary_key=True, sa_type=BigKey)
    next_at: float = Field(default=0, sa_type=Float)  # unix seconds of the next free slot
    paused_until: float = Field(default=0, sa_type=Float)  # after a 429
    eased_until: float = Field(default=0, sa_type=Float)  # and slower, until then
