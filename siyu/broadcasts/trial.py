"""Trials: one marked copy into the operator's own chat, and everybody written to without anything being sent."""

import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from siyu import audit, fans, mailroom
from siyu.audit import Actor
from siyu.broadcasts import content, placeholders
from siyu.broadcasts.audience import members_of
from siyu.broadcasts.content import Checked
from siyu.broadcasts.editions import pieces_of
from siyu.broadcasts.letters import letter_to
from siyu.broadcasts.placeholders import Values
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.wording import Words
from siyu.tables import Broadcast, Fan, Outbox

AT_ONCE = 1_000


async def test_to(
    session: WriteSession,
    actor: Actor,
    broadcast: Broadcast,
    telegram_id: int,
    *,
    words: Words,
    now: datetime,
    variant: str | None = None,  # noqa: PT028 - this is no test of ours
    language: str | None = None,  # noqa: PT028 - as above
) -> None:
    """Into the outbox; whose Telegram id this is must have pressed START in the bot once, as any fan.

    Buttons work and change nothing; what is not known of the operator is invented.
    """
    values = await _values(session, broadcast, telegram_id, words)
    letter = letter_to(telegram_id, broadcast, words, values=values, variant=variant, language=language, test=True)
    cause = f"{_cause(broadcast.id or 0)}{secrets.token_hex(8)}"
    payload, lane = dict(letter.payload), mailroom.REPLY
    await mailroom.send(session, letter.method, payload, person_id=telegram_id, lane=lane, cause=cause, now=now)
    await audit.note(session, actor, "broadcast.tested", "broadcast", broadcast.id, now=now)


async def tried(session: ReadSession, broadcast_id: int, telegram_id: int) -> Outbox | None:
    """The last copy to this person: under way, arrived, or refused in Telegram's own words."""
    theirs = (col(Outbox.person_id) == telegram_id, col(Outbox.cause).startswith(_cause(broadcast_id)))
    return await session.first(select(Outbox).where(*theirs).order_by(col(Outbox.id).desc()))


async def rehearse(session: ReadSession, broadcast: Broadcast) -> Checked:
    """What would be found for everybody who would get it now; without placeholders nobody needs to be looked at."""
    found = Checked()
    if placeholders.names_in(pieces_of(broadcast).texts):
        async for some in _recipients(session, broadcast):
            found += await content.check_recipients(session, broadcast, some)
    return found


def _cause(broadcast_id: int) -> str:
    return f"test:{broadcast_id}:"


async def _values(session: ReadSession, broadcast: Broadcast, telegram_id: int, words: Words) -> Values:
    invented = placeholders.sample(placeholders.names_in(pieces_of(broadcast).texts), words)
    fan = await fans.find_fan(session, telegram_id)
    if fan is None or fan.id is None:
        return invented
    return {**invented, **(await placeholders.values_for(session, broadcast, [fan.id]))[fan.id]}


async def _recipients(session: ReadSession, broadcast: Broadcast) -> AsyncIterator[Sequence[int]]:
    members, last = await members_of(session, broadcast), 0
    while True:
        after = select(col(Fan.id)).where(col(Fan.id).in_(members), col(Fan.id) > last, fans.can_be_reached())
        some = [fan_id or 0 for fan_id in await session.all(after.order_by(col(Fan.id)).limit(AT_ONCE))]
        if not some:
            return
        yield some
        last = some[-1]
