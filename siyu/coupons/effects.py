"""What an offer brought about: how it was claimed, where it was used, what was paid, and what the held out did."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, case, exists, func, literal, select, type_coerce
from sqlmodel import col

from siyu.coupons.offers import get_offer
from siyu.kit.database import ReadSession
from siyu.kit.money import Money
from siyu.tables import Arm, Coupon, CouponState, Offer, OfferAudience, Purchase, Redemption

# A purchase within so many days of the handing out counts, of whoever got one and whoever was left out alike.
WITHIN_DAYS = 30

_WAYS = ("link", "broadcast", "issue", "code", "points", "referral")


@dataclass(frozen=True)
class Way:
    """One way of coming to a coupon: `link`, `broadcast`, `issue`, `code` or another."""

    way: str
    claimed: int
    redeemed: int


@dataclass(frozen=True)
class Till:
    """Where coupons were used: `chat`, `staff` or `api`; `revenue` is what was paid after the discount."""

    channel: str
    redeemed: int
    discount: Money
    revenue: Money


@dataclass(frozen=True)
class Compared:
    """Who was handed one and who was left out by lot, and how many of each bought something within 30 days."""

    treated: int
    bought: int
    held: int
    held_bought: int


@dataclass(frozen=True)
class Effects:
    offer: Offer
    ways: Sequence[Way]
    tills: Sequence[Till]
    compared: Compared | None


async def effects(session: ReadSession, offer_id: int) -> Effects:
    """Counted from the rows at this moment; `compared` where anybody was left out."""
    offer = await get_offer(session, offer_id)
    return Effects(
        offer, await _ways(session, offer_id), await _tills(session, offer_id), await _arms(session, offer_id)
    )


async def _ways(session: ReadSession, offer_id: int) -> list[Way]:
    key = col(Coupon.claim_key)
    way = case(*((key.startswith(f"{word}:"), literal(word)) for word in _WAYS), else_=literal("other")).label("way")
    used = func.count().filter(col(Coupon.state) == CouponState.REDEEMED)
    counted = select(way, func.count(), used).where(col(Coupon.offer_id) == offer_id).group_by(way)
    return [Way(*row) for row in await session.rows(counted.order_by(func.count().desc(), way))]


async def _tills(session: ReadSession, offer_id: int) -> list[Till]:
    discount, amount = func.sum(col(Redemption.discount_minor)), func.sum(col(Redemption.amount_minor))
    keys = (col(Redemption.channel), col(Redemption.currency))
    live = (col(Redemption.offer_id) == offer_id, col(Redemption.reversed_at).is_(None))
    rows = await session.rows(
        select(*keys, func.count(), discount, amount).where(*live).group_by(*keys).order_by(*keys)
    )
    return [
        Till(channel, number, Money(int(off), currency), Money(int(price) - int(off), currency))
        for channel, currency, number, off, price in rows
    ]


async def _arms(session: ReadSession, offer_id: int) -> Compared | None:
    """By whom an offer was meant for, not by who used it: else the keen would be compared with everybody."""
    paid_at, handed_at = (type_coerce(column, BigInteger) for column in (col(Purchase.paid_at), col(OfferAudience.at)))
    soon = (paid_at >= handed_at, paid_at <= handed_at + WITHIN_DAYS * 86_400)
    kept = (col(Purchase.refunded_minor) == 0) | (col(Purchase.refunded_minor) < col(Purchase.amount_minor))
    bought = exists().where(col(Purchase.fan_id) == col(OfferAudience.fan_id), *soon, kept)
    counted = select(col(OfferAudience.arm), func.count(), func.count().filter(bought))
    counted = counted.where(col(OfferAudience.offer_id) == offer_id).group_by(col(OfferAudience.arm))
    arms = {arm: (number, buyers) for arm, number, buyers in await session.rows(counted)}
    if Arm.CONTROL not in arms:
        return None
    return Compared(*arms.get(Arm.TREATED, (0, 0)), *arms[Arm.CONTROL])
