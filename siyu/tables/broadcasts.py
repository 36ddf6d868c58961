"""Broadcasts and their ledger: one delivery row per fan, whatever became of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, Text, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word

Json = dict[str, Any]  # Any: checked where it comes in

_WAS_SENT = text("sent_at IS NOT NULL")
_WAITS = text("state = 'pending'")
_WAITS_NO_MORE = text("state <> 'pending'")
_CLICKED = text("clicked_at IS NOT NULL")
_HAS_LEFT = text("sent_at IS NOT NULL OR state = 'sending'")


class BroadcastState(StrEnum):
    DRAFT = "draft"
    AWAITING = "awaiting_approval"
    SCHEDULED = "scheduled"  # and, within the undo window, started
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Timing(StrEnum):
    """When the first message leaves."""

    NOW = "now"
    AT = "at"
    LOCAL = "local"  # at this hour of each fan's own day
    SERIES = "series"  # again and again; each occurrence is a broadcast of its own


class Broadcast(SQLModel, table=True):
    """One message to one audience."""

    __tablename__ = "broadcast"
    __table_args__ = (
        Index("ix_broadcast_state", "state"),
        Index("ix_broadcast_occurrence", "series_id", "occurrence", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    title: str
    version: int = 1  # grows with every change; who saves says which one they saw
    is_template: bool = False
    archived_at: datetime | None = Field(default=None, sa_type=Instant)

    # Whom: in any of these segments, or fitting the rule, and in none of those.
    include: list[str] = Field(default_factory=list, sa_type=JSON)
    exclude: list[str] = Field(default_factory=list, sa_type=JSON)
    rule: Json | None = Field(default=None, sa_type=JSON(none_as_null=True))
    topic: str | None = Field(default=None, foreign_key="topic.key")
    freeze_early: bool = False  # who is in it is settled when it is scheduled, not when it starts
    ignores_quiet: bool = False  # quiet hours and the weekly cap are for promotion, not for what must be known
    follows_id: int | None = Field(default=None, foreign_key="broadcast.id", sa_type=BigKey)
    follows: str | None = None  # of that one: not_reached, not_pressed

    # What.
    text: str = Field(sa_type=Text)
    buttons: list[list[Json]] = Field(default_factory=list, sa_type=JSON)
    media: list[Json] = Field(default_factory=list, sa_type=JSON)  # {kind: photo|video|document, file}
    copied: Json | None = Field(default=None, sa_type=JSON(none_as_null=True))  # {chat_id, message_id}: a post
    versions: dict[str, Json] = Field(default_factory=dict, sa_type=JSON)  # by language: {text, buttons}
    offer_id: int | None = Field(default=None, foreign_key="offer.id", sa_type=BigKey)
    link_preview: bool = True
    silent: bool = False

    # When, and how.
    timing: Timing = Field(default=Timing.NOW, sa_type=Word(Timing))
    send_at: datetime | None = Field(default=None, sa_type=Instant)  # of a series: its next occurrence
    local_at: str | None = None  # the wall clock of each fan: 2026-12-24T18:00
    series: Json | None = Field(default=None, sa_type=JSON(none_as_null=True))  # {every, on, at}
    series_id: int | None = Field(default=None, foreign_key="broadcast.id", sa_type=BigKey)
    occurrence: str | None = None  # the series' local day
    spread_minutes: int = 0
    on_unknown: str = "leave"  # or "resend"
    rate: float | None = None
    paid: bool = False  # beyond Telegram's free pace, for Stars

    # What is compared.
    holdout_percent: int = 0
    variants: list[Json] = Field(default_factory=list, sa_type=JSON)  # {key, text, buttons, share}; "a" is the text
    test_percent: int = 100  # so many get a variant by lot; the others wait for the winner
    winner_by: str | None = None  # clicks, purchases
    winner_after_minutes: int | None = None
    winner: str | None = None
    attribution_days: int = 7

    # Its course.
    state: BroadcastState = Field(default=BroadcastState.DRAFT, sa_type=Word(BroadcastState))
    state_reason: str | None = None  # why it paused or failed by itself
    state_at: datetime | None = Field(default=None, sa_type=Instant)
    state_by: str | None = None
    created_at: datetime = Field(sa_type=Instant)
    created_by: str
    edited_at: datetime | None = Field(default=None, sa_type=Instant)
    edited_by: str | None = None
    approved_at: datetime | None = Field(default=None, sa_type=Instant)
    approved_by: str | None = None
    frozen_at: datetime | None = Field(default=None, sa_type=Instant)
    checked_to: int = Field(default=0, sa_type=BigKey)  # every fan up to this id was written to on trial
    report: Json = Field(default_factory=dict, sa_type=JSON)  # what that found
    started_at: datetime | None = Field(default=None, sa_type=Instant)
    started_by: str | None = None
    finished_at: datetime | None = Field(default=None, sa_type=Instant)


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    HOLDOUT = "holdout"


class Delivery(SQLModel, table=True):
    """What became of one broadcast for one fan."""

    __tablename__ = "delivery"
    __table_args__ = (
        # Not WITHOUT ROWID: SQLite would then walk along the key, over everybody who was sent to already,
        # instead of asking this index: 15 ms a claim at the end of 100,000.
        # On PostgreSQL without those who wait, who stand in an index of their own: a fifth of a freeze. SQLite reads no
        # such index where a state is asked for by a parameter, and writes it in no time.
        Index("ix_delivery_state", "broadcast_id", "state", "fan_id", postgresql_where=_WAITS_NO_MORE),
        # Whose turn has come: those who wait for tomorrow stand behind them, and are not read.
        Index(
            "ix_delivery_waiting", "broadcast_id", "not_before", "fan_id", sqlite_where=_WAITS, postgresql_where=_WAITS
        ),
        # The pace just now, and the first and last message: nothing is written for who still waits.
        Index("ix_delivery_sent", "broadcast_id", "sent_at", sqlite_where=_WAS_SENT, postgresql_where=_WAS_SENT),
        Index("ix_delivery_clicked", "broadcast_id", sqlite_where=_CLICKED, postgresql_where=_CLICKED),
        # What a fan got this week, for the cap: 1 µs a fan, however long the history is; and what is on its way. Nobody
        # who waits is in it: an index of all by fan made PostgreSQL's freeze of 100,000 longer by 0.3 s.
        Index("ix_delivery_left", "fan_id", "sent_at", sqlite_where=_HAS_LEFT, postgresql_where=_HAS_LEFT),
    )

    # No foreign keys: rows are written by a freeze, which takes both from their tables in its own statement, and
    # neither fans nor broadcasts are ever deleted. Asking again for each of 100,000 took PostgreSQL 1.5 s of 2.5.
    broadcast_id: int = Field(primary_key=True, sa_type=BigKey)
    fan_id: int = Field(primary_key=True, sa_type=BigKey)
    state: DeliveryState = Field(default=DeliveryState.PENDING, sa_type=Word(DeliveryState))
    reason: str | None = None
    variant: str | None = None
    owner: str | None = None  # the sender that holds it in `sending`
    attempts: int = 0
    planned_at: datetime | None = Field(default=None, sa_type=Instant)  # the window of what it caused opens here
    not_before: datetime | None = Field(default=None, sa_type=Instant)
    message_id: int | None = Field(default=None, sa_type=BigKey)  # of an album, the first
    sent_at: datetime | None = Field(default=None, sa_type=Instant)
    clicked_at: datetime | None = Field(default=None, sa_type=Instant)


class BroadcastClick(SQLModel, table=True):
    """The first press of one fan on one button: by its place, or the word answered."""

    __tablename__ = "broadcast_click"

    broadcast_id: int = Field(primary_key=True, foreign_key="broadcast.id", sa_type=BigKey)
    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    button: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Instant)


class RevisionState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


class BroadcastRevision(SQLModel, table=True):
    """What was sent, written anew or taken back for everyone who got it."""

    __tablename__ = "broadcast_revision"
    __table_args__ = (Index("ix_broadcast_revision_broadcast", "broadcast_id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    broadcast_id: int = Field(foreign_key="broadcast.id", sa_type=BigKey)
    kind: str  # edit, delete
    text: str | None = Field(default=None, sa_type=Text)
    buttons: list[list[Json]] = Field(default_factory=list, sa_type=JSON)
    state: RevisionState = Field(default=RevisionState.RUNNING, sa_type=Word(RevisionState))
    created_at: datetime = Field(sa_type=Instant)
    created_by: str
    finished_at: datetime | None = Field(default=None, sa_type=Instant)


class RevisionLine(SQLModel, table=True):
    """What became of a revision for one fan. Doing it twice does no harm, so nothing is unknown here."""

    __tablename__ = "revision_line"
    __table_args__ = (Index("ix_revision_line_state", "revision_id", "state", "fan_id"),)

    revision_id: int = Field(primary_key=True, foreign_key="broadcast_revision.id", sa_type=BigKey)
    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    state: str = "pending"  # pending, done, failed
    reason: str | None = None
    attempts: int = 0


class Topic(SQLModel, table=True):
    """What a fan may want to hear about, or not."""

    __tablename__ = "topic"

    key: str = Field(primary_key=True)
    label: str
    created_at: datetime = Field(sa_type=Instant)
    archived_at: datetime | None = Field(default=None, sa_type=Instant)


class TopicDeclined(SQLModel, table=True):
    """A fan who does not want to hear about it."""

    __tablename__ = "topic_declined"
    __table_args__ = (Index("ix_topic_declined_topic", "topic", "fan_id"),)

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    topic: str = Field(primary_key=True, foreign_key="topic.key")
    at: datetime = Field(sa_type=Instant)
