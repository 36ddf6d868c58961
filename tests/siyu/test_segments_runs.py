"""How runs behave: what they touch, what they leave alone, and what happens when two overlap."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, func, select

from siyu import fans, segments
from siyu.app import App
from siyu.audit import Actor
from siyu.fans import get_fan_by_id
from siyu.segments import Mode, change_thresholds, writing
from siyu.segments.plans import Overtaken
from siyu.segments.shipped import DIMENSIONS
from siyu.tables import AsOf, DirtyDay, FanLevel, JobRun, LevelChange, LevelSize
from tests.siyu.oracle import expected
from tests.siyu.worlds import START, ZONE, World, standing, untold_moves

OPERATOR = Actor("operator:1", "Ada")


@pytest.fixture
def world(app: App) -> World:
    return World(app.database)


async def causes(world: World, dimension: str) -> list[str]:
    async with world.database.reading() as session:
        return sorted(await session.all(select(LevelChange.cause).where(col(LevelChange.dimension) == dimension)))


async def moved(world: World) -> dict[int, set[str]]:
    """By fan the dimensions in which they ever changed levels."""
    found: dict[int, set[str]] = {}
    async with world.database.reading() as session:
        for change in await session.all(select(LevelChange)):
            found.setdefault(change.fan_id, set()).add(change.dimension)
    return found


async def test_a_fan_without_a_single_fact_stands_in_one_level_of_every_dimension(world: World) -> None:
    fan = await world.admit()

    await world.recompute()

    levels = (await standing(world.database)).levels
    assert levels == {
        (dimension, fan): level
        for level, dimensions in {
            "none": [
                "interaction_frequency", "purchase_frequency", "purchase_amount", "value", "loyalty", "rfm", "referral",
                "purchase_intent", "feedback", "churn_risk", "predicted_value",
            ],
            "potential": ["lifecycle", "purchase_stage"],
            "inactive": ["behaviour"],
            "undecided": ["decision_speed"],
            "direct": ["source_channel"],
            "unknown": [
                "customer_type", "company_size", "industry", "need", "need_kind", "geography", "age_group", "gender",
                "income",
            ],
        }.items()
        for dimension in dimensions
    }  # fmt: skip


async def test_a_tick_looks_at_the_fans_with_new_facts_and_nobody_else(world: World) -> None:
    busy, quiet = await world.admit(), await world.admit()
    await world.interact(quiet, at=START)
    await world.recompute()
    await world.interact(busy, at=START, times=5)

    run = await world.recompute()

    assert (run.mode, run.fans) == (Mode.TICK, 1)
    assert await moved(world) == {busy: {"interaction_frequency", "behaviour"}}
    async with world.database.reading() as session:
        assert await session.first(select(DirtyDay)) is None


async def test_a_run_that_finds_nothing_changes_nothing(world: World) -> None:
    await world.admit()
    await world.recompute()
    before = await standing(world.database)

    again = await world.recompute(mode="full")

    assert again.changed == 0
    assert await standing(world.database) == before


async def test_a_run_nobody_asked_for_leaves_no_line_when_it_touched_nobody(world: World) -> None:
    await world.admit()
    await world.recompute()

    run = await world.recompute(keep_empty=False)

    assert run.id is None
    async with world.database.reading() as session:
        assert await session.one(select(func.count()).select_from(JobRun)) == 1


async def test_changes_say_whether_a_fact_the_time_or_a_rule_caused_them(world: World) -> None:
    fan = await world.admit()
    await world.recompute()
    await world.interact(fan, at=START)
    await world.recompute()
    world.now += timedelta(days=30)
    await world.recompute()
    await world.interact(fan, at=world.now, times=5)
    await world.recompute()
    async with world.database.writing() as session:
        await change_thresholds(session, OPERATOR, "interaction_frequency", {"mid": 6}, now=world.now)

    run = await world.recompute()

    assert run.mode is Mode.WINDOW
    assert await causes(world, "interaction_frequency") == ["fact", "fact", "rule", "time"]


async def test_a_newcomers_first_levels_are_told_by_no_change_and_each_change_tells_since_when(world: World) -> None:
    """A newcomer is taken in by a tick, which knows nothing of where they stood."""
    await world.admit()
    await world.recompute()
    world.now += timedelta(minutes=1)
    fan = await world.admit()
    await world.recompute(mode="tick")
    assert await moved(world) == {}

    world.now += timedelta(minutes=1)
    await world.interact(fan, at=world.now, times=5)
    await world.recompute(mode="tick")

    async with world.database.reading() as session:
        changes = await session.all(select(LevelChange))
    assert ("interaction_frequency", "none", "mid") in {(c.dimension, c.old_level, c.new_level) for c in changes}
    assert {(c.fan_id, c.old_since, c.at) for c in changes} == {(fan, world.now - timedelta(minutes=1), world.now)}


async def test_somebody_who_blocks_the_bot_stays_in_the_segment_but_is_not_counted_reachable(world: World) -> None:
    fan = await world.admit()
    await world.admit()
    await world.recompute()

    await world.block(fan)
    await world.recompute()

    async with world.database.reading() as session:
        segment = await segments.get_segment(session, "loyalty.none")
    assert (segment.size, segment.reachable) == (2, 1)


async def test_a_fact_written_while_a_run_computes_is_not_lost(world: World) -> None:
    fan = await world.admit()
    await world.interact(fan, at=START)

    await asyncio.gather(world.recompute(), world.interact(fan, at=START + timedelta(seconds=9), times=7))
    world.now += timedelta(minutes=1)
    await world.recompute()

    assert await standing(world.database) == expected(world, world.now)


async def test_of_two_runs_that_overlap_the_second_starts_again(world: World, database_url: str) -> None:
    for _ in range(3):
        fan = await world.admit()
        await world.interact(fan, at=START, times=6)
    elsewhere = World(type(world.database)(database_url), now=world.now)

    try:
        runs = await asyncio.gather(*(w.recompute() for w in (world, elsewhere, world, elsewhere)))
    finally:
        await elsewhere.database.close()

    assert sum(run.changed for run in runs) == 3 * len(DIMENSIONS)
    async with world.database.reading() as session:
        assert await session.one(select(AsOf.revision)) == 4
    assert await standing(world.database) == expected(world, world.now)


async def test_a_run_overtaken_by_another_starts_again_with_what_its_connection_has(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL its temporary tables are undone with it, when it is the first on its connection."""
    fan = await world.admit()
    await world.recompute()
    await world.buy(fan, at=START, amount=1000)
    claim, claims = writing._claim, list[int]()

    def overtaken_once(*args: Any, **given: Any) -> None:
        claims.append(1)
        if len(claims) == 1:
            raise Overtaken
        claim(*args, **given)

    monkeypatch.setattr(writing, "_claim", overtaken_once)
    elsewhere = World(type(world.database)(database_url), now=world.now)
    try:
        run = await elsewhere.recompute()
    finally:
        await elsewhere.database.close()

    assert (run.mode, len(claims)) == (Mode.TICK, 2)
    assert await standing(world.database) == expected(world, world.now)


