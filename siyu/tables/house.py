"""The house's own rows: who works here, what they changed, what runs by itself."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word


class Role(StrEnum):
    """What somebody may do; each includes the ones after it."""

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Operator(SQLModel, table=True):
    """Somebody who works in the admin."""

    __tablename__ = "operator"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    telegram_id: int = Field(sa_type=BigKey, unique=True)
    name: str = ""
    role: Role = Field(sa_type=Word(Role))
    language: str | None = None
    hears_fans: bool = False  # wants what fans write in their own chat, too
    created_at: datetime = Field(sa_type=Instant)
    disabled_at: datetime | None = Field(default=None, sa_type=Instant)


class LoginTicket(SQLModel, table=True):
    """A one-time sign-in link: only its hash is kept, ten minutes long."""

    __tablename__ = "login_ticket"

    hash: str = Field(primary_key=True)
    operator_id: int = Field(foreign_key="operator.id", sa_type=BigKey)
    expires_at: datetime = Field(sa_type=Instant)
    spent_at: datetime | None = Field(default=None, sa_type=Instant)


class OperatorSession(SQLModel, table=True):
    """A signed-in browser: only the hash of its cookie is kept."""

    __tablename__ = "operator_session"

    hash: str = Field(primary_key=True)
    operator_id: int = Field(foreign_key="operator.id", index=True, sa_type=BigKey)
    created_at: datetime = Field(sa_type=Instant)
    seen_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    address: str = ""
    browser: str = ""


class ApiToken(SQLModel, table=True):
    """A program's key to the HTTP API: only its hash is kept."""

    __tablename__ = "api_token"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    name: str
    hash: str = Field(unique=True)
    scope: str  # read · write
    created_at: datetime = Field(sa_type=Instant)
    used_at: datetime | None = Field(default=None, sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)


class AuditEntry(SQLModel, table=True):
    """Who changed what, written in the same transaction as the change."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_subject", "subject_kind", "subject", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    at: datetime = Field(sa_type=Instant)
    actor: str  # "operator:7", "token:shop", "cli", "siyu"
    actor_name: str
    action: str  # broadcast.started
    subject_kind: str
    subject: str
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)  # Any: before and after, as JSON


class JobRun(SQLModel, table=True):
    """One run of something the house does by itself, or was asked to."""

    __tablename__ = "job_run"
    __table_args__ = (Index("ix_job_run_job", "job", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    job: str
    mode: str = ""  # recompute: tick · window · full
    started_at: datetime = Field(sa_type=Instant)
    milliseconds: int | None = None  # None: still running, or its process died
    touched: int = 0
    changed: int = 0
    error: str | None = Field(default=None, sa_type=Text)


class Lease(SQLModel, table=True):
    """Who leads some work right now; taken over when its owner stops renewing."""

    __tablename__ = "lease"

    name: str = Field(primary_key=True)
    owner: str
    until: datetime = Field(sa_type=Instant)


class Preference(SQLModel, table=True):
    """How this house likes something done, where it is not as shipped."""

    __tablename__ = "preference"

    key: str = Field(primary_key=True)
    value: Any = Field(sa_type=JSON)  # Any: checked by its key
    changed_at: datetime = Field(sa_type=Instant)
    changed_by: str
