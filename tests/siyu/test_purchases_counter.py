"""Sold at the counter: once for each form, undone within minutes, paid back in parts."""

from dataclasses import replace

import pytest
from sqlmodel import col, select

from siyu import catalogue, purchases
from siyu.app import App
from siyu.audit import Actor
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.money import Money
from siyu.purchases import CounterSale
from siyu.tables import AuditEntry, CouponState, Fan, OfferKind, Product, Purchase
from tests.clocks import FakeClock
from tests.trading import a_fan, a_product, an_offer, breaches, claims, coupon_of

LIN = Actor("operator:2", "Lin")
KEY = "a-form-of-its-own"
CAKE = CounterSale(name="A slice of cake", amount_minor=1800)


async def sells(app: App, fan: Fan, sale: CounterSale = CAKE, *, key: str = KEY) -> Purchase:
    async with app.database.writing() as session:
        sold = await purchases.sell(
            session, LIN, fan, sale, key=key, currency="CNY", zone=app.settings.zone, now=app.clock()
        )
    return sold.purchase


async def takes_back(app: App, purchase: Purchase, *, at_any_time: bool = False) -> None:
    async with app.database.writing() as session:
        await purchases.take_back(
            session, LIN, purchase.id or 0, at_any_time=at_any_time, zone=app.settings.zone, now=app.clock()
        )


async def gives_back(app: App, purchase: Purchase, amount: int | None, *, key: str) -> None:
    async with app.database.writing() as session:
        await purchases.give_back(
            session, LIN, purchase.id or 0, amount, key=key, zone=app.settings.zone, now=app.clock()
        )


async def reread(app: App, purchase: Purchase) -> Purchase:
    async with app.database.reading() as session:
        return await purchases.get_purchase(session, purchase.id or 0)


async def stock_of(app: App, sku: str) -> int | None:
    async with app.database.reading() as session:
        found = await catalogue.find_product(session, sku)
        assert found is not None
        return found.stock


async def test_the_same_form_sent_three_times_is_one_purchase(app: App) -> None:
    mei = await a_fan(app)

    sold = [await sells(app, mei) for _ in range(3)]

    assert len({one.id for one in sold}) == 1
    assert (sold[0].source, sold[0].amount_minor, sold[0].currency) == ("staff", 1800, "CNY")
    assert await breaches(app) == []


async def test_a_form_sent_again_with_something_else_in_it_is_refused(app: App) -> None:
    mei = await a_fan(app)
    await sells(app, mei)

    with pytest.raises(Conflict) as no:
        await sells(app, mei, replace(CAKE, amount_minor=1))

    assert no.value.reason == "key_reused"


async def test_a_product_costs_its_price_for_each_piece_and_comes_out_of_the_stock(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app, "cup", kind="physical", price_minor=4500, currency="CNY", stars_price=None, stock=5)

    sold = await sells(app, mei, CounterSale(sku="cup", quantity=2))

    assert sold.amount_minor == 9000
    assert await stock_of(app, "cup") == 3


async def test_more_than_there_are_is_sold_out_and_changes_nothing(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app, "cup", kind="physical", price_minor=4500, currency="CNY", stars_price=None, stock=1)

    with pytest.raises(Conflict) as no:
        await sells(app, mei, CounterSale(sku="cup", quantity=2))

    assert no.value.reason == "sold_out"
    assert await stock_of(app, "cup") == 1
    # The form may be corrected and sent again: nothing was used up.
    assert (await sells(app, mei, CounterSale(sku="cup", quantity=1))).amount_minor == 4500


async def test_a_coupon_lowers_the_price_and_comes_back_when_it_is_undone(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app, "cup", kind="physical", price_minor=4500, currency="CNY", stars_price=None, stock=1)
    coupon = await claims(app, await an_offer(app, kind=OfferKind.AMOUNT, value=500), mei)

    sold = await sells(app, mei, CounterSale(sku="cup", coupon_code=f" {coupon.code.lower()} "))
    used = await coupon_of(app, coupon.code)
    await takes_back(app, sold)

    assert (sold.amount_minor, sold.discount_minor, sold.coupon_code) == (4000, 500, coupon.code)
    assert used.state is CouponState.REDEEMED
    assert (await coupon_of(app, coupon.code)).state is CouponState.ACTIVE
    assert (await reread(app, sold)).refunded_minor == 4000
    assert await stock_of(app, "cup") == 1
    assert await breaches(app) == []


