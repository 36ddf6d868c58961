"""The tea house's web shop: what it told lately, and one order of somebody nobody knows."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from siyu import shops
from siyu.app import App
from siyu.demo.community import Person
from siyu.demo.history import TEA_HOUSE
from siyu.tables import Shop, ShopKind

SECRET = "the-web-shop-of-the-demo"
ORDERS = 6


async def connect(app: App, people: Sequence[Person], *, now: datetime) -> None:
    """Some fans bought there in the last days; a stranger, too."""
    async with app.database.writing() as session:
        kind, opened_at = ShopKind.WOOCOMMERCE, now - timedelta(days=20)
        shop = await shops.open_shop(
            session, TEA_HOUSE, key="web", title="茶社网店 · Web shop", kind=kind, secret=SECRET, now=opened_at
        )
    regulars = [person for person in people if person.baskets][:ORDERS]
    for n, person in enumerate(regulars):
        at = now - timedelta(days=3 * (ORDERS - n), hours=n)
        await _tell(app, shop, _order(1001 + n, at, telegram_id=person.telegram_id), now=at)
    at = now - timedelta(hours=2)
    await _tell(app, shop, _order(1001 + ORDERS, at, phone="+86 139 1234 5678"), now=at)


def _order(number: int, at: datetime, *, telegram_id: int | None = None, phone: str = "") -> dict[str, object]:
    moment, price = f"{at:%Y-%m-%dT%H:%M:%S}", f"{48 + 10 * (number % 5)}.00"
    return {
        "id": number,
        "status": "processing",
        "currency": "CNY",
        "total": price,
        "date_modified_gmt": moment,
        "date_paid_gmt": moment,
        "billing": {"phone": phone},
        "meta_data": [{"key": "telegram_id", "value": telegram_id}] if telegram_id else [],
        "line_items": [{"sku": "web-sampler", "name": "试饮盒 · Sampler", "quantity": 1, "total": price}],
    }


async def _tell(app: App, shop: Shop, order: dict[str, object], *, now: datetime) -> None:
    body = json.dumps(order).encode()
    headers = {**shops.sign_body(shop.kind, SECRET, body), "x-wc-webhook-topic": "order.updated"}
    await shops.accept(app.database, shop.key, headers, body, zone=app.settings.zone, now=now)
