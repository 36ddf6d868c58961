"""The books of coupons: every promise of a counter, checked against the rows it counts."""

from sqlalchemy import (
    ColumnElement,
    Executable,
    SQLColumnExpression,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlmodel import col

from siyu.kit.books import Breach, breaches
from siyu.kit.database import ReadSession
from siyu.kit.wording import phrase
from siyu.tables import Coupon, CouponState, Idempotency, Offer, OfferCode, Redemption


async def books(session: ReadSession) -> list[Breach]:
    """Every breach; an empty list is what it should be."""
    return await breaches(session, _CHECKS)


_coupons = (
    select(
        col(Coupon.offer_id).label("offer_id"),
        func.count().label("coupons"),
        func.min(col(Coupon.serial)).label("first"),
        func.max(col(Coupon.serial)).label("last"),
        func.sum(case((col(Coupon.state) == CouponState.REDEEMED, 1), else_=0)).label("used"),
    )
    .group_by(col(Coupon.offer_id))
    .subquery()
)
_uses = (
    select(
        col(Redemption.offer_id).label("offer_id"),
        func.count().label("uses"),
        func.sum(
            case((col(Redemption.currency) == col(Offer.currency), col(Redemption.discount_minor)), else_=0)
        ).label("given"),
    )
    .join(Offer, col(Offer.id) == col(Redemption.offer_id))
    .where(col(Redemption.reversed_at).is_(None))
    .group_by(col(Redemption.offer_id))
    .subquery()
)
_per_fan = (
    select(col(Coupon.offer_id).label("offer_id"), col(Coupon.fan_id).label("fan_id"), func.count().label("held"))
    .group_by(col(Coupon.offer_id), col(Coupon.fan_id))
    .subquery()
)
_per_day = (
    select(col(Coupon.offer_id).label("offer_id"), func.count().label("claimed"))
    .join(Offer, col(Offer.id) == col(Coupon.offer_id))
    .where(col(Offer.daily_cap).is_not(None))
    .group_by(col(Coupon.offer_id), col(Coupon.day))
    .subquery()
)
_unused = (col(Coupon.state) == CouponState.ACTIVE, col(Coupon.state) == CouponState.REVOKED)
_half_held = col(Coupon.hold_checkout_id).is_(None) != col(Coupon.hold_until).is_(None)
_taken_by = exists().where(
    col(Coupon.offer_id) == col(OfferCode.offer_id),
    col(Coupon.claim_key) == literal("code:") + col(OfferCode.code) + ":" + cast(col(OfferCode.fan_id), String),
)
_foreign_use = or_(
    col(Redemption.offer_id) != col(Coupon.offer_id),
    col(Redemption.fan_id) != col(Coupon.fan_id),
)
_twice = (
    select(col(Redemption.coupon_id).label("coupon_id"), func.count().label("uses"))
    .where(col(Redemption.reversed_at).is_(None))
    .group_by(col(Redemption.coupon_id))
    .having(func.count() > 1)
    .subquery()
)


def _of_offer(
    got: ColumnElement[int], due: SQLColumnExpression[int] | SQLColumnExpression[int | None], wrong: ColumnElement[bool]
) -> Executable:
    joined = select(literal("offer"), col(Offer.id), got, due)
    joined = joined.outerjoin(_coupons, _coupons.c.offer_id == col(Offer.id))
    return joined.outerjoin(_uses, _uses.c.offer_id == col(Offer.id)).where(wrong)


def _or_zero(column: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(column, 0)


_cut, _used = _or_zero(_coupons.c.coupons), _or_zero(_coupons.c.used)
_live, _given = _or_zero(_uses.c.uses), _or_zero(_uses.c.given)

_CHECKS: tuple[tuple[str, Executable], ...] = (
    (phrase("claimed = coupons"), _of_offer(_cut, col(Offer.claimed), _cut != col(Offer.claimed))),
    (phrase("claimed ≤ stock"), _of_offer(_cut, col(Offer.stock), _cut > col(Offer.stock))),
    # Distinct by their key, so the ends say whether there is a gap.
    (
        phrase("serials 1 … claimed"),
        _of_offer(_coupons.c.last, _cut, and_(_cut > 0, or_(_coupons.c.first != 1, _coupons.c.last != _cut))),
    ),
    (phrase("redeemed = live redemptions"), _of_offer(_live, col(Offer.redeemed), _live != col(Offer.redeemed))),
    (phrase("used coupons = live redemptions"), _of_offer(_used, _live, _used != _live)),
    (phrase("spent = live discounts"), _of_offer(_given, col(Offer.spent_minor), _given != col(Offer.spent_minor))),
    (phrase("spent ≤ budget"), _of_offer(_given, col(Offer.budget_minor), _given > col(Offer.budget_minor))),
    (
        phrase("coupons of a fan ≤ per_fan"),
        select(literal("fan"), _per_fan.c.fan_id, _per_fan.c.held, col(Offer.per_fan))
        .join(Offer, col(Offer.id) == _per_fan.c.offer_id)
        .where(_per_fan.c.held > col(Offer.per_fan)),
    ),
    (phrase("a coupon is used once"), select(literal("coupon"), _twice.c.coupon_id, _twice.c.uses, literal(1))),
    (
        phrase("coupons of a day ≤ daily_cap"),
        select(literal("offer"), _per_day.c.offer_id, _per_day.c.claimed, col(Offer.daily_cap))
        .join(Offer, col(Offer.id) == _per_day.c.offer_id)
        .where(_per_day.c.claimed > col(Offer.daily_cap)),
    ),
    (
        phrase("only an unused coupon is held, for one payment and until a moment"),
        select(literal("coupon"), col(Coupon.id), col(Coupon.state), col(Coupon.hold_checkout_id)).where(
            or_(_half_held, and_(col(Coupon.hold_until).is_not(None), not_(or_(*_unused))))
        ),
    ),
    (
        phrase("a used coupon has its moment, and no other"),
        select(literal("coupon"), col(Coupon.id), col(Coupon.state), col(Coupon.redeemed_at)).where(
            (col(Coupon.state) == CouponState.REDEEMED) != col(Coupon.redeemed_at).is_not(None)
        ),
    ),
    (
        phrase("0 ≤ discount ≤ price"),
        select(
            literal("redemption"), col(Redemption.id), col(Redemption.discount_minor), col(Redemption.amount_minor)
        ).where(or_(col(Redemption.discount_minor) < 0, col(Redemption.discount_minor) > col(Redemption.amount_minor))),
    ),
    (
        phrase("a redemption is of its coupon's offer and fan"),
        select(literal("redemption"), col(Redemption.id), col(Redemption.fan_id), col(Coupon.fan_id))
        .join(Coupon, col(Coupon.id) == col(Redemption.coupon_id))
        .where(_foreign_use),
    ),
    (
        phrase("a printed code that is taken is one coupon"),
        select(literal("code"), col(OfferCode.code), col(OfferCode.fan_id), literal("no coupon")).where(
            col(OfferCode.fan_id).is_not(None), not_(_taken_by)
        ),
    ),
    (
        phrase("every key has its first answer"),
        select(literal("key"), col(Idempotency.key), literal("nothing"), literal("an answer")).where(
            col(Idempotency.answer).is_(None),
            or_(col(Idempotency.key).startswith("claim:"), col(Idempotency.key).startswith("redeem:")),
        ),
    ),
    (
        phrase("no coupon outlives its offer"),
        select(literal("coupon"), col(Coupon.id), col(Coupon.valid_until), col(Offer.ends_at))
        .join(Offer, col(Offer.id) == col(Coupon.offer_id))
        .where(col(Coupon.valid_until) > col(Offer.ends_at)),
    ),
)

# What is checked, for people who want to know what "no breach" means.
RULES = tuple(rule for rule, _ in _CHECKS)
