"""The days on which time alone changes a number, each from both sides, by small steps and by a jump."""

from datetime import timedelta

import pytest

from siyu.app import App
from tests.siyu.oracle import expected
from tests.siyu.worlds import START, World, standing


@pytest.fixture
def world(app: App) -> World:
    return World(app.database)


@pytest.mark.parametrize("days", [7, 30, 90, 365])
@pytest.mark.parametrize("stride", [1, 3])
async def test_a_day_that_leaves_a_window_takes_its_facts_along(world: World, days: int, stride: int) -> None:
    fan = await world.admit()
    await world.interact(fan, at=START, times=6)
    await world.buy(fan, at=START)
    world.now = START + timedelta(days=days - stride)
    await world.recompute()

    world.now += timedelta(days=stride)
    run = await world.recompute()

    assert run.mode == "window"
    assert await standing(world.database) == expected(world, world.now)


async def test_a_jump_over_two_edges_at_once_forgets_neither(world: World) -> None:
    fan = await world.admit()
    await world.interact(fan, at=START, times=6)
    world.now = START + timedelta(days=5)
    await world.recompute()

    world.now = START + timedelta(days=33)
    run = await world.recompute()

    assert run.mode == "window"
    assert await standing(world.database) == expected(world, world.now)


@pytest.mark.parametrize(("days", "level"), [(60, "casual"), (61, "at_risk")])
async def test_a_buyer_falls_silent_after_sixty_days(world: World, days: int, level: str) -> None:
    fan = await world.admit()
    await world.interact(fan, at=START)
    await world.buy(fan, at=START)
    world.now = START + timedelta(days=days - 1)
    await world.recompute()

    world.now += timedelta(days=1)
    await world.recompute(mode="window")

    assert (await standing(world.database)).levels["loyalty", fan] == level


@pytest.mark.parametrize(("days", "level"), [(90, "growing"), (91, "at_risk"), (365, "at_risk"), (366, "lost")])
async def test_a_returning_buyer_is_at_risk_and_then_lost(world: World, days: int, level: str) -> None:
    fan = await world.admit()
    await world.buy(fan, at=START - timedelta(days=1))
    await world.buy(fan, at=START)
    world.now = START + timedelta(days=days - 1)
    await world.recompute()

    world.now += timedelta(days=1)
    await world.recompute(mode="window")

    assert (await standing(world.database)).levels["loyalty", fan] == level


async def test_a_friend_who_bought_counts_once_the_hold_is_over(world: World) -> None:
    older = await world.admit()
    friend = await world.admit(brought_by=older)
    await world.buy(friend, at=START)
    world.now = START + timedelta(days=13)
    await world.recompute()
    before = (await standing(world.database)).levels["referral", older]

    world.now += timedelta(days=1)
    run = await world.recompute()

    assert (before, run.mode) == ("none", "window")
    assert (await standing(world.database)).levels["referral", older] == "referrer"


@pytest.mark.parametrize(("back_after", "level"), [(13, "none"), (14, "referrer")])
async def test_money_given_back_in_the_hold_spoils_it_for_the_referrer(
    world: World, back_after: int, level: str
) -> None:
    older = await world.admit()
    friend = await world.admit(brought_by=older)
    bought = await world.buy(friend, at=START)
    world.now = START + timedelta(days=20)

    await world.pay_back(bought, at=START + timedelta(days=back_after), amount=1)
    await world.recompute()

    assert (await standing(world.database)).levels["referral", older] == level


@pytest.mark.parametrize(("joined_before", "level"), [(7, "referrer"), (8, "none")])
async def test_a_friend_must_buy_within_seven_days_of_joining(world: World, joined_before: int, level: str) -> None:
    older = await world.admit()
    friend = await world.admit(brought_by=older)
    await world.buy(friend, at=START + timedelta(days=joined_before))
    world.now = START + timedelta(days=40)

    await world.recompute()

    assert (await standing(world.database)).levels["referral", older] == level


async def test_a_friends_new_purchase_reaches_the_referrers_numbers_in_a_tick(world: World) -> None:
    older = await world.admit()
    friend = await world.admit(brought_by=older)
    await world.recompute()

    await world.buy(friend, at=START, amount=700)
    run = await world.recompute()

    assert (run.mode, run.fans) == ("tick", 2)
    assert (await standing(world.database)).metrics[older]["referred_spend_365d"] == 700


async def test_a_fact_of_the_future_waits_until_it_happens(world: World) -> None:
    fan = await world.admit()
    await world.interact(fan, at=START + timedelta(hours=2))
    await world.recompute()
    early = (await standing(world.database)).metrics[fan]["interactions_total"]

    world.now += timedelta(hours=2)
    await world.recompute(mode="tick")

    assert early == 0
    assert (await standing(world.database)).metrics[fan]["interactions_total"] == 1


async def test_a_day_whose_only_purchase_is_given_back_disappears(world: World) -> None:
    fan = await world.admit()
    bought = await world.buy(fan, at=START)
    await world.recompute()

    await world.pay_back(bought, at=START + timedelta(minutes=1))
    world.now += timedelta(minutes=1)
    await world.recompute()

    assert await standing(world.database) == expected(world, world.now)
    assert (await standing(world.database)).days == {}
