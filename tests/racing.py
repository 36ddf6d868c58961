"""Writers that race for one stock: the house's own, and a wrong one that shows the race is real."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from multiprocessing.synchronize import Barrier

from sqlalchemy import func, select, update
from sqlmodel import col

from siyu import coupons, points, referrals
from siyu.app import App, open_app
from siyu.kit.clock import local_day
from siyu.kit.database import Database
from siyu.kit.errors import Conflict
from siyu.kit.money import Money
from siyu.settings import Settings
from siyu.tables import (
    Coupon,
    CouponState,
    Fan,
    Idempotency,
    Offer,
    PointsAccount,
    PointsEntry,
    PointsKind,
    RewardGrant,
    RewardRule,
    RewardState,
)

# One try of one fan; True when it was granted.
Try = Callable[[App, int, int, str, datetime], Awaitable[bool]]
# The same of 7 points.
Spend = Callable[[App, int, str, datetime], Awaitable[bool]]
# One round of rewards, of somebody with a name.
Reward = Callable[[App, str, datetime], Awaitable[None]]
DAY_CAP = 2


async def claim(app: App, offer_id: int, fan_id: int, key: str, now: datetime) -> bool:
    """The house's way."""
    try:
        async with app.database.writing() as session:
            offer = await coupons.get_offer(session, offer_id)
            fan = await session.one(select(Fan).where(col(Fan.id) == fan_id))
            claimed = await coupons.claim(session, offer, fan, claim_key=key, zone=app.settings.zone, now=now)
    except Conflict:
        return False
    return claimed.is_new


async def claim_wrongly(app: App, offer_id: int, fan_id: int, key: str, now: datetime) -> bool:
    """Read, test, write back: how most coupon systems did it that were looked at."""
    async with app.database.reading() as session:
        offer = await coupons.get_offer(session, offer_id)
        claimed, stock = offer.claimed, offer.stock
    if claimed >= stock:
        return False
    async with app.database.writing() as session:
        await session.run(update(Offer).where(col(Offer.id) == offer_id).values(claimed=claimed + 1))
        session.add(Idempotency(key=f"grant:{key}:{fan_id}", body_hash="", created_at=now))
    return True


async def redeem_every(app: App, codes: Sequence[str], who: str, now: datetime) -> int:
    """One cashier trying every code; how many were accepted."""
    accepted = 0
    for code in codes:
        use = coupons.Use(amount=Money(1000, "CNY"), channel="staff", staff=who, key=f"{who}:{code}")
        try:
            async with app.database.writing() as session:
                await coupons.redeem(session, code, use, now=now)
            accepted += 1
        except Conflict:
            continue
    return accepted


async def redeem_wrongly(app: App, code: str, who: str, now: datetime) -> bool:
    """Look whether it is unused, then write that it is used, and the counter as it was plus one."""
    async with app.database.reading() as session:
        coupon = await session.one(select(Coupon).where(col(Coupon.code) == code))
        offer = await coupons.get_offer(session, coupon.offer_id)
        redeemed, spent = offer.redeemed, offer.spent_minor
    if coupon.state is not CouponState.ACTIVE:
        return False
    await asyncio.sleep(0)
    used = update(Coupon).where(col(Coupon.id) == coupon.id).values(state=CouponState.REDEEMED, redeemed_at=now)
    counted = update(Offer).where(col(Offer.id) == offer.id)
    async with app.database.writing() as session:
        await session.run(used)
        await session.run(counted.values(redeemed=redeemed + 1, spent_minor=spent + 100))
        session.add(Idempotency(key=f"grant:{who}:{code}", body_hash="", created_at=now))
    return True


async def enter(app: App, fan: Fan, code: str, now: datetime) -> bool:
    """A fan types a code; True when it gave a coupon of their own just now."""
    async with app.database.writing() as session:
        came = await coupons.enter(session, fan, code, zone=app.settings.zone, now=now)
    return came.is_new


def codes_of_a_process(url: str, codes: Sequence[str], telegram_ids: Sequence[int], now: datetime) -> None:
    """A process of its own: each of these fans types every code, as fans who found the same flyer do."""

    async def run() -> None:
        app = open_app(Settings(database_url=url))
        async with app.database.reading() as session:
            fans = await session.all(select(Fan).where(col(Fan.telegram_id).in_(telegram_ids)))
        for code in codes:
            for fan in fans:
                await enter(app, fan, code, now)
        await app.close()

    asyncio.run(run())


