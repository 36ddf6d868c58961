"""What the invented community gives its fans: points since two months, tiers, a shelf, rewards for friends."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from random import Random

from sqlmodel import col, select

from siyu import coupons, points, referrals
from siyu.app import App
from siyu.demo.history import TEA_HOUSE
from siyu.kit.database import WriteSession
from siyu.points import Bought, NewTier
from siyu.referrals import Programme
from siyu.tables import Fan, Purchase

SINCE = timedelta(days=60)
CHUNK = 500
COSTS = (120, 200, 80)  # of the offers, in their order
TIERS = (
    NewTier({"en": "Leaf", "zh_CN": "新叶"}, 50, 100, {"en": "A cup on your birthday.", "zh_CN": "生日赠茶一杯。"}),
    NewTier({"en": "Blossom", "zh_CN": "花信"}, 200, 120, {"en": "New teas first.", "zh_CN": "新茶优先品尝。"}),
    NewTier({"en": "Old friend", "zh_CN": "老友"}, 600, 150, {"en": "A seat at every tea.", "zh_CN": "每场茶会留座。"}),
)


async def reward(app: App, *, now: datetime, dice: Random) -> None:
    """Points for what was bought since then, hellos of the last days, and a shelf to spend them at."""
    async with app.database.writing() as session:
        await points.switch_on(session, TEA_HOUSE, currency=app.settings.currency, now=now - SINCE)
        await points.change_tiers(session, TEA_HOUSE, TIERS, window_days=365, grace_days=30, now=now - SINCE)
        friends = Programme(is_on=True, milestones={3: 200})
        await referrals.change_programme(session, TEA_HOUSE, friends, now=now - SINCE)
        await _earn(session, since=now - SINCE)
        for offer, cost in zip(reversed((await coupons.list_offers(session)).items), COSTS, strict=False):
            await coupons.set_cost(session, TEA_HOUSE, offer.id or 0, cost, now=now - SINCE)
    await _say_hello(app, now=now, dice=dice)
    async with app.database.writing() as session:
        while (await points.settle_some(session, now=now))[0]:
            continue


async def _earn(session: WriteSession, *, since: datetime) -> None:
    found = await session.all(select(Purchase).where(col(Purchase.paid_at) >= since).order_by(col(Purchase.id)))
    queue = iter(found)
    while chunk := list(islice(queue, CHUNK)):
        sales = [Bought(one.id or 0, one.fan_id, one.amount_minor, one.currency, one.paid_at) for one in chunk]
        await points.earn_for(session, sales)
    for one in found:
        if one.refunded_minor:
            refunded, paid = one.refunded_minor, one.amount_minor
            await points.take_back_for(session, one.id or 0, refunded_minor=refunded, paid_minor=paid, now=one.paid_at)


async def _say_hello(app: App, *, now: datetime, dice: Random) -> None:
    """A few say it every day: yesterday was the sixth in a row for the most faithful."""
    async with app.database.writing() as session:
        ids: Sequence[int | None] = await session.all(select(col(Fan.id)).order_by(col(Fan.id)).limit(60))
        for fan_id in ids:
            for ago in range(dice.randint(0, 6), 0, -1):
                at = now - timedelta(days=ago, minutes=dice.randint(0, 120))
                await points.check_in(session, fan_id or 0, zone=app.settings.zone, now=at)
