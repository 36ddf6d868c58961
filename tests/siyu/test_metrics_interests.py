"""What tells a fan's interests, each told alone: a look, a purchase, even one given back, what they say; no press."""

from datetime import timedelta

import pytest

from siyu.app import App
from tests.siyu.oracle import expected
from tests.siyu.worlds import World, standing

DAY = timedelta(days=1)


@pytest.fixture
async def world(app: App) -> World:
    """A shop, and a fan who looked at tea the day after they joined, two days ago."""
    world = World(app.database)
    await world.stock()
    fan = await world.admit()
    world.now += DAY
    await world.look(fan, "tea", at=world.now)
    await world.recompute()
    world.now += 2 * DAY
    await world.recompute()
    return world


async def _interests_after_a_tick(world: World) -> set[str]:
    run = await world.recompute(mode="tick")
    stands = await standing(world.database)

    assert (run.mode, run.fans) == ("tick", 1)
    assert stands == expected(world, world.now)
    return {key.partition(".")[2] for (key, _), _ in stands.levels.items() if key.startswith("interests.")}


async def test_what_they_looked_at(world: World) -> None:
    await world.look(world.fans[0], "cake", at=world.now)

    assert await _interests_after_a_tick(world) == {"drinks", "sweets"}


async def test_what_they_bought_on_a_day_told_late(world: World) -> None:
    await world.buy(world.fans[0], at=world.now - DAY, category="sweets")

    assert await _interests_after_a_tick(world) == {"drinks", "sweets"}


async def test_what_they_bought_and_gave_back_before_anybody_looked(world: World) -> None:
    bought = await world.buy(world.fans[0], at=world.now, category="sweets")
    await world.pay_back(bought, at=world.now)

    assert await _interests_after_a_tick(world) == {"drinks", "sweets"}


async def test_what_they_say_of_themselves_and_take_back(world: World) -> None:
    """Of somebody who did nothing else: no other day is looked at with it."""
    quiet = await world.admit()
    await world.recompute()
    await world.describe(quiet, "interests", "sweets")
    assert await _interests_after_a_tick(world) == {"drinks", "sweets"}

    await world.describe(quiet, "interests", "")
    assert await _interests_after_a_tick(world) == {"drinks"}


async def test_a_press_says_nothing_and_leaves_what_they_looked_at(world: World) -> None:
    await world.interact(world.fans[0], at=world.now, kind="press")

    assert await _interests_after_a_tick(world) == {"drinks"}
