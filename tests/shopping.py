"""Shops of every kind, and what they tell: real-shaped payloads, signed as each of them signs."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, select

from siyu import shops
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.shops import Door
from siyu.tables import EventState, InboundEvent, Purchase, Shop, ShopKind

SECRET = "a-secret-of-the-shop"
PAID = datetime(2026, 2, 1, 4, 0, tzinfo=UTC)


async def a_shop(app: App, kind: ShopKind = ShopKind.STANDARD, key: str = "till") -> Shop:
    async with app.database.writing() as session:
        return await shops.open_shop(
            session, COMMAND_LINE, key=key, title="The till", kind=kind, secret=SECRET, now=app.clock()
        )


def an_order(status: str = "paid", *, at: str = "2026-02-01T04:00:05Z", **changes: Any) -> dict[str, Any]:
    """In our own words."""
    data = {
        "order_id": "1001",
        "telegram_id": 7001,
        "currency": "CNY",
        "total": "63.00",
        "discount": "5.00",
        "paid_at": "2026-02-01T12:00:00+08:00",
        "lines": [{"sku": "tea", "name": "Spring tea", "quantity": 2, "total": "63.00"}],
    }
    return {"type": f"order.{status}", "timestamp": at, "data": {**data, **changes}}


def a_woo_order(status: str = "processing", **changes: Any) -> dict[str, Any]:
    """As WooCommerce's REST API v3 writes one, shortened."""
    order = {
        "id": 727,
        "parent_id": 0,
        "status": status,
        "currency": "USD",
        "date_created_gmt": "2026-02-01T03:58:00",
        "date_modified_gmt": "2026-02-01T04:01:00",
        "date_paid_gmt": "2026-02-01T04:00:00",
        "discount_total": "10.00",
        "total": "29.35",
        "billing": {"first_name": "Mei", "phone": "+86 138-0013-8000", "email": "mei@example.com"},
        "meta_data": [{"id": 13106, "key": "_tree", "value": {"deep": [1]}}],
        "line_items": [
            {"id": 315, "name": "Woo tea", "sku": "woo-tea", "quantity": 2, "total": "29.35", "price": 14.67}
        ],
        "refunds": [],
        "coupon_lines": [{"id": 1, "code": "spring"}],
    }
    return {**order, **changes}


def a_shopify_order(status: str = "paid", **changes: Any) -> dict[str, Any]:
    """As Shopify's webhooks write one, shortened."""
    order = {
        "id": 820982911946154508,
        "financial_status": status,
        "currency": "USD",
        "total_price": "54.00",
        "total_discounts": "6.00",
        "created_at": "2026-02-01T03:58:00-05:00",
        "processed_at": "2026-02-01T04:00:00-05:00",
        "updated_at": "2026-02-01T04:01:00-05:00",
        "cancelled_at": None,
        "phone": None,
        "customer": {"id": 1, "phone": "13800138000"},
        "note_attributes": [],
        "line_items": [{"sku": "cup", "title": "Cup", "quantity": 3, "price": "20.00", "total_discount": "6.00"}],
        "refunds": [],
        "discount_codes": [],
    }
    return {**order, **changes}


def a_shopify_refund(amount: str, refund_id: int = 509562969) -> dict[str, Any]:
    """As `refunds/create` writes one: an attempt that failed, and the one that went through."""
    attempt = {"kind": "refund", "currency": "USD", "amount": amount}
    return {
        "id": refund_id,
        "order_id": 820982911946154508,
        "created_at": "2026-02-03T09:00:00-05:00",
        "transactions": [{**attempt, "status": "failure"}, {**attempt, "status": "success"}],
    }


async def tells(
    app: App, shop: Shop, told: dict[str, Any] | bytes, topic: str = "", *, delivery: str = "msg_1"
) -> Door:
    """A webhook of the shop, signed as its kind signs."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    headers = signed(app, shop, body, topic, delivery=delivery)
    return await shops.accept(app.database, shop.key, headers, body, zone=app.settings.zone, now=app.clock())


def signed(app: App, shop: Shop, body: bytes, topic: str = "", *, delivery: str = "msg_1") -> dict[str, str]:
    match shop.kind:
        case ShopKind.STANDARD:
            return dict(shops.sign_standard(shop.secret, delivery, app.clock(), body))
        case ShopKind.WOOCOMMERCE:
            more = {"x-wc-webhook-topic": topic or "order.updated", "x-wc-webhook-delivery-id": delivery}
        case ShopKind.SHOPIFY:
            more = {"x-shopify-topic": topic or "orders/updated", "x-shopify-webhook-id": delivery}
    return {**shops.sign_body(shop.kind, shop.secret, body), **more}


async def events(app: App) -> list[tuple[str, str]]:
    """State and reason of everything that was told, the oldest first."""
    async with app.database.reading() as session:
        found = await session.all(select(InboundEvent).order_by(col(InboundEvent.id)))
    return [(event.state.value, event.reason) for event in found]


async def the_event(app: App) -> InboundEvent:
    async with app.database.reading() as session:
        found = await session.all(select(InboundEvent))
    (only,) = found
    return only


async def booked(app: App) -> list[tuple[str, str, int, int, str]]:
    """Source, id, paid, given back and currency of every purchase."""
    async with app.database.reading() as session:
        found = await session.all(select(Purchase).order_by(col(Purchase.source), col(Purchase.external_id)))
    return [(one.source, one.external_id, one.amount_minor, one.refunded_minor, one.currency) for one in found]


OPEN = {EventState.QUARANTINED.value, EventState.WAITING.value, EventState.RECEIVED.value}
