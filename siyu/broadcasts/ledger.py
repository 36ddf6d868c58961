"""The ledger of deliveries: who is next is taken in hand before the call, and settled for senders that died."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    ScalarSelect,
    bindparam,
    case,
    exists,
    func,
    literal,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import col

from siyu import fans
from siyu.broadcasts import moving
from siyu.broadcasts.answers import PENDING, SENDING, kept_to_send_again
from siyu.broadcasts.audience import declines, reason_to_skip, wants_only_general
from siyu.broadcasts.canary import Watch
from siyu.broadcasts.course import skip_the_rest
from siyu.broadcasts.moving import Customs, is_waiting
from siyu.broadcasts.tasks import Task
from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import Broadcast, BroadcastState, Delivery, DeliveryState, Fan

Value = TypeVar("Value")

# Whoever is first in line is in hand again at once: forty kills within a minute met ten fans five times. Beyond this it
# may be their message that kills, and where an operator chose `resend` we say that nobody can know.
MOST_DEATHS = 20


@dataclass(frozen=True)
class Underway:
    """A running broadcast, and whether somebody's turn has come, or everybody's is over."""

    broadcast: Broadcast
    has_waiting: bool
    is_over: bool


async def running(session: ReadSession, *, now: datetime) -> list[Underway]:
    """Every running broadcast, the oldest first; who waits for tomorrow is not read, however many they are."""
    at_once, at_last = (
        _first_waiting(col(Delivery.not_before).is_(None)),
        _first_waiting(col(Delivery.not_before) <= now),
    )
    underway = _first_waiting(true()), _first_in(SENDING)
    found = await session.rows(
        select(Broadcast, func.coalesce(at_once, at_last).is_not(None), func.coalesce(*underway).is_(None))
        .where(col(Broadcast.state) == BroadcastState.RUNNING)
        .order_by(col(Broadcast.id))
    )
    return [Underway(*row) for row in found]


async def introduce(session: WriteSession) -> None:
    """Have PostgreSQL count the ledger: a broadcast it never heard of it takes for three rows until, a minute later, it
    counts by itself, and taking fifty of 100,000 in hand took 89 ms instead of 5."""
    if session.dialect == "postgresql":
        # Where autovacuum does the same just now, nobody waits for it.
        await session.run(text("ANALYZE (SKIP_LOCKED) delivery (broadcast_id, state)"))


async def claim(
    session: WriteSession,
    broadcast_id: int,
    owner: str,
    *,
    limit: int,
    now: datetime,
    customs: Customs | None = None,
    watch: Watch | None = None,
) -> list[Task]:
    """Take fans in hand; empty when the broadcast no longer runs or nobody's turn has come.

    Somebody who blocked the bot, opted out or declined the topic since the start is passed over, and skipped at the
    end. With the house's customs, who has to wait is moved; with a watch, no more than the first leave untried.
    """
    most = await watch.room(session, broadcast_id, limit) if watch else limit
    if not most:
        return []
    taken = await _take(session, broadcast_id, owner, most, now)
    if not taken:
        await session.run(_SKIP, {"of": broadcast_id, "moment": now})
    if taken and customs and customs.matter:
        return await _move_on(session, taken, owner, most, customs, now)
    return taken


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
    again = resend & (col(Delivery.attempts) < MOST_DEATHS)
    state = case(
        (col(Delivery.clicked_at).is_not(None), literal("sent")), (again, literal("pending")), else_=literal("unknown")
    )
    sent_at = func.coalesce(col(Delivery.sent_at), col(Delivery.clicked_at))
    statement = update(Delivery).where(*orphaned).values(state=state, reason="interrupted", sent_at=sent_at)
    touched = await session.returning(statement.returning(col(Delivery.broadcast_id)))
    if touched:
        ids = {row.broadcast_id for row in touched}
        await kept_to_send_again(session, ids)  # held: nobody cancels one while somebody returns to its line
        await skip_the_rest(session, ids)
    return len(touched)


async def put_down(session: WriteSession, owner: str, in_hand: Collection[tuple[int, int]]) -> None:
    """Of a claim whose commit came through though we were told otherwise nothing has left: back into the line."""
    running = select(col(Broadcast.id)).where(col(Broadcast.state) != BroadcastState.FINISHED)
    mine = (col(Delivery.broadcast_id).in_(running), col(Delivery.state) == SENDING, col(Delivery.owner) == owner)
    held = await session.rows(select(col(Delivery.broadcast_id), col(Delivery.fan_id)).where(*mine))
    lost = [{"of": of, "to": to} for of, to in held if (of, to) not in in_hand]
    await session.run_many(_PUT_DOWN, lost)
    if lost:
        await skip_the_rest(session, {one["of"] for one in lost})


async def _take(session: WriteSession, broadcast_id: int, owner: str, most: int, now: datetime) -> list[Task]:
    rows = await session.returning(_TAKE, {"of": broadcast_id, "by": owner, "most": most, "moment": now})
    return [Task(broadcast_id, *row) for row in sorted(rows)]


async def _move_on(
    session: WriteSession, taken: list[Task], owner: str, most: int, customs: Customs, now: datetime
) -> list[Task]:
    """The first in line who need not wait; empty where so many have to that they are asked again later.

    One who has to may be alone; where the next has to as well, many are asked in one statement.
    """
    broadcast_id = taken[0].broadcast_id
    for asking_many in (False, True):
        free = await _free(session, taken, owner, customs, now)
        if free or not taken:
            return free
        if asking_many and customs.hold_many:
            await moving.put_off(session, broadcast_id, customs, now=now)
        taken = await _take(session, broadcast_id, owner, most, now)
    return await _free(session, taken, owner, customs, now)


async def _free(session: WriteSession, taken: list[Task], owner: str, customs: Customs, now: datetime) -> list[Task]:
    """Those in hand who need not wait; the others go back."""
    if not taken:
        return []
    ids = [task.fan_id for task in taken]
    waiting = await moving.put_back(session, taken[0].broadcast_id, owner, ids, customs, now=now)
    return [task for task in taken if task.fan_id not in waiting]


_of_each = col(Delivery.broadcast_id) == col(Broadcast.id)


def _first_waiting(since: ColumnElement[bool]) -> ScalarSelect[int]:
    """Asked for in the index's order, or PostgreSQL hopes to come across one and reads the whole ledger."""
    waiting = select(col(Delivery.fan_id)).where(_of_each, is_waiting(Delivery), since)
    return waiting.order_by(col(Delivery.not_before), col(Delivery.fan_id)).limit(1).scalar_subquery()


