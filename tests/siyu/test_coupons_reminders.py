"""A word before a coupon ends: once each, to who wants it, when they are awake; and the label when it has ended."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlmodel import col

from siyu import fans, jobs, preferences
from siyu.app import App
from siyu.jobs import get_job
from siyu.tables import Coupon, CouponState, Fan, Outbox, Reach
from tests.clocks import FakeClock
from tests.trading import BOSS, a_fan, an_offer, at_the_till, breaches, claims, coupon_of, redeems


async def a_long_coupon(app: App, fan: Fan, **terms: object) -> Coupon:
    return await claims(app, await an_offer(app, valid_days=10, **terms), fan)


async def reminded(app: App) -> list[str]:
    """Run the job; what waits in the outbox after it."""
    await jobs.run_if_due(app, get_job("reminders"))
    async with app.database.reading() as session:
        return [one or "" for one in await session.all(select(col(Outbox.cause)).order_by(col(Outbox.id)))]


async def test_a_fan_hears_three_days_and_one_day_before_the_end_once_each(app: App, clock: FakeClock) -> None:
    coupon = await a_long_coupon(app, await a_fan(app))
    told: list[list[str]] = []

    for before in (timedelta(days=3, seconds=1), timedelta(days=3), timedelta(days=2), timedelta(days=1), timedelta(1)):
        clock.now = coupon.valid_until - before
        told.append(await reminded(app))

    three, one = f"coupon:{coupon.id}:3", f"coupon:{coupon.id}:1"
    assert told == [[], [three], [three], [three, one], [three, one]]


async def test_the_word_names_the_coupon_in_the_fans_language_and_nothing_of_it_is_markup(
    app: App, clock: FakeClock
) -> None:
    mei = await a_fan(app)
    async with app.database.writing() as session:
        await fans.set_language(session, await session.one(select(Fan).where(col(Fan.id) == mei.id)), "zh_CN")
    coupon = await a_long_coupon(app, mei, title="<b>春</b>")
    clock.now = coupon.valid_until - timedelta(days=3)
    await reminded(app)

    async with app.database.reading() as session:
        (row,) = await session.all(select(Outbox))
    assert "&lt;b&gt;春&lt;/b&gt;" in row.payload["text"]
    assert "有效期至" in row.payload["text"]
    assert coupon.code in row.payload["text"]


@pytest.mark.parametrize("change", ["muted", "blocked", "resting", "used", "revoked"])
async def test_nobody_is_reminded_who_does_not_want_it_or_needs_it_no_more(
    app: App, clock: FakeClock, change: str
) -> None:
    mei = await a_fan(app)
    coupon = await a_long_coupon(app, mei)
    clock.now = coupon.valid_until - timedelta(days=3)
    async with app.database.writing() as session:
        fan = await session.one(select(Fan).where(col(Fan.id) == mei.id))
        held = await session.one(select(Coupon).where(col(Coupon.id) == coupon.id))
        if change == "muted":
            await fans.mute(session, fan, now=clock.now)
        elif change == "blocked":
            await fans.change_reach(session, fan.telegram_id, Reach.BLOCKED, now=clock.now)
        elif change == "resting":
            fan.rests_until = clock.now + timedelta(days=30)
        elif change == "revoked":
            held.state = CouponState.REVOKED
    if change == "used":
        await redeems(app, coupon.code, at_the_till())

    assert await reminded(app) == []


async def test_a_coupon_that_was_good_for_a_day_from_the_start_reminds_of_nothing_at_three(
    app: App, clock: FakeClock
) -> None:
    short = await claims(app, await an_offer(app, valid_days=1), await a_fan(app))

    assert await reminded(app) == []
    clock.now = short.valid_until - timedelta(days=1)
    assert await reminded(app) == [f"coupon:{short.id}:1"]


@pytest.mark.parametrize(
    ("zone", "hour", "is_told"),
    [
        (None, 22, False),
        (None, 7, False),
        (None, 8, True),
        ("America/New_York", 12, False),  # it is night there
        ("America/New_York", 23, True),
    ],
)
async def test_quiet_hours_are_those_of_the_fans_own_clock(
    app: App, clock: FakeClock, zone: str | None, hour: int, is_told: bool
) -> None:
    mei = await a_fan(app)
    async with app.database.writing() as session:
        await preferences.change(session, BOSS, quiet_from=22 * 60, quiet_to=8 * 60, now=clock.now)
        await fans.set_zone(session, await session.one(select(Fan).where(col(Fan.id) == mei.id)), zone)
    coupon = await a_long_coupon(app, mei)
    last_days = coupon.valid_until - timedelta(days=2)
    clock.now = datetime.combine(last_days.date(), datetime.min.time(), ZoneInfo("Asia/Shanghai")) + timedelta(
        hours=hour
    )

    assert bool(await reminded(app)) is is_told


async def test_who_slept_is_told_when_they_are_awake(app: App, clock: FakeClock) -> None:
    async with app.database.writing() as session:
        await preferences.change(session, BOSS, quiet_from=22 * 60, quiet_to=8 * 60, now=clock.now)
    coupon = await a_long_coupon(app, await a_fan(app))
    clock.now = coupon.valid_until - timedelta(days=3)  # one second before midnight

    asleep = await reminded(app)
    clock.pass_(hours=9)

    assert asleep == []
    assert await reminded(app) == [f"coupon:{coupon.id}:3"]


async def test_what_is_over_is_labelled_but_not_what_is_being_paid(app: App, clock: FakeClock) -> None:
    mei, bo = await a_fan(app), await a_fan(app, "Bo")
    over, paying = await a_long_coupon(app, mei), await a_long_coupon(app, bo)
    clock.now = over.valid_until
    async with app.database.writing() as session:
        held = await session.one(select(Coupon).where(col(Coupon.id) == paying.id))
        held.hold_checkout_id, held.hold_until = 1, clock.now + timedelta(minutes=5)

    await jobs.run_if_due(app, get_job("expiry"))
    states = [(await coupon_of(app, one.code)).state for one in (over, paying)]
    clock.pass_(minutes=5)
    await jobs.run_if_due(app, get_job("expiry"))

    assert states == [CouponState.EXPIRED, CouponState.ACTIVE]
    assert (await coupon_of(app, paying.code)).state is CouponState.EXPIRED
    assert await breaches(app) == []


async def test_there_is_nothing_to_label_a_second_before(app: App, clock: FakeClock) -> None:
    coupon = await a_long_coupon(app, await a_fan(app))
    clock.now = coupon.valid_until - timedelta(seconds=1)

    assert await jobs.run_if_due(app, get_job("expiry")) is False
