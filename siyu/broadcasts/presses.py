"""Presses under a broadcast: honoured only from a fan it went to, written down once."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, literal, update
from sqlmodel import col, select, tuple_

from siyu.broadcasts.buttons import Action, Press, check_buttons, parse_press
from siyu.broadcasts.editions import Edition, Pieces, pieces_of
from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Forbidden
from siyu.tables import Broadcast, BroadcastClick, BroadcastRevision, Delivery, DeliveryState, Fan

_UNSURE = (DeliveryState.UNKNOWN, DeliveryState.PENDING)


async def press(session: WriteSession, fan: Fan, data: str, *, now: datetime) -> Press:
    """What the fan asks for. The first press counts as the click; opting out is none.

    Raises Forbidden when the button was never sent to this fan. A test copy's press changes nothing.
    """
    pressed = parse_press(data)
    if pressed is None:
        raise Forbidden("this button does not work", reason="forged")
    if pressed.test:
        return pressed
    delivery = await session.get(Delivery, (pressed.broadcast_id, fan.id))
    if delivery is None or delivery.attempts == 0 or not await _is_asked(session, pressed):
        raise Forbidden("this button does not work", reason="forged")
    if pressed.action is Action.MUTE:
        await _it_arrived(session, delivery, now)
    else:
        await clicked(session, delivery, pressed.word or str(pressed.action), now=now)
    return pressed


async def clicked(session: WriteSession, delivery: Delivery, button: str, *, now: datetime) -> bool:
    """The fan pressed it, so the message arrived; whether this was their first press on this button."""
    await _it_arrived(session, delivery, now)
    await _click(session, delivery, now)
    key = {"broadcast_id": delivery.broadcast_id, "fan_id": delivery.fan_id, "button": button}
    insert = session.insert(BroadcastClick).values(**key, at=now)
    return bool(await session.run(insert.on_conflict_do_nothing()))


async def answers_to(session: ReadSession, broadcast_id: int) -> frozenset[str]:
    """The words its buttons answer with, as it was sent or written anew."""
    return frozenset[str]().union(*[pieces.answers for pieces in await _pieces(session, broadcast_id)])


async def offer_of(session: ReadSession, pressed: Press) -> int | None:
    """The offer that Claim means."""
    return await session.first(select(Broadcast.offer_id).where(Broadcast.id == pressed.broadcast_id))


async def were_sent(session: ReadSession, claimed: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Of these `(broadcast, fan)` pairs the ones a message went out for: the rest is forged."""
    if not claimed:
        return set()
    pair = tuple_(col(Delivery.broadcast_id), col(Delivery.fan_id))
    statement = select(col(Delivery.broadcast_id), col(Delivery.fan_id)).where(
        pair.in_(list(claimed)), col(Delivery.attempts) > 0
    )
    return {(row.broadcast_id, row.fan_id) for row in await session.rows(statement)}


async def _is_asked(session: ReadSession, pressed: Press) -> bool:
    """An answer is one of those that were asked for, and so is a questionnaire; a forged word is none."""
    if pressed.action is Action.ANSWER:
        return pressed.word in await answers_to(session, pressed.broadcast_id)
    if pressed.action is Action.SURVEY:
        return any(pressed.word in pieces.surveys for pieces in await _pieces(session, pressed.broadcast_id))
    return True


async def _pieces(session: ReadSession, broadcast_id: int) -> Sequence[Pieces]:
    """A broadcast as it was sent, and as it was written anew."""
    broadcast = await session.get(Broadcast, broadcast_id)
    if broadcast is None:
        return []
    anew = await session.all(select(BroadcastRevision).where(BroadcastRevision.broadcast_id == broadcast_id))
    revised = tuple(Edition((), "", check_buttons(one.buttons)[0]) for one in anew)
    return [pieces_of(broadcast), Pieces(revised)]


async def _it_arrived(session: WriteSession, delivery: Delivery, now: datetime) -> None:
    """A press settles what nobody could know, and keeps it from being sent a second time."""
    this = (col(Delivery.broadcast_id) == delivery.broadcast_id, col(Delivery.fan_id) == delivery.fan_id)
    sent_at = func.coalesce(col(Delivery.sent_at), literal(now, Instant()))
    arrived = {"state": DeliveryState.SENT, "reason": None, "sent_at": sent_at}
    await session.run(update(Delivery).where(*this, col(Delivery.state).in_(_UNSURE)).values(arrived))


async def _click(session: WriteSession, delivery: Delivery, now: datetime) -> None:
    this = (col(Delivery.broadcast_id) == delivery.broadcast_id, col(Delivery.fan_id) == delivery.fan_id)
    first = update(Delivery).where(*this, col(Delivery.clicked_at).is_(None)).values(clicked_at=now)
    await session.run(first)
