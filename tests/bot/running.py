"""The bot beside a test: with a desk of its own where the product's does not matter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiogram import Router
from aiogram.methods import AnswerCallbackQuery, SendMessage
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

from bot import routers
from bot.recorder import KindOf
from bot.run import run_bot
from siyu.app import App

PATIENCE = 30.0
KEYBOARD = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="More", callback_data="more")]])


@dataclass(frozen=True)
class Press:
    """Every press counts as one here."""

    kind: str = "press"
    detail: str | None = None
    broadcast_id: int | None = None


def press(data: str) -> Press:
    return Press(detail=data)


def echo() -> Router:
    """Says what it heard."""
    router = Router()

    @router.message()
    async def on_message(message: Message) -> SendMessage:
        return message.answer(f"heard {message.text}", reply_markup=KEYBOARD)

    @router.callback_query()
    async def on_press(query: CallbackQuery) -> AnswerCallbackQuery:
        return query.answer(f"pressed {query.data}")

    return router


@asynccontextmanager
async def running(
    app: App, root: Callable[[], Router] = routers.root, kind_of: KindOf = routers.kind_of
) -> AsyncIterator[asyncio.Event]:
    """The whole bot while the block runs; yields what stops it."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_bot(app, stop, root=root, kind_of=kind_of))
        try:
            yield stop
        finally:
            stop.set()


async def until(holds: Callable[[], Awaitable[bool] | bool], *, within: float = PATIENCE) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within):
        while not await _value(holds()):
            await asyncio.sleep(0.02)


async def _value(answer: Awaitable[bool] | bool) -> bool:
    return answer if isinstance(answer, bool) else await answer
