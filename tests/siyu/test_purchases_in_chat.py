"""Buying in chat with Stars: the invoice, Telegram's question, the money, and the way back."""

import pytest
from sqlalchemy import select
from sqlmodel import col

from siyu import catalogue, coupons, purchases
from siyu.app import App
from siyu.catalogue import NewProduct
from siyu.kit.errors import Conflict, NotFound
from siyu.kit.money import STARS, Money
from siyu.purchases import Again, Settled, SettledOddly, Verdict
from siyu.tables import CouponState, OfferKind, Outbox, OutboxState, Product, Purchase, Redemption
from tests.clocks import FakeClock
from tests.trading import (
    BOSS,
    a_fan,
    a_product,
    an_offer,
    at_the_till,
    breaches,
    claims,
    coupon_of,
    is_allowed,
    many_fans,
    opens,
    pays,
    redeems,
    reread,
)


async def calls(app: App) -> list[Outbox]:
    async with app.database.reading() as session:
        return list(await session.all(select(Outbox).order_by(col(Outbox.id))))


async def bought(app: App) -> list[Purchase]:
    async with app.database.reading() as session:
        return list(await session.all(select(Purchase).order_by(col(Purchase.id))))


async def reprice(app: App, product: Product, **terms: object) -> None:
    usual = {"sku": product.sku, "title": product.title, "stars_price": product.stars_price, "stock": product.stock}
    draft = NewProduct(**{**usual, **terms})  # type: ignore[arg-type]
    async with app.database.writing() as session:
        await catalogue.change_product(session, BOSS, product.id or 0, draft, now=app.clock())


async def test_a_fan_buys_with_the_best_coupon(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app, "tea", stars_price=100, stock=3)
    small, big = await an_offer(app, value=10), await an_offer(app, value=25)
    await claims(app, small, mei)
    best = await claims(app, big, mei)

    invoice = await opens(app, mei, "tea")
    await is_allowed(app, mei, invoice.payload, 75)
    settled = await pays(app, mei, invoice.payload, 75)

    assert invoice.total == Money(75, STARS)
    assert isinstance(settled, Settled)
    assert (settled.amount, settled.discount, settled.coupon) == (Money(75, STARS), 25, best.code)
    (purchase,) = await bought(app)
    assert (purchase.source, purchase.external_id, purchase.amount_minor) == ("telegram", "charge-1", 75)
    assert (await coupon_of(app, best.code)).state is CouponState.REDEEMED
    async with app.database.reading() as session:
        product = await catalogue.find_product(session, "tea")
        (redemption,) = await session.all(select(Redemption))
    assert product is not None
    assert product.stock == 2
    assert (redemption.purchase_id, redemption.amount_minor, redemption.channel) == (purchase.id, 100, "chat")
    assert await breaches(app) == []


async def test_a_fan_may_choose_another_coupon_or_none(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app)
    small, big = await an_offer(app, value=10), await an_offer(app, value=25)
    chosen = await claims(app, small, mei)
    await claims(app, big, mei)

    by_choice = await opens(app, mei, coupon_id=chosen.id)
    bare = await opens(app, mei, bare=True)

    assert (by_choice.total.minor, bare.total.minor) == (90, 100)


async def test_the_least_to_pay_is_one_star(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app, value=100)
    await a_product(app, stars_price=100)
    coupon = await claims(app, offer, mei)

    invoice = await opens(app, mei)
    await is_allowed(app, mei, invoice.payload, 1)
    await pays(app, mei, invoice.payload, 1)

    assert invoice.total.minor == 1
    async with app.database.reading() as session:
        (redemption,) = await session.all(select(Redemption))
    assert redemption.discount_minor == 99
    assert (await coupon_of(app, coupon.code)).state is CouponState.REDEEMED
    assert await breaches(app) == []


async def test_coupons_that_do_not_fit_stars_are_left_in_the_wallet(app: App) -> None:
    mei = await a_fan(app)
    product = await a_product(app)
    for terms in ({"kind": OfferKind.AMOUNT, "value": 500}, {"max_discount_minor": 100}, {"kind": OfferKind.GIFT}):
        await claims(app, await an_offer(app, **terms), mei)

    async with app.database.reading() as session:
        fits = await purchases.fits(session, mei, product, now=app.clock())
    invoice = await opens(app, mei)

    assert fits == []
    assert invoice.coupon is None


