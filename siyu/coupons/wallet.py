"""The wallet: what a fan holds, what of it is still good, and what fits a price."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, or_, select
from sqlmodel import col

from siyu.coupons.holds import is_free_for, is_good
from siyu.coupons.redemption import Good, quote
from siyu.kit.codes import is_well_formed, tidy
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict
from siyu.kit.money import Money
from siyu.tables import Checkout, CheckoutState, Coupon, CouponState, Fan, Offer, OfferKind

SHOWN_PAST = 10


class Standing(StrEnum):
    """How a coupon stands at a moment; nobody sweeps, `valid_until` decides."""

    USABLE = "usable"
    USED = "used"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"  # somebody of ours took it back


@dataclass(frozen=True)
class Carried:
    """A coupon with the offer it was cut from."""

    coupon: Coupon
    offer: Offer

    @property
    def least(self) -> Money:
        return Money(self.offer.min_spend_minor, self.offer.currency)

    @property
    def cap(self) -> Money | None:
        most = self.offer.max_discount_minor
        return None if most is None else Money(most, self.offer.currency)

    def standing(self, now: datetime) -> Standing:
        if self.coupon.state is CouponState.REDEEMED:
            return Standing.USED
        if self.coupon.state is CouponState.REVOKED:
            return Standing.WITHDRAWN
        good = self.coupon.state is CouponState.ACTIVE and self.coupon.valid_until > now
        return Standing.USABLE if good else Standing.EXPIRED


@dataclass(frozen=True)
class Wallet:
    """A fan's coupons: the usable ones by how soon they end, the last few of the others."""

    usable: tuple[Carried, ...]
    used: tuple[Carried, ...]
    expired: tuple[Carried, ...]
    withdrawn: tuple[Carried, ...] = ()


async def wallet(session: ReadSession, fan: Fan, *, now: datetime) -> Wallet:
    """Everything the fan holds, sorted."""
    carried = await _carried(session, col(Coupon.fan_id) == fan.id)
    by_standing: dict[Standing, list[Carried]] = {standing: [] for standing in Standing}
    for one in sorted(carried, key=lambda one: one.coupon.valid_until):
        by_standing[one.standing(now)].append(one)
    return Wallet(
        usable=tuple(by_standing[Standing.USABLE]),
        used=_latest(by_standing[Standing.USED]),
        expired=_latest(by_standing[Standing.EXPIRED]),
        withdrawn=_latest(by_standing[Standing.WITHDRAWN]),
    )


async def carried_by_code(session: ReadSession, code: str) -> Carried | None:
    """The coupon of a code as somebody typed it; a slip of the finger asks nobody."""
    code = tidy(code)
    found = await _carried(session, col(Coupon.code) == code) if is_well_formed(code) else []
    return found[0] if found else None


async def usable_for(
    session: ReadSession, fan: Fan, price: Money, *, goods: Sequence[Good] | None = None, now: datetime
) -> list[tuple[Carried, int]]:
    """The fan's coupons that lower this price, the biggest discount first, then the one that ends first.

    A coupon in an invoice the fan left unpaid counts as free: the newer invoice may take it over.
    """
    left = select(col(Checkout.id)).where(col(Checkout.fan_id) == fan.id, col(Checkout.state) == CheckoutState.PENDING)
    free = or_(is_free_for(None, now), col(Coupon.hold_checkout_id).in_(left))
    good = is_good(now) & free & (col(Offer.kind) != OfferKind.GIFT)
    carried = await _carried(session, (col(Coupon.fan_id) == fan.id) & good)
    fitting = [(one, discount) for one in carried if (discount := _lowers(one.offer, price, goods))]
    return sorted(fitting, key=lambda fit: (-fit[1], fit[0].coupon.valid_until))


def _lowers(offer: Offer, price: Money, goods: Sequence[Good] | None) -> int:
    """0 where the coupon does not apply, or the budget would not bear it."""
    try:
        discount = quote(offer, price, goods)
    except Conflict:
        return 0
    counts = offer.budget_minor is not None and offer.currency == price.currency
    return 0 if counts and offer.spent_minor + discount > (offer.budget_minor or 0) else discount


async def _carried(session: ReadSession, where: ColumnElement[bool]) -> list[Carried]:
    joined = select(Coupon, Offer).join(Offer, col(Offer.id) == col(Coupon.offer_id)).where(where)
    found = await session.rows(joined.order_by(col(Coupon.id)).execution_options(populate_existing=True))
    return [Carried(coupon, offer) for coupon, offer in found]


def _latest(carried: Sequence[Carried]) -> tuple[Carried, ...]:
    return tuple(reversed(carried[-SHOWN_PAST:]))
