"""Telegram's list of Stars against our books: what was missed is booked once, what is odd is named."""

from datetime import datetime, timedelta
from typing import Any

from sqlmodel import select

from siyu import purchases
from siyu.app import App
from siyu.tables import Fan, Outbox, Purchase, StarCheck
from tests.clocks import FakeClock
from tests.trading import a_fan, a_product, breaches, opens, pays

Json = dict[str, Any]  # Any: as Telegram spells it


def line(fan: Fan, payload: str, amount: int, at: datetime, *, charge: str = "charge-1", back: bool = False) -> Json:
    partner = {
        "type": "user", "transaction_type": "invoice_payment", "user": {"id": fan.telegram_id},
        "invoice_payload": payload,
    }  # fmt: skip
    side = "receiver" if back else "source"
    return {"id": charge, "amount": amount, "date": int(at.timestamp()), side: partner}


async def hears(app: App, *lines: Json, offset: int = 0) -> StarCheck | None:
    async with app.database.writing() as session:
        return await purchases.reconcile_stars(
            session, {"transactions": list(lines)}, offset=offset, zone=app.settings.zone, now=app.clock()
        )


async def bought(app: App) -> list[tuple[str, int, int]]:
    async with app.database.reading() as session:
        found = await session.all(select(Purchase))
    return [(one.external_id, one.amount_minor, one.refunded_minor) for one in found]


async def test_a_payment_and_a_refund_that_were_missed_are_booked_once(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    await a_product(app, "tea", stars_price=100, stock=2)
    invoice = await opens(app, mei)
    paid = line(mei, invoice.payload, 100, app.clock())
    back = line(mei, invoice.payload, 100, app.clock(), back=True)
    clock.pass_(hours=8)

    first = await hears(app, paid)
    again = await hears(app, paid)
    second = await hears(app, back, offset=1)

    assert first is not None
    assert (first.seen, first.recorded, first.odd) == (1, 1, [])
    assert again is None
    assert second is not None
    assert second.refunded == 1
    assert await bought(app) == [("charge-1", 100, 100)]
    assert await breaches(app) == []


async def test_what_we_know_already_changes_nothing(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    await a_product(app, "tea", stars_price=100)
    invoice = await opens(app, mei)
    await pays(app, mei, invoice.payload, 100)
    paid = line(mei, invoice.payload, 100, app.clock())
    clock.pass_(hours=8)

    check = await hears(app, paid)

    assert check is not None
    assert (check.recorded, check.odd) == (0, [])
    assert await bought(app) == [("charge-1", 100, 0)]


async def test_what_another_program_once_sold_is_named_and_not_paid_back(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    paid = line(mei, "of-another-program", 100, app.clock())
    clock.pass_(hours=8)

    check = await hears(app, paid)

    async with app.database.reading() as session:
        calls = await session.all(select(Outbox))
    assert check is not None
    assert [one["why"] for one in check.odd] == ["invoice"]
    assert await bought(app) == []
    assert calls == []


async def test_what_came_this_moment_is_left_for_the_next_night(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    old = line(mei, "x", 100, app.clock() - timedelta(hours=1), charge="old")
    young = line(mei, "y", 100, app.clock(), charge="young")

    check = await hears(app, old, young)

    assert check is not None
    assert check.seen == 1


async def test_a_full_page_asks_for_the_next(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    at = app.clock() - timedelta(days=1)

    await hears(app, *(line(mei, "x", 1, at, charge=f"c{n}") for n in range(100)))

    async with app.database.reading() as session:
        (call,) = await session.all(select(Outbox))
    assert (call.method, call.payload["offset"]) == ("getStarTransactions", 100)


async def test_nonsense_is_no_answer(app: App) -> None:
    async with app.database.writing() as session:
        for nonsense in (None, [], {"transactions": "?"}, {"transactions": ["?"]}, {}):
            said = await purchases.reconcile_stars(session, nonsense, offset=0, zone=app.settings.zone, now=app.clock())
            assert said is None