async def test_a_coupon_in_stars_comes_off_in_stars(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app, stars_price=100)
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=30, currency=STARS, min_spend_minor=100)
    await claims(app, offer, mei)

    invoice = await opens(app, mei)
    await is_allowed(app, mei, invoice.payload, 70)
    await pays(app, mei, invoice.payload, 70)

    assert (await reread(app, offer)).spent_minor == 30
    assert await breaches(app) == []


async def test_somebody_elses_coupon_cannot_be_chosen(app: App) -> None:
    mei, bo = await many_fans(app, 2)
    await a_product(app)
    theirs = await claims(app, await an_offer(app), bo)

    with pytest.raises(Conflict) as no:
        await opens(app, mei, coupon_id=theirs.id)

    assert no.value.reason == "unfit"


async def test_a_held_coupon_is_nobody_elses_until_the_hold_ends(app: App, clock: FakeClock) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    await a_product(app)
    coupon = await claims(app, offer, mei)
    await opens(app, mei)

    with pytest.raises(Conflict) as held:
        await redeems(app, coupon.code, at_the_till())
    clock.pass_(minutes=30)
    redeemed = await redeems(app, coupon.code, at_the_till())

    assert held.value.reason == "held"
    assert redeemed.discount_minor == 1000


async def test_a_newer_invoice_takes_the_coupon_over_and_the_older_is_refused(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    await a_product(app, "tea")
    await a_product(app, "cup")
    await claims(app, offer, mei)
    older = await opens(app, mei, "tea")

    newer = await opens(app, mei, "cup")

    assert newer.total.minor == 80
    with pytest.raises(Conflict) as no:
        await is_allowed(app, mei, older.payload, 80)
    assert no.value.reason == "expired"
    await is_allowed(app, mei, newer.payload, 80)


async def test_an_invoice_being_paid_keeps_its_coupon(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    await a_product(app, "tea")
    await a_product(app, "cup")
    await claims(app, offer, mei)
    first = await opens(app, mei, "tea")
    await is_allowed(app, mei, first.payload, 80)

    second = await opens(app, mei, "cup")

    assert second.coupon is None
    assert isinstance(await pays(app, mei, first.payload, 80), Settled)


async def test_the_yes_extends_the_hold(app: App, clock: FakeClock) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    await a_product(app)
    coupon = await claims(app, offer, mei)
    invoice = await opens(app, mei)
    clock.pass_(minutes=29)
    await is_allowed(app, mei, invoice.payload, 80)
    clock.pass_(minutes=10)

    with pytest.raises(Conflict) as held:
        await redeems(app, coupon.code, at_the_till())
    settled = await pays(app, mei, invoice.payload, 80)

    assert held.value.reason == "held"
    assert isinstance(settled, Settled)


async def test_only_the_owner_of_an_invoice_may_pay_it(app: App) -> None:
    mei, bo = await many_fans(app, 2)
    await a_product(app)
    invoice = await opens(app, mei)

    with pytest.raises(Conflict) as no:
        await is_allowed(app, bo, invoice.payload, 100)

    assert no.value.reason == "foreign"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stars_price": 101}, "price_changed"),
        ({"stars_price": 99}, "price_changed"),
        ({"active": False}, "sold_out"),
        ({"stock": 0}, "sold_out"),
    ],
)
async def test_a_changed_product_is_not_sold_at_the_old_terms(app: App, change: dict[str, object], reason: str) -> None:
    mei, product = await a_fan(app), await a_product(app)
    invoice = await opens(app, mei)
    await reprice(app, product, **change)

    with pytest.raises(Conflict) as no:
        await is_allowed(app, mei, invoice.payload, 100)

    assert no.value.reason == reason


@pytest.mark.parametrize(("amount", "currency"), [(99, STARS), (101, STARS), (100, "USD")])
async def test_another_amount_than_the_invoices_is_refused(app: App, amount: int, currency: str) -> None:
    mei = await a_fan(app)
    await a_product(app)
    invoice = await opens(app, mei)

    with pytest.raises(Conflict):
        await is_allowed(app, mei, invoice.payload, amount, currency=currency)


