"""Whatever way a sale is told, three times and in any order, the books say the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func
from sqlmodel import col, select

from siyu import purchases, shops
from siyu.app import App, open_app
from siyu.purchases import CounterSale
from siyu.settings import Settings
from siyu.tables import Fan, Purchase
from siyu.transfer.baskets import Basket
from siyu.transfer.facts import take_baskets, take_purchases, take_refund
from siyu.transfer.rows import PurchaseRow, RefundRow
from tests import servers
from tests.clocks import FakeClock
from tests.conftest import DATABASES
from tests.effort import examples
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


async def by_staff_whose_form_has_no_key(app: App, fan: Fan, _payload: str) -> None:
    """Wrong: whoever presses twice sells twice."""
    cake = CounterSale(name="Cake", amount_minor=1800)
    async with app.database.writing() as session:
        key, zone = token_hex(8), app.settings.zone
        await purchases.sell(session, BOSS, fan, cake, key=key, currency="CNY", zone=zone, now=app.clock())


async def given_back_whenever_told(app: App, _fan: Fan, _payload: str) -> None:
    """Wrong: each telling is a refund of its own."""
    told = {"source": "shop", "external_id": "o-1", "refund_id": token_hex(8), "amount_minor": 990}
    async with app.database.writing() as session:
        refund = RefundRow.model_validate({**told, "refunded_at": app.clock()})
        await take_refund(session, refund, zone=app.settings.zone, now=app.clock())


Way = Callable[[App, Fan, str], Awaitable[None]]
WAYS: tuple[Way, ...] = (
    in_chat,
    by_a_program,
    by_a_file,
    by_a_webhook,
    by_staff,
    given_back_in_part,
    given_back_by_telegram,
)
BOOKS = [
    ("csv:till", 700, 700),
    ("shop", 1990, 990),
    ("shop:till", 6300, 1300),
    ("staff", 1800, 0),
    ("telegram", 100, 100),
]
WRONG: dict[Way, Way] = {by_staff: by_staff_whose_form_has_no_key, given_back_in_part: given_back_whenever_told}
ORDERS = settings(
    max_examples=examples(6),
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("kind", DATABASES)
def test_every_way_thrice_in_any_order_gives_the_same_books(kind: str) -> None:
    say_the_same_in_any_order(kind, WAYS)


@pytest.mark.parametrize("way", WRONG, ids=lambda way: way.__name__)
def test_a_way_that_counts_twice_is_found(way: Way) -> None:
    ways = [WRONG[one] if one is way else one for one in WAYS]

    with pytest.raises(AssertionError):
        say_the_same_in_any_order(DATABASES[0], ways)


def say_the_same_in_any_order(kind: str, ways: Sequence[Way]) -> None:
    @ORDERS
    @given(told=st.permutations([*ways] * 3))
    def say(told: list[Way]) -> None:
        # A refund that came before its purchase comes once more.
        asyncio.run(_must_say_the_same(kind, [*told, *ways]))

    say()


async def _must_say_the_same(kind: str, told: Sequence[Way]) -> None:
    async with _a_house(kind) as app:
        mei = await a_fan(app)
        await a_product(app, "tea", stars_price=100, stock=5)
        invoice = await opens(app, mei)

        for way in told:
            await way(app, mei, invoice.payload)

        assert await _sums(app) == BOOKS
        assert await breaches(app) == []


async def _sums(app: App) -> list[tuple[str, int, int]]:
    """Of each source, what was paid and what of it went back."""
    paid, back = func.sum(col(Purchase.amount_minor)), func.sum(col(Purchase.refunded_minor))
    by_source = select(col(Purchase.source), paid, back).group_by(col(Purchase.source))
    async with app.database.reading() as session:
        found = await session.rows(by_source.order_by(col(Purchase.source)))
    return [(source, int(one), int(other)) for source, one, other in found]


@asynccontextmanager
async def _a_house(kind: str) -> AsyncIterator[App]:
    if kind == "postgresql":
        async with servers.postgres_app(FakeClock()) as (_, app):
            yield app
        return
    with TemporaryDirectory(prefix="siyu-ways-") as folder:
        app = open_app(Settings(database_url=servers.fresh_sqlite(Path(folder))), clock=FakeClock())
        try:
            yield app
        finally:
            await app.close()
