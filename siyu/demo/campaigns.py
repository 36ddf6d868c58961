"""What the invented community's operators did: offers, coupons and broadcasts, each at its own moment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import update
from sqlmodel import col, select

from siyu import broadcasts, coupons, fans
from siyu.app import App
from siyu.broadcasts import Draft
from siyu.coupons import NewOffer, Use
from siyu.demo import comparison
from siyu.demo.history import TEA_HOUSE
from siyu.kit.database import WriteSession
from siyu.kit.errors import Conflict
from siyu.kit.money import Money
from siyu.segments import recompute
from siyu.tables import Broadcast, BroadcastState, Coupon, Delivery, DeliveryState, Fan, Offer, OfferKind

PENDING, SENT, BLOCKED = DeliveryState.PENDING, DeliveryState.SENT, DeliveryState.BLOCKED


@dataclass(frozen=True)
class Campaign:
    """A broadcast somebody sent so many days ago, and how many of a hundred pressed a button."""

    days_ago: int
    title: str
    segment: str
    text: str
    clicks: int
    with_coupon: bool = False


CAMPAIGNS = (
    Campaign(
        34,
        "秋茶到店 · Autumn picking is here",
        "interaction_frequency.mid",
        "🍂 <b>秋茶到店了</b>\n今年雨水少,香气更足。\n\n<b>The autumn picking is here.</b> Less rain, more scent.",
        clicks=22,
    ),
    Campaign(
        13,
        "老友八折 · Twenty off for friends of the house",
        "loyalty.loyal",
        "谢谢你一直在。这张八折券只给老友。\n\nThank you for staying. Twenty percent off, for old friends only.",
        clicks=41,
        with_coupon=True,
    ),
    Campaign(
        4,
        "好久不见 · Long time no tea",
        "loyalty.at_risk",
        "好久没见你来喝茶了,给你留了一份小样。\n\nIt has been a while. We kept a small tin for you.",
        clicks=9,
    ),
)


def offers_of(currency: str, now: datetime) -> tuple[NewOffer, ...]:
    """Three offers: one popular, one nearly gone, one for the counter."""
    return (
        NewOffer(
            "老友八折 · Friends 20 % off",
            OfferKind.PERCENT,
            20,
            currency,
            500,
            now + timedelta(days=17),
            valid_days=30,
            budget_minor=2_000_000,
            shared_code="TEATIME",
            holdout_percent=10,
            products=(),
        ),
        NewOffer(
            "首单立减 · First order −10",
            OfferKind.AMOUNT,
            1000,
            currency,
            60,
            now + timedelta(days=5),
            min_spend_minor=3000,
        ),
        NewOffer("品鉴小样 · A tasting tin", OfferKind.GIFT, 0, currency, 200, now + timedelta(days=40)),
    )


async def open_offers(app: App, now: datetime) -> list[Offer]:
    """The offers, active since forty days ago."""
    then = now - timedelta(days=40)
    async with app.database.writing() as session:
        offers = [
            await coupons.create(session, TEA_HOUSE, offer, now=then) for offer in offers_of(app.settings.currency, now)
        ]
        for offer in offers:
            await coupons.activate(session, TEA_HOUSE, offer.id or 0, now=then)
    return offers


async def hand_out(app: App, offers: list[Offer], *, now: datetime, dice: Random) -> None:
    """Newcomers were given the first-order coupon; some used it at the counter."""
    async with app.database.writing() as session:
        newest = select(Fan).where(fans.can_be_reached()).order_by(col(Fan.joined_at).desc()).limit(52)
        lucky = [fan.id or 0 for fan in await session.all(newest)]
        at = now - timedelta(days=9)
        await coupons.issue(session, offers[1].id or 0, lucky, key="welcome", zone=app.settings.zone, now=at)
        codes = await session.all(select(Coupon.code).where(Coupon.offer_id == offers[1].id))
        for code in dice.sample(list(codes), 14):
            await _use(app, session, code, dice, at + timedelta(hours=dice.randint(3, 190)))


async def send(app: App, campaign: Campaign, offer: Offer, *, now: datetime, dice: Random) -> None:
    """The broadcast as it went that day: the real audience, and what became of each message."""
    async with app.database.writing() as session:
        draft = Draft(
            campaign.title, (campaign.segment,), campaign.text, offer_id=offer.id if campaign.with_coupon else None
        )
        broadcast = await broadcasts.compose(session, TEA_HOUSE, draft, now=now)
        try:
            await broadcasts.start(session, broadcast.id or 0, actor=TEA_HOUSE, now=now + timedelta(minutes=6))
        except Conflict:  # a very small community may have nobody in that level that day
            return
        await _deliver(session, broadcast.id or 0, campaign, now + timedelta(minutes=6), dice)
        if campaign.with_coupon:
            await _claim(app, session, broadcast.id or 0, offer, dice)


async def draft_one(app: App, *, now: datetime) -> None:
    """What an operator was writing this morning."""
    async with app.database.writing() as session:
        text = "下周三晚八点,线上开一泡老茶。\n\nNext Wednesday at eight we open an old cake together, online."
        draft = Draft(
            "周三茶会 · Wednesday session",
            ("interaction_frequency.high",),
            text,
            buttons=[[{"text": "🍵 Shop", "action": "shop"}]],
        )
        await broadcasts.compose(session, TEA_HOUSE, draft, now=now - timedelta(hours=3))


async def _deliver(session: WriteSession, broadcast_id: int, campaign: Campaign, at: datetime, dice: Random) -> None:
    waiting = select(Delivery.fan_id).where(Delivery.broadcast_id == broadcast_id, col(Delivery.state) == PENDING)
    for number, fan_id in enumerate(await session.all(waiting)):
        sent_at = at + timedelta(seconds=number // 28)
        lost = dice.random() < 0.02
        pressed = not lost and dice.randrange(100) < campaign.clicks
        row = update(Delivery).where(col(Delivery.broadcast_id) == broadcast_id, col(Delivery.fan_id) == fan_id)
        await session.run(
            row.values(
                state=BLOCKED if lost else SENT,
                attempts=1,
                sent_at=None if lost else sent_at,
                clicked_at=sent_at + timedelta(minutes=dice.randint(1, 600)) if pressed else None,
            )
        )
    done = update(Broadcast).where(col(Broadcast.id) == broadcast_id)
    await session.run(done.values(state=BroadcastState.FINISHED, finished_at=at + timedelta(seconds=9)))


async def _claim(app: App, session: WriteSession, broadcast_id: int, offer: Offer, dice: Random) -> None:
    pressed = select(Delivery).where(Delivery.broadcast_id == broadcast_id, col(Delivery.clicked_at).is_not(None))
    for delivery in await session.all(pressed):
        fan = await fans.get_fan_by_id(session, delivery.fan_id)
        at = delivery.clicked_at or delivery.sent_at
        if at is None:
            continue
        cause = f"broadcast:{broadcast_id}"
        claimed = await coupons.claim(session, offer, fan, claim_key=cause, zone=app.settings.zone, now=at)
        if dice.random() < 0.45:
            await _use(app, session, claimed.coupon.code, dice, at + timedelta(hours=dice.randint(2, 150)))


async def _use(app: App, session: WriteSession, code: str, dice: Random, at: datetime) -> None:
    """At the counter; not in the future, and only while the coupon is good."""
    amount = Money(dice.randint(350, 1800) * 10, app.settings.currency)
    use = Use(amount, channel="staff", key=f"demo:{code}", staff="demo")
    await coupons.redeem(session, code, use, now=min(at, app.clock()))


# Weekly at first, then every evening of the days the charts show.
EVENINGS = (*range(90, 35, -7), *range(34, 0, -1))


async def live_ninety_days(app: App, *, now: datetime, seed: int = 11) -> None:
    """Evening by evening: the levels as they were, and what was sent on that day."""
    dice = Random(seed)
    offers = await open_offers(app, now)
    for ago in EVENINGS:
        evening = now - timedelta(days=ago)
        await _recompute(app, evening)
        for campaign in CAMPAIGNS:
            if campaign.days_ago == ago:
                await send(app, campaign, offers[0], now=evening, dice=dice)
        if ago == comparison.DAYS_AGO:
            await comparison.compare(app, now=evening, dice=Random(seed))
    await hand_out(app, offers, now=now, dice=dice)
    await draft_one(app, now=now)
    await _recompute(app, now)


async def _recompute(app: App, moment: datetime) -> None:
    await recompute(app.database, zone=app.settings.zone, currency=app.settings.currency, now=moment)
