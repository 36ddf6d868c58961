"""A pretend Telegram in a process of its own, a community known to it and to the house, and what arrived there."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
from pydantic import SecretStr
from sqlalchemy import insert, literal, select, text
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import col

from siyu import broadcasts
from siyu.app import App, open_app
from siyu.audit import Actor
from siyu.broadcasts import Draft
from siyu.kit.clock import local_day
from siyu.settings import Settings
from siyu.tables import Fan, FanLevel

TOKEN = "42:SANDBOX"
FIRST_ID = 6_000_000_001
BENCH = Actor("cli", "benchmark")
TEXT = "We <b>miss</b> you: ten percent off until Sunday."
AT_ONCE = 5000

Json = dict[str, Any]  # Any: what the sandbox tells


@dataclass(frozen=True)
class Run:
    """What arrived at the sandbox."""

    sent: int
    refused: int  # answered with 429
    seconds: float  # from the first to the last
    busiest: int  # most in any one second
    slowest: int  # fewest in any whole ten seconds, per second

    @property
    def rate(self) -> float:
        return (self.sent - 1) / self.seconds


@contextmanager
def pretend_telegram(*, limit: float | None, delay: float) -> Iterator[str]:
    """Its address; `limit` in messages a second, None for none."""
    command = [
        sys.executable, "-m", "bot.sandbox", "--port", "0", "--token", TOKEN, "--rate", str(limit or "none").lower(),
        "--delay", str(delay),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with suppress(PermissionError):
            # The real one has machines of its own: where we may, it does not wait for ours.
            os.setpriority(os.PRIO_PROCESS, process.pid, -10)
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def settings_for(url: str, telegram: str, rate: float) -> Settings:
    """Beyond 1,000/s too, where a setting may not go: there it would be the limit that is measured."""
    settings = Settings(database_url=url, bot_token=SecretStr(TOKEN), telegram_api_url=telegram)
    return settings.model_copy(update={"send_rate": rate})


async def bring_fans(app: App, number: int) -> None:
    """To the house: so many in one segment, loyalty.at_risk; the planner knows of them, as of any community."""
    now, zone = app.clock(), app.settings.zone
    for start in range(0, number, AT_ONCE):
        people = [_fan(n, now, zone) for n in range(start, min(number, start + AT_ONCE))]
        async with app.database.writing() as session:
            await session.run_many(insert(Fan), people)
    level: dict[str, SQLCoreOperations[Any]] = {  # Any: columns of several types
        "dimension": literal("loyalty"), "fan_id": col(Fan.id), "level": literal("at_risk"),
        "since": col(Fan.joined_at), "since_day": col(Fan.joined_day),
    }  # fmt: skip
    async with app.database.writing() as session:
        await session.run(insert(FanLevel).from_select(list(level), select(*level.values())))
        if session.dialect == "postgresql":
            await session.run(text("ANALYZE"))


def _fan(number: int, now: datetime, zone: ZoneInfo) -> Json:
    return {
        "telegram_id": FIRST_ID + number, "name": f"Fan {number}", "language": "en", "joined_at": now,
        "joined_day": local_day(now, zone), "referral_code": f"bench-{number}",
    }  # fmt: skip


async def introduce(world: aiohttp.ClientSession, number: int) -> None:
    """To the sandbox: they have all written to the bot before."""
    for start in range(0, number, AT_ONCE):
        numbers = range(start, min(number, start + AT_ONCE))
        persons = [{"name": f"Fan {n}", "telegram_id": FIRST_ID + n, "known": True} for n in numbers]
        async with world.post("/sandbox/api/people", json=persons) as response:
            response.raise_for_status()


async def started(app: App) -> int:
    """A broadcast to all of them, under way."""
    draft = Draft(
        title="Come back", include=("loyalty.at_risk",), text=TEXT, buttons=[[{"text": "Look", "action": "shop"}]]
    )
    async with app.database.writing() as session:
        broadcast = await broadcasts.compose(session, BENCH, draft, now=app.clock())
        await broadcasts.start(session, broadcast.id or 0, actor=BENCH, now=app.clock())
    return broadcast.id or 0


async def given_broadcast(url: str, number: int) -> int:
    """In an empty house: its fans, and a broadcast to all of them under way."""
    app = open_app(Settings(database_url=url))
    await bring_fans(app, number)
    broadcast_id = await started(app)
    await app.close()
    return broadcast_id


async def calls_so_far(world: aiohttp.ClientSession) -> int:
    async with world.get("/sandbox/api/calls", params={"since": 10**12}) as response:
        return int((await response.json())["last"])


async def calls_since(world: aiohttp.ClientSession, since: int) -> list[Json]:
    async with world.get("/sandbox/api/calls", params={"since": since, "method": "sendMessage"}) as response:
        return list((await response.json())["calls"])


def run_of(calls: Sequence[Json]) -> Run:
    moments = sorted(call["at"] for call in calls if call["code"] == 200)
    return Run(
        sent=len(moments),
        refused=sum(call["code"] == 429 for call in calls),
        seconds=moments[-1] - moments[0],
        busiest=busiest(moments),
        slowest=_slowest(moments),
    )


def busiest(moments: Sequence[float]) -> int:
    """Most in any one second."""
    most, left = 0, 0
    for right, moment in enumerate(moments):
        while moment - moments[left] >= 1:
            left += 1
        most = max(most, right - left + 1)
    return most


def _slowest(moments: Sequence[float]) -> int:
    """Only whole tens of seconds count: the last one is cut off by the end."""
    tens = Counter(int((moment - moments[0]) // 10) for moment in moments)
    whole = [number for ten, number in tens.items() if ten < max(tens)]
    return min(whole, default=tens[0]) // 10
