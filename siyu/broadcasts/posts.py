"""A post an operator sent to the bot becomes a draft: whatever it is made of, each fan gets a copy of it."""

from datetime import datetime

from siyu import idempotency
from siyu.audit import Actor
from siyu.broadcasts.composing import Draft, compose, get_broadcast
from siyu.kit.database import WriteSession
from siyu.tables import Broadcast

LONGEST_TITLE = 60


async def draft_of(
    session: WriteSession, actor: Actor, telegram_id: int, message_id: int, title: str, *, now: datetime
) -> Broadcast:
    """A draft that goes to this operator alone, until somebody chooses whom else; of one post one, however often."""
    key = f"post:{telegram_id}:{message_id}"
    if known := await idempotency.once(session, key, "", now=now):
        return await get_broadcast(session, int(known))
    draft = Draft(
        title=title.strip()[:LONGEST_TITLE],
        rule={"fans": [telegram_id]},
        copied={"chat_id": telegram_id, "message_id": message_id},
    )
    broadcast = await compose(session, actor, draft, now=now)
    await idempotency.remember(session, key, str(broadcast.id))
    return broadcast
