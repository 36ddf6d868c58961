"""Recompute of everybody in 25 dimensions and 40 segments, against the shapes other programs have.

A per-fan loop through the ORM, a rebuild batch by batch, one job for each fan: timed on some fans and extrapolated,
or in full; what each finds is held against ours.

`python -m benchmarks.recompute [--fans N] [--loop-fans N] [--database sqlite|postgresql]`; `SCALE=1m` means a million
fans.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from sqlalchemy import text
from sqlmodel import col, func, select

from benchmarks import audiences, orm_loop, shapes
from benchmarks.community import CURRENCY, NOW, ZONE, Community, settle
from benchmarks.databases import KINDS, fresh_database, tidy
from siyu import fans, segments
from siyu.kit.clock import local_day
from siyu.kit.database import Database
from siyu.segments import Run, recompute, rules, writing
from siyu.segments.preview import given_for
from siyu.serving import tune_interpreter
from siyu.tables import Fan, FanLevel, Interaction

ROUNDS = 3  # of a million fans, one
TICKS = 24  # after each full run: one an hour, and everybody is counted once a night
DIRTY = 250  # one fan in so many has a new fact
FEWER = 10  # the same fans with new facts among so many times fewer
ASKED = 15
# A rule nobody saved, of every kind of condition; and one that also asks for the facts themselves.
RULE = {"all": [
    {"dimension": "loyalty", "in": ["growing", "casual", "loyal"]},
    {"metric": "spend_365d", "op": ">=", "value": 10_000},
    {"none": [{"tag": "vip"}]},
    {"any": [{"segment": "silent_1"}, {"metric": "rfm_r", "op": ">=", "value": 4}]},
]}  # fmt: skip
WITH_FACTS = {"all": [RULE, {"did": "view", "days": 90, "at_least": 2}]}


@dataclass
class Result:
    """What was measured, in seconds, and what it is held against."""

    kind: str
    community: Community
    seconds: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, tuple[float, float]] = field(default_factory=dict)  # measured, promised
    peak_mb: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fans", type=int, default=1_000_000 if os.environ.get("SCALE") == "1m" else 100_000)
    parser.add_argument("--loop-fans", type=int, default=400)
    parser.add_argument("--database", choices=KINDS, nargs="*", default=["sqlite"])
    given = parser.parse_args()
    tune_interpreter()  # as the product does when it starts; the loop has the good of it too
    for kind in given.database:
        with fresh_database(kind) as url, fresh_database(kind) as fewer:
            result = asyncio.run(measure(kind, url, fewer, fan_count=given.fans, loop_fans=given.loop_fans))
        _print(result)
        _write(result)


async def measure(kind: str, url: str, fewer: str, *, fan_count: int, loop_fans: int) -> Result:
    """Load, then time each kind of run on the same database."""
    with ProcessPoolExecutor(1) as apart:  # its memory is not ours
        result = Result(kind, apart.submit(settle, url, fan_count).result())
        apart.submit(settle, fewer, fan_count // FEWER).result()
    database, tenth = Database(url), Database(fewer)
    try:
        await _first_runs(database, url, result, fan_count)
        await _first_of_a_tenth(tenth)
        for loaded in (url, fewer):
            tidy(loaded)
        await _full_runs_and_ticks(database, tenth, result, fan_count)
        await _one_by_one(database, result, fan_count, loop_fans)
        await _days(database, result, _rounds(fan_count))
        await _questions(database, result)
    finally:
        await database.close()
        await tenth.close()
    return result


async def _first_runs(database: Database, url: str, result: Result, fan_count: int) -> None:
    """Everything new; then forty segments more, against a rebuild batch by batch."""
    result.seconds["first run, everything new"] = await _timed(database, NOW, "full")
    saved = await audiences.save(database)
    ours = await _timed(database, NOW + timedelta(seconds=30), "tick")
    result.seconds[f"{saved} new segments"] = ours
    result.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    async with database.reading() as session:
        whole = await segments.whole(session)
        given = await given_for(session, whole)
        inside = select(col(FanLevel.dimension), func.count()).where(col(FanLevel.level) == "in")
        kept = dict(map(tuple, await session.rows(inside.group_by(col(FanLevel.dimension)))))
        keys = [key for key, _ in audiences.forty()]
        everybody = range(1, fan_count + 1, max(1, fan_count // 200))
        members = {
            key: set(
                await session.all((await segments.audience(session, key)).where(col(FanLevel.fan_id).in_(everybody)))
            )
            for key in keys
        }
    expected = {key: kept.get(key, 0) for key in keys}
    theirs = await asyncio.to_thread(shapes.batch_by_batch, url, whole, given, expected)
    result.ratios["rebuild batch by batch, the same segments"] = theirs / ours, 10
    jobs, found = await asyncio.to_thread(shapes.fan_by_fan, url, whole, keys, given, everybody)
    _must_agree("fan by fan", found, members)
    result.ratios["one job for each fan, the same segments"] = jobs / len(everybody) * fan_count / ours, 100


async def _first_of_a_tenth(tenth: Database) -> None:
    await _timed(tenth, NOW, "full")
    await audiences.save(tenth)
    await _timed(tenth, NOW + timedelta(seconds=30), "tick")


async def _full_runs_and_ticks(database: Database, tenth: Database, result: Result, fan_count: int) -> None:
    """In turns: what else this machine does is to slow down all."""
    dirty, fewer = fan_count // DIRTY, fan_count // FEWER
    fulls, ticks, few = [], [], []
    for n in range(_rounds(fan_count)):
        fulls.append(await _timed(database, NOW + timedelta(minutes=30 * n + 1), "full"))
        for k in range(TICKS):
            moment = NOW + timedelta(minutes=30 * n + 2 + k)
            ticks.append(await _tick(database, dirty, fan_count, moment))
            few.append(await _tick(tenth, dirty, fewer, moment))
    full, tick = statistics.median(fulls), statistics.median(ticks)
    result.seconds |= {"full run": full, f"tick of {dirty} fans": tick}
    result.seconds[f"the same among {fewer} fans"] = statistics.median(few)
    result.ratios["a tick against the full run"] = full / tick, 60
    result.ratios["a tick among ten times the fans (at most)"] = tick / statistics.median(few), 3


def _rounds(fan_count: int) -> int:
    return ROUNDS if fan_count <= 200_000 else 1


async def _one_by_one(database: Database, result: Result, fan_count: int, loop_fans: int) -> None:
    # Spread evenly: the oldest fans brought the most friends, and would make the loop look worse than it is.
    chosen = range(1, fan_count + 1, max(1, fan_count // loop_fans))
    moment = NOW + timedelta(minutes=100)
    await _timed(database, moment, "tick")
    loop = await orm_loop.work_through(database, chosen, moment) / len(chosen) * fan_count
    result.seconds["per-fan ORM loop, extrapolated"] = loop
    result.ratios["the per-fan loop against the full run"] = loop / result.seconds["full run"], 250


async def _days(database: Database, result: Result, rounds: int) -> None:
    """Whoever time moved; and how long a fan's message waits meanwhile, in turns and in one go."""
    at_once = writing.AT_ONCE
    days, waits, waits_long = list[float](), list[float](), list[float]()
    for n in range(0, 3 * rounds, 3):
        days.append(await _next_day(database, n + 1))
        waits.append(await _longest_wait(database, _next_day(database, n + 2)))
        writing.AT_ONCE = dict.fromkeys(at_once, 10**9)
        waits_long.append(await _longest_wait(database, _next_day(database, n + 3)))
        writing.AT_ONCE = at_once
    day, waited, waited_long = (statistics.median(found) for found in (days, waits, waits_long))
    result.seconds |= {"next day": day, "longest wait of a writer": waited, "the same, written in one go": waited_long}
    result.ratios["the next day against the full run"] = result.seconds["full run"] / day, 3
    # A run in one transaction holds the writer from its first statement to its last.
    result.ratios["longest wait of a writer, in one transaction"] = day / waited, 20


