"""Who our bot is: noted at each start of the bot, so that pages can make links without asking Telegram."""

from datetime import datetime

from sqlmodel import col, select

from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import BotAccount


async def remember_bot(session: WriteSession, bot_id: int, username: str, name: str, *, now: datetime) -> None:
    """What Telegram calls the bot."""
    told = {"username": username, "name": name, "seen_at": now}
    insert = session.insert(BotAccount).values(bot_id=bot_id, **told)
    await session.run(insert.on_conflict_do_update(index_elements=["bot_id"], set_=told))


async def username_of(session: ReadSession, bot_id: int) -> str | None:
    """For `t.me/USERNAME?start=…`; None before the bot's first start."""
    return await session.first(select(BotAccount.username).where(BotAccount.bot_id == bot_id))


async def latest_username(session: ReadSession) -> str | None:
    """Of the bot that was started last: what links in messages lead to."""
    return await session.first(select(BotAccount.username).order_by(col(BotAccount.seen_at).desc()))
