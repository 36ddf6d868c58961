"""Tiers: reached the moment enough was earned, kept for the grace, lost after it, and remembered."""

import pytest

from siyu import jobs, points
from siyu.app import App
from siyu.kit.errors import Invalid
from siyu.points import NewTier
from siyu.tables import Fan, PointsAccount
from tests.clocks import FakeClock
from tests.pointing import earns, given_programme, given_tiers, owes, sets, spends
from tests.trading import BOSS, a_fan, a_sale, breaches, records, refunds


async def settle(app: App) -> None:
    await jobs.run_if_due(app, jobs.get_job("tiers"))


async def rank(app: App, fan: Fan) -> int:
    async with app.database.reading() as session:
        account = await session.get(PointsAccount, fan.id)
    return account.tier if account else 0


async def story(app: App, fan: Fan) -> list[tuple[int, int, str]]:
    async with app.database.reading() as session:
        found = await points.changes_of(session, fan.id or 0)
    return [(one.old, one.new, one.reason) for one in reversed(found)]


async def test_a_fan_rises_as_far_as_the_points_reach_and_spending_them_costs_no_tier(app: App) -> None:
    await given_programme(app)
    await given_tiers(app, 10, 100)
    mei, bo = await a_fan(app), await a_fan(app)
    await records(app, a_sale(app, mei, amount=15000), a_sale(app, bo, "o-2", amount=900))

    await settle(app)
    await spends(app, mei, 150, "everything")
    await settle(app)

    assert (await rank(app, mei), await rank(app, bo)) == (2, 0)
    assert await story(app, mei) == [(0, 2, "earned")]


@pytest.mark.parametrize(("seconds", "standing"), [(-1, 1), (0, 0), (1, 0)])
async def test_a_tier_is_kept_to_the_last_second_of_the_grace(
    app: App, clock: FakeClock, seconds: int, standing: int
) -> None:
    await given_programme(app)
    await given_tiers(app, 10, window_days=100, grace_days=30)
    mei = await a_fan(app)
    await earns(app, mei, "survey", "s1")
    await settle(app)

    clock.pass_(days=100)
    await settle(app)
    before = await rank(app, mei)
    clock.pass_(days=30, seconds=seconds)
    await settle(app)

    assert (before, await rank(app, mei)) == (1, standing)


@pytest.mark.parametrize(("seconds", "left"), [(-1, None), (0, 30)])
async def test_the_grace_begins_when_the_points_leave_the_window(
    app: App, clock: FakeClock, seconds: int, left: int | None
) -> None:
    await given_programme(app)
    await given_tiers(app, 10, window_days=100, grace_days=30)
    mei = await a_fan(app)
    await earns(app, mei, "survey", "s1")
    await settle(app)

    clock.pass_(days=100, seconds=seconds)
    await settle(app)

    async with app.database.reading() as session:
        shown = await points.standing(session, mei.id or 0, now=app.clock())
    assert (shown.falls_at and (shown.falls_at - app.clock()).days) == left


async def test_who_earns_enough_within_the_grace_stays(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    await given_tiers(app, 10, window_days=100, grace_days=30)
    mei = await a_fan(app)
    await earns(app, mei, "survey", "s1")
    await settle(app)
    clock.pass_(days=100)
    await settle(app)

    await earns(app, mei, "survey", "s2")
    await settle(app)
    clock.pass_(days=31)
    await settle(app)

    assert await rank(app, mei) == 1
    assert await story(app, mei) == [(0, 1, "earned")]


async def test_without_a_grace_a_refund_costs_the_tier_at_once(app: App) -> None:
    await given_programme(app)
    await given_tiers(app, 10, 100, grace_days=0)
    mei = await a_fan(app)
    await records(app, a_sale(app, mei, amount=15000))
    await settle(app)

    await refunds(app, "o-1", amount=14000)
    await settle(app)

    assert await story(app, mei) == [(0, 2, "earned"), (2, 1, "window")]


async def test_a_higher_tier_earns_faster(app: App) -> None:
    await given_programme(app)
    await given_tiers(app, 10, multiplier=150)
    mei = await a_fan(app)
    slow = await earns(app, mei, "feedback", "f1")
    await settle(app)
    await sets(app, "feedback", daily_cap=None)

    assert (slow, await earns(app, mei, "feedback", "f2")) == (10, 15)
    assert await owes(app, mei) == 0


async def test_changed_thresholds_move_everybody_concerned(app: App) -> None:
    await given_programme(app)
    await given_tiers(app, 100)
    mei = await a_fan(app)
    await earns(app, mei, "survey", "s1")
    await settle(app)

    await given_tiers(app, 10, 20)
    await settle(app)

    assert await rank(app, mei) == 2


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ([(100, 100), (100, 100)], ("tiers", 1, "minimum")),
        ([(100, 100), (50, 100)], ("tiers", 1, "minimum")),
        ([(0, 100)], ("tiers", 0, "minimum")),
        ([(10, 99)], ("tiers", 0, "multiplier")),
        ([(n, 100) for n in range(1, 8)], ("tiers",)),
    ],
)
async def test_tiers_out_of_order_are_refused(
    app: App, steps: list[tuple[int, int]], place: tuple[object, ...]
) -> None:
    drafts = [NewTier({"en": "Gold", "zh_CN": "黄金"}, minimum, factor) for minimum, factor in steps]

    with pytest.raises(Invalid) as no:
        async with app.database.writing() as session:
            await points.change_tiers(session, BOSS, drafts, window_days=365, grace_days=30, now=app.clock())

    assert no.value.where == place


async def test_the_books_hold_after_all_of_it(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    await given_tiers(app, 10)
    mei = await a_fan(app)
    await earns(app, mei, "survey", "s1")
    clock.pass_(days=365)

    await jobs.run_if_due(app, jobs.get_job("points"))
    await settle(app)

    assert await breaches(app) == []
