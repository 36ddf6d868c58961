"""Points: given once for a cause, spent soonest-to-run-out first, taken back with refunds, never below zero."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from siyu import points
from siyu.app import App
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.money import STARS, Money
from siyu.points import Grant
from siyu.tables import Fan, PointsKind
from tests.clocks import FakeClock
from tests.pointing import balance_of, earns, given_programme, owes, sets, spends, takes_back
from tests.trading import BOSS, a_fan, a_sale, breaches, records, refunds


async def test_a_cause_gives_its_points_once(app: App) -> None:
    await given_programme(app)
    mei = await a_fan(app)

    assert await earns(app, mei, "survey", "s1") == 20
    assert await earns(app, mei, "survey", "s1") == 0

    assert await balance_of(app, mei) == 20
    assert await breaches(app) == []


async def test_nothing_is_given_while_the_programme_or_the_rule_is_off(app: App) -> None:
    mei = await a_fan(app)
    before = await earns(app, mei, "survey", "s1")
    await given_programme(app)
    await sets(app, "feedback", is_on=False)

    assert (before, await earns(app, mei, "feedback", "f1")) == (0, 0)
    assert await earns(app, mei, "survey", "s1") == 20


async def test_a_cap_holds_for_24_hours(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    await sets(app, "survey", amount=20, daily_cap=30)
    mei = await a_fan(app)

    first = [await earns(app, mei, "survey", f"s{n}") for n in range(3)]
    clock.pass_(hours=24)

    assert first == [20, 10, 0]
    assert await earns(app, mei, "survey", "s9") == 20


@pytest.mark.parametrize(("seconds", "given"), [(24 * 3600 - 1, 0), (24 * 3600, 20)])
async def test_the_second_at_which_a_cap_opens_again(app: App, clock: FakeClock, seconds: int, given: int) -> None:
    await given_programme(app)
    await sets(app, "survey", amount=20, daily_cap=20)
    mei = await a_fan(app)
    await earns(app, mei, "survey", "s1")

    clock.pass_(seconds=seconds)

    assert await earns(app, mei, "survey", "s2") == given


async def test_what_was_given_before_takes_no_room_from_what_comes_with_it(app: App, clock: FakeClock) -> None:
    """A batch told again with something new in it, as a shop does that was away."""
    await given_programme(app)
    await sets(app, "survey", amount=20, daily_cap=40)
    mei = await a_fan(app)
    await earns(app, mei, "survey", "s1")

    again, new = (Grant(mei.id or 0, cause, 20, clock()) for cause in ("s1", "s2"))
    async with app.database.writing() as session:
        rule = (await points.rules(session))[PointsKind.SURVEY]
        given = await points.grant(session, rule, [again, again, new])

    assert given == {"s2": 20}
    assert await balance_of(app, mei) == 40


async def test_a_purchase_gives_a_point_for_each_whole_unit_and_a_refund_takes_its_part(app: App) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await records(app, a_sale(app, mei, amount=1990))

    earned = await balance_of(app, mei)
    await refunds(app, "o-1", key="r1", amount=995)
    half = await balance_of(app, mei)
    await refunds(app, "o-1", key="r2")

    assert (earned, half, await balance_of(app, mei)) == (19, 10, 0)
    assert await breaches(app) == []


async def test_the_same_refund_twice_takes_once(app: App) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await records(app, a_sale(app, mei, amount=2000), a_sale(app, mei, "o-2", amount=500))

    await refunds(app, "o-1", key="r1")
    await refunds(app, "o-1", key="r1")

    assert await balance_of(app, mei) == 5


async def test_stars_have_a_rate_of_their_own_and_other_currencies_give_nothing(app: App) -> None:
    await given_programme(app)
    mei = await a_fan(app)

    await records(
        app,
        a_sale(app, mei, "main", amount=100),
        replace(a_sale(app, mei, "stars"), amount=Money(55, STARS)),
        replace(a_sale(app, mei, "euro"), amount=Money(5000, "EUR")),
    )

    assert await balance_of(app, mei) == 1 + 5


async def test_history_imported_after_the_switch_gives_nothing(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    clock.pass_(days=10)
    await given_programme(app)

    await records(app, a_sale(app, mei, "old", paid_at=app.clock() - timedelta(seconds=1)), a_sale(app, mei, "new"))

    assert await balance_of(app, mei) == 19


async def test_what_was_spent_before_a_refund_is_owed_and_paid_by_what_is_earned_next(app: App) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await records(app, a_sale(app, mei, amount=3000))
    await spends(app, mei, 25, "a coupon")

    await refunds(app, "o-1")
    after = await balance_of(app, mei), await owes(app, mei)
    await earns(app, mei, "survey", "s1")
    half = await balance_of(app, mei), await owes(app, mei)
    await earns(app, mei, "survey", "s2")

    assert (after, half) == ((0, 25), (0, 5))
    assert (await balance_of(app, mei), await owes(app, mei)) == (15, 0)
    assert await breaches(app) == []


async def test_the_soonest_to_run_out_is_spent_first(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await sets(app, "survey", amount=20, valid_days=30)
    await sets(app, "feedback", amount=20, valid_days=10, daily_cap=None)
    await earns(app, mei, "survey", "long")
    await earns(app, mei, "feedback", "short")

    await spends(app, mei, 15, "a coupon")
    clock.pass_(days=10)

    assert await balance_of(app, mei) == 20


async def test_points_that_ran_out_pay_nothing_though_nobody_swept_them(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await sets(app, "survey", amount=20, valid_days=1, daily_cap=None)
    await earns(app, mei, "survey", "s1")
    clock.pass_(days=1)
    await earns(app, mei, "survey", "s2")

    with pytest.raises(Conflict) as no:
        await spends(app, mei, 21, "too much")
    await spends(app, mei, 20, "just right")

    assert no.value.reason == "points"
    assert await balance_of(app, mei) == 0
    assert await breaches(app) == []


@pytest.mark.parametrize(("seconds", "left"), [(-1, 20), (0, 0), (1, 0)])
async def test_points_are_good_until_their_last_second(app: App, clock: FakeClock, seconds: int, left: int) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await sets(app, "survey", valid_days=30)
    await earns(app, mei, "survey", "s1")

    clock.pass_(days=30, seconds=seconds)
    shown = await balance_of(app, mei)
    async with app.database.writing() as session:
        await points.run_out_some(session, now=app.clock())

    assert (shown, await balance_of(app, mei)) == (left, left)
    assert await breaches(app) == []


async def test_points_without_an_end_stay(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await sets(app, "survey", valid_days=None)
    await earns(app, mei, "survey", "s1")

    clock.pass_(days=4000)

    assert await balance_of(app, mei) == 20


async def test_what_ran_out_is_not_asked_for_again_by_a_refund(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await sets(app, "purchase", valid_days=10)
    await records(app, a_sale(app, mei, amount=3000))
    await spends(app, mei, 10, "a coupon")
    clock.pass_(days=10)

    await refunds(app, "o-1")

    assert (await balance_of(app, mei), await owes(app, mei)) == (0, 10)
    assert await breaches(app) == []


async def test_a_reward_taken_back_is_taken_once(app: App) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await earns(app, mei, "referral_referrer", "mei-bo")

    taken = [await takes_back(app, "referral_referrer", "mei-bo") for _ in range(2)]

    assert (taken, await balance_of(app, mei)) == ([100, 0], 0)
    assert await takes_back(app, "referral_referrer", "nobody") == 0


async def test_the_ledger_cannot_be_rewritten(app: App) -> None:
    await given_programme(app)
    await earns(app, await a_fan(app), "survey", "s1")

    for verb in ("UPDATE points_entry SET delta = 1000", "DELETE FROM points_entry"):
        with pytest.raises(DBAPIError, match="only grows"):
            async with app.database.writing() as session:
                await session.run(text(verb))


async def test_by_hand_a_form_sent_twice_counts_once_and_needs_a_reason(app: App) -> None:
    mei = await a_fan(app)

    for _ in range(2):
        await gives(app, mei, 50, "sorry for the wait", key="form-1")
    await gives(app, mei, -20, "counted twice", key="form-2")

    assert await balance_of(app, mei) == 30
    with pytest.raises(Invalid):
        await gives(app, mei, 5, "  ", key="form-3")
    with pytest.raises(Conflict):
        await gives(app, mei, -31, "too much", key="form-4")
    assert await breaches(app) == []


async def gives(app: App, fan: Fan, amount: int, reason: str, *, key: str) -> bool:
    async with app.database.writing() as session:
        return await points.adjust(session, BOSS, fan, amount, reason, key=key, now=app.clock())
