"""After a broadcast: tried again where it failed, sent to who did not get it, followed up with who did not press."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import case, literal, select, update
from sqlmodel import col

from siyu import audit, fans
from siyu.audit import Actor
from siyu.broadcasts.composing import Draft, compose, get_broadcast
from siyu.broadcasts.following import Follows
from siyu.kit.database import WriteSession
from siyu.kit.errors import Conflict
from siyu.tables import Broadcast, BroadcastState, Delivery, DeliveryState, Fan, Timing

RUNNING, PAUSED, FINISHED = BroadcastState.RUNNING, BroadcastState.PAUSED, BroadcastState.FINISHED
# Nobody waits in these any more: before, who still does would be written to twice.
OVER = (FINISHED, BroadcastState.CANCELLED, BroadcastState.FAILED)

# A follow-up goes to other people at another time, and is an experiment of its own or none.
_OF_ITS_OWN: Mapping[str, Any] = {  # Any: fields of a draft
    "include": (), "exclude": (), "rule": None, "freeze_early": False,
    "timing": Timing.NOW, "send_at": None, "local_at": None, "series": None, "spread_minutes": 0,
    "holdout_percent": 0, "variants": (), "test_percent": 100, "winner_by": None, "winner_after_minutes": None,
}  # fmt: skip


async def retry_failed(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> int:
    """Those it failed for who can be reached get another try, their days of attribution anew; how many.

    A finished broadcast runs again; a paused one waits for its operator; a cancelled one stays ended.
    """
    async with session.savepoint():
        await _reopen(session, broadcast_id)
        tried = await _line_up_again(session, broadcast_id, now)
        if not tried:
            raise Conflict("there is nobody to try again: no failed fan can be reached", reason="nobody_failed")
    await audit.note(session, actor, "broadcast.retried", "broadcast", broadcast_id, now=now, fans=tried)
    return tried


async def send_to_not_reached(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """A new draft of the same words, for those who did not get it. Raises Conflict before it is over."""
    original = await get_broadcast(session, broadcast_id)
    if original.state not in OVER:
        raise Conflict("some may still get this broadcast; wait until it is over", reason="not_over")
    return await _follow(session, original, Follows.NOT_REACHED, actor, now)


async def follow_up_not_pressed(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> Broadcast:
    """A new draft, to be written anew, for those who got it and pressed nothing. Raises Conflict before it started."""
    original = await get_broadcast(session, broadcast_id)
    if original.started_at is None:
        raise Conflict("this broadcast has not been started", reason="not_started")
    return await _follow(session, original, Follows.NOT_PRESSED, actor, now)


async def _reopen(session: WriteSession, broadcast_id: int) -> None:
    """Asked and changed in one statement, so that nobody cancels it while fans return to its line."""
    open_to_it = (col(Broadcast.id) == broadcast_id, col(Broadcast.state).in_([RUNNING, PAUSED, FINISHED]))
    state = case((col(Broadcast.state) == PAUSED, literal("paused")), else_=literal("running"))
    if not await session.run(update(Broadcast).where(*open_to_it).values(state=state, finished_at=None)):
        broadcast = await get_broadcast(session, broadcast_id)
        raise Conflict("only what was sent, and not cancelled, can be tried again", reason=str(broadcast.state))


async def _line_up_again(session: WriteSession, broadcast_id: int, now: datetime) -> int:
    reachable = select(col(Fan.id)).where(fans.can_be_reached())
    failed = (
        col(Delivery.broadcast_id) == broadcast_id,
        col(Delivery.state) == DeliveryState.FAILED,
        col(Delivery.fan_id).in_(reachable),
    )
    again = {"state": DeliveryState.PENDING, "reason": None, "owner": None, "not_before": None, "planned_at": now}
    return await session.run(update(Delivery).where(*failed).values(again))


async def _follow(
    session: WriteSession, original: Broadcast, follows: Follows, actor: Actor, now: datetime
) -> Broadcast:
    written = Draft(**{one.name: getattr(original, one.name) for one in fields(Draft)})
    words = _words_of_the_winner(original)
    draft = replace(written, **_OF_ITS_OWN, **words, follows_id=original.id, follows=str(follows))
    return await compose(session, actor, draft, now=now)


def _words_of_the_winner(broadcast: Broadcast) -> Mapping[str, Any]:  # Any: fields of a draft
    """What was sent to the rest, where a comparison was decided."""
    won = next((one for one in broadcast.variants if one.get("key") == broadcast.winner), {})
    return {name: won[name] for name in ("text", "buttons", "versions") if won.get(name)}
