"""The winner of a comparison: found by its numbers when the time has come, or named by hand; the rest get it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import BigInteger, case, exists, func, literal, null, or_, select, type_coerce, update
from sqlmodel import col

from siyu import audit
from siyu.audit import SIYU, Actor
from siyu.broadcasts.comparing import MAIN, WAITS_FOR_WINNER, shares
from siyu.broadcasts.composing import get_broadcast
from siyu.broadcasts.effects import Version, results
from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid
from siyu.tables import Broadcast, BroadcastState, Delivery, DeliveryState

PENDING, SENDING = DeliveryState.PENDING, DeliveryState.SENDING

_waits = (col(Delivery.state) == PENDING, col(Delivery.reason) == WAITS_FOR_WINNER)


async def undecided(session: ReadSession, *, now: datetime) -> list[int]:
    """Running broadcasts whose test is old enough, and in which somebody waits for its winner."""
    of_this = col(Delivery.broadcast_id) == col(Broadcast.id)
    started_at = type_coerce(col(Broadcast.started_at), BigInteger)
    ripe = started_at + col(Broadcast.winner_after_minutes) * 60 <= int(now.timestamp())
    candidates = select(Broadcast).where(
        col(Broadcast.state) == BroadcastState.RUNNING,
        col(Broadcast.winner).is_(None),
        col(Broadcast.winner_by).is_not(None),
        ripe,
        exists().where(of_this, *_waits),
    )
    return [one.id or 0 for one in await session.all(candidates) if await _is_tested(session, one, now)]


async def decide_winner(session: WriteSession, broadcast_id: int, *, now: datetime) -> str | None:
    """The version that did best goes to the rest; None while no version reached anybody, or when it was decided."""
    found = await results(session, broadcast_id)
    best = leader(found.versions, by_purchases=found.broadcast.winner_by == "purchases") or MAIN
    if not await _crown(session, broadcast_id, best, {BroadcastState.RUNNING}):
        return None
    fans = await _let_the_rest_go(session, broadcast_id, best, now)
    numbers = {one.key: [one.sent, one.clicks, one.purchases] for one in found.versions}
    await _note(session, SIYU, broadcast_id, now, winner=best, fans=fans, versions=numbers)
    return best


async def choose_winner(session: WriteSession, broadcast_id: int, key: str, *, actor: Actor, now: datetime) -> int:
    """An operator knows better, or does not want to wait; how many fans get it. Raises Invalid, Conflict."""
    broadcast = await get_broadcast(session, broadcast_id)
    if not broadcast.variants or key not in dict(shares(broadcast.variants)):
        raise Invalid("there is no version %(key)s", where=("winner",), key=key)
    if not await _crown(session, broadcast_id, key, {BroadcastState.RUNNING, BroadcastState.PAUSED}):
        if (await get_broadcast(session, broadcast_id)).winner is not None:
            raise Conflict("the winner is decided already", reason="decided")
        raise Conflict("a winner is chosen while the broadcast runs", reason="not_running")
    fans = await _let_the_rest_go(session, broadcast_id, key, now)
    await _note(session, actor, broadcast_id, now, winner=key, fans=fans)
    return fans


def leader(versions: Sequence[Version], *, by_purchases: bool) -> str | None:
    """The highest rate among those who got it; of equals the first, so that the main text stays."""
    rates = [(Fraction(one.purchases if by_purchases else one.clicks, one.sent), one) for one in versions if one.sent]
    return max(rates, key=lambda rated: rated[0])[1].key if rates else None


async def _is_tested(session: ReadSession, broadcast: Broadcast, now: datetime) -> bool:
    """The minutes count from the last fan's turn. Who is moved by quiet hours or a rest is not waited for."""
    tested = (col(Delivery.broadcast_id) == broadcast.id, col(Delivery.variant).is_not(None))
    not_before = col(Delivery.not_before)
    in_line = or_(
        col(Delivery.state) == SENDING, (col(Delivery.state) == PENDING) & (not_before.is_(None) | (not_before <= now))
    )
    turn = func.coalesce(col(Delivery.sent_at), col(Delivery.planned_at))
    moved = func.count().filter(col(Delivery.state) == PENDING)
    ((last, waiting, later, got_it),) = await session.rows(
        select(func.max(turn), func.count().filter(in_line), moved, func.count(col(Delivery.sent_at))).where(*tested)
    )
    if later and not got_it:
        return False
    return not waiting and (last is None or last + timedelta(minutes=broadcast.winner_after_minutes or 0) <= now)


async def _crown(session: WriteSession, broadcast_id: int, key: str, states: set[BroadcastState]) -> bool:
    """Asked and written in one statement: there is one winner, whoever is quicker."""
    open_question = (
        col(Broadcast.id) == broadcast_id,
        col(Broadcast.state).in_(states),
        col(Broadcast.winner).is_(None),
        or_(col(Broadcast.frozen_at).is_not(None), col(Broadcast.started_at).is_not(None)),
    )
    return bool(await session.run(update(Broadcast).where(*open_question).values(winner=key)))


async def _let_the_rest_go(session: WriteSession, broadcast_id: int, key: str, now: datetime) -> int:
    """Each at the moment that was planned, where it is still to come; their days of attribution begin anew."""
    is_to_come = col(Delivery.planned_at) > now
    go = {
        "variant": key,
        "reason": None,
        "planned_at": case((is_to_come, col(Delivery.planned_at)), else_=literal(now, Instant())),
        "not_before": case((is_to_come, col(Delivery.planned_at)), else_=null()),
    }
    return await session.run(update(Delivery).where(col(Delivery.broadcast_id) == broadcast_id, *_waits).values(go))


async def _note(session: WriteSession, actor: Actor, broadcast_id: int, now: datetime, **details: object) -> None:
    await audit.note(session, actor, "broadcast.winner", "broadcast", broadcast_id, now=now, **details)
