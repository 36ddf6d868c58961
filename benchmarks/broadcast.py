"""A broadcast at a Telegram that limits to 30/s and answers after 80 ms, against one send after the other.

The sandbox is a process of its own and refuses whatever comes too soon, so the rate is what arrived
there: first accepted message to last. The baseline sends the same message to some of the same fans in
turn, each intent and outcome committed as ours are, and is extrapolated.

`python -m benchmarks.broadcast [--fans N] [--rate R] [--database sqlite|postgresql]`
"""

import argparse
import asyncio
import logging
import time
from dataclasses import asdict

import aiohttp
import structlog

from benchmarks.databases import KINDS, fresh_database
from benchmarks.findings import write_findings
from benchmarks.telegrams import (
    BENCH,
    Json,
    Run,
    bring_fans,
    calls_since,
    calls_so_far,
    introduce,
    pretend_telegram,
    run_of,
    settings_for,
    started,
)
from bot.messenger import Messenger
from bot.sender import run_sender
from siyu import broadcasts
from siyu.app import App, open_app
from siyu.broadcasts import answers, ledger
from siyu.broadcasts.letters import letter_to
from siyu.broadcasts.tasks import Noted
from siyu.kit.wording import ENGLISH, words
from siyu.tables import BroadcastState, DeliveryState

LIMIT = 30
DELAY = 0.08
SAMPLE = 60  # sends of the baseline
LOOK_SECONDS = 1.0
TARGET = 28


def main() -> None:
    """Measure, print the table, write `var/bench/broadcast.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fans", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=28.2, help="SIYU_SEND_RATE; the sandbox's limit stays at 30")
    parser.add_argument("--database", choices=KINDS, nargs="*", default=["sqlite"])
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = {}
    for kind in chosen.database:
        with fresh_database(kind) as url, pretend_telegram(limit=LIMIT, delay=DELAY) as telegram:
            app = open_app(settings_for(url, telegram, chosen.rate))
            ours, baseline, cpu = asyncio.run(_measure(app, telegram, chosen.fans))
        found[kind] = _summary(ours, baseline, cpu, chosen.fans, chosen.rate)
        _print(kind, found[kind])
    write_findings("broadcast", found)


async def _measure(app: App, telegram: str, number: int) -> tuple[Run, Run, float]:
    async with aiohttp.ClientSession(telegram) as world:
        await bring_fans(app, number)
        await introduce(world, number)
        baseline = await _one_after_the_other(app, world, await started(app))
        await asyncio.sleep(1)  # the sandbox's window is empty again
        since, cpu = await calls_so_far(world), time.process_time()
        await to_the_end(app, await started(app))
        ours = run_of(await calls_since(world, since))
        cpu = time.process_time() - cpu
    await app.close()
    return ours, baseline, cpu


async def _one_after_the_other(app: App, world: aiohttp.ClientSession, broadcast_id: int) -> Run:
    """Send, wait for the answer, write it down; then the next."""
    since = await calls_so_far(world)
    async with Messenger(app.settings) as messenger:
        for _ in range(SAMPLE):
            async with app.database.writing() as session:
                broadcast = await broadcasts.get_broadcast(session, broadcast_id)
                (task,) = await ledger.claim(session, broadcast_id, "baseline", limit=1, now=app.clock())
            letter = letter_to(task.telegram_id, broadcast, words(ENGLISH))
            outcome = await messenger.call(letter.method, dict(letter.payload))
            async with app.database.writing() as session:
                await answers.note(session, [Noted(task, outcome)], "baseline", now=app.clock())
    async with app.database.writing() as session:
        await broadcasts.cancel(session, broadcast_id, actor=BENCH, now=app.clock())
    return run_of(await calls_since(world, since))


async def to_the_end(app: App, broadcast_id: int) -> None:
    """A sender at work until everybody has got it."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_sender(app, stop))
        over = False
        while not over:
            await asyncio.sleep(LOOK_SECONDS)
            over = await _is_over(app, broadcast_id)
        stop.set()


async def _is_over(app: App, broadcast_id: int) -> bool:
    async with app.database.reading() as session:
        progress = await broadcasts.progress(session, broadcast_id, now=app.clock())
    if progress.state is BroadcastState.PAUSED:
        raise SystemExit(f"the broadcast was held: {progress.state_reason}")
    if progress.state is BroadcastState.FINISHED and progress.counts[DeliveryState.SENT] != progress.audience:
        raise SystemExit(f"not everybody got it: {progress.counts}")
    return progress.state is BroadcastState.FINISHED


def _summary(ours: Run, baseline: Run, cpu: float, number: int, send_rate: float) -> Json:
    return {
        "fans": number,
        "send_rate": send_rate,
        "limit": LIMIT,
        "delay_ms": DELAY * 1000,
        "siyu": {**asdict(ours), "rate": ours.rate, "cpu_seconds": cpu},
        "one_after_the_other": {**asdict(baseline), "rate": baseline.rate, "extrapolated": number / baseline.rate},
        "ratio": ours.rate / baseline.rate,
        "reached": ours.rate >= TARGET and ours.refused == 0,
    }


def _print(kind: str, found: Json) -> None:
    ours, baseline = found["siyu"], found["one_after_the_other"]
    print(f"\nbroadcast to {found['fans']} fans at {LIMIT}/s, {DELAY * 1000:.0f} ms an answer, {kind}")
    print(f"{'':22} {'sent/s':>7} {'429':>4} {'sent':>6} {'seconds':>8} {'most in 1 s':>12} {'CPU s':>6}")
    print(
        f"{'siyu':22} {ours['rate']:7.2f} {ours['refused']:4} {ours['sent']:6} {ours['seconds']:8.1f}"
        f" {ours['busiest']:12} {ours['cpu_seconds']:6.1f}"
    )
    print(
        f"{'one after the other':22} {baseline['rate']:7.2f} {baseline['refused']:4} {baseline['sent']:6}"
        f" {baseline['extrapolated']:8.1f} {baseline['busiest']:12}   (seconds extrapolated)"
    )
    print(f"{'ratio':22} {found['ratio']:7.2f}   (target: at least {TARGET}/s, no 429)")


if __name__ == "__main__":
    main()
