"""The inbox of conversations: open, mine, closed; and the lines of one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from siyu.kit.database import ReadSession
from siyu.kit.errors import NotFound
from siyu.kit.paging import Page, cursor_of, key_of, moment_of
from siyu.tables import (
    Broadcast,
    Conversation,
    ConversationLine,
    ConversationState,
    Fan,
    Operator,
    Outbox,
    OutboxState,
)


class Box(StrEnum):
    """Which conversations one looks at."""

    OPEN = "open"
    MINE = "mine"  # open, and I am in charge
    CLOSED = "closed"


@dataclass(frozen=True)
class Talk:
    """A conversation in the list, with the last thing said."""

    conversation: Conversation
    fan: Fan
    operator: Operator | None
    last: ConversationLine | None


@dataclass(frozen=True)
class Spoken:
    """A line; of ours, what became of it; of the fan's, the broadcast it replies to."""

    line: ConversationLine
    state: OutboxState | None = None
    broadcast: str | None = None


async def list_talks(
    session: ReadSession,
    box: Box,
    *,
    operator_id: int,
    broadcast_id: int | None = None,
    cursor: str | None = None,
    limit: int = 30,
) -> Page[Talk]:
    """Who waits longest first, then the others by their last line; `broadcast_id`: who replied to that one."""
    statement = (
        select(Conversation, Fan, Operator)
        .join(Fan, col(Fan.id) == col(Conversation.fan_id))
        .outerjoin(Operator, col(Operator.id) == col(Conversation.assigned_to))
        .where(_in(box, operator_id))
    )
    if broadcast_id is not None:
        statement = statement.where(col(Conversation.fan_id).in_(_who_replied(broadcast_id)))
    if cursor:
        statement = statement.where(_after(*key_of(cursor, length=3)))
    rows = await session.rows(statement.order_by(*_ORDER).limit(limit + 1))
    last = await _last_lines(session, [row[0].fan_id for row in rows[:limit]])
    talks = [Talk(talk, fan, operator, last.get(talk.fan_id)) for talk, fan, operator in rows[:limit]]
    return Page(talks, cursor_of(_key(talks[-1].conversation)) if len(rows) > limit else None)


async def sizes(session: ReadSession, operator_id: int) -> dict[Box, int]:
    """How many are open, and how many of them mine."""
    mine = func.coalesce(func.sum(case((col(Conversation.assigned_to) == operator_id, 1), else_=0)), 0)
    counted = select(func.count(), mine).where(_in(Box.OPEN, operator_id))
    ((everybody, own),) = await session.rows(counted)
    return {Box.OPEN: everybody, Box.MINE: own}


async def waiting(session: ReadSession) -> int:
    """How many fans wait for an answer."""
    waits = and_(col(Conversation.state) == ConversationState.OPEN, col(Conversation.waiting_since).is_not(None))
    return await session.one(select(func.count()).select_from(Conversation).where(waits))


async def count_replies(session: ReadSession, broadcast_id: int) -> int:
    """How many fans replied to a broadcast in words."""
    return await session.one(select(func.count()).select_from(_who_replied(broadcast_id).subquery()))


async def find_conversation(session: ReadSession, fan_id: int) -> tuple[Conversation, Operator | None] | None:
    """Where the talk stands, and who is in charge; None while nobody has said anything."""
    joined = select(Conversation, Operator).outerjoin(Operator, col(Operator.id) == col(Conversation.assigned_to))
    rows = await session.rows(joined.where(col(Conversation.fan_id) == fan_id))
    return next(((row[0], row[1]) for row in rows), None)


async def lines_of(session: ReadSession, fan_id: int, *, cursor: str | None = None, limit: int = 50) -> Page[Spoken]:
    """The latest lines, the oldest of them first as one reads; the cursor leads to the earlier ones."""
    statement = (
        select(ConversationLine, col(Outbox.state), col(Broadcast.title))
        .outerjoin(Outbox, col(Outbox.cause) == col(ConversationLine.cause))
        .outerjoin(Broadcast, col(Broadcast.id) == col(ConversationLine.broadcast_id))
        .where(col(ConversationLine.fan_id) == fan_id)
        .order_by(col(ConversationLine.id).desc())
    )
    if cursor:
        statement = statement.where(col(ConversationLine.id) < key_of(cursor, length=1)[0])
    rows = await session.rows(statement.limit(limit + 1))
    spoken = [Spoken(*row) for row in rows[:limit]]
    return Page(spoken[::-1], cursor_of((spoken[-1].line.id or 0,)) if len(rows) > limit else None)


async def get_line(session: ReadSession, fan_id: int, line_id: int) -> ConversationLine:
    line = await session.get(ConversationLine, line_id)
    if line is None or line.fan_id != fan_id:
        raise NotFound("there is no such line")
    return line


# Nobody waits: 1, after those who do. Of those the longest first, of the others the latest line first.
_RANK = case((col(Conversation.waiting_since).is_(None), 1), else_=0)
_ORDER = (
    _RANK,
    col(Conversation.waiting_since),
    case((col(Conversation.waiting_since).is_(None), col(Conversation.last_at)), else_=None).desc(),
    col(Conversation.fan_id).desc(),
)


def _in(box: Box, operator_id: int) -> ColumnElement[bool]:
    if box is Box.CLOSED:
        return col(Conversation.state) == ConversationState.CLOSED
    is_open = col(Conversation.state) == ConversationState.OPEN
    return and_(is_open, col(Conversation.assigned_to) == operator_id) if box is Box.MINE else is_open


def _key(talk: Conversation) -> tuple[int, int, int]:
    since = talk.waiting_since
    return int(since is None), int((since or talk.last_at).timestamp()), talk.fan_id


def _after(rank: int, seconds: int, fan_id: int) -> ColumnElement[bool]:
    """What follows a place in the list."""
    at, below = moment_of(seconds), col(Conversation.fan_id) < fan_id
    calm, since, last = (
        col(Conversation.waiting_since).is_(None),
        col(Conversation.waiting_since),
        col(Conversation.last_at),
    )
    if rank:
        return and_(calm, or_(last < at, and_(last == at, below)))
    return or_(calm, since > at, and_(since == at, below))


def _who_replied(broadcast_id: int) -> SelectOfScalar[int]:
    lines = select(ConversationLine.fan_id).where(col(ConversationLine.broadcast_id) == broadcast_id)
    return lines.distinct()


async def _last_lines(session: ReadSession, fan_ids: Sequence[int]) -> Mapping[int, ConversationLine]:
    if not fan_ids:
        return {}
    newest = select(func.max(col(ConversationLine.id))).where(col(ConversationLine.fan_id).in_(fan_ids))
    newest = newest.group_by(col(ConversationLine.fan_id))
    found = await session.all(select(ConversationLine).where(col(ConversationLine.id).in_(newest)))
    return {line.fan_id: line for line in found}
