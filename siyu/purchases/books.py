"""The books: every promise about money, coupons and points, checked against the rows."""

from itertools import chain

from sqlalchemy import Executable, func, literal, or_, select
from sqlmodel import col

from siyu import coupons, points, referrals
from siyu.kit.books import Breach, breaches
from siyu.kit.database import ReadSession
from siyu.purchases.refunds import STAFF, TELEGRAM
from siyu.tables import Checkout, CheckoutState, Purchase, PurchaseItem, Refund

_ROOMS = (coupons, points, referrals)


async def books(session: ReadSession) -> list[Breach]:
    """Every breach of coupons, points, referrals and purchases; an empty list is what it should be."""
    rooms = [await room.books(session) for room in _ROOMS]
    return [*chain.from_iterable(rooms), *await breaches(session, _CHECKS)]


_purchase = literal("purchase"), col(Purchase.id)
_parts = (
    select(col(Refund.purchase_id), func.sum(col(Refund.amount_minor)).label("given"))
    .group_by(col(Refund.purchase_id))
    .subquery()
)
_given = func.coalesce(_parts.c.given, 0)
_bought = (
    select(col(Purchase.fan_id), func.count().label("number"))
    .where(col(Purchase.source) == TELEGRAM)
    .group_by(col(Purchase.fan_id))
    .subquery()
)
_number = func.coalesce(_bought.c.number, 0)
_lines = func.sum(col(PurchaseItem.amount_minor))

_CHECKS: tuple[tuple[str, Executable], ...] = (
    (
        "refunds = refunded ≤ paid",
        select(*_purchase, _given, col(Purchase.refunded_minor))
        .outerjoin(_parts, _parts.c.purchase_id == col(Purchase.id))
        .where(or_(_given != col(Purchase.refunded_minor), _given > col(Purchase.amount_minor))),
    ),
    # Of what we sold ourselves: programs and files tell theirs as they like.
    (
        "lines = paid",
        select(*_purchase, _lines, col(Purchase.amount_minor))
        .join(PurchaseItem, col(PurchaseItem.purchase_id) == col(Purchase.id))
        .where(col(Purchase.source).in_([TELEGRAM, STAFF]))
        .group_by(col(Purchase.id), col(Purchase.amount_minor))
        .having(_lines != col(Purchase.amount_minor)),
    ),
    (
        "paid invoices ≤ purchases",
        select(literal("fan"), col(Checkout.fan_id), func.count(), _number)
        .outerjoin(_bought, _bought.c.fan_id == col(Checkout.fan_id))
        .where(col(Checkout.state) == CheckoutState.PAID)
        .group_by(col(Checkout.fan_id), _number)
        .having(func.count() > _number),
    ),
)

# What is checked, for people who want to know what "no breach" means.
RULES = (*chain.from_iterable(room.RULES for room in _ROOMS), *(rule for rule, _ in _CHECKS))
