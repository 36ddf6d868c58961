"""What an offer brought about: ways, tills, and those who were left out to compare with."""

from datetime import timedelta

from sqlalchemy import select
from sqlmodel import col

from siyu import coupons
from siyu.app import App
from siyu.coupons import Compared, Till, Way
from siyu.kit.money import Money
from siyu.tables import Arm, Coupon, OfferAudience, OfferKind
from tests.clocks import FakeClock
from tests.trading import BOSS, a_fan, a_sale, an_offer, at_the_till, claims, many_fans, records, redeems, reread


async def hands_out(app: App, offer_id: int | None, ids: list[int], key: str = "june") -> coupons.Issued:
    zone = app.settings.zone
    return await coupons.hand_out(app.database, BOSS, offer_id or 0, ids, key=key, zone=zone, clock=app.clock)


async def test_ways_and_tills_are_counted_and_revenue_is_what_was_paid(app: App) -> None:
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=500, per_fan=2)
    mei, bo = await a_fan(app), await a_fan(app, "Bo")
    first = await claims(app, offer, mei, key="link")
    await claims(app, offer, bo, key="broadcast:7")
    await hands_out(app, offer.id, [mei.id or 0])
    await redeems(app, first.code, at_the_till(5000))

    async with app.database.reading() as session:
        found = await coupons.effects(session, offer.id or 0)

    assert set(found.ways) == {Way("link", 1, 1), Way("broadcast", 1, 0), Way("issue", 1, 0)}
    assert found.tills == [Till("staff", 1, Money(500, "CNY"), Money(4500, "CNY"))]
    assert found.compared is None


async def test_who_is_left_out_by_lot_gets_none_today_or_in_a_rerun_and_is_compared_with(
    app: App, clock: FakeClock
) -> None:
    offer, people = await an_offer(app, stock=1000, holdout_percent=30), await many_fans(app, 200)
    ids = [fan.id or 0 for fan in people]

    done = await hands_out(app, offer.id, ids)
    again = await hands_out(app, offer.id, ids)
    other = await hands_out(app, offer.id, ids, key="july")

    assert 40 <= done.held_out <= 80
    assert done.issued + done.held_out == 200
    assert (again.issued, again.held_out, other.issued) == (0, done.held_out, 0)
    async with app.database.reading() as session:
        held = set(await session.all(select(OfferAudience.fan_id).where(col(OfferAudience.arm) == Arm.CONTROL)))
        given = set(await session.all(select(Coupon.fan_id)))
    assert len(held) == done.held_out
    assert not held & given


async def test_purchases_count_for_thirty_days_for_both_alike_and_a_refund_takes_one_out(
    app: App, clock: FakeClock
) -> None:
    offer, people = await an_offer(app, stock=1000, holdout_percent=50), await many_fans(app, 40)
    await hands_out(app, offer.id, [fan.id or 0 for fan in people])
    async with app.database.reading() as session:
        rows = await session.rows(select(col(OfferAudience.fan_id), col(OfferAudience.arm)))
    by_arm = {arm: [fan for fan in people if (fan.id, arm) in {tuple(row) for row in rows}] for arm in Arm}
    treated, held = by_arm[Arm.TREATED], by_arm[Arm.CONTROL]
    clock.pass_(days=30)
    await records(app, a_sale(app, treated[0], "t0"), a_sale(app, treated[1], "t1"), a_sale(app, held[0], "h0"))
    late = app.clock() + timedelta(seconds=1)
    await records(app, a_sale(app, treated[2], "late", paid_at=late))

    async with app.database.reading() as session:
        found = await coupons.effects(session, offer.id or 0)

    assert found.compared == Compared(len(treated), 2, len(held), 1)


async def test_an_issue_that_was_killed_goes_on_with_the_same_key(app: App) -> None:
    offer, people = await an_offer(app, stock=3000), await many_fans(app, 2500)
    ids = [fan.id or 0 for fan in people]
    async with app.database.writing() as session:  # all that a process did before it died
        await coupons.issue(session, offer.id or 0, ids[:1000], key="june", zone=app.settings.zone, now=app.clock())

    done = await hands_out(app, offer.id, ids)

    assert (done.issued, done.already) == (1500, 1000)
    assert (await reread(app, offer)).claimed == 2500


async def test_the_switch_stops_an_issue_between_two_thousands(app: App) -> None:
    offer, people = await an_offer(app, stock=3000), await many_fans(app, 2500)
    looks = 0

    def clock_of_somebody_who_ends_it() -> object:
        nonlocal looks
        looks += 1
        return app.clock() if looks <= 1 else offer.ends_at

    zone, ids = app.settings.zone, [fan.id or 0 for fan in people]
    done = await coupons.hand_out(
        app.database,
        BOSS,
        offer.id or 0,
        ids,
        key="k",
        zone=zone,
        clock=clock_of_somebody_who_ends_it,  # type: ignore[arg-type]
    )

    assert (done.issued, done.refused) == (1000, 1500)
