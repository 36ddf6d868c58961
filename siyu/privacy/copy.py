"""A copy: everything that is kept of a fan, for the fan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlmodel import col
from sqlmodel import select as select_model

from siyu import fans
from siyu.kit.database import ReadSession
from siyu.kit.money import Money
from siyu.privacy.records import KEPT_WITHOUT_A_NAME, NOT_TOLD, PERSONAL, people_in, table
from siyu.tables import Conversation, ConversationLine, Coupon, Fan, Interaction, Purchase, PurchaseItem, Refund

Rows = list[dict[str, Any]]  # Any: a column's value, as JSON has it


@dataclass(frozen=True)
class Summary:
    """The same in a few numbers."""

    fan: Fan
    interactions: int
    lines: int  # written by the fan
    purchases: int
    spent: Sequence[Money]  # by currency, refunds taken off
    coupons: int
    attributes: dict[str, str]
    tags: Sequence[str]


async def copy_of(session: ReadSession, fan: Fan) -> dict[str, Rows]:
    """Every row about this fan, by the name of its table; times are ISO 8601 in UTC, money is in minor units."""
    found = {"fan": await _rows(session, select(table("fan")).where(table("fan").c.id == fan.id))}
    for name in (*PERSONAL, *KEPT_WITHOUT_A_NAME):
        if name not in NOT_TOLD:
            about = or_(*(column == fan.id for column in people_in(table(name))))
            found[name] = await _rows(session, select(table(name)).where(about))
    theirs = select(col(Purchase.id)).where(col(Purchase.fan_id) == fan.id)
    for name, purchase_id in (("purchase_item", PurchaseItem.purchase_id), ("refund", Refund.purchase_id)):
        found[name] = await _rows(session, select(table(name)).where(col(purchase_id).in_(theirs)))
    return {name: rows for name, rows in found.items() if rows}


async def summary_of(session: ReadSession, fan: Fan) -> Summary:
    assert fan.id is not None, "it was read"
    spent = (
        select(col(Purchase.currency), func.sum(col(Purchase.amount_minor) - col(Purchase.refunded_minor)))
        .where(col(Purchase.fan_id) == fan.id)
        .group_by(col(Purchase.currency))
        .order_by(col(Purchase.currency))
    )
    return Summary(
        fan=fan,
        interactions=await _count(session, Interaction, fan.id),
        lines=await _count(session, ConversationLine, fan.id),
        purchases=await _count(session, Purchase, fan.id),
        spent=[Money(int(minor), currency) for currency, minor in await session.rows(spent)],
        coupons=await _count(session, Coupon, fan.id),
        attributes=await fans.attributes_of(session, fan.id),
        tags=await fans.tags_of(session, fan.id),
    )


async def _count(
    session: ReadSession, model: type[Interaction | ConversationLine | Purchase | Coupon | Conversation], fan_id: int
) -> int:
    counted = select_model(func.count()).select_from(model).where(col(model.fan_id) == fan_id)
    return await session.one(counted)


async def _rows(session: ReadSession, statement: Any) -> Rows:  # Any: a select of whole tables
    return [
        {name: _plain(value) for name, value in row._mapping.items() if value is not None}
        for row in await session.rows(statement)
    ]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | datetime) else value
