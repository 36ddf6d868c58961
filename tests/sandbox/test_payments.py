"""Paying with pretend Stars."""

import asyncio
from dataclasses import replace

import pytest

from bot.sandbox import PaymentOutcome

_TEA = {
    "title": "Spring tea",
    "description": "A box of it",
    "payload": "tea:1",
    "currency": "XTR",
    "prices": [{"label": "Tea", "amount": 250}],
}


@pytest.fixture
async def fan(sandbox, bot):
    person = sandbox.add_person(name="小雨", known=True)
    await bot.result("sendInvoice", chat_id=person.telegram_id, **_TEA)
    return person


async def _answer_checkout(bot, **answer: object) -> dict:
    (asked,) = await bot.updates(wait=20)
    query = asked["pre_checkout_query"]
    await bot.result("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], **answer)
    await bot.updates(offset=asked["update_id"] + 1)
    return query


async def test_stars_move_when_the_bot_agrees(sandbox, bot, fan):
    before = fan.stars

    payment, query = await asyncio.gather(fan.pays(), _answer_checkout(bot, ok=True))

    (paid,) = await bot.updates(wait=20)
    success = paid["message"]["successful_payment"]
    assert payment.outcome is PaymentOutcome.PAID
    assert (query["invoice_payload"], query["total_amount"]) == ("tea:1", 250)
    assert success["telegram_payment_charge_id"] == payment.charge_id
    assert success["invoice_payload"] == "tea:1"
    assert (before - fan.stars, sandbox.world.till.balance) == (250, 250)


async def test_nothing_moves_when_the_bot_declines(bot, fan):
    before = fan.stars

    payment, _ = await asyncio.gather(fan.pays(), _answer_checkout(bot, ok=False, error_message="Sold out"))

    assert (payment.outcome, payment.error) == (PaymentOutcome.REFUSED, "Sold out")
    assert fan.stars == before


async def test_a_bot_that_says_nothing_in_time_gets_no_money(sandbox, bot, fan, monkeypatch):
    monkeypatch.setattr(sandbox.world, "options", replace(sandbox.world.options, checkout_patience=0.2))
    payment = await fan.pays()

    (asked,) = await bot.updates()
    late = await bot.refusal("answerPreCheckoutQuery", pre_checkout_query_id=asked["pre_checkout_query"]["id"], ok=True)
    assert payment.outcome is PaymentOutcome.TIMED_OUT
    assert late == "400 Bad Request: query is too old and response timeout expired or query ID is invalid"
    assert sandbox.world.till.balance == 0


async def test_nobody_pays_what_they_do_not_have(bot, fan):
    fan.stars = 249

    payment = await fan.pays()

    assert payment.outcome is PaymentOutcome.TOO_POOR
    assert await bot.updates() == []


async def test_a_refund_comes_once_and_is_told(bot, fan):
    before = fan.stars
    payment, _ = await asyncio.gather(fan.pays(), _answer_checkout(bot, ok=True))
    charge = {"user_id": fan.telegram_id, "telegram_payment_charge_id": payment.charge_id}

    await bot.result("refundStarPayment", **charge)
    again = await bot.refusal("refundStarPayment", **charge)
    unknown = await bot.refusal("refundStarPayment", user_id=fan.telegram_id, telegram_payment_charge_id="x")

    told = (await bot.updates())[-1]["message"]["refunded_payment"]
    entries = (await bot.result("getStarTransactions"))["transactions"]
    assert told["telegram_payment_charge_id"] == payment.charge_id
    assert again == "400 Bad Request: CHARGE_ALREADY_REFUNDED"
    assert unknown == "400 Bad Request: CHARGE_NOT_FOUND"
    assert fan.stars == before
    assert [("source" in entry, "receiver" in entry) for entry in entries] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"title": ""}, "INVOICE_TITLE_INVALID"),
        ({"title": "x" * 33}, "INVOICE_TITLE_INVALID"),
        ({"description": "x" * 256}, "INVOICE_DESCRIPTION_INVALID"),
        ({"payload": "é" * 65}, "INVOICE_PAYLOAD_INVALID"),
        ({"provider_token": "42:TEST"}, "PAYMENT_PROVIDER_INVALID"),
        ({"prices": _TEA["prices"] * 2}, "STARS_INVOICE_INVALID"),
        ({"prices": [{"label": "Tea", "amount": 0}]}, "STARS_INVOICE_INVALID"),
        ({"currency": "CNY"}, "PAYMENT_PROVIDER_INVALID"),
    ],
)
async def test_an_invoice_telegram_would_not_take(sandbox, bot, change, why):
    fan = sandbox.add_person(name="Anna", known=True)

    refused = await bot.refusal("sendInvoice", chat_id=fan.telegram_id, **(_TEA | change))

    assert refused == f"400 Bad Request: {why}"


async def test_an_invoice_cannot_be_copied(sandbox, bot, fan):
    source = {"from_chat_id": fan.telegram_id, "message_id": fan.last.message_id}

    assert (
        await bot.refusal("copyMessage", chat_id=fan.telegram_id, **source)
        == "400 Bad Request: message can't be copied"
    )
