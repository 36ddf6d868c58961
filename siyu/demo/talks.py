"""What the invented community's fans wrote lately, some of it answered; and what they chose to hear about, and when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sqlmodel import col, select

from siyu import conversations, fans, topics
from siyu.app import App
from siyu.conversations import Heard, Said
from siyu.demo.history import TEA_HOUSE
from siyu.kit.database import WriteSession
from siyu.tables import Delivery, Fan

TOPICS = (("new_teas", "新茶 · New teas"), ("sessions", "茶会 · Sessions"), ("offers", "优惠 · Offers"))


@dataclass(frozen=True)
class Chat:
    """What a fan wrote so long ago, and what was answered."""

    ago: timedelta
    asked: tuple[str, ...]
    answer: str = ""
    closed: bool = False


CHATS = (
    Chat(timedelta(hours=5), ("请问白茶饼还有货吗？", "要两饼")),
    Chat(timedelta(minutes=40), ("Do you ship to Lisbon?",)),
    Chat(timedelta(hours=20), ("周三的茶会还能报名吗？",), "还有三个位置，已经给您留了一个。"),
    Chat(timedelta(days=2), ("The tin arrived, thank you!",), "Enjoy it, and tell us how it tastes.", closed=True),
)


# Answers to a broadcast, which stand beside it.
REPLIES = ("六十斤里还能分我半斤吗？", "Is it the same garden as last year?")


async def choose(app: App, *, now: datetime, dice: Random) -> None:
    """One in ten does not want to hear about something, a few sleep early, fewer still rest from all of it."""
    async with app.database.writing() as session:
        for key, label in TOPICS:
            await topics.create_topic(session, TEA_HOUSE, key, label, now=now)
        for fan in await session.all(select(Fan).where(fans.can_be_reached()).order_by(col(Fan.id))):
            if dice.random() < 0.1:
                await topics.decline(session, fan, dice.choice(TOPICS)[0], now=now)
            if dice.random() < 0.04:
                await fans.set_quiet_hours(session, fan, (22 * 60, 8 * 60))
            if dice.random() < 0.02:
                await fans.rest(session, fan, until=now + timedelta(days=100), now=now)


async def talk(app: App, *, now: datetime) -> None:
    """Whoever can be reached and is here longest has something to say."""
    async with app.database.writing() as session:
        regulars = select(Fan).where(fans.can_be_reached()).order_by(col(Fan.joined_at)).limit(len(CHATS))
        for fan, chat in zip(await session.all(regulars), CHATS, strict=False):
            await _have(session, fan, chat, now - chat.ago)
        await _reply(session, now)


async def _reply(session: WriteSession, now: datetime) -> None:
    """To the broadcast that was sent to most of them."""
    got = select(col(Delivery.fan_id), col(Delivery.message_id)).where(col(Delivery.message_id).is_not(None))
    found = await session.rows(got.order_by(col(Delivery.message_id)).limit(len(REPLIES)))
    lines = [
        Heard(f"demo:reply:{fan_id}", fan_id, now - timedelta(hours=3 + number), text, replies_to=message_id)
        for number, ((fan_id, message_id), text) in enumerate(zip(found, REPLIES, strict=False))
    ]
    await conversations.hear(session, lines)


async def _have(session: WriteSession, fan: Fan, chat: Chat, at: datetime) -> None:
    lines = [Heard(f"demo:{fan.id}:{number}", fan.id or 0, at, asked) for number, asked in enumerate(chat.asked)]
    await conversations.hear(session, lines)
    if chat.answer:
        said, later = Said(f"demo:{fan.id}", chat.answer), at + timedelta(minutes=12)
        await conversations.answer(session, TEA_HOUSE, fan, said, operator_id=None, now=later)
    if chat.closed:
        await conversations.close(session, TEA_HOUSE, fan, seen=None, now=at + timedelta(minutes=30))