@pytest.mark.parametrize(("minutes", "is_good"), [(29, True), (30, False)])
async def test_an_expired_hold_is_refused_at_the_till(app: App, clock: FakeClock, minutes: int, is_good: bool) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    await a_product(app)
    await claims(app, offer, mei)
    invoice = await opens(app, mei)
    clock.pass_(minutes=minutes)

    if is_good:
        await is_allowed(app, mei, invoice.payload, 80)
    else:
        with pytest.raises(Conflict) as no:
            await is_allowed(app, mei, invoice.payload, 80)
        assert no.value.reason == "expired"


async def test_an_invoice_without_a_coupon_stays_good(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    await a_product(app)
    invoice = await opens(app, mei)
    clock.pass_(days=2)

    await is_allowed(app, mei, invoice.payload, 100)

    assert isinstance(await pays(app, mei, invoice.payload, 100), Settled)


async def test_a_budget_used_up_meanwhile_is_refused_at_the_till(app: App) -> None:
    mei, bo = await many_fans(app, 2)
    await a_product(app, stars_price=100)
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=30, currency=STARS, budget_minor=50)
    await claims(app, offer, mei)
    theirs = await claims(app, offer, bo)
    invoice = await opens(app, mei)
    await redeems(app, theirs.code, at_the_till(100, STARS))

    with pytest.raises(Conflict):
        await is_allowed(app, mei, invoice.payload, 70)


async def test_a_paid_invoice_is_not_paid_again(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app)
    invoice = await opens(app, mei)
    await is_allowed(app, mei, invoice.payload, 100)
    await pays(app, mei, invoice.payload, 100)

    with pytest.raises(Conflict) as no:
        await is_allowed(app, mei, invoice.payload, 100)

    assert no.value.reason == "paid"


