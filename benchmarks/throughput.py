"""Sending as fast as it goes, to a Telegram without limit or latency: the whole ledger against a bare loop, and others.

The bare loop is aiogram's own call in a gather, a hundred at a time, with no book of who got what. Others come from
PyPI into `var/rivals/`, an environment of their own; where they cannot be had they are left out. Every contender is
a process of its own, one after another, and is measured where its messages arrive.

`python -m benchmarks.throughput [--fans N] [--rate R] [--database sqlite|postgresql]`
"""

import argparse
import asyncio
import logging
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import aiohttp
import structlog

from benchmarks.databases import KINDS, fresh_database
from benchmarks.findings import write_findings
from benchmarks.telegrams import (
    FIRST_ID,
    TOKEN,
    Json,
    Run,
    calls_since,
    calls_so_far,
    given_broadcast,
    introduce,
    pretend_telegram,
    run_of,
)

TARGET = 0.6
# No limit means: far beyond what any of them reaches, in slots as in calls in flight.
RATE = 6000.0
HOME = Path("var/rivals")
PACKAGES = (
    "aiogram>=3.31,<4", "aiogram-broadcaster==0.6.8", "aiogram-broadcast==0.2.0", "aiosqlite", "sqlalchemy[asyncio]>=2",
    "tgcast==0.1.1",
)  # fmt: skip
BARE = "bare-aiogram"
OTHERS = ("aiogram-broadcaster", "aiogram-broadcaster-sqlite", "aiogram-broadcast", "tgcast")


def main() -> None:
    """Measure, print the table, write `var/bench/throughput.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fans", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--database", choices=KINDS, nargs="*", default=list(KINDS))
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    theirs = _environment()
    with pretend_telegram(limit=None, delay=0) as telegram:
        asyncio.run(_introduce(telegram, chosen.fans))
        runs = {BARE: _contend(BARE, sys.executable, telegram, chosen.fans)}
        for kind in chosen.database:
            runs[f"siyu, {kind}"] = _ours(kind, telegram, chosen.fans, chosen.rate)
        if theirs:
            runs |= {name: _contend(name, str(theirs), telegram, chosen.fans) for name in OTHERS}
    found = _summary(runs, chosen.fans)
    _print(found)
    write_findings("throughput", found)


def _environment() -> Path | None:
    """The interpreter that has the others; None where they cannot be had, and says so."""
    python, ready = HOME / "bin" / "python", HOME / "ready"
    if ready.exists() and ready.read_text(encoding="utf-8") == str(PACKAGES):
        return python
    for command in ([sys.executable, "-m", "venv", str(HOME)], [str(python), "-m", "pip", "install", "-q", *PACKAGES]):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            print(f"\nthroughput: the others are left out, they cannot be installed here: {', '.join(OTHERS)}")
            return None
    ready.write_text(str(PACKAGES), encoding="utf-8")
    return python


async def _introduce(telegram: str, number: int) -> None:
    async with aiohttp.ClientSession(telegram) as world:
        await introduce(world, number)


def _contend(name: str, python: str, telegram: str, number: int) -> Run:
    since = asyncio.run(_so_far(telegram))
    script = str(Path(__file__).with_name("rivals.py"))
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as folder:
        place = ["--telegram", telegram, "--token", TOKEN, "--folder", folder]
        whom = ["--first", str(FIRST_ID), "--number", str(number)]
        subprocess.run([python, script, name, *place, *whom], check=True, stderr=subprocess.DEVNULL)
    return asyncio.run(_arrived(telegram, since, name, number))


def _ours(kind: str, telegram: str, number: int, rate: float) -> Run:
    """In a process of its own as well: what came before must not be in its memory."""
    since = asyncio.run(_so_far(telegram))
    with fresh_database(kind) as url:
        broadcast_id = asyncio.run(given_broadcast(url, number))
        command = [sys.executable, "-m", "benchmarks.sending", url, telegram, str(broadcast_id), str(rate)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return asyncio.run(_arrived(telegram, since, "siyu", number))


async def _so_far(telegram: str) -> int:
    async with aiohttp.ClientSession(telegram) as world:
        return await calls_so_far(world)


async def _arrived(telegram: str, since: int, name: str, number: int) -> Run:
    async with aiohttp.ClientSession(telegram) as world:
        run = run_of(await calls_since(world, since))
    if run.sent != number:
        raise SystemExit(f"{name} sent {run.sent} of {number}")
    return run


def _summary(runs: dict[str, Run], number: int) -> Json:
    bare = runs[BARE].rate
    lines = {name: {**asdict(run), "rate": run.rate, "ratio": run.rate / bare} for name, run in runs.items()}
    ours = [line["ratio"] for name, line in lines.items() if name.startswith("siyu")]
    return {"fans": number, "target": TARGET, "runs": lines, "reached": min(ours) >= TARGET}


def _print(found: Json) -> None:
    print(f"\nthroughput: {found['fans']} messages, no limit, no latency")
    print(f"{'':30} {'sent/s':>8} {'seconds':>8} {'ratio':>6}")
    for name, run in found["runs"].items():
        target = f"   (target: at least {TARGET})" if name.startswith("siyu") else ""
        print(f"{name:30} {run['rate']:8.0f} {run['seconds']:8.2f} {run['ratio']:6.2f}{target}")


if __name__ == "__main__":
    main()