def claims_of_a_process(url: str, tries: Try, offer_id: int, fan_ids: Sequence[int], who: str, now: datetime) -> None:
    """A process of its own: one claim for each of these fans."""

    async def run() -> None:
        app = open_app(Settings(database_url=url))
        for fan_id in fan_ids:
            await tries(app, offer_id, fan_id, who, now)
        await app.close()

    asyncio.run(run())


def redemptions_of_a_process(url: str, codes: Sequence[str], who: str, now: datetime) -> None:
    async def run() -> None:
        app = open_app(Settings(database_url=url))
        await redeem_every(app, codes, who, now)
        await app.close()

    asyncio.run(run())


async def wrong_grants(database: Database) -> int:
    """How many the wrong writer gave away."""
    async with database.reading() as session:
        granted = select(func.count()).where(col(Idempotency.key).startswith("grant:"))
        return await session.one(granted)


async def spend_points(app: App, fan_id: int, key: str, now: datetime) -> bool:
    """The house's way, 7 points."""
    try:
        async with app.database.writing() as session:
            return await points.spend(session, fan_id, 7, f"{key}:{fan_id}", now=now)
    except Conflict:
        return False


async def spend_points_wrongly(app: App, fan_id: int, key: str, now: datetime) -> bool:
    """Read, test, write back: each line is right, and the balance is not."""
    async with app.database.reading() as session:
        have = (await session.one(select(PointsAccount).where(col(PointsAccount.fan_id) == fan_id))).balance
    if have < 7:
        return False
    async with app.database.writing() as session:
        mine = update(PointsAccount).where(col(PointsAccount.fan_id) == fan_id)
        await session.run(mine.values(balance=have - 7))
        line = PointsEntry(fan_id=fan_id, kind=PointsKind.SPENT, cause=f"{key}:{fan_id}", delta=-7, at=now)
        session.add(line)
    return True


def spending_of_a_process(
    url: str, tries: Spend, fan_ids: Sequence[int], who: str, now: datetime, times: int = 10
) -> None:
    """A process of its own: so many times 7 points of each of these fans."""

    async def run() -> None:
        app = open_app(Settings(database_url=url))
        for n in range(times):
            for fan_id in fan_ids:
                await tries(app, fan_id, f"{who}:{n}", now)
        await app.close()

    asyncio.run(run())


async def reward(app: App, _who: str, now: datetime) -> None:
    """The house's way: a whole round."""
    async with app.database.writing() as session:
        days = referrals.Days(join=7, hold=14)
        await referrals.keep_promises(session, days, zone=app.settings.zone, now=now)


async def reward_wrongly(app: App, who: str, now: datetime) -> None:
    """Read how many had theirs today, test, write that one more has: right for whoever is alone."""
    today, owed = local_day(now, app.settings.zone), col(RewardGrant.rule) == RewardRule.REFERRER
    async with app.database.reading() as session:
        rows = await session.all(select(RewardGrant).where(owed).order_by(func.random()))
    waiting = [row for row in rows if row.state is RewardState.PENDING]
    for row in waiting[: DAY_CAP - sum(row.granted_day == today for row in rows)]:
        granted = update(RewardGrant).where(col(RewardGrant.id) == row.id)
        async with app.database.writing() as session:
            await session.run(granted.values(state=RewardState.GRANTED, granted_at=now, granted_day=today))
            cause = f"reward:{row.id}:{who}"
            session.add(PointsEntry(fan_id=row.fan_id, kind=PointsKind.REFERRER, cause=cause, delta=100, at=now))


def rewards_of_a_process(url: str, tries: Reward, who: str, now: datetime, start: Barrier) -> None:
    """A process of its own: five rounds, all processes from one moment on."""

    async def run() -> None:
        app = open_app(Settings(database_url=url))
        async with app.database.reading() as session:
            await referrals.programme(session)
        start.wait()
        for n in range(5):
            await tries(app, f"{who}:{n}", now)
        await app.close()

    asyncio.run(run())
