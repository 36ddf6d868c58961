"""A sender as a process of its own, to be killed."""

import asyncio
from collections.abc import Sequence
from functools import partial

from sqlalchemy import update
from sqlmodel import col

from bot.sender import run_sender
from siyu.app import open_app
from siyu.broadcasts import content, ledger, preparing
from siyu.broadcasts.content import Checked
from siyu.kit.database import WriteSession
from siyu.serving import tune_interpreter
from siyu.settings import Settings
from siyu.tables import Broadcast, Delivery


def send(database_url: str, telegram: str, rate: float) -> None:
    """Send as the product does, for ever."""
    tune_interpreter()
    settings = Settings(database_url=database_url, telegram_api_url=telegram, bot_token="42:SANDBOX", send_rate=rate)
    asyncio.run(run_sender(open_app(settings), asyncio.Event()))


def send_after_long_preparations(database_url: str, telegram: str, rate: float) -> None:
    """Look at five fans at a time, and take time over them."""
    preparing.CHUNK, preparing.advance = 5, partial(preparing.advance, check=_slowly)  # in this process only
    send(database_url, telegram, rate)


async def _slowly(session: WriteSession, broadcast: Broadcast, fan_ids: Sequence[int]) -> Checked:
    await asyncio.sleep(0.02)
    return await content.check_recipients(session, broadcast, fan_ids)


def send_carelessly(database_url: str, telegram: str, rate: float) -> None:
    """The mistake the ledger is there to prevent: what a dead sender had in hand is simply sent again."""
    ledger.settle_dead = _wait_again  # in this process only
    send(database_url, telegram, rate)


async def _wait_again(session, alive, *, now):
    in_hand = update(Delivery).where(col(Delivery.state) == ledger.SENDING)
    return await session.run(in_hand.where(col(Delivery.owner).not_in(alive)).values(state=ledger.PENDING))
