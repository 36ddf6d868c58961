"""A bot as a process of its own, to be killed."""

import asyncio

from aiogram import Router
from aiogram.methods import SendMessage
from aiogram.types import Message

from bot import courier
from bot.run import run_bot
from siyu import audit
from siyu.app import open_app
from siyu.kit.database import WriteSession
from siyu.settings import Settings
from siyu.tables import Fan
from tests.bot.running import press


def talk(database_url: str, telegram: str) -> None:
    """Answer as the product does, for ever."""
    # On PostgreSQL the next one waits until the dead one's lease is over.
    courier.LEASE_SECONDS, courier.RENEW_SECONDS = 3, 1.0
    settings = Settings(database_url=database_url, telegram_api_url=telegram, bot_token="42:SANDBOX", send_rate=500)
    asyncio.run(run_bot(open_app(settings), asyncio.Event(), root=diary, kind_of=press))


def diary() -> Router:
    """Writes each message down once more itself, so that handling twice would show, and says so."""
    router = Router()

    @router.message()
    async def on_message(message: Message, session: WriteSession, fan: Fan, now: object) -> SendMessage:
        await audit.note(session, audit.SIYU, "diary.kept", "message", message.text, now=message.date)
        return message.answer(f"noted {message.text}")

    return router
