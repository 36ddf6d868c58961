"""A broadcast's course: asked for, approved, scheduled, paused, resumed, cancelled; each only from where it may."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, exists, literal, or_, type_coerce, update
from sqlmodel import col, select

from siyu import audit, preferences
from siyu.audit import SIYU, Actor
from siyu.broadcasts import timing
from siyu.broadcasts.composing import draft_of, get_broadcast, mistakes
from siyu.broadcasts.counting import funnel
from siyu.broadcasts.moves import (
    AWAITING,
    CANCELLED,
    DRAFT,
    FINISHED,
    PAUSED,
    PREPARING,
    RUNNING,
    SCHEDULED,
    change,
    hold,
    move,
    refusal,
)
from siyu.broadcasts.preparing import begin, nobody_gets_it, offer_must_be_open
from siyu.kit.columns import Instant, Word
from siyu.kit.database import WriteSession
from siyu.kit.errors import Conflict, Forbidden, Invalid
from siyu.preferences import Preferences
from siyu.tables import Broadcast, BroadcastState, Delivery, DeliveryState, Timing

__all__ = [
    "approve", "cancel", "decline", "finish", "had_a_hand_in", "hold", "pause", "resolve_unknown", "resume",
    "skip_the_rest", "start", "submit", "unschedule",
]  # fmt: skip


async def start(
    session: WriteSession,
    broadcast_id: int,
    *,
    actor: Actor,
    now: datetime,
    undo: bool = False,
    likes: Preferences | None = None,
) -> Broadcast:
    """Let it go: at once, after the undo window, or at its time; above the house's limit a second person is asked.

    Refused when started before, when it cannot be sent as it stands, or when nobody would get it.
    """
    async with session.savepoint():
        likes = likes or await preferences.read(session)
        broadcast = await _fit_to_go(session, broadcast_id, now)
        if await _needs_approval(session, broadcast, actor, likes):
            return await submit(session, broadcast_id, actor=actor, now=now)
        return await _let_go(session, broadcast, {DRAFT}, actor=actor, now=now, undo=_undo(likes, undo=undo))


async def submit(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """Ask a second person."""
    await _fit_to_go(session, broadcast_id, now)
    return await change(session, broadcast_id, {DRAFT}, AWAITING, "broadcast.submitted", actor=actor, now=now)


async def approve(
    session: WriteSession,
    broadcast_id: int,
    *,
    actor: Actor,
    now: datetime,
    undo: bool = False,
    likes: Preferences | None = None,
) -> Broadcast:
    """Let go what somebody else wrote and asked for."""
    async with session.savepoint():
        likes = likes or await preferences.read(session)
        broadcast = await get_broadcast(session, broadcast_id)
        if broadcast.state is not AWAITING:
            raise refusal(broadcast)
        if had_a_hand_in(broadcast, actor):
            raise Forbidden("somebody else than who wrote it approves it", reason="same_person")
        await _fit_to_go(session, broadcast_id, now, state=AWAITING)
        approved = {"approved_at": now, "approved_by": actor.key}
        window = _undo(likes, undo=undo)
        return await _let_go(session, broadcast, {AWAITING}, actor=actor, now=now, undo=window, **approved)


async def decline(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """Back to who wrote it."""
    told = {"state_reason": "declined"}
    return await change(session, broadcast_id, {AWAITING}, DRAFT, "broadcast.declined", actor=actor, now=now, **told)


async def unschedule(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """Undo, before the first message: it is a draft again, and whom it would have gone to is forgotten."""
    forgotten = {"frozen_at": None, "approved_at": None, "approved_by": None, "started_by": None}
    # The operator's time stays; the moment of a click does not.
    theirs = case((col(Broadcast.timing) == Timing.AT, col(Broadcast.send_at)), else_=None)
    waits = {AWAITING, SCHEDULED}
    broadcast = await change(
        session, broadcast_id, waits, DRAFT, "broadcast.unscheduled", actor=actor, now=now, send_at=theirs, **forgotten
    )
    await session.run(delete(Delivery).where(col(Delivery.broadcast_id) == broadcast_id))
    return broadcast


async def pause(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """Hold it; what is in flight arrives, nothing else leaves."""
    states = {SCHEDULED, PREPARING, RUNNING}
    return await change(session, broadcast_id, states, PAUSED, "broadcast.paused", actor=actor, now=now)


async def resume(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """On from where it stopped; what should have left meanwhile leaves now."""
    unsettled = or_(col(Broadcast.frozen_at).is_(None), col(Broadcast.send_at) > literal(now, Instant()))
    waits = and_(unsettled, col(Broadcast.started_at).is_(None))
    unlooked = col(Broadcast.started_at).is_(None)
    there = case((waits, literal("scheduled")), (unlooked, literal("preparing")), else_=literal("running"))
    missed = and_(waits, col(Broadcast.send_at) < literal(now, Instant()))
    send_at = case((missed, literal(now, Instant())), else_=col(Broadcast.send_at))
    state: ColumnElement[Any] = type_coerce(there, Word(BroadcastState))  # Any: mypy knows only StrEnum of a Word
    return await change(
        session, broadcast_id, {PAUSED}, state, "broadcast.resumed", actor=actor, now=now, send_at=send_at
    )


async def cancel(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """End it: who still waits is skipped as cancelled, what is in flight arrives."""
    states = {DRAFT, AWAITING, SCHEDULED, PREPARING, RUNNING, PAUSED}
    broadcast = await change(
        session, broadcast_id, states, CANCELLED, "broadcast.cancelled", actor=actor, now=now, finished_at=now
    )
    await skip_the_rest(session, {broadcast_id})
    return broadcast


def had_a_hand_in(broadcast: Broadcast, actor: Actor) -> bool:
    """Whoever wrote it, changed it last, or asked for it is no second person."""
    asked = broadcast.state_by if broadcast.state is AWAITING else None
    return actor.key in {broadcast.created_by, broadcast.edited_by, asked}


async def resolve_unknown(session: WriteSession, broadcast_id: int, choice: str, *, actor: Actor, now: datetime) -> int:
    """Settle what nobody can know: leave these fans as they are, or send to them again; how many it concerns."""
    if choice not in ("leave", "resend"):
        raise Invalid("what is unknown is left or sent again: leave or resend", where=("choice",))
    settled = await (_leave(session, broadcast_id) if choice == "leave" else _resend(session, broadcast_id, actor, now))
    action = "broadcast.unknown_left" if choice == "leave" else "broadcast.unknown_resent"
    await audit.note(session, actor, action, "broadcast", broadcast_id, now=now, fans=settled)
    return settled


async def finish(session: WriteSession, *, now: datetime) -> list[int]:
    """Close every running broadcast in which nobody waits and nothing is in flight."""
    # Held first: who lines fans up again holds it too, and what they wrote is seen by the statement after this one.
    running = select(col(Broadcast.id)).where(col(Broadcast.state) == RUNNING).order_by(col(Broadcast.id))
    await session.rows(running.with_for_update(key_share=True))
    # One after the other: each has an index of its own.
    of_this = col(Delivery.broadcast_id) == col(Broadcast.id)
    states = (DeliveryState.PENDING, DeliveryState.SENDING)
    nobody = [~exists().where(of_this, col(Delivery.state) == state) for state in states]
    closed = {"state": FINISHED, "finished_at": now, "state_at": now, "state_by": SIYU.key, "state_reason": None}
    over = update(Broadcast).where(col(Broadcast.state) == RUNNING, *nobody).values(closed)
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


async def _fit_to_go(
    session: WriteSession, broadcast_id: int, now: datetime, *, state: BroadcastState = DRAFT
) -> Broadcast:
    """What was right when it was written may be wrong by now: its time, its segments, its offer."""
    broadcast = await get_broadcast(session, broadcast_id)
    if broadcast.state is not state:
        raise refusal(broadcast)
    if broadcast.is_template:
        raise Conflict("a template is not sent; make a broadcast of it", reason="template")
    wrong = await mistakes(session, draft_of(broadcast), now=now)
    if wrong:
        raise wrong[0]
    await offer_must_be_open(session, broadcast, now)
    return broadcast


async def _let_go(
    session: WriteSession,
    broadcast: Broadcast,
    from_states: set[BroadcastState],
    *,
    actor: Actor,
    now: datetime,
    undo: timedelta,
    **more: object,
) -> Broadcast:
    broadcast_id, seen = broadcast.id or 0, broadcast.state
    send_at = max(timing.first_moment(broadcast, now=now), now + undo)
    given = {"send_at": send_at, "started_by": actor.key, "archived_at": None, **more}
    as_seen = col(Broadcast.version) == broadcast.version
    if not await move(session, broadcast_id, from_states, SCHEDULED, as_seen, actor=actor, now=now, **given):
        raise await _overtaken(session, broadcast_id, seen)
    if broadcast.timing is Timing.NOW and not undo:
        fans = await begin(session, await get_broadcast(session, broadcast_id), now=now)
        await audit.note(session, actor, "broadcast.started", "broadcast", broadcast_id, now=now, fans=fans)
    else:
        await _somebody_must_get_it(session, broadcast)
        at = send_at.isoformat()
        await audit.note(session, actor, "broadcast.scheduled", "broadcast", broadcast_id, now=now, send_at=at)
    return await get_broadcast(session, broadcast_id)


async def _overtaken(session: WriteSession, broadcast_id: int, seen: BroadcastState) -> Conflict:
    """Somebody was quicker: they started it, or wrote something else than was looked at here."""
    there = await get_broadcast(session, broadcast_id)
    if there.state is not seen:
        return refusal(there)
    return Conflict("somebody else changed this draft meanwhile; look at theirs first", reason="edited")


async def _somebody_must_get_it(session: WriteSession, broadcast: Broadcast) -> None:
    """Said while the operator looks; who is in it later may be others."""
    if broadcast.timing is Timing.NOW and not (await funnel(session, broadcast)).will_get:
        raise nobody_gets_it()


async def _needs_approval(session: WriteSession, broadcast: Broadcast, actor: Actor, likes: Preferences) -> bool:
    if likes.approve_above is None or not had_a_hand_in(broadcast, actor):
        return False
    return (await funnel(session, broadcast)).will_get > likes.approve_above


def _undo(likes: Preferences, *, undo: bool) -> timedelta:
    return timedelta(seconds=likes.undo_seconds if undo else 0)


async def _leave(session: WriteSession, broadcast_id: int) -> int:
    open_question = and_(
        col(Delivery.broadcast_id) == broadcast_id,
        col(Delivery.state) == DeliveryState.UNKNOWN,
        col(Delivery.reason).is_distinct_from("left"),
    )
    return await session.run(update(Delivery).where(open_question).values(reason="left"))


async def _resend(session: WriteSession, broadcast_id: int, actor: Actor, now: datetime) -> int:
    """A finished broadcast runs again; a paused one waits for its operator; a cancelled one stays ended."""
    broadcast = await _locked(session, broadcast_id)
    if broadcast.state is CANCELLED:
        raise Conflict("this broadcast was cancelled", reason="cancelled")
    unknown = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == DeliveryState.UNKNOWN)
    again = {"state": DeliveryState.PENDING, "reason": None, "owner": None, "not_before": None}
    settled = await session.run(update(Delivery).where(*unknown).values(again))
    if settled and broadcast.state is FINISHED:
        await move(session, broadcast_id, {FINISHED}, RUNNING, actor=actor, now=now, finished_at=None)
    return settled


async def _locked(session: WriteSession, broadcast_id: int) -> Broadcast:
    """The broadcast, which nobody else changes until we are done (on SQLite nobody can anyway)."""
    await session.rows(select(Broadcast.id).where(Broadcast.id == broadcast_id).with_for_update(key_share=True))
    return await get_broadcast(session, broadcast_id)
