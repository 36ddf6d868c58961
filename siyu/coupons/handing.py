"""Handing out: one coupon to everybody of a segment, foreseen before it is done, and the list of who holds one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select
from sqlmodel import col

from siyu import audit
from siyu.audit import Actor
from siyu.coupons.claims import Issued, issue
from siyu.kit.codes import is_well_formed, tidy
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.tables import Coupon, Fan, Offer, Redemption


@dataclass(frozen=True)
class Holder:
    """A coupon with whose it is."""

    coupon: Coupon
    telegram_id: int
    name: str


@dataclass(frozen=True)
class Slip:
    """Everything about one coupon that somebody at the counter wants to know; `use` is None while it is unused."""

    coupon: Coupon
    offer: Offer
    fan: Fan
    use: Redemption | None


async def foresee(session: ReadSession, offer: Offer, fan_ids: Select[int]) -> Issued:
    """What handing out to these fans would do at this moment; nothing is changed."""
    wanted = fan_ids.subquery()
    full = (
        select(col(Coupon.fan_id))
        .where(col(Coupon.offer_id) == offer.id, col(Coupon.fan_id).in_(fan_ids))
        .group_by(col(Coupon.fan_id))
        .having(func.count() >= offer.per_fan)
        .subquery()
    )
    everybody = await session.one(select(func.count()).select_from(wanted))
    already = await session.one(select(func.count()).select_from(full))
    issued = min(everybody - already, offer.stock - offer.claimed)
    return Issued(issued, already, everybody - already - issued)


async def hand_out(
    session: WriteSession,
    actor: Actor,
    offer_id: int,
    fan_ids: Select[int] | Sequence[int],
    *,
    key: str,
    zone: ZoneInfo,
    now: datetime,
) -> Issued:
    """One coupon for each of these fans, with a line in the audit; the same key again hands out none."""
    done = await issue(session, offer_id, fan_ids, key=key, zone=zone, now=now)
    counts = {"issued": done.issued, "already": done.already, "refused": done.refused}
    await audit.note(session, actor, "offer.issued", "offer", offer_id, now=now, **counts)
    return done


async def holders(session: ReadSession, offer_id: int, *, cursor: str | None = None, limit: int = 50) -> Page[Holder]:
    """Who holds a coupon of the offer, the newest coupon first."""
    statement = (
        select(Coupon, col(Fan.telegram_id), col(Fan.name))
        .join(Fan, col(Fan.id) == col(Coupon.fan_id))
        .where(col(Coupon.offer_id) == offer_id)
        .order_by(col(Coupon.serial).desc())
        .limit(limit + 1)
    )
    if cursor:
        statement = statement.where(col(Coupon.serial) < key_of(cursor, length=1)[0])
    found = [Holder(*row) for row in await session.rows(statement)]
    return Page(found[:limit], cursor_of((found[limit - 1].coupon.serial,)) if len(found) > limit else None)


async def find_slip(session: ReadSession, code: str) -> Slip | None:
    """The coupon of a code as somebody typed it; a slip of the finger asks nobody."""
    code = tidy(code)
    if not is_well_formed(code):
        return None
    live = (col(Redemption.coupon_id) == col(Coupon.id)) & col(Redemption.reversed_at).is_(None)
    statement = (
        select(Coupon, Offer, Fan, Redemption)
        .join(Offer, col(Offer.id) == col(Coupon.offer_id))
        .join(Fan, col(Fan.id) == col(Coupon.fan_id))
        .outerjoin(Redemption, live)
        .where(col(Coupon.code) == code)
    )
    return next((Slip(*row) for row in await session.rows(statement)), None)
