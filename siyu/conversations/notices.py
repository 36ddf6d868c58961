"""Notices: what a fan wrote, shown in the chats of operators who want it; a reply to one answers that fan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlmodel import col, select

from siyu import audit, mailroom, operators
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import Conversation, ConversationNotice, Fan, Operator, Outbox

# The outbox forgets what it sent after 7 days, and with it which message was whose.
KEPT = timedelta(days=8)


@dataclass(frozen=True)
class Notice:
    """One message to one operator; the same cause twice is one."""

    operator_id: int  # Telegram's
    cause: str
    method: str
    payload: dict[str, Any]  # Any: fields as Telegram spells them


async def want_notices(session: WriteSession, actor: Actor, operator_id: int, *, wanted: bool, now: datetime) -> None:
    """Whether this operator reads in their own chat, too, what fans write."""
    operator = await operators.get_operator(session, operator_id)
    if operator.hears_fans is wanted:
        return
    operator.hears_fans = wanted
    session.add(operator)
    action = "operator.notices_on" if wanted else "operator.notices_off"
    await audit.note(session, actor, action, "operator", operator_id, now=now)


async def hearers(session: ReadSession, fan: Fan, colleagues: Sequence[Operator]) -> list[Operator]:
    """Who of these is told: whoever is in charge of this fan if they want it, else everybody who does."""
    found = [one for one in colleagues if one.hears_fans]
    if not found:
        return []
    in_charge = await session.first(select(col(Conversation.assigned_to)).where(col(Conversation.fan_id) == fan.id))
    return [one for one in found if one.id == in_charge] or found


async def post_notices(session: WriteSession, fan: Fan, notices: Sequence[Notice], *, now: datetime) -> None:
    """Into the outbox, each known by its cause, so that a reply finds its fan."""
    rows = [{"cause": one.cause, "fan_id": fan.id, "at": now} for one in notices]
    once = session.insert(ConversationNotice).on_conflict_do_nothing(index_elements=["cause"])
    await session.run_many(once, rows)
    await mailroom.post(session, [_outgoing(one, now) for one in notices])


async def fan_meant(session: ReadSession, operator_id: int, message_id: int) -> Fan | None:
    """The fan whose notice this message in an operator's chat is."""
    notice = (
        select(Fan)
        .join(ConversationNotice, col(ConversationNotice.fan_id) == col(Fan.id))
        .join(Outbox, col(Outbox.cause) == col(ConversationNotice.cause))
    )
    return await session.first(notice.where(col(Outbox.person_id) == operator_id, col(Outbox.message_id) == message_id))


async def forget_notices(session: WriteSession, *, now: datetime) -> int:
    """Drop what no reply can find any more; how many."""
    return await session.run(delete(ConversationNotice).where(col(ConversationNotice.at) < now - KEPT))


def _outgoing(notice: Notice, now: datetime) -> dict[str, object]:
    return mailroom.outgoing(
        notice.method,
        notice.payload,
        person_id=notice.operator_id,
        lane=mailroom.NOTICE,
        cause=notice.cause,
        now=now,
    )
