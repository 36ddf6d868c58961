"""The ledger of deliveries: taken in hand before the call, written after it, settled for senders that died."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar, assert_never

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ScalarSelect,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import col

from siyu import fans
from siyu.broadcasts.audience import reason_to_skip
from siyu.broadcasts.course import hold, skip_the_rest
from siyu.kit.columns import BigKey, Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.outcomes import (
    Blocked,
    Gone,
    Migrated,
    NotSent,
    Outcome,
    Rejected,
    Sent,
    ServerError,
    SlowDown,
    Unauthorized,
    Unknown,
    Unreachable,
)
from siyu.tables import Broadcast, BroadcastState, Delivery, DeliveryState, Fan, Reach

Value = TypeVar("Value")

PENDING, SENDING, SENT, UNKNOWN = (
    DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN,
)  # fmt: skip

# So many refusals of our content, and too few that passed beside them, and the broadcast holds: the list is spared.
CANARY = 5
# Where an operator chose `resend`, a fan is tried so often before we say that nobody can know.
MOST_ATTEMPTS = 5
REJECTED = "rejected: "  # followed by what Telegram said
WAIT_AFTER_TROUBLE = timedelta(seconds=5)


@dataclass(frozen=True)
class Task:
    """A fan in hand: the intent is on disk, the call may begin."""

    broadcast_id: int
    fan_id: int
    telegram_id: int
    language: str | None
    attempts: int


@dataclass(frozen=True)
class Noted:
    """What became of a task."""

    task: Task
    outcome: Outcome


@dataclass(frozen=True)
class Underway:
    """A running broadcast, and whether somebody's turn has come, or everybody's is over."""

    broadcast: Broadcast
    has_waiting: bool
    is_over: bool


async def running(session: ReadSession, *, now: datetime) -> list[Underway]:
    """Every running broadcast, the oldest first."""
    of_this = col(Delivery.broadcast_id) == col(Broadcast.id)
    waiting = exists().where(of_this, _waits, _due(now))
    unsettled = exists().where(of_this, col(Delivery.state).in_([PENDING, SENDING]))
    found = await session.rows(
        select(Broadcast, waiting, ~unsettled)
        .where(col(Broadcast.state) == BroadcastState.RUNNING)
        .order_by(col(Broadcast.id))
    )
    return [Underway(*row) for row in found]


async def claim(session: WriteSession, broadcast_id: int, owner: str, *, limit: int, now: datetime) -> list[Task]:
    """Take fans in hand; empty when the broadcast no longer runs or nobody's turn has come.

    Somebody who blocked the bot or opted out since the start is passed over, and skipped at the end.
    """
    rows = await session.returning(_TAKE, {"of": broadcast_id, "by": owner, "most": limit, "moment": now})
    if not rows:
        await session.run(_SKIP, {"of": broadcast_id})
    return [Task(broadcast_id, *row) for row in sorted(rows)]


async def note(session: WriteSession, noted: Sequence[Noted], owner: str, *, now: datetime) -> None:
    """Write what became of these tasks, what it says about the fans, and hold a broadcast that cannot go on."""
    in_order = sorted(noted, key=lambda one: (one.task.broadcast_id, one.task.fan_id))
    unsettled = {one.task.broadcast_id for one in noted if isinstance(one.outcome, _UNSETTLED)}
    resend = await _to_send_again(session, unsettled) if unsettled else set()
    entries = [_entry(one, resend=one.task.broadcast_id in resend, owner=owner, now=now) for one in in_order]
    await session.run_many(_WRITE, entries)
    if unsettled:
        await skip_the_rest(session, unsettled)
    for one in in_order:
        await _learn(session, one, now=now)
    await _hold_where_hopeless(session, noted, now=now)


async def settle_dead(session: WriteSession, alive: Collection[str], *, now: datetime) -> int:
    """What senders that died had in hand: it may have arrived. How many deliveries this settles.

    `resend` sends to them again; `leave`, the default, says `unknown`. A fan who pressed a button got it.
    """
    # Only these can have anything in flight; asked for by name, the whole ledger need not be read.
    unfinished = select(col(Broadcast.id)).where(
        col(Broadcast.state).in_([BroadcastState.RUNNING, BroadcastState.PAUSED, BroadcastState.CANCELLED])
    )
    orphaned = (
        col(Delivery.broadcast_id).in_(unfinished),
        col(Delivery.state) == SENDING,
        col(Delivery.owner).not_in(list(alive)),
    )
    resend = (
        select(col(Broadcast.on_unknown)).where(col(Broadcast.id) == col(Delivery.broadcast_id)).scalar_subquery()
        == "resend"
    )
    again = resend & (col(Delivery.attempts) < MOST_ATTEMPTS)
    state = case(
        (col(Delivery.clicked_at).is_not(None), literal("sent")), (again, literal("pending")), else_=literal("unknown")
    )
    statement = update(Delivery).where(*orphaned).values(state=state, reason="interrupted")
    touched = await session.returning(statement.returning(col(Delivery.broadcast_id)))
    if touched:
        await skip_the_rest(session, {row.broadcast_id for row in touched})
    return len(touched)


async def _to_send_again(session: WriteSession, broadcast_ids: Collection[int]) -> set[int]:
    """Those of `resend`; all are held, so that nobody cancels one while somebody returns to its line."""
    statement = (
        select(col(Broadcast.id), col(Broadcast.on_unknown))
        .where(col(Broadcast.id).in_(broadcast_ids))
        .order_by(col(Broadcast.id))
        .with_for_update(read=True)
    )
    return {row.id for row in await session.rows(statement) if row.on_unknown == "resend"}


def _entry(noted: Noted, *, resend: bool, owner: str, now: datetime) -> dict[str, Any]:  # Any: bound columns
    task, again = noted.task, resend and noted.task.attempts < MOST_ATTEMPTS
    later = now + WAIT_AFTER_TROUBLE
    entry: dict[str, Any] = {
        "of": task.broadcast_id,
        "to": task.fan_id,
        "by": owner,
        "tries": task.attempts,
        "why": None,
        "wait_until": None,
        "message": None,
        "arrived": None,
    }
    match noted.outcome:
        case Sent(message_id=message_id):
            return entry | {"new_state": SENT, "message": message_id, "arrived": now}
        case Blocked():
            return entry | {"new_state": DeliveryState.BLOCKED, "why": "blocked"}
        case Gone():
            return entry | {"new_state": DeliveryState.FAILED, "why": "gone"}
        case Unreachable() | Migrated():
            return entry | {"new_state": DeliveryState.FAILED, "why": "unreachable"}
        case Rejected() as refusal:
            return entry | {"new_state": DeliveryState.FAILED, "why": _in_telegrams_words(refusal)}
        case SlowDown() | Unauthorized():
            return entry | {"new_state": PENDING, "tries": task.attempts - 1}
        case NotSent():
            return entry | {"new_state": PENDING, "tries": task.attempts - 1, "why": "no_line", "wait_until": later}
        case ServerError() if again:
            return entry | {"new_state": PENDING, "why": "server_error", "wait_until": later}
        case Unknown() if again:
            return entry | {"new_state": PENDING, "why": "no_answer", "wait_until": later}
        case ServerError():
            return entry | {"new_state": UNKNOWN, "why": "server_error"}
        case Unknown():
            return entry | {"new_state": UNKNOWN, "why": "no_answer"}
        case _ as never:
            assert_never(never)


async def _learn(session: WriteSession, noted: Noted, *, now: datetime) -> None:
    """What an answer says about the fan, beyond this broadcast."""
    if isinstance(noted.outcome, Blocked):
        await fans.change_reach(session, noted.task.telegram_id, Reach.BLOCKED, now=now)
    elif isinstance(noted.outcome, Gone):
        await fans.change_reach(session, noted.task.telegram_id, Reach.GONE, now=now)


async def _hold_where_hopeless(session: WriteSession, noted: Sequence[Noted], *, now: datetime) -> None:
    if any(isinstance(one.outcome, Unauthorized) for one in noted):
        all_running = select(col(Broadcast.id)).where(col(Broadcast.state) == BroadcastState.RUNNING)
        for broadcast_id in await session.all(all_running):
            await hold(session, broadcast_id or 0, "unauthorized", now=now)
    refused = {one.task.broadcast_id: one.outcome for one in noted if isinstance(one.outcome, Rejected)}
    for broadcast_id, outcome in refused.items():
        if await _is_hopeless(session, broadcast_id):
            await hold(session, broadcast_id, _in_telegrams_words(outcome), now=now)


def _in_telegrams_words(refusal: Rejected) -> str:
    """PostgreSQL takes no NUL, and an outcome that cannot be written would hold up all others."""
    return REJECTED + refusal.description.replace("\x00", "")[:300]


async def _is_hopeless(session: ReadSession, broadcast_id: int) -> bool:
    """Five of our texts refused, and not three times as many passed."""
    rejected = func.count().filter(col(Delivery.reason).startswith(REJECTED, autoescape=True))
    passed = func.count().filter(col(Delivery.state) == SENT)
    of_this = col(Delivery.broadcast_id) == broadcast_id
    answered = col(Delivery.state).in_([SENT, DeliveryState.FAILED])
    ((refusals, successes),) = await session.rows(select(rejected, passed).where(of_this, answered))
    return bool(refusals >= CANARY and successes < 3 * refusals)


# Outcomes after which a fan may return to the line, so that the broadcast must be looked at.
_UNSETTLED = (SlowDown, Unauthorized, NotSent, ServerError, Unknown)


def _due(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    return or_(col(Delivery.not_before).is_(None), col(Delivery.not_before) <= now)


def _of_fan(value: SQLCoreOperations[Value]) -> ScalarSelect[Value]:
    return select(value).where(col(Fan.id) == col(Delivery.fan_id)).scalar_subquery()


# Statements of every send are made once: building them anew cost as much as running them.
_of_this = col(Delivery.broadcast_id) == bindparam("of")
_waits = col(Delivery.state) == PENDING
_language = func.coalesce(col(Fan.chosen_language), col(Fan.language))
_next_in_line = (
    select(col(Delivery.fan_id))
    .join(Fan, col(Fan.id) == col(Delivery.fan_id))
    .where(
        _of_this,
        _waits,
        _due(bindparam("moment", type_=Instant)),
        fans.can_be_reached(),
        exists().where(col(Broadcast.id) == bindparam("of"), col(Broadcast.state) == BroadcastState.RUNNING),
    )
    .order_by(col(Delivery.fan_id))
    .limit(bindparam("most"))
    # On PostgreSQL other senders pass over these rows; on SQLite there is one writer anyway.
    .with_for_update(of=Delivery, skip_locked=True)
    # A plain subquery may be run twice by PostgreSQL's planner and take twice the limit.
    .cte("next_in_line")
)
_TAKE = (
    update(Delivery)
    .where(_of_this, _waits, col(Delivery.fan_id).in_(select(_next_in_line.c.fan_id)))
    .values(state=SENDING, owner=bindparam("by"), attempts=col(Delivery.attempts) + 1, not_before=None)
    .returning(col(Delivery.fan_id), _of_fan(col(Fan.telegram_id)), _of_fan(_language), col(Delivery.attempts))
)
_SKIP = (
    update(Delivery)
    .where(_of_this, _waits, _of_fan(reason_to_skip()).is_not(None))
    .values(state=DeliveryState.SKIPPED, reason=_of_fan(reason_to_skip()))
)
# Also from `unknown`: a sender that stalled so long that it was taken for dead still knows best.
_WRITE = (
    update(Delivery)
    .where(
        col(Delivery.broadcast_id) == bindparam("of"),
        col(Delivery.fan_id) == bindparam("to"),
        col(Delivery.owner) == bindparam("by"),
        or_(col(Delivery.state) == SENDING, col(Delivery.state) == UNKNOWN),
    )
    .values(
        state=bindparam("new_state"),
        reason=bindparam("why"),
        attempts=bindparam("tries"),
        not_before=bindparam("wait_until"),
        message_id=func.coalesce(bindparam("message", type_=BigKey), col(Delivery.message_id)),
        sent_at=func.coalesce(bindparam("arrived", type_=Instant), col(Delivery.sent_at)),
    )
)
