"""Purchases and refunds as facts: once each, whatever comes twice."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from siyu import coupons, purchases
from siyu.app import App
from siyu.kit.errors import Conflict, NotFound
from siyu.kit.money import Money
from siyu.purchases import Line, Sale, Verdict
from siyu.tables import CouponState, DirtyDay, Purchase, Refund
from tests.clocks import FakeClock
from tests.trading import (
    BOSS,
    a_fan,
    a_sale,
    an_offer,
    at_the_till,
    breaches,
    claims,
    coupon_of,
    many_fans,
    records,
    redeems,
    refunds,
    reread,
)

CREATED, DUPLICATE, CONFLICT, REJECTED = Verdict.CREATED, Verdict.DUPLICATE, Verdict.CONFLICT, Verdict.REJECTED


async def purchases_in(app: App) -> list[Purchase]:
    async with app.database.reading() as session:
        return list(await session.all(select(Purchase).order_by(col(Purchase.id))))


async def test_a_purchase_is_recorded_with_its_lines_and_its_local_day(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    clock.pass_(hours=13)  # five in the afternoon UTC is one in the night in Shanghai
    lines = (Line("tea", "Tea", "drinks", 2, 1500), Line("cup", "Cup", "", 1, 490))

    verdicts = await records(app, a_sale(app, mei, items=lines))

    (purchase,) = await purchases_in(app)
    async with app.database.reading() as session:
        written = (await purchases.lines_of(session, [purchase.id or 0]))[purchase.id or 0]
    assert verdicts == [CREATED]
    assert (purchase.day, purchase.amount_minor) == (date(2026, 3, 5), 1990)
    assert [(line.line, line.sku, line.quantity, line.amount_minor) for line in written] == [
        (1, "tea", 2, 1500), (2, "cup", 1, 490),
    ]  # fmt: skip


async def test_the_same_again_is_a_duplicate_and_another_body_a_conflict(app: App) -> None:
    mei, bo = await many_fans(app, 2)
    sale = a_sale(app, mei, items=(Line("tea", "Tea", "", 1, 1990),))
    await records(app, sale)

    verdicts = await records(
        app,
        sale,
        replace(sale, amount=Money(1991, "CNY")),
        replace(sale, amount=Money(1990, "USD")),
        replace(sale, fan_id=bo.id or 0),
        replace(sale, paid_at=sale.paid_at + timedelta(seconds=1)),
        replace(sale, items=()),
        replace(sale, coupon_code="X"),
        replace(sale, source="till"),
    )

    assert verdicts == [DUPLICATE, CONFLICT, CONFLICT, CONFLICT, CONFLICT, CONFLICT, CONFLICT, CREATED]
    assert len(await purchases_in(app)) == 2


async def test_twice_in_one_batch_is_once(app: App) -> None:
    mei = await a_fan(app)
    sale = a_sale(app, mei)

    verdicts = await records(app, sale, sale, replace(sale, amount=Money(1, "CNY")))

    assert verdicts == [CREATED, DUPLICATE, CONFLICT]


async def test_what_makes_no_sense_is_rejected_and_the_rest_kept(app: App) -> None:
    mei = await a_fan(app)
    bad: list[dict[str, object]] = [
        {"amount": Money(-1, "CNY")},
        {"amount": Money(1, "ABC")},
        {"amount": Money(2**62, "CNY")},
        {"external_id": ""},
        {"source": ""},
        {"discount_minor": -1},
        {"items": (Line("tea", "Tea", "", 0, 1),)},
        {"items": (Line("tea", "Tea", "", 1, -1),)},
    ]
    sales = [replace(a_sale(app, mei, f"bad-{n}"), **wrong) for n, wrong in enumerate(bad)]  # type: ignore[arg-type]

    verdicts = await records(app, *sales, a_sale(app, mei, "good"))

    assert verdicts == [REJECTED] * len(bad) + [CREATED]
    assert [purchase.external_id for purchase in await purchases_in(app)] == ["good"]


async def test_a_large_batch_is_written_whole(app: App) -> None:
    people = await many_fans(app, 3)
    sales = [a_sale(app, people[n % 3], f"o-{n}", items=(Line("tea", "Tea", "", 1, 1990),)) for n in range(1100)]

    first, again = await records(app, *sales), await records(app, *sales)

    assert (set(first), set(again)) == ({CREATED}, {DUPLICATE})
    assert len(await purchases_in(app)) == 1100


async def test_every_new_purchase_marks_its_day_for_the_next_count(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    clock.pass_(days=2)

    await records(app, a_sale(app, mei))
    await records(app, a_sale(app, mei))

    async with app.database.reading() as session:
        days = await session.all(select(col(DirtyDay.day)).where(col(DirtyDay.fan_id) == mei.id))
    assert sorted(days) == [date(2026, 3, 4), date(2026, 3, 6)]


async def test_a_fans_purchases_come_in_pages_the_newest_first(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    for n in range(5):
        clock.pass_(seconds=n % 2)  # some at the very same second
        await records(app, a_sale(app, mei, f"o-{n}"))

    seen, cursor = [], None
    async with app.database.reading() as session:
        while True:
            page = await purchases.purchases_of(session, mei.id or 0, cursor=cursor, limit=2)
            seen += [purchase.external_id for purchase in page.items]
            cursor = page.next
            if cursor is None:
                break

    assert seen == ["o-4", "o-3", "o-2", "o-1", "o-0"]


async def test_parts_of_a_refund_add_up_to_the_whole(app: App) -> None:
    mei = await a_fan(app)
    await records(app, a_sale(app, mei, amount=1000))

    verdicts = [
        await refunds(app, "o-1", key="a", amount=300),
        await refunds(app, "o-1", key="b", amount=701),
        await refunds(app, "o-1", key="c", amount=None),
        await refunds(app, "o-1", key="d", amount=None),
    ]

    assert verdicts == [CREATED, REJECTED, CREATED, REJECTED]
    (purchase,) = await purchases_in(app)
    assert purchase.refunded_minor == 1000
    assert await breaches(app) == []


async def test_the_same_refund_again_is_a_duplicate_and_of_another_amount_rejected(app: App) -> None:
    mei = await a_fan(app)
    await records(app, a_sale(app, mei, amount=1000))
    await refunds(app, "o-1", key="a", amount=300)

    again, other = await refunds(app, "o-1", key="a", amount=300), await refunds(app, "o-1", key="a", amount=301)

    assert (again, other) == (DUPLICATE, REJECTED)
    assert (await purchases_in(app))[0].refunded_minor == 300


@pytest.mark.parametrize("amount", [0, -5, 2**62])
async def test_a_senseless_refund_is_rejected(app: App, amount: int) -> None:
    mei = await a_fan(app)
    await records(app, a_sale(app, mei, amount=1000))

    assert await refunds(app, "o-1", amount=amount) is REJECTED


async def test_a_refund_of_nothing_known_is_rejected(app: App) -> None:
    assert await refunds(app, "nobody") is REJECTED


async def test_a_full_refund_gives_the_coupon_back_without_more_time(app: App, clock: FakeClock) -> None:
    mei, offer = await a_fan(app), await an_offer(app, valid_days=10)
    coupon = await claims(app, offer, mei)
    await redeems(app, coupon.code, at_the_till(5000, key="slip"))
    await records(app, a_sale(app, mei, amount=4000, coupon_code=coupon.code))
    clock.pass_(days=1)

    await refunds(app, "o-1", key="part", amount=1000)
    in_part = await coupon_of(app, coupon.code)
    await refunds(app, "o-1", key="rest")

    back = await coupon_of(app, coupon.code)
    assert in_part.state is CouponState.REDEEMED
    assert (back.state, back.valid_until) == (CouponState.ACTIVE, coupon.valid_until)
    after = await reread(app, offer)
    assert (after.claimed, after.redeemed, after.spent_minor) == (1, 0, 0)
    assert await breaches(app) == []


async def test_a_coupon_that_came_back_can_be_used_again(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    coupon = await claims(app, offer, mei)
    await redeems(app, coupon.code, at_the_till(key="1"))
    await records(app, a_sale(app, mei, coupon_code=coupon.code))
    await refunds(app, "o-1")

    again = await redeems(app, coupon.code, at_the_till(key="2"))

    assert again.discount_minor == 1000
    assert await breaches(app) == []


async def test_somebody_elses_purchase_does_not_take_a_redemption_along(app: App) -> None:
    mei, bo = await many_fans(app, 2)
    offer = await an_offer(app)
    coupon = await claims(app, offer, mei)
    await redeems(app, coupon.code, at_the_till())
    await records(app, a_sale(app, bo, coupon_code=coupon.code))

    await refunds(app, "o-1")

    assert (await coupon_of(app, coupon.code)).state is CouponState.REDEEMED


async def test_the_books_name_a_refund_that_is_not_in_the_purchase(app: App) -> None:
    mei = await a_fan(app)
    await records(app, a_sale(app, mei, amount=1000))
    await refunds(app, "o-1", amount=300)
    async with app.database.writing() as session:
        await session.run(update(Purchase).values(refunded_minor=200))

    found = await breaches(app)

    assert [breach.rule for breach in found] == ["refunds = refunded ≤ paid"]


async def test_a_fan_asks_for_money_back_once_and_is_answered_once(app: App) -> None:
    mei, bo = await many_fans(app, 2)
    await records(app, a_sale(app, mei))
    (purchase,) = await purchases_in(app)
    number = purchase.id or 0

    async with app.database.writing() as session:
        first = await purchases.ask_refund(session, mei, number, now=app.clock())
        second = await purchases.ask_refund(session, mei, number, now=app.clock())
        with pytest.raises(NotFound):
            await purchases.ask_refund(session, bo, number, now=app.clock())
        waiting = await purchases.open_requests(session)
        await purchases.decline_refund(session, BOSS, number, now=app.clock())
        with pytest.raises(Conflict):
            await purchases.decline_refund(session, BOSS, number, now=app.clock())
        after = await purchases.open_requests(session)

    assert (first, second) == (True, False)
    assert [(bought.id, fan.id) for _, bought, fan in waiting] == [(number, mei.id)]
    assert after == []


async def test_a_booked_refund_answers_the_request(app: App) -> None:
    mei = await a_fan(app)
    await records(app, a_sale(app, mei))
    (purchase,) = await purchases_in(app)
    async with app.database.writing() as session:
        await purchases.ask_refund(session, mei, purchase.id or 0, now=app.clock())

    await refunds(app, "o-1")

    async with app.database.reading() as session:
        (request,) = (await purchases.requests_of(session, [purchase.id or 0])).values()
    assert request.answer == "refunded"


async def test_a_refund_carries_its_own_local_day(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    await records(app, a_sale(app, mei))
    clock.pass_(days=3, hours=13)

    await refunds(app, "o-1")

    async with app.database.reading() as session:
        assert await session.all(select(col(Refund.day))) == [date(2026, 3, 8)]


def test_the_hash_tells_what_was_said_and_not_what_we_guess() -> None:
    from tests.clocks import NOON

    sale = Sale("shop", "o-1", 7, NOON, Money(1, "CNY"))

    assert replace(sale, broadcast_id=3).body_hash == sale.body_hash
    assert replace(sale, discount_minor=1).body_hash != sale.body_hash


async def test_wallets_survive_a_purchase_without_coupon(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    coupon = await claims(app, offer, mei)

    await records(app, a_sale(app, mei))

    async with app.database.reading() as session:
        held = await coupons.wallet(session, mei, now=app.clock())
    assert [carried.coupon.code for carried in held.usable] == [coupon.code]
