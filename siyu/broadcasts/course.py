"""A broadcast's course: started, paused, resumed, cancelled, finished; each change only from the state it needs."""

from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, update
from sqlmodel import col, select

from siyu import audit
from siyu.audit import SIYU, Actor
from siyu.broadcasts.audience import freeze
from siyu.broadcasts.composing import get_broadcast
from siyu.kit.database import WriteSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import phrase
from siyu.tables import Broadcast, BroadcastState, Delivery, DeliveryState, Offer, OfferState

DRAFT, RUNNING, PAUSED = BroadcastState.DRAFT, BroadcastState.RUNNING, BroadcastState.PAUSED
FINISHED, CANCELLED = BroadcastState.FINISHED, BroadcastState.CANCELLED

_REFUSALS = {
    DRAFT: (phrase("this broadcast has not been started"), "not_started"),
    RUNNING: (phrase("this broadcast is already running"), "already_running"),
    PAUSED: (phrase("this broadcast is paused; resume or cancel it"), "already_paused"),
    FINISHED: (phrase("this broadcast is finished"), "finished"),
    CANCELLED: (phrase("this broadcast was cancelled"), "cancelled"),
    BroadcastState.FAILED: (phrase("this broadcast failed"), "failed"),
}


async def start(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """Freeze the audience and let it go. Refused when started before, or when nobody would get it."""
    async with session.savepoint():
        await _move(session, broadcast_id, {DRAFT}, RUNNING, started_at=now, started_by=actor.key)
        broadcast = await get_broadcast(session, broadcast_id)
        await _offer_must_be_open(session, broadcast, now)
        reached = await freeze(session, broadcast)
        if not reached:
            raise Conflict(
                "nobody would get this broadcast: the segment holds no fan who can be reached", reason="empty"
            )
    await audit.note(session, actor, "broadcast.started", "broadcast", broadcast_id, now=now, fans=reached)
    return broadcast


async def pause(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """Hold it; what is in flight arrives, nothing else leaves."""
    return await _change(session, broadcast_id, {RUNNING}, PAUSED, "broadcast.paused", actor, now)


async def resume(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    return await _change(session, broadcast_id, {PAUSED}, RUNNING, "broadcast.resumed", actor, now)


async def cancel(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """End it: who still waits is skipped as cancelled, what is in flight arrives."""
    broadcast = await _change(
        session, broadcast_id, {DRAFT, RUNNING, PAUSED}, CANCELLED, "broadcast.cancelled", actor, now, finished_at=now
    )
    await skip_the_rest(session, {broadcast_id})
    return broadcast


async def resolve_unknown(session: WriteSession, broadcast_id: int, choice: str, *, actor: Actor, now: datetime) -> int:
    """Settle what nobody can know: leave these fans as they are, or send to them again; how many it concerns."""
    if choice not in ("leave", "resend"):
        raise Invalid("what is unknown is left or sent again: leave or resend", where=("choice",))
    settled = await (_leave(session, broadcast_id) if choice == "leave" else _resend(session, broadcast_id))
    action = "broadcast.unknown_left" if choice == "leave" else "broadcast.unknown_resent"
    await audit.note(session, actor, action, "broadcast", broadcast_id, now=now, fans=settled)
    return settled


async def hold(session: WriteSession, broadcast_id: int, reason: str, *, now: datetime) -> bool:
    """Pause it by ourselves, with the reason for the page; False if it was not running."""
    running = (col(Broadcast.id) == broadcast_id, col(Broadcast.state) == RUNNING)
    if not await session.run(update(Broadcast).where(*running).values(state=PAUSED, state_reason=reason)):
        return False
    await audit.note(session, SIYU, "broadcast.paused", "broadcast", broadcast_id, now=now, reason=reason)
    return True


async def finish(session: WriteSession, *, now: datetime) -> list[int]:
    """Close every running broadcast in which nobody waits and nothing is in flight."""
    underway = exists().where(
        col(Delivery.broadcast_id) == col(Broadcast.id),
        col(Delivery.state).in_([DeliveryState.PENDING, DeliveryState.SENDING]),
    )
    over = update(Broadcast).where(col(Broadcast.state) == RUNNING, ~underway).values(state=FINISHED, finished_at=now)
    finished = [row.id for row in await session.returning(over.returning(col(Broadcast.id)))]
    for broadcast_id in finished:
        await audit.note(session, SIYU, "broadcast.finished", "broadcast", broadcast_id, now=now)
    return finished


async def skip_the_rest(session: WriteSession, broadcast_ids: set[int]) -> None:
    """Nobody waits in a cancelled broadcast."""
    cancelled = exists().where(col(Broadcast.id) == col(Delivery.broadcast_id), col(Broadcast.state) == CANCELLED)
    waiting = (col(Delivery.broadcast_id).in_(broadcast_ids), col(Delivery.state) == DeliveryState.PENDING)
    skipped = {"state": DeliveryState.SKIPPED, "reason": "cancelled", "not_before": None}
    await session.run(update(Delivery).where(*waiting, cancelled).values(skipped))


async def _change(
    session: WriteSession,
    broadcast_id: int,
    from_states: set[BroadcastState],
    to: BroadcastState,
    action: str,
    actor: Actor,
    now: datetime,
    **more: Any,  # Any: columns of the broadcast
) -> Broadcast:
    await _move(session, broadcast_id, from_states, to, state_reason=None, **more)
    await audit.note(session, actor, action, "broadcast", broadcast_id, now=now)
    return await get_broadcast(session, broadcast_id)


async def _move(
    session: WriteSession,
    broadcast_id: int,
    from_states: set[BroadcastState],
    to: BroadcastState,
    **more: Any,  # Any: columns of the broadcast
) -> None:
    """The state is asked and changed in one statement: of two operators who click at once, one is refused."""
    ready = (col(Broadcast.id) == broadcast_id, col(Broadcast.state).in_(from_states))
    if not await session.run(update(Broadcast).where(*ready).values(state=to, **more)):
        broadcast = await get_broadcast(session, broadcast_id)
        sentence, reason = _REFUSALS[broadcast.state]
        raise Conflict(sentence, reason=reason)


async def _offer_must_be_open(session: WriteSession, broadcast: Broadcast, now: datetime) -> None:
    if broadcast.offer_id is None:
        return
    offer = await session.get(Offer, broadcast.offer_id)
    if offer is None or offer.state is not OfferState.ACTIVE or offer.ends_at <= now:
        raise Conflict("the offer of this broadcast is not open: activate it, or take it off", reason="offer_not_open")


async def _leave(session: WriteSession, broadcast_id: int) -> int:
    open_question = and_(
        col(Delivery.broadcast_id) == broadcast_id,
        col(Delivery.state) == DeliveryState.UNKNOWN,
        col(Delivery.reason).is_distinct_from("left"),
    )
    return await session.run(update(Delivery).where(open_question).values(reason="left"))


async def _resend(session: WriteSession, broadcast_id: int) -> int:
    """A finished broadcast runs again; a paused one waits for its operator; a cancelled one stays ended."""
    broadcast = await _locked(session, broadcast_id)
    if broadcast.state is CANCELLED:
        raise Conflict("this broadcast was cancelled", reason="cancelled")
    unknown = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == DeliveryState.UNKNOWN)
    again = {"state": DeliveryState.PENDING, "reason": None, "owner": None, "not_before": None}
    settled = await session.run(update(Delivery).where(*unknown).values(again))
    if settled and broadcast.state is FINISHED:
        broadcast.state, broadcast.finished_at = RUNNING, None
        session.add(broadcast)
    return settled


async def _locked(session: WriteSession, broadcast_id: int) -> Broadcast:
    """The broadcast, which nobody else changes until we are done (on SQLite nobody can anyway)."""
    await session.rows(select(Broadcast.id).where(Broadcast.id == broadcast_id).with_for_update())
    return await get_broadcast(session, broadcast_id)