async def _next_day(database: Database, days: int) -> float:
    return await _timed(database, NOW + timedelta(days=days), "window")


async def _longest_wait(database: Database, work: Coroutine[None, None, float]) -> float:
    """Of a fan's write beside the work, in seconds: until it is made. Its commit waits for the disk with or without
    us, up to 50 ms on a machine that does nothing else, and would be most of what is measured."""
    over = asyncio.Event()
    longest = 0.0

    async def write() -> None:
        nonlocal longest
        while not over.is_set():
            started = time.perf_counter()
            async with database.writing() as session:
                await session.run(text("UPDATE fan SET phone = phone WHERE id = 1"))
                longest = max(longest, time.perf_counter() - started)
            await asyncio.sleep(0.002)

    writer = asyncio.ensure_future(write())
    await work
    over.set()
    await writer
    return longest


async def _questions(database: Database, result: Result) -> None:
    """What operators wait for: a preview, an overlap, a reason, a page of history."""
    async with database.reading() as session:
        fan = (await session.all(select(col(Fan.telegram_id)).order_by(col(Fan.id)).limit(1)))[0]
        rule = rules.parse(RULE)
        with_facts = rules.parse(WITH_FACTS)
        previewed = await _asked(lambda: segments.preview(session, rule))
        overlapping = await _asked(lambda: segments.overlap(session, ["rich_0", "untagged_1", "score_2"]))
        result.seconds |= {
            "preview of a rule: count, reachable, sample": previewed,
            "the same and what they looked at in 90 days": await _asked(lambda: segments.preview(session, with_facts)),
            "overlap of three segments": overlapping,
        }
        result.seconds["why a fan is in a segment"] = await _asked(lambda: segments.explain(session, "rich_0", fan))
        result.seconds["history of a segment"] = await _asked(lambda: segments.history(session, "rich_0"))


