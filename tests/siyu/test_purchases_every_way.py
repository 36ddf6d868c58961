"""Whatever way a sale is told, three times and in any order, the books say the same."""

import random

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from siyu import purchases, shops
from siyu.app import App
from siyu.purchases import CounterSale
from siyu.tables import Fan, Purchase
from siyu.transfer.baskets import Basket
from siyu.transfer.facts import take_baskets, take_purchases, take_refund
from siyu.transfer.rows import PurchaseRow, RefundRow
from tests.shopping import a_shop, an_order, tells
from tests.trading import BOSS, a_fan, a_product, breaches, opens, pays

KEY = "a-form-of-its-own"


def row(app: App, fan: Fan, source: str, amount: int) -> PurchaseRow:
    told = {"source": source, "external_id": "o-1", "telegram_id": fan.telegram_id, "amount_minor": amount}
    return PurchaseRow.model_validate({**told, "currency": "CNY", "purchased_at": app.clock()})


async def in_chat(app: App, fan: Fan, payload: str) -> None:
    await pays(app, fan, payload, 100)


async def by_a_program(app: App, fan: Fan, _payload: str) -> None:
    async with app.database.writing() as session:
        await take_purchases(session, [row(app, fan, "shop", 1990)], zone=app.settings.zone, now=app.clock())


async def by_a_file(app: App, fan: Fan, _payload: str) -> None:
    basket = Basket(row(app, fan, "csv:till", 700), refunded=True)
    async with app.database.writing() as session:
        await take_baskets(session, [basket], zone=app.settings.zone, now=app.clock())


async def by_a_webhook(app: App, fan: Fan, _payload: str) -> None:
    """An order of a till, given back in part."""
    async with app.database.reading() as session:
        till = next(iter(await shops.list_shops(session)), None)
    part = {"refunds": [{"id": "r-1", "amount": "13.00"}]}
    await tells(app, till or await a_shop(app), an_order("refunded", telegram_id=fan.telegram_id, **part))


async def by_staff(app: App, fan: Fan, _payload: str) -> None:
    cake = CounterSale(name="Cake", amount_minor=1800)
    async with app.database.writing() as session:
        await purchases.sell(session, BOSS, fan, cake, key=KEY, currency="CNY", zone=app.settings.zone, now=app.clock())


async def given_back_in_part(app: App, _fan: Fan, _payload: str) -> None:
    told = {"source": "shop", "external_id": "o-1", "refund_id": "r-1", "amount_minor": 990}
    async with app.database.writing() as session:
        refund = RefundRow.model_validate({**told, "refunded_at": app.clock()})
        await take_refund(session, refund, zone=app.settings.zone, now=app.clock())


async def given_back_by_telegram(app: App, _fan: Fan, _payload: str) -> None:
    async with app.database.writing() as session:
        await purchases.note_refund_agreed(session, "charge-1", zone=app.settings.zone, now=app.clock())


WAYS = (in_chat, by_a_program, by_a_file, by_a_webhook, by_staff, given_back_in_part, given_back_by_telegram)


@pytest.mark.parametrize("seed", range(4))
async def test_every_way_thrice_in_any_order_gives_the_same_books(app: App, seed: int) -> None:
    mei = await a_fan(app)
    await a_product(app, "tea", stars_price=100, stock=5)
    invoice = await opens(app, mei)
    told = list(WAYS) * 3
    random.Random(seed).shuffle(told)

    for way in [*told, *WAYS]:  # a refund that came before its purchase comes once more
        await way(app, mei, invoice.payload)

    async with app.database.reading() as session:
        sums = (
            select(col(Purchase.source), func.sum(col(Purchase.amount_minor)), func.sum(col(Purchase.refunded_minor)))
            .group_by(col(Purchase.source))
            .order_by(col(Purchase.source))
        )
        books = [tuple(one) for one in await session.rows(sums)]
    assert books == [
        ("csv:till", 700, 700),
        ("shop", 1990, 990),
        ("shop:till", 6300, 1300),
        ("staff", 1800, 0),
        ("telegram", 100, 100),
    ]
    assert await breaches(app) == []
