"""How others send to everybody; run by an interpreter that has them, and without a word of ours.

`python benchmarks/rivals.py NAME --telegram URL --token T --first ID --number N --folder F`
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

TEXT = "We <b>miss</b> you: ten percent off until Sunday."
BUTTONS = [
    [{"text": "Look", "callback_data": "b:1:shop"}],
    [{"text": "🔕 No more of these", "callback_data": "b:1:mute"}],
]
AT_ONCE = 100  # as many as aiogram has connections

Bot = Any  # Any: aiogram's, imported only where it is asked for
Contender = Callable[[argparse.Namespace], Coroutine[object, object, None]]


def main() -> None:
    """Send, and print nothing: what arrived is read where it arrived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=CONTENDERS)
    for name, kind in (("telegram", str), ("token", str), ("first", int), ("number", int), ("folder", Path)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    given = parser.parse_args()
    asyncio.run(CONTENDERS[given.name](given))


async def bare_aiogram(given: argparse.Namespace) -> None:
    """A gather over aiogram's own call, a hundred at a time; nobody keeps a book."""
    async with _bot(given) as bot:
        chats = iter(_chats(given))
        while some := list(islice(chats, AT_ONCE)):
            await asyncio.gather(
                *(bot.send_message(chat, TEXT, parse_mode="HTML", reply_markup=_markup()) for chat in some)
            )


async def broadcaster(given: argparse.Namespace) -> None:
    """aiogram-broadcaster as it comes: the list is in memory only."""
    await _mail(given, None)


async def broadcaster_sqlite(given: argparse.Namespace) -> None:
    """aiogram-broadcaster that survives a restart: it writes the whole list anew after every message."""
    from aiogram_broadcaster.storages.sqlalchemy import SQLAlchemyStorage

    storage = SQLAlchemyStorage.from_url(f"sqlite+aiosqlite:///{given.folder}/broadcaster.db")
    await storage.startup()
    await _mail(given, storage)
    await storage.shutdown()


async def broadcast(given: argparse.Namespace) -> None:
    """aiogram-broadcast without its pause after each message; its list would be in Redis, here it is at hand."""
    from aiogram_broadcast import BroadcastService

    class AtHand:
        async def get_all_subscriber_ids(self, state: object = None) -> Sequence[int]:
            return list(_chats(given))

    async with _bot(given) as bot:
        service = BroadcastService(bot, AtHand(), rate_limit=0)
        await service.broadcast_text(TEXT, parse_mode="HTML", reply_markup=_markup())


async def tgcast(given: argparse.Namespace) -> None:
    """Tgcast with its limits lifted, as many workers as the others have calls in flight, and a quick look."""
    await asyncio.to_thread(_cast, given)


def _cast(given: argparse.Namespace) -> None:
    from tgcast import Task, Telecast

    engine = Telecast(
        given.token, store_dsn=f"{given.folder}/tgcast.db", telegram_base_url=given.telegram, global_rps=100_000,
        per_chat_rps=100_000, max_concurrency=AT_ONCE, poll_interval=0.001,
    )  # fmt: skip
    with engine:
        tasks = [
            engine.enqueue(Task(chat, TEXT, parse_mode="HTML", reply_markup={"inline_keyboard": BUTTONS}))
            for chat in _chats(given)
        ]
        for task in reversed(tasks):
            while (standing := engine.task_status(task)) is not None and standing.state not in ("sent", "dead"):
                time.sleep(0.05)


CONTENDERS: dict[str, Contender] = {
    "bare-aiogram": bare_aiogram,
    "aiogram-broadcaster": broadcaster,
    "aiogram-broadcaster-sqlite": broadcaster_sqlite,
    "aiogram-broadcast": broadcast,
    "tgcast": tgcast,
}


async def _mail(given: argparse.Namespace, storage: object) -> None:
    from aiogram_broadcaster import Broadcaster
    from aiogram_broadcaster.contents import TextContent

    async with _bot(given) as bot:
        content = TextContent(text=TEXT, parse_mode="HTML", reply_markup=_markup())
        mailer = await Broadcaster(bot, storage=storage).create_mailer(chats=_chats(given), content=content)
        await mailer.start()


def _bot(given: argparse.Namespace) -> Bot:
    from aiogram import Bot
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer

    return Bot(given.token, session=AiohttpSession(api=TelegramAPIServer.from_base(given.telegram)))


def _markup() -> Any:  # Any: aiogram's keyboard
    from aiogram.types import InlineKeyboardMarkup

    return InlineKeyboardMarkup.model_validate({"inline_keyboard": BUTTONS})


def _chats(given: argparse.Namespace) -> range:
    return range(given.first, given.first + given.number)


if __name__ == "__main__":
    main()
