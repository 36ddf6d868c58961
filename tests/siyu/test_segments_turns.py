"""A long recompute writes in turns: nobody sees half of a segment, others write in between, and a death is mended."""

import asyncio
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from siyu.app import App
from siyu.kit.staging import Staging
from siyu.segments import writing
from siyu.segments.dimensions import OUT
from siyu.tables import AsOf, FanLevel, LevelChange, LevelSize
from tests.siyu.oracle import expected
from tests.siyu.worlds import World, differences, standing


@pytest.fixture
def small_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "ROWS", dict.fromkeys(writing.ROWS, 1))
    monkeypatch.setattr(writing, "AT_ONCE", dict.fromkeys(writing.AT_ONCE, 1))


class Died(Exception):
    pass


async def _a_lively_week(world: World) -> None:
    for n in range(4):
        fan = await world.admit()
        await world.interact(fan, at=world.now - timedelta(days=n), times=4 + n)
        await world.buy(fan, at=world.now - timedelta(days=20 * n), amount=1000 * (n + 1))


@pytest.mark.parametrize("passing", [timedelta(days=9), timedelta(minutes=9)], ids=["days", "minutes"])
async def test_after_a_death_between_any_two_turns_the_next_run_puts_everything_right(
    app: App, small_turns: None, monkeypatch: pytest.MonkeyPatch, passing: timedelta
) -> None:
    world = World(app.database)
    await _a_lively_week(world)
    await world.recompute()
    whole = Staging.write
    for last in count(1):
        world.now += passing
        for fan in world.fans:
            await world.buy(fan, at=world.now, amount=500 * last)
        died = await _die_after(world, last, monkeypatch)
        monkeypatch.setattr(Staging, "write", whole)
        if not died:
            assert last > 8
            return

        await world.recompute()

        assert not differences(await standing(app.database), expected(world, world.now))
        async with app.database.reading() as session:
            found = await session.get(AsOf, 1)
            assert found is not None
            assert not found.unfinished
        assert await _breaks(app) == []


async def test_between_two_turns_every_segment_has_as_many_members_as_its_size_says(
    app: App, small_turns: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(app.database)
    await _a_lively_week(world)
    await world.recompute()
    world.now += timedelta(days=40)
    await world.interact(world.fans[0], at=world.now, times=9)
    seen = []
    whole = Staging.write

    async def write_and_look(self: Staging, work):  # type: ignore[no-untyped-def]
        done = await whole(self, work)
        seen.append(await _sizes_and_members(app))
        return done

    monkeypatch.setattr(Staging, "write", write_and_look)
    await world.recompute()

    assert len(seen) > 5
    for sizes, members in seen:
        assert {key: size for key, size in sizes.items() if size} == members


async def test_somebody_else_writes_between_two_turns(app: App, small_turns: None) -> None:
    world = World(app.database)
    await _a_lively_week(world)
    await world.recompute()
    world.now += timedelta(days=40)
    run = asyncio.ensure_future(world.recompute())
    before = []

    while not run.done():
        async with app.database.writing() as session:
            found = await session.get(AsOf, 1)
            before.append(found is not None and found.unfinished)
        await asyncio.sleep(0)

    assert any(before), "nobody could write while the run was under way"
    assert (await run).changed > 0


async def _die_after(world: World, turns: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the run came so far at all."""
    whole, written = Staging.write, 0

    async def write(self: Staging, work):  # type: ignore[no-untyped-def]
        nonlocal written
        if written == turns:
            raise Died
        written += 1
        return await whole(self, work)

    monkeypatch.setattr(Staging, "write", write)
    try:
        await world.recompute()
    except Died:
        return True
    return False


async def _breaks(app: App) -> list[tuple[int, str]]:
    """Whose history does not lead, change by change, to where they stand: told twice, or told and not made."""
    async with app.database.reading() as session:
        standing = {(row.fan_id, row.dimension): row.level for row in await session.all(select(FanLevel))}
        changes = await session.all(select(LevelChange).order_by(col(LevelChange.id)))
    led_to: dict[tuple[int, str], str] = {}
    broken = set()
    for change in changes:
        whose = (change.fan_id, change.dimension)
        if led_to.get(whose, change.old_level) != change.old_level:
            broken.add(whose)
        led_to[whose] = change.new_level
    return [*broken, *(whose for whose, level in led_to.items() if standing.get(whose, OUT) != level)]


async def _sizes_and_members(app: App) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    async with app.database.reading() as session:
        newest = select(col(LevelSize.dimension), func.max(col(LevelSize.day)).label("day"))
        last = newest.group_by(col(LevelSize.dimension)).subquery()
        sizes = await session.rows(
            select(col(LevelSize.dimension), col(LevelSize.level), col(LevelSize.size)).join(
                last, (last.c.dimension == col(LevelSize.dimension)) & (last.c.day == col(LevelSize.day))
            )
        )
        there = select(col(FanLevel.dimension), col(FanLevel.level), func.count())
        members = await session.rows(there.group_by(col(FanLevel.dimension), col(FanLevel.level)))
    return {(d, level): n for d, level, n in sizes}, {(d, level): n for d, level, n in members}
