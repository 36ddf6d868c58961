"""Telegram's list of Stars against our books: what was missed is booked once, what is odd is named."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from siyu import mailroom, preferences, purchases
from siyu.app import App
from siyu.tables import Fan, Outbox, Purchase, Reach, StarCheck
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


async def test_who_paid_while_we_were_away_is_thanked_once_in_their_language(app: App, clock: FakeClock) -> None:
    mei = await _a_fan_with(app, chosen_language="zh_CN")
    await a_product(app, "tea", title="乌龙 <1>", stars_price=100)
    paid = line(mei, (await opens(app, mei)).payload, 100, app.clock())
    clock.pass_(hours=8)

    await hears(app, paid)
    await hears(app, paid)
    await hears(app, paid, offset=1)

    (receipt,) = await _told(app)
    assert (receipt.person_id, receipt.not_before) == (mei.telegram_id, None)
    assert "谢谢" in receipt.payload["text"]
    assert "乌龙 &lt;1&gt; · <b>100 ⭐</b>" in receipt.payload["text"]


async def test_a_receipt_waits_for_the_morning_and_holds_up_nothing_else(app: App, clock: FakeClock) -> None:
    mei = await _a_fan_with(app, quiet_from=22 * 60, quiet_to=7 * 60 + 30)
    await a_product(app, "tea", stars_price=100)
    paid = line(mei, (await opens(app, mei)).payload, 100, app.clock())
    clock.now = datetime(2026, 3, 4, 20, 45, 30, tzinfo=UTC)  # a quarter to five in Shanghai

    await hears(app, paid)
    async with app.database.writing() as session:
        await mailroom.send(session, "sendMessage", {"text": "hi"}, person_id=mei.telegram_id, now=app.clock())
        at_night = await mailroom.take_errands(session, "courier", [0, 1, 2], limit=9, now=app.clock())
        clock.now = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)
        in_the_morning = await mailroom.take_errands(session, "courier", [0, 1, 2], limit=9, now=app.clock())

    assert [errand.payload["text"] for errand in at_night] == ["hi"]
    assert ["Thank you" in errand.payload["text"] for errand in in_the_morning] == [True]


async def test_nobody_is_thanked_for_what_went_back_or_where_nobody_can_be_reached(app: App, clock: FakeClock) -> None:
    mei, bo = await a_fan(app), await _a_fan_with(app, reach=Reach.BLOCKED)
    await a_product(app, "tea", stars_price=100)
    one, other = await opens(app, mei), await opens(app, bo)
    lines = [
        line(mei, one.payload, 100, app.clock()),
        line(mei, one.payload, 100, app.clock(), back=True),
        line(bo, other.payload, 100, app.clock(), charge="charge-2"),
    ]
    clock.pass_(hours=8)

    check = await hears(app, *lines)

    assert check is not None
    assert (check.recorded, check.refunded) == (2, 1)
    assert await _told(app) == []


@pytest.mark.parametrize(
    ("zone", "now", "morning"),
    [
        (None, datetime(2026, 3, 4, 16, 0, tzinfo=UTC), datetime(2026, 3, 4, 23, 0, tzinfo=UTC)),
        (None, datetime(2026, 3, 4, 22, 59, 59, tzinfo=UTC), datetime(2026, 3, 4, 23, 0, tzinfo=UTC)),
        (None, datetime(2026, 3, 4, 23, 0, tzinfo=UTC), None),
        # Chosen long ago, and no zone any more: the house's clock, rather than no reminder for anybody.
        ("Mars/Base", datetime(2026, 3, 4, 16, 0, tzinfo=UTC), datetime(2026, 3, 4, 23, 0, tzinfo=UTC)),
        # The night of 23 hours, in which Berlin puts its clocks forward.
        ("Europe/Berlin", datetime(2026, 3, 28, 22, 0, tzinfo=UTC), datetime(2026, 3, 29, 5, 0, tzinfo=UTC)),
    ],
)
def test_the_night_is_over_by_the_fans_own_clock(zone: str | None, now: datetime, morning: datetime | None) -> None:
    sleeper = Fan(telegram_id=1, name="Mei", zone=zone, quiet_from=22 * 60, quiet_to=7 * 60)

    until = preferences.quiet_until(sleeper, preferences.Preferences(), house=ZoneInfo("Asia/Shanghai"), now=now)

    assert until == morning


async def _a_fan_with(app: App, **columns: object) -> Fan:
    mei = await a_fan(app)
    async with app.database.writing() as session:
        await session.run(update(Fan).where(col(Fan.id) == mei.id).values(**columns))
    return mei


async def _told(app: App) -> list[Outbox]:
    async with app.database.reading() as session:
        return list(await session.all(select(Outbox).where(col(Outbox.method) == "sendMessage")))
