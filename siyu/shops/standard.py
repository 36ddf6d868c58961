"""Our own words for an order, for any shop or till that signs as Standard Webhooks have it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from siyu.purchases import Line
from siyu.shops import orders
from siyu.shops.orders import Buyer, GivenBack, OrderId, Paid, Read, Telling
from siyu.transfer.rows import Moment, TelegramId


def _with_an_offset(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("needs its offset, as in 2026-03-04T12:00:00+08:00")
    return moment


Aware = Annotated[Moment, AfterValidator(_with_an_offset)]


class Item(Read):
    sku: str = ""
    name: str = ""
    category: str = ""
    quantity: int = Field(1, ge=1, le=1_000_000)
    total: str


class Refunded(Read):
    id: OrderId
    amount: str
    at: Aware | None = None


class Order(Read):
    order_id: OrderId
    telegram_id: TelegramId | None = None
    phone: str = ""
    currency: str
    total: str
    discount: str = "0"
    paid_at: Aware
    coupon_code: str | None = None
    lines: tuple[Item, ...] = Field((), max_length=1000)
    refunds: tuple[Refunded, ...] = Field((), max_length=1000)


class Event(Read):
    """The whole order comes with every event, so none depends on the one before."""

    type: Literal["order.paid", "order.refunded", "order.cancelled"]
    timestamp: Aware
    data: Order


def read(_topic: str, body: bytes) -> Telling | None:
    """None: a kind of event we do not know. Raises Unreadable."""
    if not orders.parsed(Kind, body).type.startswith("order."):
        return None
    event = orders.parsed(Event, body)
    at = orders.in_utc(event.timestamp)
    back = [_refund(one, event.data.currency, at) for one in event.data.refunds]
    if event.type == "order.cancelled":
        back.append(GivenBack("cancelled", None, at))
    return Telling(event.data.order_id, f"{event.type}@{at.isoformat()}", _paid(event.data), tuple(back))


class Kind(Read):
    type: str


def _paid(order: Order) -> Paid:
    return Paid(
        buyer=Buyer(order.telegram_id, order.phone),
        at=orders.in_utc(order.paid_at),
        amount=orders.money(order.total, order.currency),
        discount_minor=orders.money(order.discount, order.currency).minor,
        lines=tuple(_line(item, order.currency) for item in order.lines),
        coupon_code=orders.short(order.coupon_code) or None,
    )


def _line(item: Item, currency: str) -> Line:
    return Line(
        sku=orders.short(item.sku),
        name=orders.short(item.name),
        category=orders.short(item.category),
        quantity=item.quantity,
        amount_minor=orders.money(item.total, currency).minor,
    )


def _refund(refund: Refunded, currency: str, otherwise: datetime) -> GivenBack:
    at = orders.in_utc(refund.at) if refund.at else otherwise
    return GivenBack(refund.id, orders.money(refund.amount, currency), at)
