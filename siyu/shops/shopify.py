"""Orders and refunds as Shopify tells them."""

from typing import Any

from pydantic import Field

from siyu.kit.money import Money
from siyu.purchases import Line
from siyu.shops import orders
from siyu.shops.orders import Buyer, GivenBack, OrderId, Paid, Read, Telling
from siyu.transfer.rows import Moment

ORDERS = frozenset({
    "orders/create", "orders/paid", "orders/updated", "orders/cancelled", "orders/fulfilled",
    "orders/partially_fulfilled",
})  # fmt: skip
REFUNDS = "refunds/create"
PAID = frozenset({"paid", "partially_refunded", "refunded"})
TELEGRAM_FIELD = "telegram_id"  # a note attribute of the cart


class Attribute(Read):
    name: str = ""
    value: Any = None


class Customer(Read):
    phone: str | None = None


class Item(Read):
    sku: str | None = None
    title: str = ""
    quantity: int = Field(ge=1, le=1_000_000)
    price: str  # of one piece
    total_discount: str = "0"


class Transaction(Read):
    kind: str
    status: str
    amount: str
    currency: str


class Refunded(Read):
    id: OrderId
    created_at: Moment
    transactions: tuple[Transaction, ...] = ()


class RefundAlone(Refunded):
    order_id: OrderId


class DiscountCode(Read):
    code: str = ""


class Order(Read):
    id: OrderId
    financial_status: str | None = None
    currency: str
    total_price: str
    total_discounts: str = "0"
    created_at: Moment
    processed_at: Moment | None = None
    updated_at: Moment
    cancelled_at: Moment | None = None
    phone: str | None = None
    customer: Customer | None = None
    billing_address: Customer | None = None
    note_attributes: tuple[Attribute, ...] = ()
    line_items: tuple[Item, ...] = ()
    refunds: tuple[Refunded, ...] = ()
    discount_codes: tuple[DiscountCode, ...] = ()


def read(topic: str, body: bytes) -> Telling | None:
    """None: not about an order. Raises Unreadable."""
    if topic == REFUNDS:
        refund = orders.parsed(RefundAlone, body)
        return Telling(refund.order_id, f"refund@{refund.id}", given_back=tuple(_given_back(refund)))
    return _order(orders.parsed(Order, body)) if topic in ORDERS else None


def _order(order: Order) -> Telling:
    change = f"{order.financial_status}@{orders.in_utc(order.updated_at).isoformat()}"
    if order.financial_status not in PAID:
        return Telling(order.id, change)
    parts = [part for refund in order.refunds for part in _given_back(refund)]
    return Telling(order.id, change, _paid(order), (*parts, *_undone(order)))


def _undone(order: Order) -> list[GivenBack]:
    """Refunded in full, or cancelled: nothing of it is left, whether every refund was told or not."""
    if order.financial_status != "refunded" and order.cancelled_at is None:
        return []
    return [GivenBack("all", None, orders.in_utc(order.cancelled_at or order.updated_at))]


def _paid(order: Order) -> Paid:
    codes = [orders.short(one.code) for one in order.discount_codes]
    return Paid(
        buyer=Buyer(_telegram_id(order), _phone(order)),
        at=orders.in_utc(order.processed_at or order.created_at),
        amount=orders.money(order.total_price, order.currency),
        discount_minor=orders.money(order.total_discounts, order.currency).minor,
        lines=tuple(_line(item, order.currency) for item in order.line_items),
        coupon_code=next(filter(None, codes), None),
    )


def _telegram_id(order: Order) -> int | None:
    told = (orders.telegram_id(str(one.value)) for one in order.note_attributes if one.name == TELEGRAM_FIELD)
    return next(filter(None, told), None)


def _phone(order: Order) -> str:
    people = (order.customer, order.billing_address)
    return order.phone or next((one.phone for one in people if one and one.phone), "") or ""


def _line(item: Item, currency: str) -> Line:
    less = orders.money(item.total_discount, currency)
    amount = orders.times(orders.money(item.price, currency), item.quantity, less).minor
    return Line(orders.short(item.sku), orders.short(item.title), "", item.quantity, amount)


def _given_back(refund: Refunded) -> list[GivenBack]:
    """Of the attempts at it those that went through; one that only puts goods back moves no money."""
    through = [one for one in refund.transactions if one.kind == "refund" and one.status == "success"]
    amounts = [orders.money(one.amount, one.currency) for one in through]
    if not any(one.minor for one in amounts):
        return []
    return [GivenBack(refund.id, _sum(amounts), orders.in_utc(refund.created_at))]


def _sum(amounts: list[Money]) -> Money:
    if len({one.currency for one in amounts}) > 1:
        raise orders.Unreadable("a refund in two currencies")
    return orders.total(amounts, amounts[0].currency)
