"""The pace as Telegram sees it: its limit used almost whole and never overstepped, and who chats hardly waits."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, cycle, pairwise
from typing import Any

import aiohttp
import pytest

from benchmarks.telegrams import (
    Json,
    Run,
    bring_fans,
    calls_since,
    introduce,
    pretend_telegram,
    run_of,
    settings_for,
    started,
)
from bot.sender import Sender, run_sender
from siyu.app import App, open_app
from siyu.kit.clock import system_clock
from siyu.outcomes import Outcome
from siyu.serving import tune_interpreter
from tests.bot.running import echo, press, running
from tests.bot.senders import send
from tests.broadcasting import FakeTelegram, given_fans, state_of, until
from tests.broadcasting import started as started_for_all
from tests.forks import Child

LIMIT, DELAY = 30, 0.08
TALKERS = range(9_000_000_001, 9_000_000_011)
TALK_SECONDS = 1.0  # between two of them


@dataclass(frozen=True)
class Seen:
    """What arrived at Telegram while a broadcast ran, and how long each who said something waited for the answer."""

    run: Run
    calls: Sequence[Json]
    waits: Sequence[float]

    @property
    def closest(self) -> float:
        """Seconds between two messages in one chat, at least."""
        chats: dict[int, list[float]] = defaultdict(list)
        for call in self.calls:
            chats[call["params"]["chat_id"]].append(call["at"])
        gaps = [later - earlier for moments in chats.values() for earlier, later in pairwise(sorted(moments))]
        return min(gaps, default=1.0)

    @property
    def p95(self) -> float:
        return sorted(self.waits)[int(len(self.waits) * 0.95)]


async def _watch(url: str, *, rate: float, seconds: float, processes: int) -> Seen:
    with pretend_telegram(limit=LIMIT, delay=DELAY) as telegram:
        app = open_app(settings_for(url, telegram, rate))
        async with aiohttp.ClientSession(telegram) as world:
            fans = int(rate * seconds)
            await bring_fans(app, fans)
            await introduce(world, fans)
            await _introduce_talkers(world)
            async with running(app, echo, press), _senders(app, processes):
                await _greet(world)
                broadcast_id = await started(app)
                said = await _talk(app, world, broadcast_id)
            calls = [call for call in await calls_since(world, 0) if call["code"] in (200, 429)]
        await app.close()
    return _seen(calls, said)


@asynccontextmanager
async def _senders(app: App, processes: int) -> AsyncIterator[None]:
    """In this process, as the product runs by itself; or in so many others."""
    settings, stop = app.settings, asyncio.Event()
    if processes == 1:
        async with asyncio.TaskGroup() as group:
            group.create_task(run_sender(app, stop))
            yield
            stop.set()
        return
    children = [
        Child(send, settings.database_url, settings.telegram_api_url, settings.send_rate) for _ in range(processes)
    ]
    yield
    for child in children:
        child.kill()


async def _introduce_talkers(world: aiohttp.ClientSession) -> None:
    persons = [{"name": f"Talker {who}", "telegram_id": who, "known": True} for who in TALKERS]
    async with world.post("/sandbox/api/people", json=persons) as response:
        response.raise_for_status()


async def _greet(world: aiohttp.ClientSession) -> None:
    """Once each, before it counts: the bot has started."""
    for who in TALKERS:
        await _say(world, who, "hello")

    async def all_are_answered() -> bool:
        return len(await calls_since(world, 0)) >= len(TALKERS)

    await until(all_are_answered)


async def _talk(app: App, world: aiohttp.ClientSession, broadcast_id: int) -> dict[str, float]:
    """They say something in turn until the broadcast is over; what, and when."""
    said: dict[str, float] = {}
    for number, who in zip(count(), cycle(TALKERS), strict=False):
        if await state_of(app, broadcast_id) == "finished":
            break
        said[f"number {number}"] = time.monotonic()
        await _say(world, who, f"number {number}")
        await asyncio.sleep(TALK_SECONDS)
    return said


async def _say(world: aiohttp.ClientSession, who: int, text: str) -> None:
    async with world.post(f"/sandbox/api/people/{who}/says", json={"text": text}) as response:
        response.raise_for_status()


def _seen(calls: Sequence[Json], said: dict[str, float]) -> Seen:
    heard = {call["params"]["text"].removeprefix("heard "): call["at"] for call in calls if call["code"] == 200}
    waits = [heard[text] - moment for text, moment in said.items() if text in heard]
    # From the first message of the broadcast on: before it there were greetings.
    first = min(call["at"] for call in calls if call["params"]["chat_id"] not in TALKERS)
    counted = [call for call in calls if call["at"] >= first]
    last = max(call["at"] for call in counted if call["params"]["chat_id"] not in TALKERS)
    return Seen(run_of([call for call in counted if call["at"] <= last]), counted, waits)


async def test_for_a_few_seconds_telegram_is_never_asked_too_much(database_url: str):
    """At a pace that leaves a machine room to stumble for two seconds, and that four who each kept it would break."""
    processes = 1 if database_url.startswith("sqlite") else 4

    seen = await _watch(database_url, rate=10, seconds=6, processes=processes)

    assert (seen.run.refused, seen.run.busiest <= LIMIT) == (0, True)
    assert seen.closest >= 0.9


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("processes", [1, 4])
async def test_for_ten_minutes_the_limit_is_used_almost_whole(database_url: str, processes: int):
    if processes > 1 and database_url.startswith("sqlite"):
        return  # one process owns the file
    tune_interpreter()  # as the product does when it starts
    seen = await _watch(database_url, rate=28.65, seconds=600, processes=processes)

    assert (seen.run.refused, seen.run.busiest <= LIMIT) == (0, True)
    assert seen.run.rate >= 28.5
    assert seen.closest >= 1
    assert seen.p95 <= 0.2


class Listening(FakeTelegram):
    """Knows when each chat was written to."""

    def __init__(self, *, delay: float = 0.02) -> None:
        super().__init__(delay=delay)
        self.moments: dict[int, list[float]] = defaultdict(list)

    async def call(self, method: str, payload: Mapping[str, Any]) -> Outcome:  # Any: fields of a method
        self.moments[payload["chat_id"]].append(time.monotonic())
        return await super().call(method, payload)


async def test_two_broadcasts_to_the_same_fans_leave_each_chat_a_second(app: App):
    app = replace(app, clock=system_clock)
    await given_fans(app, 6)
    for_all = [await started_for_all(app) for _ in range(2)]
    telegram, stop = Listening(), asyncio.Event()

    async with asyncio.TaskGroup() as group:
        group.create_task(Sender(app, telegram, app.pace).run(stop))
        for broadcast_id in for_all:
            await until(partial(_is_finished, app, broadcast_id))
        stop.set()

    assert min(later - earlier for earlier, later in telegram.moments.values()) >= 0.9


async def test_a_broadcast_whose_last_fans_are_in_flight_still_keeps_the_next_from_them(app: App):
    app = replace(app, clock=system_clock)
    fans = await given_fans(app, 3)
    first, telegram, stop = await started_for_all(app), Listening(delay=0.5), asyncio.Event()

    async with asyncio.TaskGroup() as group:
        group.create_task(Sender(app, telegram, app.pace).run(stop))
        await until(lambda: len(telegram.moments) == len(fans))
        second = await started_for_all(app)
        for broadcast_id in (first, second):
            await until(partial(_is_finished, app, broadcast_id))
        stop.set()

    assert min(later - earlier for earlier, later in telegram.moments.values()) >= 0.9


async def _is_finished(app: App, broadcast_id: int) -> bool:
    return await state_of(app, broadcast_id) == "finished"
