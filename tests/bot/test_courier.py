"""Calls on their way out: each once, each outcome written down, and a busy Telegram waited for."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlmodel import select

from bot.courier import Courier
from bot.messenger import Messenger
from bot.sandbox import Sandbox, SandboxOptions
from bot.sandbox.faults import Fault, FaultKind
from siyu import mailroom
from siyu.app import App, open_app
from siyu.kit.errors import SiyuError
from siyu.mailroom import ANSWER, NOTICE, REPLY
from siyu.settings import Settings
from siyu.tables import Fan, Lease, Outbox, OutboxState, Reach
from tests.bot.running import until
from tests.people import given_fan

OPEN = (OutboxState.WAITING, OutboxState.SENDING)


async def queue(app: App, person: int, text: str, *, lane: int = REPLY, method: str = "sendMessage") -> None:
    async with app.database.writing() as session:
        payload = {"chat_id": person, "text": text}
        await mailroom.send(session, method, payload, person_id=person, lane=lane, now=app.clock())
    app.bells.outbox.set()


async def rows(app: App) -> list[Outbox]:
    async with app.database.reading() as session:
        return list(await session.all(select(Outbox).order_by(Outbox.id)))


async def is_empty(app: App) -> bool:
    return all(row.state not in OPEN for row in await rows(app))


@asynccontextmanager
async def carrying(app: App) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    async with Messenger(app.settings) as messenger, asyncio.TaskGroup() as group:
        group.create_task(Courier(app, messenger).run(stop))
        try:
            yield stop
        finally:
            stop.set()


async def carry_all(app: App, *, within: float = 60) -> list[Outbox]:
    async with carrying(app):
        await until(lambda: is_empty(app), within=within)
    return await rows(app)


async def reach_of(app: App, telegram_id: int) -> Reach:
    async with app.database.reading() as session:
        return await session.one(select(Fan.reach).where(Fan.telegram_id == telegram_id))


async def test_everybody_gets_theirs_in_order_and_the_numbers_are_kept(house: App, sandbox: Sandbox) -> None:
    people = [sandbox.add_person(name=f"Fan {n}", known=True) for n in range(20)]
    for n in range(5):
        for somebody in people:
            await queue(house, somebody.telegram_id, f"message {n}")

    done = await carry_all(house)

    for somebody in people:
        assert [m.text for m in sandbox.sent_to(somebody.telegram_id)] == [f"message {n}" for n in range(5)]
    assert {row.state for row in done} == {OutboxState.SENT}
    assert all(row.message_id and row.finished_at for row in done)


async def test_who_has_blocked_us_is_known_from_the_refusal(house: App, sandbox: Sandbox) -> None:
    mei = sandbox.add_person(name="Mei", known=True)
    await given_fan(house, mei.telegram_id)
    mei.blocked = True
    await queue(house, mei.telegram_id, "hello")

    (row,) = await carry_all(house)

    assert (row.state, row.error) == (OutboxState.FAILED, "blocked")
    assert await reach_of(house, mei.telegram_id) is Reach.BLOCKED


async def test_who_has_left_telegram_is_gone(house: App, sandbox: Sandbox) -> None:
    mei = sandbox.add_person(name="Mei", known=True)
    await given_fan(house, mei.telegram_id)
    mei.deletes_account()
    await queue(house, mei.telegram_id, "hello")

    await carry_all(house)

    assert await reach_of(house, mei.telegram_id) is Reach.GONE


async def test_a_429_costs_nobody_an_attempt_and_everybody_waits(house: App, sandbox: Sandbox) -> None:
    people = [sandbox.add_person(name=f"Fan {n}", known=True) for n in range(5)]
    sandbox.faults.set(Fault(kind=FaultKind.TOO_MANY, next=1, retry_after=2))
    await queue(house, people[0].telegram_id, "first")
    began = time.monotonic()

    async with carrying(house):
        await until(lambda: sandbox.calls.by_code[429] == 1)
        for somebody in people[1:]:
            await queue(house, somebody.telegram_id, "next")
        await until(lambda: is_empty(house))

    assert time.monotonic() - began >= 2
    assert [call.code for call in sandbox.calls.find("sendMessage")] == [429, 200, 200, 200, 200, 200]
    assert {(row.state, row.attempts) for row in await rows(house)} == {(OutboxState.SENT, 0)}


@pytest.mark.parametrize("kind", [FaultKind.DROP_AFTER, FaultKind.BAD_GATEWAY, FaultKind.SERVER_ERROR])
async def test_a_message_that_may_have_arrived_is_unknown_and_not_repeated(
    house: App, sandbox: Sandbox, kind: FaultKind
) -> None:
    mei = sandbox.add_person(name="Mei", known=True)
    sandbox.faults.set(Fault(kind=kind, next=1))
    await queue(house, mei.telegram_id, "one")
    await queue(house, mei.telegram_id, "two")

    done = await carry_all(house)

    assert [row.state for row in done] == [OutboxState.UNKNOWN, OutboxState.SENT]
    assert sum(message.text == "one" for message in sandbox.sent_to(mei.telegram_id)) <= 1


async def test_an_answer_whose_line_broke_is_given_again(house: App, sandbox: Sandbox) -> None:
    mei = sandbox.add_person(name="Mei", known=True)
    sandbox.faults.set(Fault(kind=FaultKind.DROP_BEFORE, next=1, methods=("answerCallbackQuery",)))
    key = mei.presses_data("x")
    async with house.database.writing() as session:
        await mailroom.send(session, "answerCallbackQuery", {"callback_query_id": key}, lane=ANSWER, now=house.clock())

    (row,) = await carry_all(house)

    assert (row.state, row.attempts) == (OutboxState.SENT, 1)
    assert mei.toast is not None


async def test_our_own_mistake_is_written_down_and_nobody_else_waits_for_it(house: App, sandbox: Sandbox) -> None:
    mei = sandbox.add_person(name="Mei", known=True)
    await queue(house, mei.telegram_id, "x" * 5000)
    await queue(house, mei.telegram_id, "short")

    long, short = await carry_all(house)

    assert long.state is OutboxState.FAILED
    assert "too long" in (long.error or "")
    assert short.state is OutboxState.SENT


async def test_while_telegram_is_away_nothing_is_lost_and_no_attempt_is_spent(database_url: str) -> None:
    options = SandboxOptions(rate=None)
    async with Sandbox(options) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
    app = open_app(
        Settings(database_url=database_url, bot_token="42:SANDBOX", telegram_api_url=f"http://127.0.0.1:{port}")
    )
    async with carrying(app):
        await queue(app, 700_000_001, "hello")
        await asyncio.sleep(1)
        async with Sandbox(SandboxOptions(rate=None, port=port)) as sandbox:
            mei = sandbox.add_person(name="Mei", known=True)
            await until(lambda: is_empty(app), within=60)
            assert [message.text for message in sandbox.sent_to(mei.telegram_id)] == ["hello"]
    assert [(row.state, row.attempts) for row in await rows(app)] == [(OutboxState.SENT, 0)]
    await app.close()


async def test_the_rate_is_kept_and_an_answer_does_not_stand_in_its_queue(database_url: str, sandbox: Sandbox) -> None:
    app = open_app(
        Settings(database_url=database_url, bot_token=sandbox.token, telegram_api_url=sandbox.url, send_rate=5)
    )
    mei = sandbox.add_person(name="Mei", known=True)
    for n in range(15):
        await queue(app, sandbox.add_person(name=f"Fan {n}", known=True).telegram_id, "slow")
    key = mei.presses_data("x")
    async with app.database.writing() as session:
        await mailroom.send(session, "answerCallbackQuery", {"callback_query_id": key}, lane=ANSWER, now=app.clock())

    await carry_all(app)

    sends = [call.at for call in sandbox.calls.find("sendMessage")]
    (answer,) = sandbox.calls.find("answerCallbackQuery")
    assert answer.at < sends[10]
    assert sends[-1] - sends[0] >= 14 / 5 * 0.7
    await app.close()


async def test_a_revoked_token_stops_the_courier_and_keeps_the_message(house: App, sandbox: Sandbox) -> None:
    settings = house.settings.model_copy(update={"bot_token": Settings(bot_token="42:REVOKED").bot_token})
    revoked = App(settings=settings, database=house.database)
    await queue(revoked, 1, "hello")

    with pytest.raises(BaseExceptionGroup) as raised:
        async with carrying(revoked):
            await asyncio.sleep(60)

    assert raised.group_contains(SiyuError, match="token")


async def test_stopping_finishes_the_calls_under_way_and_leaves_the_rest(database_url: str) -> None:
    async with Sandbox(SandboxOptions(rate=None, delay=0.3)) as sandbox:
        app = open_app(
            Settings(database_url=database_url, bot_token=sandbox.token, telegram_api_url=sandbox.url, send_rate=20)
        )
        for n in range(40):
            await queue(app, sandbox.add_person(name=f"Fan {n}", known=True).telegram_id, "hello", lane=NOTICE)

        async with carrying(app) as stop:
            await until(lambda: len(sandbox.calls) >= 3)
            stop.set()

        found = await rows(app)
        sent = [row for row in found if row.state is OutboxState.SENT]
        assert {row.state for row in found} == {OutboxState.SENT, OutboxState.WAITING}
        assert len(sent) == len(sandbox.calls.find("sendMessage"))
        async with app.database.reading() as session:
            assert await session.all(select(Lease)) == []
        await app.close()
