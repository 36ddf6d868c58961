"""What friends do, and when whoever brought them is looked at again for it: for money and joining, and nothing else."""

from datetime import timedelta

import pytest

from siyu import fans
from siyu.app import App
from siyu.fans import Newcomer
from siyu.transfer.people import take_fans
from siyu.transfer.rows import FanRow
from tests.siyu.oracle import expected
from tests.siyu.worlds import START, ZONE, World, standing
from tests.trading import BOSS

DAY = timedelta(days=1)


@pytest.fixture
def world(app: App) -> World:
    return World(app.database)


async def _a_pair(world: World, *, talks: bool = True) -> tuple[int, int]:
    older = await world.admit()
    friend = await world.admit(brought_by=older, talks=talks)
    await world.recompute()
    world.now += DAY
    return older, friend


async def test_a_friends_message_is_nothing_to_whoever_brought_them(world: World) -> None:
    _, friend = await _a_pair(world)
    await world.recompute()
    await world.interact(friend, at=world.now)

    run = await world.recompute(mode="tick")

    assert run.fans == 1
    assert await standing(world.database) == expected(world, world.now)


async def test_a_friends_purchase_is_looked_at_with_whoever_brought_them(world: World) -> None:
    _, friend = await _a_pair(world)
    await world.recompute()
    await world.buy(friend, at=world.now)

    run = await world.recompute(mode="tick")

    assert (run.mode, run.fans) == ("tick", 2)
    assert await standing(world.database) == expected(world, world.now)


@pytest.mark.parametrize("currency", ["EUR", "XTR"])
@pytest.mark.parametrize("amount", [None, 1])
async def test_money_given_back_to_a_friend_is_taken_off_the_referrers_friends(
    world: World, currency: str, amount: int | None
) -> None:
    """A little of it too, and in a currency that no sum of theirs shows: in the hold the purchase counts no more."""
    older, friend = await _a_pair(world)
    bought = await world.buy(friend, at=world.now, currency=currency)
    world.now += 20 * DAY
    await world.recompute()
    before = (await standing(world.database)).levels["referral", older]
    # Told late, as shops do.
    await world.pay_back(bought, at=bought.at + DAY, amount=amount)

    run = await world.recompute(mode="tick")

    assert (before, run.mode) == ("referrer", "tick")
    assert (await standing(world.database)).levels["referral", older] == "none"
    assert await standing(world.database) == expected(world, world.now)


async def test_a_friend_who_turns_out_to_have_joined_long_before_they_bought_counts_no_more(world: World) -> None:
    older, friend = await _a_pair(world, talks=False)
    await world.buy(friend, at=world.now)
    world.now += 20 * DAY
    await world.recompute()
    before = (await standing(world.database)).levels["referral", older]
    known = world.people[friend]
    known.joined = START - 90 * DAY
    async with world.database.writing() as session:
        told = Newcomer(known.telegram_id, "Fan", joined_at=known.joined, talks=False)
        await fans.admit(session, [told], zone=ZONE, now=world.now)

    run = await world.recompute(mode="tick")

    assert (before, run.mode) == ("referrer", "tick")
    assert (await standing(world.database)).levels["referral", older] == "none"
    assert await standing(world.database) == expected(world, world.now)


async def test_a_year_after_a_friend_bought_it_is_no_longer_counted_for_whoever_brought_them(world: World) -> None:
    older, friend = await _a_pair(world)
    bought = await world.buy(friend, at=world.now, amount=500_000)
    world.now = bought.at + 364 * DAY
    await world.recompute()
    assert (await standing(world.database)).metrics[older]["referred_spend_365d"] == 500_000

    world.now += DAY
    run = await world.recompute()

    assert run.mode == "window"
    assert (await standing(world.database)).metrics[older]["referred_spend_365d"] == 0
    assert await standing(world.database) == expected(world, world.now)


async def test_whoever_brought_buyers_keeps_what_they_amount_to_when_they_only_press_a_button(world: World) -> None:
    older, friend = await _a_pair(world)
    await world.buy(friend, at=world.now, amount=500_000)
    world.now += 20 * DAY
    await world.recompute()
    await world.interact(older, at=world.now, kind="press")

    run = await world.recompute(mode="tick")

    numbers = (await standing(world.database)).metrics[older]
    assert run.fans == 1
    assert (numbers["referrals_total"], numbers["referrals_qualified"], numbers["referred_spend_365d"]) == (
        1,
        1,
        500_000,
    )
    assert await standing(world.database) == expected(world, world.now)


async def test_whoever_brought_buyers_is_counted_again_when_both_do_something(world: World) -> None:
    older, friend = await _a_pair(world)
    await world.interact(older, at=world.now, kind="press")
    await world.buy(friend, at=world.now, amount=500_000)

    await world.recompute(mode="tick")

    assert (await standing(world.database)).metrics[older]["referred_spend_365d"] == 500_000
    assert await standing(world.database) == expected(world, world.now)


async def test_a_file_that_tells_later_who_brought_a_buyer_is_looked_at_with_whoever_it_names(app: App) -> None:
    world = World(app.database)
    older, friend = await world.admit(), await world.admit(talks=False)
    await world.buy(friend, at=world.now, amount=500_000)
    await world.recompute()
    one, other = (world.people[fan] for fan in (older, friend))
    row = FanRow(telegram_id=other.telegram_id, name="Fan", referred_by=one.telegram_id)
    async with app.database.writing() as session:
        await take_fans(session, BOSS, [row], zone=ZONE, now=world.now)
    world.referrer[friend] = (older, other.joined)

    run = await world.recompute(mode="tick")

    assert (run.mode, run.fans) == ("tick", 2)
    assert (await standing(world.database)).metrics[older]["referrals_total"] == 1
    assert await standing(world.database) == expected(world, world.now)
