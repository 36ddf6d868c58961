"""The segment page of a large community, while the house recomputes beside it in the same process.

A web process serves 100,000 fans from SQLite; a browser's requests are timed at the client, once at rest and once
while full recomputes run one after another.

`python -m benchmarks.pages [--fans N] [--requests N]`
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from pydantic import SecretStr

from benchmarks.community import load
from siyu import operators, schema
from siyu.app import App, open_app
from siyu.audit import COMMAND_LINE
from siyu.segments import recompute
from siyu.serving import bind, run_together, web_part
from siyu.settings import Settings
from siyu.tables import Role

# What was promised: the 95th percentile of the server's answer, in milliseconds.
PROMISED_P95 = 100
SEGMENTS = ("interaction_frequency.mid", "loyalty.casual", "loyalty.at_risk", "referral.none")


@dataclass(frozen=True)
class Answers:
    """How long a page took, in milliseconds."""

    requests: int
    median: float
    p95: float
    slowest: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fans", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as folder:
        path = Path(folder) / "bench.db"
        schema.upgrade(f"sqlite:///{path}")
        load(path, given.fans)
        rest, busy, runs = asyncio.run(_measure(path, given.requests))
    _print(given.fans, rest, busy, runs)


async def _measure(path: Path, requests: int) -> tuple[Answers, Answers, int]:
    settings = Settings(database_url=f"sqlite:///{path}", bot_token=SecretStr("42:BENCH"), web_port=0)
    app, stop = open_app(settings), asyncio.Event()
    await _recompute(app)
    cookie = await _sign_in(app)
    with bind(settings) as sock, _browser() as browser:
        site = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with asyncio.TaskGroup() as group:
            group.create_task(run_together(app, {"web": web_part(sock)}, stop))
            await asyncio.to_thread(_wait_for, site)
            rest = await asyncio.wrap_future(browser.submit(_ask, site, cookie, requests))
            done = asyncio.Event()
            recomputes = group.create_task(_recompute_until(app, done))
            busy = await asyncio.wrap_future(browser.submit(_ask, site, cookie, requests))
            done.set()
            runs = await recomputes
            stop.set()
    await app.close()
    return rest, busy, runs


async def _sign_in(app: App) -> str:
    now = app.clock()
    async with app.database.writing() as session:
        owner = await operators.add(session, COMMAND_LINE, telegram_id=1, role=Role.OWNER, name="Bench", now=now)
        return await operators.spend_ticket(session, await operators.issue_ticket(session, owner, now=now), now=now)


async def _recompute(app: App) -> None:
    now = datetime.now(UTC)
    await recompute(app.database, zone=app.settings.zone, currency=app.settings.currency, now=now, mode="full")


async def _recompute_until(app: App, done: asyncio.Event) -> int:
    runs = 0
    while not done.is_set():
        await _recompute(app)
        runs += 1
    return runs


def _browser() -> ProcessPoolExecutor:
    """A process of its own, as browsers are: a thread here would wait for the server's turns at the interpreter."""
    return ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))


def _wait_for(site: str) -> None:
    for _ in range(200):
        try:
            httpx.get(f"{site}/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the web side did not start")


def _ask(site: str, cookie: str, requests: int) -> Answers:
    took: list[float] = []
    with httpx.Client(base_url=site, cookies={"siyu": cookie}, timeout=30) as browser:
        for number in range(requests + 4):
            began = time.perf_counter()
            answer = browser.get(f"/segments/{SEGMENTS[number % len(SEGMENTS)]}")
            answer.raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
    took = sorted(took[4:])  # the first of each compiles its template
    return Answers(requests, statistics.median(took), took[int(len(took) * 0.95)], took[-1])


def _print(fans: int, rest: Answers, busy: Answers, runs: int) -> None:
    print(f"\nsegment page: {fans} fans on SQLite, {rest.requests} requests, milliseconds at the client")
    print(f"  {'':34}  median     p95  slowest")
    for name, answers in (("at rest", rest), (f"during {runs} full recomputes", busy)):
        print(f"  {name:34} {answers.median:7.1f} {answers.p95:7.1f} {answers.slowest:8.1f}")
    print(f"  p95 while recomputing              {busy.p95:7.1f} (promised below {PROMISED_P95})")
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    found = {"fans": fans, "rest": asdict(rest), "busy": asdict(busy), "recomputes": runs}
    (folder / "pages.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
