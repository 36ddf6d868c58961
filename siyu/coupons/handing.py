"""Handing out: one coupon to everybody of a segment, foreseen before it is done, and the list of who holds one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select, update
from sqlmodel import col

from siyu import audit
from siyu.audit import Actor
from siyu.coupons.claims import CHUNK, Issued, issue_some
from siyu.coupons.holds import is_free_for
from siyu.coupons.offers import get_offer
from siyu.kit.clock import Clock
from siyu.kit.codes import is_well_formed, tidy
from siyu.kit.database import Database, ReadSession, WriteSession
from siyu.kit.errors import Conflict
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.tables import Coupon, CouponState, Fan, Offer, OfferState, Redemption


@dataclass(frozen=True)
class Holder:
    """A coupon with whose it is."""

    coupon: Coupon
    telegram_id: int
    name: str


@dataclass(frozen=True)
class Revoked:
    """How many coupons were taken back, and how many a payment under way kept."""

    revoked: int
    held: int


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
    database: Database,
    actor: Actor,
    offer_id: int,
    fan_ids: Sequence[int],
    *,
    key: str,
    zone: ZoneInfo,
    clock: Clock,
) -> Issued:
    """One coupon for each of these fans, a thousand a transaction; the same key again hands out none.

    Killed in the middle, the same key goes on where it was. Paused in the middle, it stops: the rest are refused.
    Raises what `issue` raises where not one could be handed out.
    """
    everybody, done = sorted(set(fan_ids)), Issued(0, 0, 0)
    for start in range(0, len(everybody), CHUNK):
        chunk = everybody[start : start + CHUNK]
        try:
            async with database.writing() as session:
                done += await issue_some(session, offer_id, chunk, key=key, zone=zone, now=clock())
        except Conflict:
            if not start:
                raise
            done += Issued(0, 0, len(everybody) - start)
            break
    async with database.writing() as session:
        counts = {name: number for name, number in asdict(done).items() if number or name != "held_out"}
        await audit.note(session, actor, "offer.issued", "offer", offer_id, now=clock(), **counts)
    return done


async def revoke(session: WriteSession, actor: Actor, offer_id: int, *, now: datetime) -> Revoked:
    """Take back every unused coupon of an offer that is not open; one in a payment under way stays good."""
    offer = await get_offer(session, offer_id)
    if offer.state is OfferState.ACTIVE:
        raise Conflict("pause the offer first, or fans go on claiming it", reason="active")
    unused = (col(Coupon.offer_id) == offer_id, col(Coupon.state) == CouponState.ACTIVE)
    taken = update(Coupon).where(*unused, is_free_for(None, now)).values(state=CouponState.REVOKED)
    revoked = await session.run(taken)
    held = await session.one(select(func.count()).select_from(Coupon).where(*unused))
    await audit.note(session, actor, "offer.revoked", "offer", offer_id, now=now, revoked=revoked, held=held)
    return Revoked(revoked, held)


async def could_be_revoked(session: ReadSession, offer_id: int) -> int:
    """How many coupons of the offer nobody has used yet."""
    unused = (col(Coupon.offer_id) == offer_id, col(Coupon.state) == CouponState.ACTIVE)
    return await session.one(select(func.count()).select_from(Coupon).where(*unused))


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
