"""Recompute of everybody, against a loop that loads one fan at a time through the ORM.

Both work out the same numbers and the same three levels from the same facts, on SQLite, and write them.
The loop is timed on some fans and extrapolated; what it finds is held against ours, fan by fan.

`python -m benchmarks.recompute [--fans N] [--loop-fans N]`
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from benchmarks import orm_loop
from benchmarks.community import CURRENCY, NOW, ZONE, Community, load
from siyu import fans, schema
from siyu.kit.clock import local_day
from siyu.kit.database import Database
from siyu.segments import recompute
from siyu.serving import keep_for_good
from siyu.tables import Interaction

ROUNDS = 3
TICKS = 5  # after each full run
DIRTY_FANS = 400
# What was promised: against the loop, and a tick against a full run.
FASTER_THAN_LOOP = 250
TICK_SHARE = 60


@dataclass(frozen=True)
class Result:
    """What was measured, in seconds."""

    community: Community
    first: float
    full: float
    tick: float
    day: float
    loop_fans: int
    loop: float

    @property
    def loop_for_everybody(self) -> float:
        return self.loop / self.loop_fans * self.community.fans

    @property
    def ratio(self) -> float:
        return self.loop_for_everybody / self.full


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fans", type=int, default=100_000)
    parser.add_argument("--loop-fans", type=int, default=1_000)
    given = parser.parse_args()
    keep_for_good()  # as the product does when it starts; the loop has the good of it too
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as folder:
        result = asyncio.run(measure(Path(folder), fan_count=given.fans, loop_fans=given.loop_fans))
    _print(result)
    _write(result)


async def measure(folder: Path, *, fan_count: int, loop_fans: int) -> Result:
    """Load, then time each kind of run on the same database."""
    path = folder / "bench.db"
    schema.upgrade(f"sqlite:///{path}")
    community = load(path, fan_count)
    database = Database(f"sqlite:///{path}")
    try:
        first = await _timed(database, NOW, "full")
        fulls, ticks = [], []
        # In turns: what else this machine does is to slow down both.
        for n in range(ROUNDS):
            fulls.append(await _timed(database, NOW + timedelta(minutes=10 * n + 1), "full"))
            ticks += [await _tick(database, fan_count, NOW + timedelta(minutes=10 * n + 2 + k)) for k in range(TICKS)]
        # Spread evenly: the oldest fans brought the most friends, and would make the loop look worse than it is.
        chosen = range(1, fan_count + 1, max(1, fan_count // loop_fans))
        loop = await orm_loop.work_through(database, chosen, NOW + timedelta(minutes=40))
        day = await _timed(database, NOW + timedelta(days=1), "window")
    finally:
        await database.close()
    return Result(community, first, statistics.median(fulls), statistics.median(ticks), day, len(chosen), loop)


async def _timed(database: Database, moment: datetime, mode: str) -> float:
    started = time.perf_counter()
    run = await recompute(database, zone=ZONE, currency=CURRENCY, now=moment, mode=mode)
    seconds = time.perf_counter() - started
    print(f"{run.mode}: {run.fans} fans, {run.changed} levels changed, {seconds:.3f} s")
    return seconds


async def _tick(database: Database, fan_count: int, moment: datetime) -> float:
    """One new fact each for some fans, then the run that takes them in."""
    day = local_day(moment, ZONE)
    chosen = Random(moment.minute).sample(range(1, fan_count + 1), DIRTY_FANS)
    facts = (
        Interaction(source="tick", external_id=f"{moment}-{fan}", fan_id=fan, at=moment, day=day, kind="press")
        for fan in chosen
    )
    async with database.writing() as session:
        session.add(*facts)
        await fans.mark_dirty(session, [(fan, day, moment) for fan in chosen])
    return await _timed(database, moment, "tick")


def _print(result: Result) -> None:
    size = result.community
    print(f"\nrecompute: {size.fans} fans, {size.interactions} interactions, {size.purchases} purchases, SQLite")
    print(f"  first run, everything new        {result.first:9.3f} s")
    print(f"  full run, median of {ROUNDS}            {result.full:9.3f} s")
    print(f"  next day, whoever time moved     {result.day:9.3f} s")
    print(f"  tick, {DIRTY_FANS} fans with a new fact     {result.tick:9.3f} s")
    print(f"  per-fan ORM loop, {result.loop_fans} fans      {result.loop:9.3f} s")
    print(f"  the same for everybody           {result.loop_for_everybody:9.0f} s (extrapolated)")
    print(f"  full run against the loop        {result.ratio:9.0f} times faster (promised {FASTER_THAN_LOOP})")
    print(f"  tick against the full run        {result.full / result.tick:9.0f} times less (promised {TICK_SHARE})")


def _write(result: Result) -> None:
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    found = {**asdict(result), "ratio": result.ratio, "tick_share": result.full / result.tick}
    (folder / "recompute.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
