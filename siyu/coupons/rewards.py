"""Rewards: offers that can be had for points, the points and the coupon in one breath."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select
from sqlmodel import col

from siyu import audit, points
from siyu.audit import Actor
from siyu.coupons.claims import Claimed, claim
from siyu.coupons.offers import get_offer
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.tables import Coupon, Fan, Offer, OfferState, PointsReward

DEAREST = 1_000_000
KEY = "points:"


@dataclass(frozen=True)
class Reward:
    """An offer and what it costs."""

    offer: Offer
    cost: int

    def is_open(self, now: datetime) -> bool:
        offer = self.offer
        return offer.state is OfferState.ACTIVE and offer.ends_at > now and offer.claimed < offer.stock


async def rewards(session: ReadSession) -> list[Reward]:
    """All of them, the cheapest first; also those that are paused or gone."""
    joined = select(Offer, col(PointsReward.cost)).join(PointsReward, col(PointsReward.offer_id) == col(Offer.id))
    rows = await session.rows(joined.order_by(col(PointsReward.cost), col(Offer.id)))
    return [Reward(offer, cost) for offer, cost in rows]


async def open_rewards(session: ReadSession, *, now: datetime) -> list[Reward]:
    return [reward for reward in await rewards(session) if reward.is_open(now)]


async def had_for_points(session: ReadSession, fan: Fan, offer_id: int) -> int:
    """How often this fan had it for points: the number of the next time is one more."""
    mine = col(Coupon.fan_id) == fan.id, col(Coupon.offer_id) == offer_id, col(Coupon.claim_key).startswith(KEY)
    return await session.one(select(func.count()).where(*mine))


async def exchange(
    session: WriteSession, offer_id: int, fan: Fan, *, turn: int, cost: int, zone: ZoneInfo, now: datetime
) -> Claimed:
    """A coupon for points: the same turn again gives the same coupon and takes nothing.

    Raises Conflict with `points`, `price`, or why there is no coupon; a refusal leaves nothing behind.
    """
    offer, fan_id = await get_offer(session, offer_id), fan.id or 0
    asked = await session.get(PointsReward, offer_id)
    if asked is None:
        raise NotFound("this cannot be had for points any more")
    if asked.cost != cost:
        raise Conflict("it costs %(cost)d points by now: look again", reason="price", cost=asked.cost)
    async with session.savepoint():
        claimed = await claim(session, offer, fan, claim_key=f"{KEY}{turn}", zone=zone, now=now)
        if claimed.is_new:
            await points.spend(session, fan_id, cost, f"coupon:{claimed.coupon.id}", now=now)
    return claimed


async def set_cost(session: WriteSession, actor: Actor, offer_id: int, cost: int | None, *, now: datetime) -> None:
    """What an offer costs in points; None: it cannot be had for points."""
    await get_offer(session, offer_id)
    if cost is None:
        await session.run(delete(PointsReward).where(col(PointsReward.offer_id) == offer_id))
    elif not 1 <= cost <= DEAREST:
        raise Invalid("between 1 and %(most)d points", where=("cost",), most=DEAREST)
    else:
        row = session.insert(PointsReward).values(offer_id=offer_id, cost=cost)
        await session.run(row.on_conflict_do_update(index_elements=["offer_id"], set_={"cost": cost}))
    await audit.note(session, actor, "offer.points_changed", "offer", offer_id, now=now, cost=cost)
