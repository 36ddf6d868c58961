"""The books: every promise about money, coupons and points, checked against the rows."""

from itertools import chain

from sqlalchemy import func, or_, select
from sqlmodel import col

from siyu import coupons, points, referrals
from siyu.kit.books import Breach
from siyu.kit.database import ReadSession
from siyu.purchases.refunds import STAFF, TELEGRAM
from siyu.tables import Checkout, CheckoutState, Purchase, PurchaseItem, Refund


async def books(session: ReadSession) -> list[Breach]:
    """Every breach of coupons, points, referrals and purchases; an empty list is what it should be."""
    rooms = [await room.books(session) for room in (coupons, points, referrals)]
    ours = [await _refunds(session), await _lines(session), await _invoices(session)]
    return [*chain.from_iterable([*rooms, *ours])]


async def _refunds(session: ReadSession) -> list[Breach]:
    """Refund parts sum to what the purchase says, and never beyond what was paid."""
    parts = (
        select(col(Refund.purchase_id), func.sum(col(Refund.amount_minor)).label("given"))
        .group_by(col(Refund.purchase_id))
        .subquery()
    )
    given = func.coalesce(parts.c.given, 0)
    wrong = or_(given != col(Purchase.refunded_minor), given > col(Purchase.amount_minor))
    joined = select(col(Purchase.id), given, col(Purchase.refunded_minor)).outerjoin(
        parts, parts.c.purchase_id == col(Purchase.id)
    )
    rows = await session.rows(joined.where(wrong))
    return [Breach("refunds = refunded ≤ paid", f"purchase {row[0]}", f"{row[1]} against {row[2]}") for row in rows]


async def _lines(session: ReadSession) -> list[Breach]:
    """The lines of what we sold ourselves sum to what was paid; programs and files tell theirs as they like."""
    ours = (
        select(col(Purchase.id), col(Purchase.amount_minor), func.sum(col(PurchaseItem.amount_minor)))
        .join(PurchaseItem, col(PurchaseItem.purchase_id) == col(Purchase.id))
        .where(col(Purchase.source).in_([TELEGRAM, STAFF]))
        .group_by(col(Purchase.id), col(Purchase.amount_minor))
        .having(func.sum(col(PurchaseItem.amount_minor)) != col(Purchase.amount_minor))
    )
    rows = await session.rows(ours)
    return [Breach("lines = paid", f"purchase {row[0]}", f"{row[2]} against {row[1]}") for row in rows]


async def _invoices(session: ReadSession) -> list[Breach]:
    """Nobody has more paid invoices than purchases in chat."""
    bought = (
        select(col(Purchase.fan_id), func.count().label("number"))
        .where(col(Purchase.source) == TELEGRAM)
        .group_by(col(Purchase.fan_id))
        .subquery()
    )
    number = func.coalesce(bought.c.number, 0)
    paid = (
        select(col(Checkout.fan_id), func.count(), number)
        .outerjoin(bought, bought.c.fan_id == col(Checkout.fan_id))
        .where(col(Checkout.state) == CheckoutState.PAID)
        .group_by(col(Checkout.fan_id), number)
        .having(func.count() > number)
    )
    rows = await session.rows(paid)
    return [Breach("paid invoices ≤ purchases", f"fan {row[0]}", f"{row[1]} against {row[2]}") for row in rows]
