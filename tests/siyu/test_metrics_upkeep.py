"""The tables that runs of one connection work in, one after the other: no run sees what another staged."""

from datetime import timedelta

import pytest

from siyu.app import App
from siyu.metrics import sums, upkeep
from siyu.segments import runs
from tests.siyu.oracle import expected
from tests.siyu.worlds import World, standing

TICKS = 2 * upkeep.TICKS_IN_A_ROW + 2


@pytest.fixture
async def world(app: App) -> World:
    world = World(app.database)
    for _ in range(4):
        await world.admit()
    await world.recompute()
    return world


async def _tick(world: World, *who: int) -> None:
    """What these fans do, and the run that takes it in."""
    world.now += timedelta(seconds=1)
    for fan in who:
        await world.interact(fan, at=world.now)
    run = await world.recompute(mode="tick")
    assert (run.mode, run.fans) == ("tick", len(who))


async def test_ticks_in_a_row_each_see_their_own_fans(world: World) -> None:
    for n in range(TICKS):
        await _tick(world, world.fans[n % 4])

    assert await standing(world.database) == expected(world, world.now)
    assert (await world.recompute(mode="full")).changed == 0


async def test_a_tick_of_many_comes_between_ticks_of_few(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "FEW", 2)
    for who in (1, 2, 4, 1, 3, 2, 1):
        await _tick(world, *world.fans[:who])

    assert await standing(world.database) == expected(world, world.now)


async def test_a_run_that_failed_leaves_nothing_to_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await _tick(world, world.fans[0])
    with monkeypatch.context() as broken:
        broken.setattr(sums, "find_changed", _fails)
        with pytest.raises(RuntimeError, match="the lamp went out"):
            await _tick(world, world.fans[1])

    await _tick(world, world.fans[1], world.fans[2])

    assert await standing(world.database) == expected(world, world.now)


async def test_a_long_run_between_ticks_leaves_none_of_its_fans_to_them(world: World) -> None:
    await _tick(world, world.fans[0])
    world.now += timedelta(days=31)
    await world.recompute(mode="full")
    await _tick(world, world.fans[1])
    await _tick(world, world.fans[2])

    assert await standing(world.database) == expected(world, world.now)


def _fails(*_: object) -> None:
    raise RuntimeError("the lamp went out")
