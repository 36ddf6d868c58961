"""Holds: while a payment is under way, its coupon is nobody else's."""

from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, or_, update
from sqlmodel import col

from siyu.kit.database import WriteSession
from siyu.tables import Coupon, CouponState


async def hold(session: WriteSession, coupon_id: int, *, checkout_id: int, until: datetime, now: datetime) -> bool:
    """Keep a good coupon for this checkout; False when it is used, expired, or another's just now."""
    statement = update(Coupon).where(col(Coupon.id) == coupon_id, is_good(now), is_free_for(checkout_id, now))
    return await session.run(statement.values(hold_checkout_id=checkout_id, hold_until=until)) == 1


async def release(session: WriteSession, checkout_id: int) -> None:
    """The payment came to nothing: the coupon is free at once."""
    statement = update(Coupon).where(col(Coupon.hold_checkout_id) == checkout_id)
    await session.run(statement.values(hold_checkout_id=None, hold_until=None))


def is_good(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Not used, not withdrawn, not expired: decided by the moment, not by a sweep."""
    return (col(Coupon.state) == CouponState.ACTIVE) & (col(Coupon.valid_until) > now)


def is_free_for(
    checkout_id: int | BindParameter[int] | None, now: datetime | BindParameter[datetime]
) -> ColumnElement[bool]:
    """Not held, or held no longer, or held for this very checkout."""
    free = or_(col(Coupon.hold_until).is_(None), col(Coupon.hold_until) <= now)
    return free if checkout_id is None else or_(free, col(Coupon.hold_checkout_id) == checkout_id)