async def test_somebody_elses_coupon_sells_nothing(app: App) -> None:
    mei, bo = await a_fan(app), await a_fan(app, "Bo")
    coupon = await claims(app, await an_offer(app), bo)

    with pytest.raises(Conflict) as no:
        await sells(app, mei, replace(CAKE, coupon_code=coupon.code))

    async with app.database.reading() as session:
        bought = await session.all(select(Purchase))
    assert no.value.reason == "foreign"
    assert bought == []


@pytest.mark.parametrize(
    ("sale", "field"),
    [
        (replace(CAKE, amount_minor=-1), "amount_minor"),
        (replace(CAKE, amount_minor=0), "amount_minor"),
        (replace(CAKE, amount_minor=10_000_000 * 100 + 1), "amount_minor"),
        (replace(CAKE, amount_minor=None), "amount_minor"),
        (replace(CAKE, name=""), "name"),
        (replace(CAKE, quantity=0), "quantity"),
        (CounterSale(sku="unheard-of"), "sku"),
    ],
)
async def test_what_cannot_be_is_told_at_its_field(app: App, sale: CounterSale, field: str) -> None:
    mei = await a_fan(app)

    with pytest.raises(Invalid) as no:
        await sells(app, mei, sale)

    assert no.value.where == (field,)


async def test_after_ten_minutes_only_an_admin_undoes_it(app: App, clock: FakeClock) -> None:
    sold = await sells(app, await a_fan(app))
    clock.pass_(minutes=10)

    with pytest.raises(Conflict) as no:
        await takes_back(app, sold)
    await takes_back(app, sold, at_any_time=True)
    with pytest.raises(Conflict) as again:
        await takes_back(app, sold, at_any_time=True)

    assert (no.value.reason, again.value.reason) == ("late", "refunded")


async def test_money_goes_back_in_parts_that_sum_to_the_whole(app: App) -> None:
    sold = await sells(app, await a_fan(app))

    await gives_back(app, sold, 700, key="first-part")
    await gives_back(app, sold, 700, key="first-part")  # a double tap
    with pytest.raises(Conflict):
        await gives_back(app, sold, 1101, key="too-much")
    await gives_back(app, sold, None, key="the-rest")

    assert (await reread(app, sold)).refunded_minor == 1800
    assert await breaches(app) == []


async def test_every_deed_at_the_counter_is_in_the_audit(app: App) -> None:
    sold = await sells(app, await a_fan(app))
    await gives_back(app, sold, 700, key="first-part")

    async with app.database.reading() as session:
        told = await session.all(select(AuditEntry).where(col(AuditEntry.subject_kind) == "purchase"))
    assert [(entry.action, entry.actor) for entry in told] == [
        ("purchase.sold", LIN.key), ("purchase.refunded", LIN.key),
    ]  # fmt: skip


async def test_two_currencies_are_never_added_up(app: App) -> None:
    mei = await a_fan(app)
    await sells(app, mei)
    async with app.database.writing() as session:
        yen = purchases.Sale("shop", "o-1", mei.id or 0, app.clock(), Money(500, "JPY"))
        await purchases.record(session, [yen], zone=app.settings.zone)

    async with app.database.reading() as session:
        assert await purchases.sums_of(session, mei.id or 0) == [Money(1800, "CNY"), Money(500, "JPY")]


async def test_a_product_is_only_on_sale_with_the_price_of_its_kind(app: App) -> None:
    with pytest.raises(Invalid) as digital:
        await a_product(app, "song", stars_price=None, price_minor=100, currency="CNY")
    with pytest.raises(Invalid) as physical:
        await a_product(app, "cup", kind="physical", stars_price=10)
    stub = await a_product(app, "stub", stars_price=None, active=False)

    assert (digital.value.where, physical.value.where) == (("stars_price",), ("price_minor",))
    assert isinstance(stub, Product)
