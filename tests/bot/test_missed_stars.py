"""A payment and a refund of which we never heard: the nightly look at Telegram's list books both, once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from bot.sandbox import Sandbox
from bot.sandbox.payments import Charge
from bot.sandbox.people import Person
from siyu import jobs
from siyu.app import App, open_app
from siyu.settings import Settings
from siyu.tables import Outbox, OutboxState, Purchase, StarCheck
from tests.bot.running import running, until
from tests.trading import a_fan, a_product, breaches, opens


@pytest.fixture
async def house(database_url: str, sandbox: Sandbox) -> AsyncIterator[App]:
    """An hour later than its Telegram: what happened there just now is old enough to be looked at."""
    settings = Settings(database_url=database_url, bot_token=sandbox.token, telegram_api_url=sandbox.url, send_rate=500)
    app = open_app(settings, clock=lambda: datetime.now(UTC) + timedelta(hours=1))
    yield app
    await app.close()


async def test_what_was_missed_is_booked_once_and_who_paid_is_thanked(house: App, sandbox: Sandbox) -> None:
    await a_product(house, "tea", stars_price=100, stock=5)
    mei, bo = sandbox.add_person(name="Mei", known=True), sandbox.add_person(name="Bo", known=True)
    await pays_while_we_are_away(house, sandbox, mei, "charge-mei")
    await pays_while_we_are_away(house, sandbox, bo, "charge-bo")
    sandbox.world.till.refund(bo, "charge-bo")

    async with running(house):
        for night in (1, 2):
            await jobs.run_job(house, "stars")
            await until(lambda night=night: _answered(house, night))
        await mei.hears("reached us late", within=20)

    assert await _booked(house) == [("charge-bo", 100, 100), ("charge-mei", 100, 0)]
    assert await _checked(house) == [(3, 2, 1, [])]
    assert [len(sandbox.sent_to(one.telegram_id)) for one in (mei, bo)] == [1, 0]
    assert await breaches(house) == []


async def pays_while_we_are_away(house: App, sandbox: Sandbox, person: Person, charge_id: str) -> None:
    """The money moves, and the update that told of it is lost."""
    fan = await a_fan(house, person.name, telegram_id=person.telegram_id)
    invoice = await opens(house, fan)
    sandbox.world.till.collect(Charge(charge_id, person, "XTR", 100, invoice.payload))


async def _answered(house: App, times: int) -> bool:
    done = col(Outbox.method) == "getStarTransactions", col(Outbox.state) == OutboxState.SENT
    async with house.database.reading() as session:
        return await session.one(select(func.count()).select_from(Outbox).where(*done)) == times


async def _booked(house: App) -> list[tuple[str, int, int]]:
    async with house.database.reading() as session:
        found = await session.all(select(Purchase).order_by(col(Purchase.external_id)))
    return [(one.external_id, one.amount_minor, one.refunded_minor) for one in found]


async def _checked(house: App) -> list[tuple[int, int, int, list[object]]]:
    async with house.database.reading() as session:
        found = await session.all(select(StarCheck))
    return [(one.seen, one.recorded, one.refunded, one.odd) for one in found]
