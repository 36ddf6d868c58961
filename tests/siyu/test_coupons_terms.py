"""The terms of an offer: what it is for, how much a day, beside what, at what cost, and to which second."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from sqlalchemy import select
from sqlmodel import col

from siyu import coupons
from siyu.app import App
from siyu.coupons import Good
from siyu.kit.clock import end_of_day, local_day
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.money import STARS, Money
from siyu.tables import AuditEntry, CouponState, OfferKind, OfferState
from tests.clocks import FakeClock
from tests.trading import (
    BOSS,
    a_draft,
    a_fan,
    a_product,
    an_offer,
    at_the_till,
    breaches,
    claims,
    coupon_of,
    many_fans,
    opens,
    redeems,
    reread,
)

TEA, CUP = Good("oolong", "tea", 4000), Good("gaiwan", "ware", 6000)


@pytest.mark.parametrize(
    ("terms", "amount", "discount"),
    [
        ({"value": 12, "hundredths": 50}, 1990, 249),  # 248.75
        ({"value": 0, "hundredths": 50}, 1900, 10),  # 9.5
        ({"value": 33, "hundredths": 33}, 10_000, 3333),
        ({"kind": OfferKind.EXCHANGE, "products": ("oolong",)}, 4000, 4000),
        ({"kind": OfferKind.EXCHANGE, "products": ("oolong",), "max_discount_minor": 3000}, 4000, 3000),
    ],
)
async def test_what_it_takes_off_to_the_unit(app: App, terms: dict[str, object], amount: int, discount: int) -> None:
    assert coupons.quote(await an_offer(app, **terms), Money(amount, "CNY")) == discount


@pytest.mark.parametrize(
    ("scope", "goods", "discount"),
    [
        ({}, [TEA, CUP], 2000),
        ({"products": ("oolong",)}, [TEA, CUP], 800),
        ({"categories": ("ware",)}, [TEA, CUP], 1200),
        ({"products": ("oolong",), "categories": ("ware",)}, [TEA, CUP], 2000),
        ({"products": ("oolong",)}, None, 2000),  # at the till: whoever redeems has looked
    ],
)
async def test_only_what_it_is_for_counts(
    app: App, scope: dict[str, object], goods: list[Good] | None, discount: int
) -> None:
    offer = await an_offer(app, value=20, **scope)

    assert coupons.quote(offer, Money(10_000, "CNY"), goods) == discount


async def test_a_coupon_for_something_else_is_refused_and_stays_good(app: App) -> None:
    offer = await an_offer(app, categories=("ware",))
    coupon = await claims(app, offer, await a_fan(app))

    with pytest.raises(Conflict) as no:
        await redeems(app, coupon.code, at_the_till(4000, goods=[TEA]))

    assert no.value.reason == "scope"
    assert (await coupon_of(app, coupon.code)).state is CouponState.ACTIVE


async def test_the_shop_takes_off_only_the_coupon_that_is_for_this_product(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app, "tea", category="tea")
    await a_product(app, "cup", category="ware")
    await claims(app, await an_offer(app, value=20, categories=("ware",)), mei)

    tea, cup = await opens(app, mei, "tea"), await opens(app, mei, "cup")

    assert (tea.discount, cup.discount) == (0, 20)


async def test_a_days_share_is_never_exceeded_and_tomorrow_has_its_own(app: App, clock: FakeClock) -> None:
    offer, people = await an_offer(app, daily_cap=2), await many_fans(app, 5)
    for fan in people[:2]:
        await claims(app, offer, fan)

    with pytest.raises(Conflict) as today:
        await claims(app, offer, people[2])
    midnight = end_of_day(local_day(clock.now, app.settings.zone), app.settings.zone)
    clock.now = midnight
    with pytest.raises(Conflict):
        await claims(app, offer, people[2])
    clock.now = midnight + timedelta(seconds=1)
    await claims(app, offer, people[2])

    assert today.value.reason == "today"
    assert (await reread(app, offer)).claimed == 3
    assert await breaches(app) == []


async def test_handing_out_keeps_to_the_days_share(app: App) -> None:
    offer, people = await an_offer(app, daily_cap=3), await many_fans(app, 5)

    async with app.database.writing() as session:
        ids = [fan.id or 0 for fan in people]
        done = await coupons.issue(session, offer.id or 0, ids, key="k", zone=app.settings.zone, now=app.clock())

    assert (done.issued, done.refused) == (3, 2)
    assert await breaches(app) == []


async def test_of_one_group_a_fan_holds_one_good_coupon_at_a_time(app: App) -> None:
    one, two = await an_offer(app, stack_group="spring"), await an_offer(app, stack_group="spring")
    free, mei = await an_offer(app), await a_fan(app)
    first = await claims(app, one, mei)
    await claims(app, free, mei)

    with pytest.raises(Conflict) as no:
        await claims(app, two, mei)
    await redeems(app, first.code, at_the_till())
    await claims(app, two, mei)

    assert no.value.reason == "stacked"
    assert (await reread(app, two)).claimed == 1
    assert await breaches(app) == []


async def test_handing_out_passes_over_who_holds_another_of_the_group(app: App) -> None:
    one, two = await an_offer(app, stack_group="spring"), await an_offer(app, stack_group="spring")
    people = await many_fans(app, 3)
    await claims(app, one, people[0])

    async with app.database.writing() as session:
        ids = [fan.id or 0 for fan in people]
        done = await coupons.issue(session, two.id or 0, ids, key="k", zone=app.settings.zone, now=app.clock())

    assert (done.issued, done.already) == (2, 1)


async def test_an_offer_nobody_can_say_the_cost_of_is_not_opened(app: App) -> None:
    draft = await an_offer(app, active=False, budget_minor=None)
    exchange = await an_offer(app, active=False, kind=OfferKind.EXCHANGE, products=("tea",), budget_minor=None)

    for offer in (draft, exchange):
        async with app.database.writing() as session:
            with pytest.raises(Conflict) as no:
                await coupons.activate(session, BOSS, offer.id or 0, now=app.clock())
        assert no.value.reason == "no_ceiling"
        assert (await reread(app, offer)).state is OfferState.DRAFT


async def test_the_ceiling_of_a_share_of_prices_in_stars_is_known_since_no_price_is_beyond_ten_thousand(
    app: App,
) -> None:
    in_stars = await an_offer(app, value=12, hundredths=50, currency=STARS, stock=4, budget_minor=None)
    in_both = await an_offer(app, value=20, stock=10, budget_minor=5_000)
    in_money = await an_offer(app, value=20, stock=10, budget_minor=5_000, min_spend_minor=1)

    assert coupons.ceiling(in_stars) == Money(4 * 1250, STARS)
    assert (coupons.ceiling(in_both), coupons.ceiling_in_stars(in_both)) == (Money(5_000, "CNY"), Money(20_000, STARS))
    assert coupons.ceiling_in_stars(in_money) is None


async def test_a_budget_in_money_is_not_used_up_by_stars(app: App) -> None:
    offer = await an_offer(app, value=20, budget_minor=100)
    one, two = [await claims(app, offer, fan) for fan in await many_fans(app, 2)]

    redeemed = await redeems(app, one.code, at_the_till(1000, STARS, key="1"))
    with pytest.raises(Conflict) as no:
        await redeems(app, two.code, at_the_till(1000, "CNY", key="2"))

    assert redeemed.discount == Money(200, STARS)
    assert no.value.reason == "budget"
    assert await breaches(app) == []


@pytest.mark.parametrize(
    ("terms", "where"),
    [
        ({"value": 0}, "value"),
        ({"value": 100, "hundredths": 1}, "hundredths"),
        ({"hundredths": 100}, "hundredths"),
        ({"daily_cap": 0}, "daily_cap"),
        ({"holdout_percent": 51}, "holdout_percent"),
        ({"products": ("x" * 65,)}, "products"),
        ({"categories": ("",)}, "categories"),
        ({"kind": OfferKind.EXCHANGE}, "products"),
        ({"stack_group": "x" * 33}, "stack_group"),
    ],
)
async def test_senseless_terms_name_their_field(app: App, terms: dict[str, object], where: str) -> None:
    async with app.database.writing() as session:
        with pytest.raises(Invalid) as no:
            await coupons.create(session, BOSS, a_draft(app, **terms), now=app.clock())

    assert no.value.where == (where,)


async def test_the_kill_switch_stops_every_claim_at_once_and_says_who_pulled_it(app: App) -> None:
    offers, mei = [await an_offer(app) for _ in range(3)], await a_fan(app)
    held = await claims(app, offers[0], mei)

    async with app.database.writing() as session:
        paused = await coupons.pause_all(session, BOSS, now=app.clock())
    for offer in offers[1:]:
        with pytest.raises(Conflict) as no:
            await claims(app, offer, mei)
        assert no.value.reason == "paused"

    assert paused == 3
    assert (await redeems(app, held.code, at_the_till(5000))).discount_minor == 1000
    async with app.database.reading() as session:
        noted = await session.all(select(AuditEntry).where(col(AuditEntry.action) == "offer.paused"))
    assert len(noted) == 3


async def test_unused_coupons_of_a_paused_offer_are_taken_back_but_not_one_that_is_being_paid(app: App) -> None:
    offer = await an_offer(app)
    used, paying, idle = [await claims(app, offer, fan) for fan in await many_fans(app, 3)]
    await redeems(app, used.code, at_the_till())
    async with app.database.writing() as session:
        until = app.clock() + timedelta(minutes=15)
        await coupons.hold(session, paying.id or 0, checkout_id=1, until=until, now=app.clock())
        with pytest.raises(Conflict) as still_open:
            await coupons.revoke(session, BOSS, offer.id or 0, now=app.clock())
    async with app.database.writing() as session:
        await coupons.pause(session, BOSS, offer.id or 0, now=app.clock())
        done = await coupons.revoke(session, BOSS, offer.id or 0, now=app.clock())

    with pytest.raises(Conflict) as no:
        await redeems(app, idle.code, at_the_till(key="other"))

    assert still_open.value.reason == "active"
    assert (done.revoked, done.held) == (1, 1)
    assert no.value.reason == "revoked"
    states = [(await coupon_of(app, one.code)).state for one in (used, paying, idle)]
    assert states == [CouponState.REDEEMED, CouponState.ACTIVE, CouponState.REVOKED]
    assert await breaches(app) == []


def changes_of(zone: ZoneInfo, year: int) -> list[date]:
    """The local days on which clocks change."""
    noon = datetime(year - 1, 12, 31, 12, tzinfo=UTC)
    moments = [noon + timedelta(days=n) for n in range(368)]
    return [
        local_day(after, zone)
        for before, after in pairwise(moments)
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset()
    ]


def test_the_last_day_of_a_coupon_ends_with_its_last_second_in_every_zone_also_when_clocks_change() -> None:
    changed = 0
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for year in (2024, 2026):
            for day in changes_of(zone, year):
                changed += 1
                for last in (day - timedelta(days=1), day, day + timedelta(days=1)):
                    end = end_of_day(last, zone)
                    assert local_day(end, zone) == last, (name, last)
                    assert local_day(end + timedelta(seconds=1), zone) == last + timedelta(days=1), (name, last)
                    assert local_day(end - timedelta(hours=20), zone) in (last, last - timedelta(days=1))

    assert changed > 800
