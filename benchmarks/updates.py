"""Updates through the whole path, against aiogram's own polling with one commit per update.

Both take the same updates from the same sandbox (a process of its own), write the same facts with the
same code, run the same handlers and send the same answers; rounds alternate. What differs is the
mailroom: updates written down in batches before they are confirmed, handled a hundred to a
transaction, answers sent after the commit.

`python -m benchmarks.updates [--updates N] [--rounds N] [--database sqlite|postgresql]`
"""

import argparse
import asyncio
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from aiogram import BaseMiddleware, Bot, Dispatcher, Router
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.methods import SendMessage
from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    TelegramObject,
    Update,
)
from sqlalchemy import func
from sqlmodel import select

from benchmarks.databases import KINDS, fresh_database
from bot import recorder
from bot.recorder import Deed, Line, Reading
from bot.run import run_bot
from siyu.app import App, open_app
from siyu.fans import Newcomer
from siyu.serving import tune_interpreter
from siyu.settings import Settings
from siyu.tables import Interaction

PEOPLE = 400
TOKEN = "42:SANDBOX"
FIRST_ID = 5_000_000_001
LOOK_SECONDS = 0.2
WARM_UP = 100
AT_ONCE = 16
PATIENCE_SECONDS = 180
KEYBOARD = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Look", callback_data="s:list")]])

Json = dict[str, Any]  # Any: updates as Telegram sends them


@dataclass(frozen=True)
class Round:
    """How long one round took, and that nothing was lost in it."""

    name: str
    updates: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.updates / self.seconds


def main() -> None:
    """Measure, print the table, write `var/bench/updates.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=1000, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=KINDS, nargs="*", default=["sqlite"])
    parser.add_argument("--only", choices=("siyu", "aiogram"), help="for a profiler")
    chosen = parser.parse_args()
    _be_quiet()
    tune_interpreter()  # as the product does when it starts; here both have the good of it
    found = {}
    with _sandbox() as telegram:
        asyncio.run(_bring_people(telegram))
        for kind in chosen.database:
            rounds = asyncio.run(_measure(kind, telegram, chosen.updates, chosen.rounds, chosen.only))
            found[kind] = _summary(rounds)
            _print(kind, rounds, found[kind])
    if not chosen.only:
        _write(found)


async def _measure(kind: str, telegram: str, updates: int, rounds: int, only: str | None) -> list[Round]:
    contestants = {"aiogram": _run_aiogram, "siyu": _run_siyu}
    measured = []
    async with aiohttp.ClientSession(telegram) as world:
        for number in (WARM_UP, *[updates] * rounds):
            for name, run in contestants.items():
                if only in (None, name):
                    measured.append(await _round(name, run, kind, telegram, world, number))
    return [each for each in measured if each.updates == updates]


Run = Callable[[App, asyncio.Event], Coroutine[object, object, None]]


async def _round(name: str, run: Run, kind: str, telegram: str, world: aiohttp.ClientSession, updates: int) -> Round:
    """From the first request for updates until the last answer has arrived."""
    with fresh_database(kind) as url:
        app = open_app(Settings(database_url=url, bot_token=TOKEN, telegram_api_url=telegram, send_rate=1000))
        before = await _calls(world)
        await _push(world, updates)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            began, cpu = time.monotonic(), time.process_time()
            running = group.create_task(run(app, stop))
            async with asyncio.timeout(PATIENCE_SECONDS):
                last = await _last_answer(world, before, updates)
            # By the sandbox's own clock, which is this machine's: when the last answer reached it.
            seconds, cpu_seconds = last - began, time.process_time() - cpu
            stop.set()
            await running
        await _check(app, updates)
        await app.close()
    return Round(name, updates, seconds, cpu_seconds)


async def _run_siyu(app: App, stop: asyncio.Event) -> None:
    await run_bot(app, stop, root=_root, kind_of=_kind_of)


async def _run_aiogram(app: App, stop: asyncio.Event) -> None:
    server = TelegramAPIServer.from_base(app.settings.telegram_api_url)
    bot = Bot(app.settings.token, session=AiohttpSession(api=server))
    dispatcher = Dispatcher(disable_fsm=True)
    dispatcher.update.outer_middleware(_RecordOneByOne(app))
    dispatcher.include_router(_root())
    async with asyncio.TaskGroup() as group:
        # Without a limit it takes a task for every update, and on PostgreSQL loses those that get no connection.
        polling = group.create_task(
            dispatcher.start_polling(bot, handle_signals=False, tasks_concurrency_limit=AT_ONCE)
        )
        await stop.wait()
        await dispatcher.stop_polling()
        await polling


def _root() -> Router:
    """One handler, the same for both."""
    router = Router()

    @router.message()
    async def on_message(message: Message) -> SendMessage:
        return message.answer(f"Thank you for {message.text!r}, we will be with you soon.", reply_markup=KEYBOARD)

    return router


def _kind_of(data: str) -> None:
    """No button is pressed here."""


class _RecordOneByOne(BaseMiddleware):
    """What a bot on plain aiogram does: each update's facts in a transaction of its own."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(
        self, handler: Callable[[TelegramObject, Json], Awaitable[object]], event: TelegramObject, data: Json
    ) -> object:
        assert isinstance(event, Update)
        now = self._app.clock()
        async with self._app.database.writing() as session:
            await recorder.record(session, [self._read(event)], zone=self._app.settings.zone, now=now)
        return await handler(event, data)

    def _read(self, update: Update) -> Reading:
        message = update.message
        assert message is not None
        assert message.from_user is not None
        user = message.from_user
        person = Newcomer(user.id, user.full_name, user.username, user.language_code, joined_at=message.date)
        key = f"message:{message.chat.id}:{message.message_id}"
        deed = Deed(key, "message", message.date, detail="text")
        line = Line(key, message.date, message.message_id, "text", message.text or "")
        return Reading(person.telegram_id, person, deed=deed, line=line)


