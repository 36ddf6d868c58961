"""From state to state: asked and changed in one statement, so that of two who click at once one is refused."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlmodel import col

from siyu import audit
from siyu.audit import SIYU, Actor
from siyu.broadcasts.composing import get_broadcast
from siyu.kit.database import WriteSession
from siyu.kit.errors import Conflict
from siyu.kit.wording import phrase
from siyu.tables import Broadcast, BroadcastState

DRAFT, AWAITING, SCHEDULED = BroadcastState.DRAFT, BroadcastState.AWAITING, BroadcastState.SCHEDULED
PREPARING, RUNNING, PAUSED = BroadcastState.PREPARING, BroadcastState.RUNNING, BroadcastState.PAUSED
FINISHED, CANCELLED, FAILED = BroadcastState.FINISHED, BroadcastState.CANCELLED, BroadcastState.FAILED

_REFUSALS = {
    DRAFT: (phrase("this broadcast has not been started"), "not_started"),
    AWAITING: (phrase("this broadcast waits for a second person"), "awaiting_approval"),
    SCHEDULED: (phrase("this broadcast is already scheduled"), "already_scheduled"),
    PREPARING: (phrase("this broadcast is already being prepared"), "already_preparing"),
    RUNNING: (phrase("this broadcast is already running"), "already_running"),
    PAUSED: (phrase("this broadcast is paused; resume or cancel it"), "already_paused"),
    FINISHED: (phrase("this broadcast is finished"), "finished"),
    CANCELLED: (phrase("this broadcast was cancelled"), "cancelled"),
    FAILED: (phrase("this broadcast failed"), "failed"),
}


async def move(
    session: WriteSession,
    broadcast_id: int,
    from_states: Collection[BroadcastState],
    to: BroadcastState | ColumnElement[BroadcastState],
    *conditions: ColumnElement[bool],
    actor: Actor,
    now: datetime,
    **more: Any,  # Any: columns of the broadcast
) -> bool:
    """Whether it was in one of these states, and under these conditions; then it is in the other."""
    ready = (col(Broadcast.id) == broadcast_id, col(Broadcast.state).in_(from_states), *conditions)
    values = {"state": to, "state_at": now, "state_by": actor.key, "state_reason": None, **more}
    return bool(await session.run(update(Broadcast).where(*ready).values(values)))


async def change(
    session: WriteSession,
    broadcast_id: int,
    from_states: Collection[BroadcastState],
    to: BroadcastState | ColumnElement[BroadcastState],
    action: str,
    *,
    actor: Actor,
    now: datetime,
    **more: Any,  # Any: columns of the broadcast
) -> Broadcast:
    """The same for somebody who asked, with a line in the audit. Raises Conflict, saying where it stands."""
    if not await move(session, broadcast_id, from_states, to, actor=actor, now=now, **more):
        raise refusal(await get_broadcast(session, broadcast_id))
    await audit.note(session, actor, action, "broadcast", broadcast_id, now=now)
    return await get_broadcast(session, broadcast_id)


def refusal(broadcast: Broadcast) -> Conflict:
    """Why it cannot be changed: where it stands."""
    sentence, reason = _REFUSALS[broadcast.state]
    return Conflict(sentence, reason=reason)


async def hold(
    session: WriteSession,
    broadcast_id: int,
    reason: str,
    *,
    now: datetime,
    from_states: Collection[BroadcastState] = (RUNNING,),
) -> bool:
    """Pause it by ourselves, with the reason for the page; False if it was not so far."""
    if not await move(session, broadcast_id, from_states, PAUSED, actor=SIYU, now=now, state_reason=reason):
        return False
    await audit.note(session, SIYU, "broadcast.paused", "broadcast", broadcast_id, now=now, reason=reason)
    return True