async def _asked(question: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(ASKED):
        started = time.perf_counter()
        await question()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


async def _timed(database: Database, moment: datetime, mode: str) -> float:
    started = time.perf_counter()
    run: Run = await recompute(database, zone=ZONE, currency=CURRENCY, now=moment, mode=mode)
    seconds = time.perf_counter() - started
    print(f"{run.mode}: {run.fans} fans, {run.changed} levels changed, {seconds:.3f} s", flush=True)
    return seconds


async def _tick(database: Database, dirty: int, fan_count: int, moment: datetime) -> float:
    """One new fact each for some fans, then the run that takes them in."""
    day = local_day(moment, ZONE)
    chosen = Random(f"{moment}").sample(range(1, fan_count + 1), dirty)
    facts = (
        Interaction(source="tick", external_id=f"{moment}-{fan}", fan_id=fan, at=moment, day=day, kind="press")
        for fan in chosen
    )
    async with database.writing() as session:
        session.add(*facts)
        await fans.mark_dirty(session, [(fan, day, moment) for fan in chosen])
    return await _timed(database, moment, "tick")


def _must_agree(who: str, theirs: object, ours: object) -> None:
    if theirs != ours:
        raise SystemExit(f"{who} and the recompute disagree: {theirs} {ours}")


def _print(result: Result) -> None:
    size = result.community
    print(f"\nrecompute: {size.fans} fans, {size.interactions} interactions, {size.purchases} purchases, {result.kind}")
    for name, seconds in result.seconds.items():
        print(f"  {name:<44}{seconds:12.3f} s")
    for name, (measured, promised) in result.ratios.items():
        print(f"  {name:<44}{measured:12.1f} times (promised {promised:.0f})")
    print(f"  {'peak memory until then':<44}{result.peak_mb:12.0f} MB")


def _write(result: Result) -> None:
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    found = {
        "database": result.kind,
        "fans": result.community.fans,
        "seconds": result.seconds,
        "ratios": result.ratios,
        "peak_mb": result.peak_mb,
    }
    name = "recompute" if result.kind == "sqlite" else f"recompute-{result.kind}"
    (folder / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