async def test_more_runs_at_once_than_there_are_threads_all_come_to_an_end(world: World) -> None:
    await world.interact(await world.admit(), at=START, times=6)
    # A wait in a thread for what another one holds would stand still here for ever.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=5))

    async with asyncio.timeout(80), asyncio.TaskGroup() as crowd:
        runs = [crowd.create_task(world.recompute(mode="tick")) for _ in range(12)]

    assert sum(run.result().changed for run in runs) == len(DIMENSIONS)
    assert await standing(world.database) == expected(world, world.now)


async def test_drift_is_found_and_mended_by_a_full_run(world: World) -> None:
    fan = await world.admit()
    await world.interact(fan, at=START, times=6)
    await world.recompute()
    async with world.database.writing() as session:
        level = await session.get(FanLevel, ("interaction_frequency", fan))
        assert level is not None
        level.level = "high"
        size = await session.first(select(LevelSize))
        assert size is not None
        size.size = 70

    run = await world.recompute(mode="full")

    assert run.changed == 1
    assert await standing(world.database) == expected(world, world.now)


async def test_a_look_at_another_time_leaves_no_trace_once_it_is_over(world: World) -> None:
    fan = await world.admit()
    await world.interact(fan, at=START, times=20)
    await world.recompute()
    async with world.database.reading() as session:
        before = await segments.levels_of(session, await get_fan_by_id(session, fan))

    look = await world.recompute(as_of=START - timedelta(days=400))
    seen, untold = await standing(world.database), await untold_moves(world.database)
    world.now += timedelta(minutes=11)
    await world.recompute()

    assert (look.mode, look.computed_at) == (Mode.FULL, START - timedelta(days=400))
    assert seen.levels["interaction_frequency", fan] == "none"
    async with world.database.reading() as session:
        assert await segments.levels_of(session, await get_fan_by_id(session, fan)) == before
        assert "look" not in await session.all(select(LevelChange.cause))
        assert await session.one(select(func.count()).select_from(LevelChange)) == 0
        assert await session.one(select(func.count()).select_from(FanLevel)) == len(DIMENSIONS)
    assert not untold
    assert not await untold_moves(world.database)
    assert await standing(world.database) == expected(world, world.now)


async def test_what_happens_during_a_look_is_dated_when_it_is_over(world: World) -> None:
    fan = await world.admit()
    await world.recompute()
    await world.recompute(as_of=START + timedelta(days=500))
    await world.interact(fan, at=START + timedelta(minutes=5), times=5)
    world.now += timedelta(minutes=11)

    await world.recompute()

    async with world.database.reading() as session:
        level = (await segments.levels_of(session, await get_fan_by_id(session, fan)))["interaction_frequency"]
        history = await segments.history(session, "interaction_frequency.mid")
        assert await session.first(select(LevelSize).where(col(LevelSize.day) > history[-1].day)) is None
    assert (level.level, level.since) == ("mid", world.now)
    assert (history[-1].entered, history[-1].left) == (1, 0)


async def test_a_look_is_left_alone_by_the_house_until_its_time_is_over(world: World) -> None:
    fan = await world.admit()
    await world.recompute(as_of=START - timedelta(days=30))
    await world.interact(fan, at=START)

    async with world.database.reading() as session:
        during = await segments.is_due(session, zone=ZONE, now=world.now + timedelta(minutes=9))
        after = await segments.is_due(session, zone=ZONE, now=world.now + timedelta(minutes=11))

    assert (during, after) == (False, True)


async def test_the_present_to_the_minute_is_no_look(world: World) -> None:
    await world.admit()

    await world.recompute(as_of=world.now - timedelta(seconds=30))

    async with world.database.reading() as session:
        assert await session.one(select(AsOf.held_until)) is None


async def test_muting_moves_nobody_but_is_due(world: World) -> None:
    fan = await world.admit()
    await world.recompute()
    async with world.database.writing() as session:
        await fans.mute(session, await fans.get_fan_by_id(session, fan), now=world.now)
    world.unreachable.add(fan)

    async with world.database.reading() as session:
        due = await segments.is_due(session, zone=ZONE, now=world.now)
    run = await world.recompute()

    assert (due, run.changed) == (True, 0)
    assert await standing(world.database) == expected(world, world.now)