async def test_the_same_payment_told_twice_is_one_purchase(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    await a_product(app, stock=5)
    await claims(app, offer, mei)
    invoice = await opens(app, mei)
    await is_allowed(app, mei, invoice.payload, 80)

    first, again = await pays(app, mei, invoice.payload, 80), await pays(app, mei, invoice.payload, 80)

    assert isinstance(first, Settled)
    assert isinstance(again, Again)
    assert len(await bought(app)) == 1
    async with app.database.reading() as session:
        product = await catalogue.find_product(session, "tea")
    assert product is not None
    assert product.stock == 4
    assert await calls(app) == []


async def test_a_second_charge_for_a_paid_invoice_is_recorded_and_goes_back(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app)
    invoice = await opens(app, mei)
    await is_allowed(app, mei, invoice.payload, 100)
    await pays(app, mei, invoice.payload, 100, charge="one")

    second = await pays(app, mei, invoice.payload, 100, charge="two")

    assert second == SettledOddly("paid_before", Money(100, STARS))
    assert [purchase.external_id for purchase in await bought(app)] == ["one", "two"]
    (call,) = await calls(app)
    assert (call.method, call.payload) == (
        "refundStarPayment",
        {"user_id": mei.telegram_id, "telegram_payment_charge_id": "two"},
    )


async def test_whoever_pays_for_the_last_piece_a_moment_late_gets_the_money_back(app: App) -> None:
    mei, bo = await many_fans(app, 2)
    await a_product(app, stock=1)
    one, two = await opens(app, mei), await opens(app, bo)
    await is_allowed(app, mei, one.payload, 100)
    await is_allowed(app, bo, two.payload, 100)

    first = await pays(app, mei, one.payload, 100, charge="one")
    late = await pays(app, bo, two.payload, 100, charge="two")

    assert isinstance(first, Settled)
    assert late == SettledOddly("sold_out", Money(100, STARS))
    assert [call.payload["telegram_payment_charge_id"] for call in await calls(app)] == ["two"]


async def test_money_for_an_invoice_nobody_knows_goes_back(app: App) -> None:
    mei = await a_fan(app)

    settled = await pays(app, mei, "never-seen", 50)

    assert settled == SettledOddly("unknown", Money(50, STARS))
    assert [purchase.amount_minor for purchase in await bought(app)] == [50]
    assert [call.method for call in await calls(app)] == ["refundStarPayment"]


async def test_a_star_refund_is_asked_once_and_booked_when_telegram_agrees(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    await a_product(app)
    coupon = await claims(app, offer, mei)
    invoice = await opens(app, mei)
    await is_allowed(app, mei, invoice.payload, 80)
    await pays(app, mei, invoice.payload, 80)
    number = (await bought(app))[0].id or 0

    for _ in range(2):
        async with app.database.writing() as session:
            await purchases.refund_stars(session, BOSS, number, now=app.clock())
    before = (await bought(app))[0].refunded_minor
    verdicts = []
    for _ in range(2):
        async with app.database.writing() as session:
            zone = app.settings.zone
            verdicts.append(await purchases.note_refund_agreed(session, "charge-1", zone=zone, now=app.clock()))

    assert len(await calls(app)) == 1
    assert before == 0
    assert verdicts == [Verdict.CREATED, Verdict.DUPLICATE]
    assert (await bought(app))[0].refunded_minor == 80
    assert (await coupon_of(app, coupon.code)).state is CouponState.ACTIVE
    assert await breaches(app) == []


async def test_a_piece_that_was_paid_back_can_be_sold_again_once(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app, "tea", stock=1)
    invoice = await opens(app, mei, "tea")
    await is_allowed(app, mei, invoice.payload, 100)
    await pays(app, mei, invoice.payload, 100, charge="one")
    sold_out = await _stock(app, "tea")
    await pays(app, mei, invoice.payload, 100, charge="for nothing")  # takes no piece, and brings none

    for charge in ("one", "one", "for nothing"):
        async with app.database.writing() as session:
            await purchases.note_refund_agreed(session, charge, zone=app.settings.zone, now=app.clock())

    assert (sold_out, await _stock(app, "tea")) == (0, 1)


async def test_what_never_runs_out_does_not_begin_to(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app, "tea", stock=None)
    invoice = await opens(app, mei, "tea")
    await is_allowed(app, mei, invoice.payload, 100)
    await pays(app, mei, invoice.payload, 100, charge="one")

    async with app.database.writing() as session:
        await purchases.note_refund_agreed(session, "one", zone=app.settings.zone, now=app.clock())

    assert await _stock(app, "tea") is None


async def _stock(app: App, sku: str) -> int | None:
    async with app.database.reading() as session:
        product = await catalogue.find_product(session, sku)
    assert product is not None
    return product.stock


async def test_a_refund_that_failed_can_be_asked_again(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app)
    invoice = await opens(app, mei)
    await is_allowed(app, mei, invoice.payload, 100)
    await pays(app, mei, invoice.payload, 100)
    number = (await bought(app))[0].id or 0
    async with app.database.writing() as session:
        await purchases.refund_stars(session, BOSS, number, now=app.clock())
        (call,) = await session.all(select(Outbox))
        call.state = OutboxState.FAILED
        session.add(call)

    async with app.database.writing() as session:
        await purchases.refund_stars(session, BOSS, number, now=app.clock())

    assert len(await calls(app)) == 2


async def test_only_stars_are_refunded_from_here(app: App) -> None:
    from tests.trading import a_sale, records

    mei = await a_fan(app)
    await records(app, a_sale(app, mei))
    number = (await bought(app))[0].id or 0

    async with app.database.writing() as session:
        with pytest.raises(Conflict) as no:
            await purchases.refund_stars(session, BOSS, number, now=app.clock())

    assert no.value.reason == "not_stars"


async def test_what_is_not_on_sale_cannot_be_opened(app: App) -> None:
    mei = await a_fan(app)
    await a_product(app, "gone", stock=0)
    await a_product(app, "off", active=False)

    with pytest.raises(Conflict) as sold_out:
        await opens(app, mei, "gone")
    with pytest.raises(NotFound):
        await opens(app, mei, "off")
    with pytest.raises(NotFound):
        await opens(app, mei, "never")

    assert sold_out.value.reason == "sold_out"


async def test_a_wallet_still_shows_a_coupon_that_waits_in_an_invoice(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    await a_product(app)
    coupon = await claims(app, offer, mei)
    await opens(app, mei)

    async with app.database.reading() as session:
        held = await coupons.wallet(session, mei, now=app.clock())

    assert [carried.coupon.code for carried in held.usable] == [coupon.code]