def _first_in(state: DeliveryState) -> ScalarSelect[int]:
    found = select(col(Delivery.fan_id)).where(_of_each, col(Delivery.state) == state)
    return found.order_by(col(Delivery.fan_id)).limit(1).scalar_subquery()


def _of_fan(value: SQLCoreOperations[Value]) -> ScalarSelect[Value]:
    return select(value).where(col(Fan.id) == col(Delivery.fan_id)).scalar_subquery()


def _in_line(since: ColumnElement[bool]) -> CTE:
    """Whose turn has come since then, and who can be reached."""
    return (
        select(col(Delivery.fan_id))
        .join(Fan, col(Fan.id) == col(Delivery.fan_id))
        .where(
            _of_this,
            is_waiting(Delivery),
            since,
            fans.can_be_reached(),
            ~declines(_topic),
            ~wants_only_general(_must_be_known),
            exists().where(col(Broadcast.id) == _of, col(Broadcast.state) == BroadcastState.RUNNING),
        )
        .order_by(col(Delivery.not_before), col(Delivery.fan_id))
        .limit(bindparam("most"))
        # On PostgreSQL other senders pass over these rows; on SQLite there is one writer anyway.
        .with_for_update(of=Delivery, skip_locked=True)
        # A plain subquery may be run twice by PostgreSQL's planner and take twice the limit.
        .cte()
    )


# Statements of every send are made once: building them anew cost as much as running them.
_of: BindParameter[int] = bindparam("of")
_of_this = col(Delivery.broadcast_id) == _of
_topic = select(col(Broadcast.topic)).where(col(Broadcast.id) == _of).scalar_subquery()
_must_be_known = select(col(Broadcast.ignores_quiet)).where(col(Broadcast.id) == _of).scalar_subquery()
_moment = bindparam("moment", type_=Instant)
_language = func.coalesce(col(Fan.chosen_language), col(Fan.language))
# Two ranges of one index, each in its order; asked for together, SQLite would read and sort everybody.
_dated, _undated = _in_line(col(Delivery.not_before) <= _moment), _in_line(col(Delivery.not_before).is_(None))
_in_line_now = union_all(select(_dated.c.fan_id), select(_undated.c.fan_id)).subquery()
_next_in_line = select(_in_line_now.c.fan_id).limit(bindparam("most"))
# Who waited for quiet hours to end may come after the winner: the row says what they get.
_winner = select(col(Broadcast.winner)).where(col(Broadcast.id) == _of).scalar_subquery()
_TAKE = (
    update(Delivery)
    .where(_of_this, is_waiting(Delivery), col(Delivery.fan_id).in_(_next_in_line))
    .values(
        state=SENDING,
        owner=bindparam("by"),
        attempts=col(Delivery.attempts) + 1,
        not_before=None,
        reason=None,
        variant=func.coalesce(_winner, col(Delivery.variant)),
    )
    .returning(
        col(Delivery.fan_id),
        _of_fan(col(Fan.telegram_id)),
        _of_fan(_language),
        col(Delivery.attempts),
        col(Delivery.variant),
    )
)
_why_not = _of_fan(reason_to_skip(_topic, must_be_known=_must_be_known))
_due = union_all(
    *(
        select(col(Delivery.fan_id)).where(_of_this, is_waiting(Delivery), since)
        for since in (col(Delivery.not_before).is_(None), col(Delivery.not_before) <= _moment)
    )
)
_SKIP = (
    update(Delivery)
    .where(_of_this, is_waiting(Delivery), col(Delivery.fan_id).in_(_due), _why_not.is_not(None))
    .values(state=DeliveryState.SKIPPED, reason=_why_not, not_before=None)
)
_PUT_DOWN = (
    update(Delivery)
    .where(
        col(Delivery.broadcast_id) == bindparam("of"),
        col(Delivery.fan_id) == bindparam("to"),
        col(Delivery.state) == SENDING,
    )
    .values(state=PENDING, owner=None, attempts=col(Delivery.attempts) - 1)
)
