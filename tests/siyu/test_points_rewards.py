"""A coupon for points: both or neither, and a double tap is one."""

import pytest

from siyu import coupons
from siyu.app import App
from siyu.coupons import Claimed
from siyu.kit.errors import Conflict, NotFound
from siyu.tables import Fan, Offer, OfferKind
from tests.pointing import balance_of, earns, given_programme, given_reward
from tests.trading import a_fan, an_offer, breaches, reread


async def exchanges(app: App, offer: Offer, fan: Fan, *, turn: int = 1, cost: int = 15) -> Claimed:
    async with app.database.writing() as session:
        return await coupons.exchange(
            session, offer.id or 0, fan, turn=turn, cost=cost, zone=app.settings.zone, now=app.clock()
        )


async def test_a_double_tap_is_one_coupon_and_one_payment(app: App) -> None:
    await given_programme(app)
    offer, mei = await given_reward(app, 15, per_fan=5), await a_fan(app)
    await earns(app, mei, "survey", "s1")

    first, again = await exchanges(app, offer, mei), await exchanges(app, offer, mei)

    assert (first.is_new, again.is_new) == (True, False)
    assert first.coupon.code == again.coupon.code
    assert await balance_of(app, mei) == 5
    assert await breaches(app) == []


async def test_without_enough_points_there_is_no_coupon_and_nothing_is_taken(app: App) -> None:
    await given_programme(app)
    offer, mei = await given_reward(app, 21), await a_fan(app)
    await earns(app, mei, "survey", "s1")

    with pytest.raises(Conflict) as no:
        await exchanges(app, offer, mei, cost=21)

    assert no.value.reason == "points"
    assert (await reread(app, offer)).claimed == 0
    assert await balance_of(app, mei) == 20


async def test_when_all_are_gone_no_points_are_taken(app: App) -> None:
    await given_programme(app)
    offer, mei, bo = (
        await given_reward(app, 15, stock=1, kind=OfferKind.GIFT, value=0),
        await a_fan(app),
        await a_fan(app),
    )
    await earns(app, mei, "survey", "s1")
    await earns(app, bo, "survey", "s2")
    await exchanges(app, offer, mei)

    with pytest.raises(Conflict) as no:
        await exchanges(app, offer, bo)

    assert (no.value.reason, await balance_of(app, bo)) == ("gone", 20)


async def test_another_price_is_asked_about_first(app: App) -> None:
    await given_programme(app)
    offer, mei = await given_reward(app, 15), await a_fan(app)
    await earns(app, mei, "survey", "s1")

    with pytest.raises(Conflict) as no:
        await exchanges(app, offer, mei, cost=14)

    assert (no.value.reason, await balance_of(app, mei)) == ("price", 20)


async def test_an_offer_that_is_no_reward_cannot_be_had_for_points(app: App) -> None:
    offer, mei = await an_offer(app), await a_fan(app)

    with pytest.raises(NotFound):
        await exchanges(app, offer, mei)
