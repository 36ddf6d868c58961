"""Who changed what: a line in the same transaction as the change."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select

from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.tables import AuditEntry


@dataclass(frozen=True)
class Actor:
    """Somebody or something that changes things: `Actor("operator:7", "Mei")`."""

    key: str
    name: str


SIYU = Actor("siyu", "Siyu")
COMMAND_LINE = Actor("cli", "command line")


async def note(
    session: WriteSession,
    actor: Actor,
    action: str,
    subject_kind: str,
    subject: object,
    *,
    now: datetime,
    **details: object,
) -> None:
    """Write one line, e.g. `broadcast.started` of `broadcast` 7; details are JSON."""
    session.add(
        AuditEntry(
            at=now,
            actor=actor.key,
            actor_name=actor.name,
            action=action,
            subject_kind=subject_kind,
            subject=str(subject),
            details=details,
        )
    )


async def entries(
    session: ReadSession,
    *,
    subject: tuple[str, str] | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[AuditEntry]:
    """The newest lines first, of one subject or of all."""
    statement = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(limit + 1)
    if subject:
        statement = statement.where(AuditEntry.subject_kind == subject[0], AuditEntry.subject == subject[1])
    if cursor:
        statement = statement.where(col(AuditEntry.id) < key_of(cursor, length=1)[0])
    found = await session.all(statement)
    return Page(found[:limit], cursor_of((found[limit - 1].id or 0,)) if len(found) > limit else None)
