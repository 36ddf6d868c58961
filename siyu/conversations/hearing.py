"""Hearing: what fans write becomes lines, each once, threaded to the broadcast it replies to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam, case, func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select, tuple_

from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import Conversation, ConversationLine, ConversationState, Delivery, Fan

Thread = tuple[int, int]  # a fan, and a message of ours in their chat


@dataclass(frozen=True)
class Heard:
    """Something a fan wrote; `cause` is its own key, the same twice is one line."""

    cause: str
    fan_id: int
    at: datetime
    text: str
    kind: str = "text"
    file: str | None = None
    message_id: int | None = None
    replies_to: int | None = None  # a message of ours
    edited: bool = False  # the line is known; these are its new words


async def hear(session: WriteSession, heard: Sequence[Heard]) -> None:
    """Write down what is new, and that these fans wait for an answer; who was closed is open again."""
    fresh = {line.cause: line for line in heard if not line.edited}
    threads = await _threads(session, fresh.values())
    new = await _write_down(session, [_row(line, threads) for line in fresh.values()])
    await session.run_many(_waits(session), _waiting(line for cause, line in fresh.items() if cause in new))
    edited = [{"line": line.cause, "words": line.text} for line in heard if line.edited]
    await session.run_many(_AMEND, edited)


async def needs_no_answer(session: WriteSession, fan: Fan, cause: str) -> None:
    """A line that answered a question of ours stays in the talk, and nobody waits because of it."""
    heard = await session.first(select(ConversationLine).where(ConversationLine.cause == cause))
    if heard is None:
        return
    theirs = col(Conversation.fan_id) == fan.id, col(Conversation.unread) > 0
    last = col(Conversation.unread) == 1
    # Whom nobody is in charge of was not open before this line.
    closes = and_(last, col(Conversation.assigned_to).is_(None))
    await session.run(
        update(Conversation)
        .where(*theirs)
        .values(
            unread=col(Conversation.unread) - 1,
            waiting_since=case((last, None), else_=col(Conversation.waiting_since)),
            state=case((closes, ConversationState.CLOSED), else_=col(Conversation.state)),
        )
    )


_AMEND = (
    update(ConversationLine).where(col(ConversationLine.cause) == bindparam("line")).values(text=bindparam("words"))
)


async def _write_down(session: WriteSession, rows: Sequence[dict[str, object]]) -> set[str]:
    """The causes of those that were not there yet."""
    if not rows:
        return set()
    once = session.insert(ConversationLine).on_conflict_do_nothing(index_elements=["cause"])
    return {row.cause for row in await session.returning(once.returning(col(ConversationLine.cause)), rows)}


async def _threads(session: ReadSession, heard: Iterable[Heard]) -> Mapping[Thread, int]:
    """Which of the messages they reply to were a broadcast's."""
    asked = [(line.fan_id, line.replies_to) for line in heard if line.replies_to is not None]
    if not asked:
        return {}
    place = (col(Delivery.fan_id), col(Delivery.message_id))
    # Fan by fan first: SQLite asks no index for pairs.
    theirs = col(Delivery.sent_at).is_not(None), col(Delivery.fan_id).in_({fan_id for fan_id, _ in asked})
    sent = select(*place, col(Delivery.broadcast_id)).where(*theirs, tuple_(*place).in_(asked))
    found = await session.rows(sent)
    return {(fan_id, message_id): broadcast_id for fan_id, message_id, broadcast_id in found}


def _row(line: Heard, threads: Mapping[Thread, int]) -> dict[str, object]:
    thread = threads.get((line.fan_id, line.replies_to)) if line.replies_to is not None else None
    return {
        "fan_id": line.fan_id,
        "from_fan": True,
        "text": line.text,
        "kind": line.kind,
        "file": line.file,
        "at": line.at,
        "message_id": line.message_id,
        "cause": line.cause,
        "broadcast_id": thread,
    }


def _waiting(heard: Iterable[Heard]) -> list[dict[str, object]]:
    """One row for each fan: since when, and how many lines."""
    moments: dict[int, list[datetime]] = {}
    for line in heard:
        moments.setdefault(line.fan_id, []).append(line.at)
    return [
        {
            "fan_id": fan_id,
            "state": ConversationState.OPEN,
            "unread": len(at),
            "waiting_since": min(at),
            "last_at": max(at),
        }
        for fan_id, at in moments.items()
    ]


def _waits(session: WriteSession) -> sqlite.Insert | postgresql.Insert:
    statement = session.insert(Conversation)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["fan_id"],
        set_={
            "state": new.state,
            "unread": col(Conversation.unread) + new.unread,
            "waiting_since": func.coalesce(col(Conversation.waiting_since), new.waiting_since),
            "last_at": case((new.last_at > col(Conversation.last_at), new.last_at), else_=col(Conversation.last_at)),
        },
    )
