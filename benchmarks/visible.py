"""How soon a purchase stands in its segment, and how soon after midnight a fan has left a window.

The product itself, web side and scheduler in one process, over 100,000 fans on SQLite. A program posts purchases and
asks for the segment's members until the buyer is among them; then the clock is set to just before midnight.

`python -m benchmarks.visible [--fans N] [--purchases N]`
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from pydantic import SecretStr
from sqlmodel import col, select

from benchmarks.community import NOW, ZONE, settle
from benchmarks.databases import fresh_database
from siyu import operators
from siyu.app import App, open_app
from siyu.audit import COMMAND_LINE
from siyu.kit.clock import local_day, start_of_day
from siyu.operators import Scope
from siyu.scheduler import run_scheduler
from siyu.segments import recompute
from siyu.serving import bind, run_together, web_part
from siyu.settings import Settings
from siyu.tables import AsOf, Fan, FanLevel

PROMISED_SECONDS, PROMISED_AFTER_MIDNIGHT = 2, 60
BEFORE_MIDNIGHT = timedelta(seconds=5)
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 120


@dataclass
class SetClock:
    """A clock that goes as fast as the wall's, and can be set."""

    ahead: timedelta

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def set(self, moment: datetime) -> None:
        self.ahead = moment - datetime.now(UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fans", type=int, default=100_000)
    parser.add_argument("--purchases", type=int, default=60)
    given = parser.parse_args()
    with fresh_database("sqlite") as url:
        settle(url, given.fans)
        waits, after_midnight = asyncio.run(_measure(url, given.purchases))
    _print(given.fans, waits, after_midnight)


async def _measure(url: str, purchases: int) -> tuple[list[float], float]:
    clock = SetClock(timedelta())
    clock.set(NOW)
    settings = Settings(database_url=url, bot_token=SecretStr("42:BENCH"), web_port=0)
    app, stop = open_app(settings, clock=clock), asyncio.Event()
    await recompute(app.database, zone=ZONE, currency=settings.currency, now=clock(), mode="full")
    key, buyers = await _key(app), await _who_never_bought(app, purchases)
    with bind(settings) as sock, _program() as program:
        site = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with asyncio.TaskGroup() as group:
            group.create_task(run_together(app, {"web": web_part(sock), "scheduler": run_scheduler}, stop))
            waits = await asyncio.wrap_future(program.submit(_buy, site, key, buyers, clock.ahead))
            after_midnight = await _over_midnight(app, clock)
            stop.set()
    await app.close()
    return waits, after_midnight


async def _key(app: App) -> str:
    async with app.database.writing() as session:
        return await operators.create_token(session, COMMAND_LINE, name="bench", scope=Scope.WRITE, now=app.clock())


async def _who_never_bought(app: App, number: int) -> list[int]:
    standing = col(FanLevel.dimension) == "purchase_stage", col(FanLevel.level) == "potential"
    async with app.database.reading() as session:
        found = select(col(Fan.telegram_id)).join(FanLevel, col(FanLevel.fan_id) == col(Fan.id)).where(*standing)
        return list(await session.all(found.order_by(col(Fan.id).desc()).limit(number)))


async def _over_midnight(app: App, clock: SetClock) -> float:
    """Seconds from midnight until every level is true for the new day."""
    day = local_day(clock(), ZONE) + timedelta(days=1)
    clock.set(start_of_day(day, ZONE) - BEFORE_MIDNIGHT)
    while True:
        async with app.database.reading() as session:
            standing = await session.get(AsOf, 1)
        if standing is not None and standing.day == day and not standing.unfinished:
            return (clock() - start_of_day(day, ZONE)).total_seconds()
        await asyncio.sleep(LOOK_SECONDS)


def _program() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))


def _buy(site: str, key: str, buyers: list[int], ahead: timedelta) -> list[float]:
    """Seconds from each answered purchase until its fan is a member."""
    with httpx.Client(base_url=f"{site}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=30) as shop:
        _wait_for(shop)
        return [_until_seen(shop, buyer, datetime.now(UTC) + ahead) for buyer in buyers]


def _wait_for(shop: httpx.Client) -> None:
    for _ in range(200):
        try:
            shop.get("/segments").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the web side did not start")


def _until_seen(shop: httpx.Client, buyer: int, now: datetime) -> float:
    purchase = {
        "source": "bench", "external_id": f"new-{buyer}", "telegram_id": buyer, "amount_minor": 990, "currency": "CNY",
        "purchased_at": now.isoformat(), "items": [],
    }  # fmt: skip
    answer = shop.post("/purchases", json={"purchases": [purchase]})
    began = time.perf_counter()
    if answer.json()["results"][0]["status"] != "created":
        raise SystemExit(f"the purchase was not taken: {answer.text}")
    while time.perf_counter() - began < PATIENCE_SECONDS:
        found = shop.get("/segments/purchase_stage.first/members", params={"q": str(buyer)})
        if any(member["telegram_id"] == buyer for member in found.json()["items"]):
            return time.perf_counter() - began
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"{buyer} never came into the segment")


def _print(fans: int, waits: list[float], after_midnight: float) -> None:
    waits = sorted(waits)
    median, p95 = statistics.median(waits), waits[int(len(waits) * 0.95)]
    print(f"\nvisible: {fans} fans on SQLite, {len(waits)} purchases")
    print(f"  a purchase in its segment, median  {median:8.2f} s")
    print(f"  the same, p95                      {p95:8.2f} s (promised {PROMISED_SECONDS})")
    print(f"  windows left after midnight        {after_midnight:8.2f} s (promised {PROMISED_AFTER_MIDNIGHT})")
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    found = {"fans": fans, "median": median, "p95": p95, "after_midnight": after_midnight}
    (folder / "visible.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