async def _bring_people(telegram: str) -> None:
    people = [{"name": f"Fan {n}", "telegram_id": FIRST_ID + n, "known": True} for n in range(PEOPLE)]
    async with (
        aiohttp.ClientSession(telegram) as world,
        world.post("/sandbox/api/people", json={"people": people}) as response,
    ):
        response.raise_for_status()


async def _push(world: aiohttp.ClientSession, updates: int) -> None:
    async with world.post("/sandbox/api/updates", json=[_update(n) for n in range(updates)]) as response:
        response.raise_for_status()


def _update(n: int) -> Json:
    telegram_id = FIRST_ID + n % PEOPLE
    user = {"id": telegram_id, "is_bot": False, "first_name": f"Fan {n % PEOPLE}", "language_code": "zh-hans"}
    message = {
        "message_id": 1000 + n,
        "date": int(time.time()),
        "chat": {"id": telegram_id, "type": "private", "first_name": user["first_name"]},
    }
    return {"message": {**message, "from": user, "text": f"Is number {n} still to be had?"}}


async def _calls(world: aiohttp.ClientSession) -> int:
    async with world.get("/sandbox/api/calls", params={"since": 10**12}) as response:
        return int((await response.json())["last"])


async def _last_answer(world: aiohttp.ClientSession, since: int, wanted: int) -> float:
    """When the last of the wanted answers arrived; each is looked at once, for looking costs the measured process."""
    answers: list[Json] = []
    while len(answers) < wanted:
        await asyncio.sleep(LOOK_SECONDS)
        answers += await _sends(world, since=answers[-1]["number"] if answers else since)
    return float(answers[-1]["at"])


async def _sends(world: aiohttp.ClientSession, *, since: int) -> list[Json]:
    wanted: dict[str, str | int] = {"method": "sendMessage", "since": since, "code": 200}
    async with world.get("/sandbox/api/calls", params=wanted) as response:
        calls: list[Json] = (await response.json())["calls"]
    return calls


async def _check(app: App, updates: int) -> None:
    async with app.database.reading() as session:
        facts = await session.one(select(func.count()).select_from(Interaction))
    if facts != updates:
        raise SystemExit(f"{updates} updates became {facts} facts")


@contextmanager
def _sandbox() -> Iterator[str]:
    """A pretend Telegram that limits nothing, in a process of its own."""
    command = [sys.executable, "-m", "bot.sandbox", "--port", "0", "--token", TOKEN, "--rate", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def _summary(rounds: list[Round]) -> Json:
    rates = {name: statistics.median(r.rate for r in rounds if r.name == name) for name in {r.name for r in rounds}}
    ratio = rates["siyu"] / rates["aiogram"] if len(rates) == 2 else None
    return {"updates_per_second": rates, "ratio": ratio, "rounds": [vars(r) for r in rounds]}


def _print(kind: str, rounds: list[Round], summary: Json) -> None:
    print(f"\nupdates through the whole path, {kind}: {rounds[0].updates} per round")
    print(f"{'':10} {'updates/s':>10} {'seconds':>8} {'CPU s':>6}")
    for one in rounds:
        print(f"{one.name:10} {one.rate:10.0f} {one.seconds:8.2f} {one.cpu_seconds:6.2f}")
    for name, rate in sorted(summary["updates_per_second"].items()):
        print(f"{name:10} {rate:10.0f}  median")
    if summary["ratio"] is not None:
        print(f"{'ratio':10} {summary['ratio']:10.1f}  (target: at least 4, and at least 500/s)")


def _write(found: Json) -> None:
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "updates.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _be_quiet() -> None:
    logging.getLogger("aiogram").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


if __name__ == "__main__":
    main()
