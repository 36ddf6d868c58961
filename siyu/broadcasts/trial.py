"""A test: one marked copy into the operator's own chat, with buttons that work and change nothing."""

from datetime import datetime

from siyu import audit, mailroom
from siyu.audit import Actor
from siyu.broadcasts.letters import letter_to
from siyu.kit.database import WriteSession
from siyu.kit.wording import Words
from siyu.tables import Broadcast


async def test_to(
    session: WriteSession, actor: Actor, broadcast: Broadcast, telegram_id: int, *, words: Words, now: datetime
) -> None:
    """Into the outbox; whose Telegram id this is must have pressed START in the bot once, as any fan."""
    letter = letter_to(telegram_id, broadcast, words, test=True)
    payload = dict(letter.payload)
    await mailroom.send(session, letter.method, payload, person_id=telegram_id, lane=mailroom.REPLY, now=now)
    await audit.note(session, actor, "broadcast.tested", "broadcast", broadcast.id, now=now)
