"""The books: every promise about money, coupons and points, checked against the rows."""

from itertools import chain

from sqlalchemy import Executable, func, literal, or_, select
from sqlmodel import col

from siyu import coupons, points, referrals
from siyu.kit.books import Breach, breaches
from siyu.kit.database import ReadSession
from siyu.kit.wording import phrase
from siyu.purchases.refunds import STAFF, TELEGRAM
from siyu.tables import Checkout, CheckoutState, Purchase, PurchaseItem, Refund


async def books(session: ReadSession) -> list[Breach]:
    """Every breach of coupons, points, referrals and purchases; an empty list is what it should be."""
    rooms = [await room.books(session) for room in (coupons, points, referrals)]
    return [*chain.from_iterable(rooms), *await breaches(session, _CHECKS)]


# Refund parts sum to what the purchase says, and never beyond what was paid.
_parts = (
    select(col(Refund.purchase_id), func.sum(col(Refund.amount_minor)).label("given"))
    .group_by(col(Refund.purchase_id))
    .subquery()
)
_given = func.coalesce(_parts.c.given, 0)
_refunds = (
    select(literal("purchase"), col(Purchase.id), _given, col(Purchase.refunded_minor))
    .outerjoin(_parts, _parts.c.purchase_id == col(Purchase.id))
    .where(or_(_given != col(Purchase.refunded_minor), _given > col(Purchase.amount_minor)))
)

# The lines of what we sold ourselves sum to what was paid; programs and files tell theirs as they like.
_lines = (
    select(literal("purchase"), col(Purchase.id), func.sum(col(PurchaseItem.amount_minor)), col(Purchase.amount_minor))
    .join(PurchaseItem, col(PurchaseItem.purchase_id) == col(Purchase.id))
    .where(col(Purchase.source).in_([TELEGRAM, STAFF]))
    .group_by(col(Purchase.id), col(Purchase.amount_minor))
    .having(func.sum(col(PurchaseItem.amount_minor)) != col(Purchase.amount_minor))
)

# Nobody has more paid invoices than purchases in chat.
_bought = (
    select(col(Purchase.fan_id), func.count().label("number"))
    .where(col(Purchase.source) == TELEGRAM)
    .group_by(col(Purchase.fan_id))
    .subquery()
)
_number = func.coalesce(_bought.c.number, 0)
_invoices = (
    select(literal("fan"), col(Checkout.fan_id), func.count(), _number)
    .outerjoin(_bought, _bought.c.fan_id == col(Checkout.fan_id))
    .where(col(Checkout.state) == CheckoutState.PAID)
    .group_by(col(Checkout.fan_id), _number)
    .having(func.count() > _number)
)

_CHECKS: tuple[tuple[str, Executable], ...] = (
    (phrase("refunds = refunded ≤ paid"), _refunds),
    (phrase("lines = paid"), _lines),
    (phrase("paid invoices ≤ purchases"), _invoices),
)

# What is checked, for people who want to know what "no breach" means: by room, each a message id.
RULES = {
    phrase("Coupons"): coupons.RULES,
    phrase("Points"): points.RULES,
    phrase("Friends"): referrals.RULES,
    phrase("Purchases"): tuple(rule for rule, _ in _CHECKS),
}
