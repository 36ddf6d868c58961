"""Answering: an operator's words to one fan, who is in charge of the talk, and when it is over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, update
from sqlmodel import col, select

from siyu import audit, mailroom, operators
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.wording import phrase
from siyu.operators import Permission
from siyu.tables import Conversation, ConversationLine, ConversationState, Fan, Reach

LONGEST_ANSWER = 4096  # characters, Telegram's limit of a text

_OUT_OF_REACH = {
    Reach.BLOCKED: phrase("this fan has blocked the bot: an answer cannot arrive until they come back"),
    Reach.GONE: phrase("this fan’s account is gone: an answer cannot arrive"),
    Reach.IMPORTED: phrase("this fan has never talked to the bot: Telegram lets nobody write to them first"),
}


@dataclass(frozen=True)
class Said:
    """An answer: words, or a message in the operator's own chat that is copied with whatever is in it."""

    key: str  # the same twice is one answer
    text: str = ""
    kind: str = "text"
    copied: tuple[int, int] | None = None  # a chat, and a message in it
    seen: int | None = None  # the last line the operator had before their eyes; None: all there is


async def answer(
    session: WriteSession, actor: Actor, fan: Fan, said: Said, *, operator_id: int | None, now: datetime
) -> bool:
    """Send it after the commit, and nobody waits any more; False when this very answer went out before.

    Whoever answers a talk that nobody has is in charge of it. Raises Invalid, or Conflict out of reach.
    """
    text = _checked(said)
    must_be_reachable(fan)
    if not await _write_down(session, actor, fan, said, text, now):
        return False
    method, payload = _call(fan, said, text)
    await mailroom.send(session, method, payload, person_id=fan.telegram_id, cause=f"answer:{said.key}", now=now)
    await _settle(session, fan.id or 0, said.seen, operator_id, now)
    await audit.note(session, actor, "conversation.answered", "conversation", fan.telegram_id, now=now, name=fan.name)
    return True


async def assign(session: WriteSession, actor: Actor, fan: Fan, operator_id: int | None, *, now: datetime) -> None:
    """Put somebody in charge, or nobody. Raises Invalid for somebody who may not answer."""
    name = await _name_of(session, operator_id) if operator_id is not None else None
    this = update(Conversation).where(col(Conversation.fan_id) == fan.id)
    if not await session.run(this.values(assigned_to=operator_id)):
        raise NotFound("this fan has not written yet")
    details = {"name": fan.name, "new": name}
    await audit.note(session, actor, "conversation.assigned", "conversation", fan.telegram_id, now=now, **details)


async def close(session: WriteSession, actor: Actor, fan: Fan, *, seen: int | None, now: datetime) -> None:
    """Over, until the fan writes again. Refused where they did so while the operator was reading."""
    waits, _ = await _unseen(session, fan.id or 0, seen)
    if waits:
        raise Conflict("the fan wrote again meanwhile: read it first", reason="wrote_again")
    over = {"state": ConversationState.CLOSED, "unread": 0, "waiting_since": None}
    await _turn(session, fan, ConversationState.OPEN, over)
    await audit.note(session, actor, "conversation.closed", "conversation", fan.telegram_id, now=now, name=fan.name)


async def reopen(session: WriteSession, actor: Actor, fan: Fan, *, now: datetime) -> None:
    await _turn(session, fan, ConversationState.CLOSED, {"state": ConversationState.OPEN})
    await audit.note(session, actor, "conversation.reopened", "conversation", fan.telegram_id, now=now, name=fan.name)


def must_be_reachable(fan: Fan) -> None:
    """Raises Conflict where an answer could not arrive; whoever opted out of broadcasts still gets answers."""
    if fan.reach in _OUT_OF_REACH:
        raise Conflict(_OUT_OF_REACH[fan.reach], reason=str(fan.reach))


def _checked(said: Said) -> str:
    text = said.text.replace("\x00", "").replace("\r\n", "\n").strip()
    if said.copied is None and not text:
        raise Invalid("write something first", where=("text",))
    if len(text) > LONGEST_ANSWER:
        raise Invalid("an answer has at most %(most)s characters", where=("text",), most=LONGEST_ANSWER)
    return text


async def _write_down(session: WriteSession, actor: Actor, fan: Fan, said: Said, text: str, now: datetime) -> bool:
    row = {
        "fan_id": fan.id,
        "from_fan": False,
        "text": text,
        "kind": said.kind,
        "at": now,
        "by": actor.name,
        "cause": f"answer:{said.key}",
    }
    once = session.insert(ConversationLine).on_conflict_do_nothing(index_elements=["cause"])
    return await session.run(once, row) == 1


def _call(fan: Fan, said: Said, text: str) -> tuple[str, dict[str, Any]]:  # Any: fields as Telegram spells them
    if said.copied is None:
        return "sendMessage", {"chat_id": fan.telegram_id, "text": text}
    chat_id, message_id = said.copied
    return "copyMessage", {"chat_id": fan.telegram_id, "from_chat_id": chat_id, "message_id": message_id}


async def _settle(session: WriteSession, fan_id: int, seen: int | None, operator_id: int | None, now: datetime) -> None:
    """Nobody waits, but for lines that came while the answer was being written."""
    unread, since = await _unseen(session, fan_id, seen)
    statement = session.insert(Conversation)
    new = statement.excluded
    stands = {name: new[name] for name in ("state", "unread", "waiting_since", "last_at")}
    mine = func.coalesce(col(Conversation.assigned_to), new.assigned_to)
    row = {
        "fan_id": fan_id,
        "state": ConversationState.OPEN,
        "assigned_to": operator_id,
        "unread": unread,
        "waiting_since": since,
        "last_at": now,
    }
    await session.run(
        statement.on_conflict_do_update(index_elements=["fan_id"], set_={**stands, "assigned_to": mine}), row
    )


async def _unseen(session: ReadSession, fan_id: int, seen: int | None) -> tuple[int, datetime | None]:
    """How many lines the fan wrote after that one, and when the first of them came."""
    if seen is None:
        return 0, None
    later = select(func.count(), func.min(col(ConversationLine.at))).where(
        col(ConversationLine.fan_id) == fan_id, col(ConversationLine.from_fan), col(ConversationLine.id) > seen
    )
    ((number, since),) = await session.rows(later)
    return number, since


async def _turn(session: WriteSession, fan: Fan, old: ConversationState, values: dict[str, object]) -> None:
    this = update(Conversation).where(col(Conversation.fan_id) == fan.id, col(Conversation.state) == old)
    if not await session.run(this.values(values)):
        raise Conflict("somebody else was quicker: look again", reason="state")


async def _name_of(session: ReadSession, operator_id: int) -> str:
    try:
        operator = await operators.get_operator(session, operator_id)
    except NotFound:
        raise Invalid("choose one of these", where=("operator_id",)) from None
    if operator.disabled_at is not None or not operators.may(operator.role, Permission.OPERATE):
        raise Invalid("choose one of these", where=("operator_id",))
    return operators.actor_of(operator).name
