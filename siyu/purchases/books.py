"""The books: every promise about money, coupons and points, checked against the rows."""

from itertools import chain

from sqlalchemy import func, or_, select
from sqlmodel import col

from siyu import coupons, points, referrals
from siyu.kit.books import Breach
from siyu.kit.database import ReadSession
from siyu.tables import Purchase, Refund


async def books(session: ReadSession) -> list[Breach]:
    """Every breach of coupons, points, referrals and purchases; an empty list is what it should be."""
    rooms = [await room.books(session) for room in (coupons, points, referrals)]
    return [*chain.from_iterable(rooms), *await _refunds(session)]


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
