"""Offers, claims and redemptions as fans, staff and operators meet them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, select, update
from sqlmodel import col

from siyu import coupons, idempotency
from siyu.app import App
from siyu.coupons import Issued, Standing, Use
from siyu.kit.codes import ALPHABET, new_code
from siyu.kit.database import Database
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.money import Money
from siyu.tables import Coupon, CouponState, Idempotency, Offer, OfferKind, Redemption
from tests.clocks import FakeClock
from tests.trading import (
    BOSS,
    a_draft,
    a_fan,
    an_offer,
    at_the_till,
    breaches,
    claims,
    coupon_of,
    many_fans,
    redeems,
    reread,
)


async def test_a_claim_cuts_the_next_serial_and_lands_in_the_wallet(app: App) -> None:
    mei, bo = await a_fan(app, "Mei"), await a_fan(app, "Bo")
    offer = await an_offer(app)

    first, second = await claims(app, offer, mei), await claims(app, offer, bo)

    assert (first.serial, second.serial) == (1, 2)
    async with app.database.reading() as session:
        held = await coupons.wallet(session, mei, now=app.clock())
    assert [carried.coupon.code for carried in held.usable] == [first.code]
    assert await breaches(app) == []


async def test_a_double_tap_is_one_coupon(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app, per_fan=5)

    first = await claims(app, offer, mei, key="broadcast:7")
    again = await claims(app, offer, mei, key="broadcast:7")

    assert again.code == first.code
    assert (await reread(app, offer)).claimed == 1


async def test_a_claim_whose_key_was_pruned_still_gives_the_same_coupon(app: App, clock: FakeClock) -> None:
    mei, offer = await a_fan(app), await an_offer(app, per_fan=5)
    first = await claims(app, offer, mei, key="link")
    clock.pass_(days=3)
    async with app.database.writing() as session:
        await idempotency.forget_before(session, app.clock())

    again = await claims(app, offer, mei, key="link")

    assert again.code == first.code
    assert await breaches(app) == []


async def test_two_fans_may_claim_by_the_same_link(app: App) -> None:
    mei, bo, offer = await a_fan(app), await a_fan(app), await an_offer(app)

    one, two = await claims(app, offer, mei, key="link"), await claims(app, offer, bo, key="link")

    assert one.code != two.code


async def test_a_fan_gets_no_more_than_the_limit(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app, per_fan=2)
    await claims(app, offer, mei, key="a")
    await claims(app, offer, mei, key="b")

    with pytest.raises(Conflict) as no:
        await claims(app, offer, mei, key="c")

    assert no.value.reason == "per_fan"
    assert (await reread(app, offer)).claimed == 2


async def test_when_all_are_gone_a_newcomer_is_told_so_and_an_owner_that_they_have_theirs(app: App) -> None:
    mei, bo, offer = await a_fan(app), await a_fan(app), await an_offer(app, stock=1)
    await claims(app, offer, mei)

    with pytest.raises(Conflict) as gone:
        await claims(app, offer, bo)
    with pytest.raises(Conflict) as theirs:
        await claims(app, offer, mei, key="another")

    assert (gone.value.reason, theirs.value.reason) == ("gone", "per_fan")


async def test_a_refused_claim_leaves_nothing_and_the_same_tap_works_later(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    async with app.database.writing() as session:
        await coupons.pause(session, BOSS, offer.id or 0, now=app.clock())
    async with app.database.writing() as session:
        with pytest.raises(Conflict) as no:
            await coupons.claim(session, offer, mei, claim_key="tap", zone=app.settings.zone, now=app.clock())
    async with app.database.writing() as session:
        await coupons.activate(session, BOSS, offer.id or 0, now=app.clock())

    coupon = await claims(app, offer, mei, key="tap")

    assert no.value.reason == "paused"
    assert coupon.serial == 1


async def test_a_draft_cannot_be_claimed(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app, active=False)

    with pytest.raises(Conflict) as no:
        await claims(app, offer, mei)

    assert no.value.reason == "paused"


@pytest.mark.parametrize(("seconds", "is_open"), [(-1, True), (0, False), (1, False)])
async def test_an_offer_is_over_at_the_second_it_ends(app: App, clock: FakeClock, seconds: int, is_open: bool) -> None:
    ends_at = clock.now + timedelta(hours=1)
    mei, offer = await a_fan(app), await an_offer(app, ends_at=ends_at)
    clock.now = ends_at + timedelta(seconds=seconds)

    if is_open:
        await claims(app, offer, mei)
    else:
        with pytest.raises(Conflict) as no:
            await claims(app, offer, mei)
        assert no.value.reason == "ended"


async def test_a_coupon_is_good_to_the_end_of_its_last_local_day_but_never_beyond_the_offer(app: App) -> None:
    mei = await a_fan(app)
    long, short = await an_offer(app, valid_days=3), await an_offer(app, valid_days=300)

    in_days, in_offer = await claims(app, long, mei), await claims(app, short, mei)

    # Claimed on Wednesday noon in Shanghai: Saturday, 23:59:59 there.
    assert in_days.valid_until == datetime(2026, 3, 7, 15, 59, 59, tzinfo=UTC)
    assert in_offer.valid_until == short.ends_at
    assert await breaches(app) == []


async def test_a_coupon_is_used_once(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    coupon = await claims(app, offer, mei)

    redeemed = await redeems(app, coupon.code, at_the_till(5000, key="slip 1"))
    with pytest.raises(Conflict) as no:
        await redeems(app, coupon.code, at_the_till(5000, key="slip 2"))

    assert (redeemed.discount_minor, redeemed.to_pay) == (1000, Money(4000, "CNY"))
    assert no.value.reason == "used"
    after = await reread(app, offer)
    assert (after.redeemed, after.spent_minor) == (1, 1000)
    assert await breaches(app) == []


async def test_the_same_slip_again_gives_the_first_answer_and_changes_nothing(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    coupon = await claims(app, offer, mei)
    first = await redeems(app, coupon.code, at_the_till(5000))

    again = await redeems(app, coupon.code, at_the_till(5000))

    assert again.replayed
    assert again.discount_minor == first.discount_minor
    assert (await reread(app, offer)).redeemed == 1


async def test_the_same_slip_for_another_amount_is_a_conflict(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    coupon = await claims(app, offer, mei)
    await redeems(app, coupon.code, at_the_till(5000))

    with pytest.raises(Conflict) as no:
        await redeems(app, coupon.code, at_the_till(6000))

    assert no.value.reason == "key_reused"


async def test_a_code_is_read_the_way_people_type_it(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    coupon = await claims(app, offer, mei)
    typed = f" {coupon.code[:5].lower()}-{coupon.code[5:]} ".replace("0", "o").replace("1", "l")

    redeemed = await redeems(app, typed, at_the_till())

    assert redeemed.code == coupon.code


@pytest.mark.parametrize(
    ("terms", "use", "reason"),
    [
        ({}, at_the_till(fan_id=999_999), "foreign"),
        ({"min_spend_minor": 5001}, at_the_till(5000), "min_spend"),
        ({"budget_minor": 999}, at_the_till(5000), "budget"),
        ({"kind": OfferKind.AMOUNT, "value": 500}, at_the_till(5000, "USD"), "currency"),
        ({"min_spend_minor": 1}, at_the_till(80, "XTR"), "currency"),
    ],
)
async def test_a_refusal_says_why_and_leaves_the_coupon_good(
    app: App, terms: dict[str, object], use: Use, reason: str
) -> None:
    mei, offer = await a_fan(app), await an_offer(app, **terms)
    coupon = await claims(app, offer, mei)

    with pytest.raises(Conflict) as no:
        await redeems(app, coupon.code, use)

    assert no.value.reason == reason
    assert (await coupon_of(app, coupon.code)).state is CouponState.ACTIVE
    assert await breaches(app) == []


async def test_nobody_redeems_a_code_that_does_not_exist(app: App) -> None:
    with pytest.raises(Conflict) as no:
        await redeems(app, new_code(), at_the_till())

    assert no.value.reason == "unknown"


async def test_one_wrong_symbol_or_two_swapped_are_refused_without_a_query(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    code = (await claims(app, offer, mei)).code
    asked: list[str] = []

    async with app.database.writing() as session:
        await session.run(select(1))  # whatever begins a transaction was said
        with listening(app.database, asked):
            for slip in slips_of(code):
                assert await coupons.carried_by_code(session, slip) is None
                assert await coupons.find_slip(session, slip) is None
                with pytest.raises(Conflict, match="there is no coupon with this code"):
                    await coupons.redeem(session, slip, at_the_till(), now=app.clock())
            in_vain = len(asked)
            assert await coupons.carried_by_code(session, f" {code[:5].lower()}-{code[5:]}") is not None

    assert (in_vain, len(asked)) == (0, 1)


def slips_of(code: str) -> set[str]:
    typos = {code[:n] + symbol + code[n + 1 :] for n in range(len(code)) for symbol in ALPHABET}
    swaps = {code[:n] + code[n + 1] + code[n] + code[n + 2 :] for n in range(len(code) - 1)}
    return (typos | swaps) - {code}


@contextmanager
def listening(database: Database, asked: list[str]) -> Iterator[None]:
    engine = database._writer.sync_engine

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize(("seconds", "is_good"), [(-1, True), (0, False), (1, False)])
async def test_a_coupon_expires_at_its_very_second(app: App, clock: FakeClock, seconds: int, is_good: bool) -> None:
    mei, offer = await a_fan(app), await an_offer(app, valid_days=1)
    coupon = await claims(app, offer, mei)
    clock.now = coupon.valid_until + timedelta(seconds=seconds)

    if is_good:
        assert (await redeems(app, coupon.code, at_the_till())).discount_minor == 1000
    else:
        with pytest.raises(Conflict) as no:
            await redeems(app, coupon.code, at_the_till())
        assert no.value.reason == "expired"
        async with app.database.reading() as session:
            held = await coupons.wallet(session, mei, now=app.clock())
        assert [carried.standing(app.clock()) for carried in held.expired] == [Standing.EXPIRED]


@pytest.mark.parametrize(("seconds", "is_good"), [(-1, True), (0, False), (1, False)])
async def test_an_expired_coupon_cannot_be_held_for_a_payment(
    app: App, clock: FakeClock, seconds: int, is_good: bool
) -> None:
    mei, offer = await a_fan(app), await an_offer(app, valid_days=1)
    coupon = await claims(app, offer, mei)
    clock.now = coupon.valid_until + timedelta(seconds=seconds)
    until = clock.now + timedelta(minutes=30)

    async with app.database.writing() as session:
        held = await coupons.hold(session, coupon.id or 0, checkout_id=1, until=until, now=clock.now)

    assert held is is_good


async def test_a_paused_offer_keeps_the_promise_of_coupons_handed_out(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    coupon = await claims(app, offer, mei)
    async with app.database.writing() as session:
        await coupons.pause(session, BOSS, offer.id or 0, now=app.clock())

    redeemed = await redeems(app, coupon.code, at_the_till(5000))

    assert redeemed.discount_minor == 1000


@pytest.mark.parametrize(
    ("terms", "amount", "discount"),
    [
        ({"value": 15}, Money(1990, "CNY"), 299),  # 298.5 rounds up
        ({"value": 15}, Money(1989, "CNY"), 298),  # 298.35 rounds down
        ({"value": 100}, Money(1990, "CNY"), 1990),
        ({"value": 50, "max_discount_minor": 300}, Money(1990, "CNY"), 300),
        ({"value": 20}, Money(80, "XTR"), 16),  # a percentage without limits knows no currency
        ({"kind": OfferKind.AMOUNT, "value": 500}, Money(1990, "CNY"), 500),
        ({"kind": OfferKind.AMOUNT, "value": 500}, Money(300, "CNY"), 300),  # never more than the price
        ({"kind": OfferKind.GIFT}, Money(1990, "CNY"), 0),
        ({"min_spend_minor": 1990}, Money(1990, "CNY"), 398),
    ],
)
async def test_the_discount_is_whole_units_rounded_once(
    app: App, terms: dict[str, object], amount: Money, discount: int
) -> None:
    offer = await an_offer(app, **terms)

    assert coupons.quote(offer, amount) == discount


async def test_a_foreign_currency_never_mixes_into_what_was_spent(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    coupon = await claims(app, offer, mei)

    redeemed = await redeems(app, coupon.code, at_the_till(80, "XTR"))

    assert redeemed.discount == Money(16, "XTR")
    after = await reread(app, offer)
    assert (after.redeemed, after.spent_minor) == (1, 0)
    assert await breaches(app) == []


async def undoes(app: App, redeemed: coupons.Redeemed, *, at_any_time: bool = False) -> Coupon:
    async with app.database.writing() as session:
        known = redeemed.redemption_id or 0
        return await coupons.undo(session, BOSS, known, at_any_time=at_any_time, now=app.clock())


async def test_what_is_undone_frees_the_coupon_and_the_budget_and_makes_nothing_last_longer(app: App) -> None:
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=400, budget_minor=400)
    first, second = await claims(app, offer, await a_fan(app)), await claims(app, offer, await a_fan(app, "Bo"))
    redeemed = await redeems(app, first.code, at_the_till())

    undone = await undoes(app, redeemed)
    await redeems(app, second.code, at_the_till(key="the next"))

    assert (undone.state, undone.valid_until) == (CouponState.ACTIVE, first.valid_until)
    assert (await reread(app, offer)).spent_minor == 400
    with pytest.raises(Conflict) as again:
        await undoes(app, redeemed)
    assert again.value.reason == "undone"
    assert await breaches(app) == []


async def test_what_a_program_redeemed_is_not_undone_at_the_counter(app: App) -> None:
    coupon = await claims(app, await an_offer(app), await a_fan(app))
    redeemed = await redeems(app, coupon.code, replace(at_the_till(), channel="api"))

    with pytest.raises(Conflict) as no:
        await undoes(app, redeemed, at_any_time=True)

    assert no.value.reason == "sold"
    assert (await coupon_of(app, coupon.code)).redeemed_at is not None


@pytest.mark.parametrize(("seconds", "is_late"), [(-1, False), (0, True)])
async def test_an_undo_is_late_at_the_second_ten_minutes_are_over(
    app: App, clock: FakeClock, seconds: int, is_late: bool
) -> None:
    redeemed = await redeems(app, (await claims(app, await an_offer(app), await a_fan(app))).code, at_the_till())
    clock.pass_(minutes=10, seconds=seconds)

    if is_late:
        with pytest.raises(Conflict) as late:
            await undoes(app, redeemed)
        assert late.value.reason == "late"
    await undoes(app, redeemed, at_any_time=is_late)

    assert await breaches(app) == []


async def test_a_budget_bears_exactly_what_fits(app: App) -> None:
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=400, budget_minor=1000)
    held = [await claims(app, offer, fan) for fan in await many_fans(app, 3)]

    await redeems(app, held[0].code, at_the_till(key="1"))
    await redeems(app, held[1].code, at_the_till(key="2"))
    with pytest.raises(Conflict) as no:
        await redeems(app, held[2].code, at_the_till(key="3"))

    assert no.value.reason == "budget"
    assert (await reread(app, offer)).spent_minor == 800
    assert await breaches(app) == []


async def test_a_refusal_by_the_budget_leaves_nothing_in_a_transaction_that_goes_on(app: App) -> None:
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=400, budget_minor=300)
    mei = await a_fan(app)
    coupon = await claims(app, offer, mei)
    until = app.clock() + timedelta(minutes=5)
    use = at_the_till(key="1", checkout_id=7)

    async with app.database.writing() as session:
        assert await coupons.hold(session, coupon.id or 0, checkout_id=7, until=until, now=app.clock())
        with pytest.raises(Conflict) as no:
            await coupons.redeem(session, coupon.code, use, now=app.clock())

    left = await coupon_of(app, coupon.code)
    assert no.value.reason == "budget"
    assert (left.state, left.redeemed_at, left.hold_checkout_id) == (CouponState.ACTIVE, None, 7)
    assert left.hold_until == until
    assert (await uses_and_keys(app)) == (0, 0)
    assert await breaches(app) == []


async def uses_and_keys(app: App) -> tuple[int, int]:
    keys = select(func.count()).select_from(Idempotency).where(col(Idempotency.key).startswith("redeem:"))
    async with app.database.reading() as session:
        return await session.one(select(func.count()).select_from(Redemption)), await session.one(keys)


async def test_a_redemption_takes_five_trips_and_the_offer_is_the_last(app: App) -> None:
    coupon = await claims(app, await an_offer(app), await a_fan(app))

    said: list[str] = []
    async with app.database.writing() as session:
        await session.run(select(1))  # whatever begins a transaction was said
        with listening(app.database, said):
            await coupons.redeem(session, coupon.code, at_the_till(), now=app.clock())

    assert len(said) == 5
    assert said[-1].startswith("UPDATE offer")


async def test_an_issue_reaches_everybody_once_and_a_rerun_nobody(app: App) -> None:
    offer, people = await an_offer(app, stock=2000), await many_fans(app, 1200)
    ids = [fan.id or 0 for fan in people]

    async with app.database.writing() as session:
        done = await coupons.issue(session, offer.id or 0, ids, key="june", zone=app.settings.zone, now=app.clock())
    async with app.database.writing() as session:
        again = await coupons.issue(session, offer.id or 0, ids, key="june", zone=app.settings.zone, now=app.clock())

    assert (done, again) == (Issued(1200, 0, 0), Issued(0, 1200, 0))
    assert (await reread(app, offer)).claimed == 1200
    assert await breaches(app) == []


async def test_an_issue_stops_at_the_stock_and_passes_over_who_has_theirs(app: App) -> None:
    offer, people = await an_offer(app, stock=5), await many_fans(app, 8)
    await claims(app, offer, people[7])

    async with app.database.writing() as session:
        ids = [fan.id or 0 for fan in people]
        done = await coupons.issue(session, offer.id or 0, ids, key="k", zone=app.settings.zone, now=app.clock())

    assert done == Issued(issued=4, already=1, refused=3)
    assert await breaches(app) == []


async def test_an_issue_of_a_paused_offer_is_refused(app: App) -> None:
    offer, mei = await an_offer(app, active=False), await a_fan(app)

    async with app.database.writing() as session:
        with pytest.raises(Conflict) as no:
            await coupons.issue(session, offer.id or 0, [mei.id or 0], key="k", zone=app.settings.zone, now=app.clock())

    assert no.value.reason == "paused"


@pytest.mark.parametrize(
    ("terms", "where"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 65}, "title"),
        ({"value": 0}, "value"),
        ({"value": 101}, "value"),
        ({"kind": OfferKind.AMOUNT, "value": 10**13}, "value"),
        ({"stock": 0}, "stock"),
        ({"per_fan": 0}, "per_fan"),
        ({"valid_days": 0}, "valid_days"),
        ({"budget_minor": 0}, "budget_minor"),
        ({"min_spend_minor": -1}, "min_spend_minor"),
    ],
)
async def test_a_senseless_offer_names_its_field(app: App, terms: dict[str, object], where: str) -> None:
    async with app.database.writing() as session:
        with pytest.raises(Invalid) as no:
            await coupons.create(session, BOSS, a_draft(app, **terms), now=app.clock())

    assert no.value.where == (where,)


async def test_only_a_draft_can_be_rewritten(app: App) -> None:
    draft, active = await an_offer(app, active=False), await an_offer(app)

    async with app.database.writing() as session:
        changed = await coupons.change(session, BOSS, draft.id or 0, a_draft(app, value=33), now=app.clock())
    async with app.database.writing() as session:
        with pytest.raises(Conflict) as no:
            await coupons.change(session, BOSS, active.id or 0, a_draft(app, value=33), now=app.clock())

    assert changed.value == 33
    assert no.value.reason == "not_a_draft"


async def test_the_ceiling_says_the_most_an_offer_can_cost(app: App) -> None:
    amount = await an_offer(app, kind=OfferKind.AMOUNT, value=500, stock=100)
    tight = await an_offer(app, kind=OfferKind.AMOUNT, value=500, stock=100, budget_minor=9_900)
    capped = await an_offer(app, max_discount_minor=1_500, stock=10)
    open_ended = await an_offer(app, active=False, budget_minor=None)
    gift = await an_offer(app, kind=OfferKind.GIFT)

    assert [coupons.ceiling(offer) for offer in (amount, tight, capped, open_ended, gift)] == [
        Money(50_000, "CNY"), Money(9_900, "CNY"), Money(15_000, "CNY"), None, Money(0, "CNY"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("claimed", 3, "claimed = coupons"),
        ("redeemed", 0, "redeemed = live redemptions"),
        ("spent_minor", 999, "spent = live discounts"),
        ("ends_at", datetime(2026, 3, 5, tzinfo=UTC), "no coupon outlives its offer"),
    ],
)
async def test_the_books_name_what_somebody_changed_by_hand(app: App, column: str, value: object, rule: str) -> None:
    people, offer = await many_fans(app, 2), await an_offer(app)
    held = [await claims(app, offer, fan) for fan in people]
    await redeems(app, held[0].code, at_the_till())
    async with app.database.writing() as session:
        await session.run(update(Offer).where(col(Offer.id) == offer.id).values({column: value}))

    found = await breaches(app)

    assert rule in [breach.rule for breach in found]


async def test_the_books_name_a_gap_in_the_serials(app: App) -> None:
    people, offer = await many_fans(app, 2), await an_offer(app)
    for fan in people:
        await claims(app, offer, fan)
    async with app.database.writing() as session:
        await session.run(update(Coupon).where(col(Coupon.serial) == 2).values(serial=3))

    found = await breaches(app)

    assert [breach.rule for breach in found] == ["serials 1 … claimed"]
