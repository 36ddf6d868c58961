"""Orders as WooCommerce tells them, by its webhooks for orders created, updated and restored."""

from datetime import datetime
from typing import Any

from pydantic import Field

from siyu.purchases import Line
from siyu.shops import orders
from siyu.shops.orders import Buyer, GivenBack, OrderId, Paid, Read, Telling
from siyu.transfer.rows import Moment

TOPICS = frozenset({"order.created", "order.updated", "order.restored"})
# Of these the money is not ours any more, whether somebody wrote a refund down or not.
UNDONE = frozenset({"cancelled", "refunded"})
# A custom field of the checkout, filled in by whoever links the shop from the chat.
TELEGRAM_FIELDS = ("telegram_id", "_telegram_id")


class Billing(Read):
    phone: str = ""


class Meta(Read):
    key: str = ""
    value: Any = None  # plugins keep whole trees here


class Item(Read):
    sku: str | None = None
    name: str = ""
    quantity: int = Field(ge=1, le=1_000_000)
    total: str


class Refunded(Read):
    id: OrderId
    total: str  # below zero


class Coupon(Read):
    code: str = ""


class Order(Read):
    id: OrderId
    status: str
    currency: str
    total: str
    discount_total: str = "0"
    date_modified_gmt: Moment
    date_paid_gmt: Moment | None = None  # empty until it is paid
    billing: Billing = Billing()
    meta_data: tuple[Meta, ...] = ()
    line_items: tuple[Item, ...] = ()
    refunds: tuple[Refunded, ...] = ()
    coupon_lines: tuple[Coupon, ...] = ()


def read(topic: str, body: bytes) -> Telling | None:
    """None: not about an order. Raises Unreadable."""
    if topic not in TOPICS:
        return None
    order = orders.parsed(Order, body)
    modified = orders.in_utc(order.date_modified_gmt)
    change = f"{order.status}@{modified.isoformat()}"
    if order.date_paid_gmt is None:
        return Telling(order.id, change)
    paid_at = orders.in_utc(order.date_paid_gmt)
    return Telling(order.id, change, _paid(order, paid_at), tuple(_given_back(order, modified)))


def _paid(order: Order, at: datetime) -> Paid:
    coupons = [orders.short(one.code) for one in order.coupon_lines]
    return Paid(
        buyer=Buyer(_telegram_id(order), order.billing.phone),
        at=at,
        amount=orders.money(order.total, order.currency),
        discount_minor=orders.money(order.discount_total, order.currency).minor,
        lines=tuple(_line(item, order.currency) for item in order.line_items),
        coupon_code=next(filter(None, coupons), None),
    )


def _telegram_id(order: Order) -> int | None:
    told = (orders.telegram_id(str(meta.value)) for meta in order.meta_data if meta.key in TELEGRAM_FIELDS)
    return next(filter(None, told), None)


def _line(item: Item, currency: str) -> Line:
    amount = orders.money(item.total, currency).minor
    return Line(orders.short(item.sku), orders.short(item.name), "", item.quantity, amount)


def _given_back(order: Order, at: datetime) -> list[GivenBack]:
    parts = [GivenBack(one.id, orders.money(one.total.lstrip("-"), order.currency), at) for one in order.refunds]
    return [*parts, GivenBack(order.status, None, at)] if order.status in UNDONE else parts
