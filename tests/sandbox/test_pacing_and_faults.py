"""Too fast, and unlucky."""

import asyncio
import time
from types import SimpleNamespace

import aiohttp
import pytest

from bot.sandbox import Fault, FaultKind, Sandbox, SandboxOptions
from bot.sandbox.pacing import Pacer
from bot.sandbox.refusals import Refusal
from tests.sandbox.conftest import BareBot


async def _send(bot: BareBot, chat_id: int) -> int:
    return (await bot.call("sendMessage", chat_id=chat_id, text="hello")).get("error_code", 200)


async def test_one_message_more_than_the_rate_within_a_second_is_too_many(client, monkeypatch):
    monkeypatch.setattr("bot.sandbox.bot_api.time", SimpleNamespace(monotonic=lambda: 1000.0))
    async with Sandbox(SandboxOptions(rate=8)) as sandbox:
        bot = BareBot(sandbox, client)
        people = [sandbox.add_person(name=f"Fan {number}", known=True) for number in range(11)]

        answers = await asyncio.gather(*(_send(bot, person.telegram_id) for person in people))

        assert (answers.count(200), answers.count(429)) == (8, 3)


def test_a_steady_28_a_second_is_never_too_fast_for_30_and_a_steady_31_is():
    def refusals(rate: int) -> int:
        pacer, refused = Pacer(SandboxOptions(rate=30)), 0
        for chat_id in range(600):
            try:
                pacer.admit(chat_id, chat_id / rate)
                pacer.note(chat_id, chat_id / rate)
            except Refusal:
                refused += 1
        return refused

    assert refusals(28) == 0
    assert refusals(31) > 0


async def test_a_chat_bears_a_short_burst_then_429_with_a_wait(client):
    async with Sandbox(SandboxOptions(chat_rate=0.05, chat_burst=5)) as sandbox:
        bot, fan = BareBot(sandbox, client), sandbox.add_person(name="Anna", known=True)

        answers = [await bot.call("sendMessage", chat_id=fan.telegram_id, text=str(number)) for number in range(6)]

        assert [answer["ok"] for answer in answers] == [True] * 5 + [False]
        assert 15 <= answers[-1]["parameters"]["retry_after"] <= 20
        assert answers[-1]["description"].startswith("Too Many Requests: retry after ")


async def test_a_refused_message_costs_no_allowance(client):
    async with Sandbox(SandboxOptions(chat_rate=0.05, chat_burst=5)) as sandbox:
        bot, fan = BareBot(sandbox, client), sandbox.add_person(name="Anna", known=True)

        for _ in range(10):
            assert (await bot.call("sendMessage", chat_id=fan.telegram_id, text=""))["error_code"] == 400

        assert await _send(bot, fan.telegram_id) == 200


async def test_answers_to_sends_can_be_delayed(client):
    async with Sandbox(SandboxOptions(delay=0.5)) as sandbox:
        fan, begun = sandbox.add_person(name="Anna", known=True), time.monotonic()

        await _send(BareBot(sandbox, client), fan.telegram_id)

        assert time.monotonic() - begun >= 0.5


async def test_answers_to_anything_else_are_not_delayed(client):
    async with Sandbox(SandboxOptions(delay=600)) as sandbox, asyncio.timeout(30):
        await BareBot(sandbox, client).result("getMe")


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        (FaultKind.TOO_MANY, 429, "retry after 7"),
        (FaultKind.SERVER_ERROR, 500, "Internal Server Error"),
        (FaultKind.BLOCKED, 403, "bot was blocked by the user"),
        (FaultKind.BAD_CONTENT, 400, "can't parse entities"),
        (FaultKind.BAD_GATEWAY, 502, "<html>"),
    ],
)
async def test_a_fault_strikes_the_next_send_and_nothing_is_delivered(sandbox, client, kind, code, words):
    fan = sandbox.add_person(name="Anna", known=True)
    sandbox.faults.set(Fault(kind=kind, next=1, retry_after=7))
    address = f"{sandbox.url}/bot{sandbox.token}"
    message = {"chat_id": fan.telegram_id, "text": "hello"}

    async with (
        client.post(f"{address}/getMe") as unharmed,
        client.post(f"{address}/sendMessage", json=message) as struck,
    ):
        seen = (unharmed.status, struck.status, words in await struck.text())
    async with client.post(f"{address}/sendMessage", json=message) as after:
        assert after.status == 200

    assert seen == (200, code, True)
    assert len(sandbox.sent_to(fan.telegram_id)) == 1


@pytest.mark.parametrize(("kind", "delivered"), [(FaultKind.DROP_BEFORE, 0), (FaultKind.DROP_AFTER, 1)])
async def test_a_cut_connection_tells_nothing_about_delivery(sandbox, bot, kind, delivered):
    fan = sandbox.add_person(name="Anna", known=True)
    sandbox.faults.set(Fault(kind=kind, next=1))

    with pytest.raises(aiohttp.ClientError):
        await _send(bot, fan.telegram_id)

    assert len(sandbox.sent_to(fan.telegram_id)) == delivered


async def test_a_hanging_answer_was_delivered(sandbox, bot):
    fan = sandbox.add_person(name="Anna", known=True)
    sandbox.faults.set(Fault(kind=FaultKind.HANG, next=1))

    sending = asyncio.ensure_future(_send(bot, fan.telegram_id))
    async with asyncio.timeout(30):
        while not sandbox.sent_to(fan.telegram_id):
            await asyncio.sleep(0.01)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sending, 0.2)
    assert len(sandbox.sent_to(fan.telegram_id)) == 1


async def test_a_share_of_faults_is_the_same_for_the_same_seed_in_any_order(sandbox):
    people = range(1, 401)

    def struck(order) -> set[int]:
        sandbox.faults.set(Fault(kind=FaultKind.BLOCKED, share=0.25), seed=7)
        return {chat for chat in order if sandbox.faults.strike("sendMessage", chat, sends=True)}

    forwards, backwards = struck(people), struck(reversed(people))

    assert forwards == backwards
    assert 70 < len(forwards) < 130


async def test_faults_can_be_set_from_another_process(sandbox, bot, client):
    fan = sandbox.add_person(name="Anna", known=True)
    faults = {"faults": [{"kind": "server_error", "next": 1}], "seed": 3}

    async with client.post(f"{sandbox.url}/sandbox/api/faults", json=faults) as response:
        assert response.status == 200
    async with client.post(f"{sandbox.url}/sandbox/api/faults", json={"faults": [{"kind": "earthquake"}]}) as response:
        assert response.status == 400

    assert [await _send(bot, fan.telegram_id) for _ in range(2)] == [500, 200]
