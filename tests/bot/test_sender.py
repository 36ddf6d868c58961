"""The sender's promises, held against a pretend Telegram that answers as each test says."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from bot.sender import LEAST_IN_FLIGHT, Sender
from siyu import broadcasts, fans
from siyu.app import App
from siyu.outcomes import (
    Blocked,
    Gone,
    Migrated,
    NotSent,
    Rejected,
    Sent,
    ServerError,
    SlowDown,
    Unauthorized,
    Unknown,
    Unreachable,
)
from siyu.pace import Pace
from siyu.tables import Reach
from tests.broadcasting import MEI, FakeTelegram, counted, given_fans, row_of, started, state_of, until


@asynccontextmanager
async def sending(
    app: App, telegram: FakeTelegram, *, rate: float = 500, pace: Pace | None = None
) -> AsyncIterator[None]:
    """A sender at work; stopped as an operator would stop it."""
    stop = asyncio.Event()
    app = replace(app, settings=app.settings.model_copy(update={"send_rate": rate}))
    async with asyncio.TaskGroup() as group:
        group.create_task(Sender(app, telegram, pace or app.pace).run(stop))
        try:
            yield
        finally:
            stop.set()


async def _finished(app: App, broadcast_id: int) -> bool:
    return await state_of(app, broadcast_id) == "finished"


async def test_everybody_in_the_audience_gets_the_message_exactly_once(app):
    community = await given_fans(app, 60)
    telegram = FakeTelegram(delay=0.005)
    broadcast_id = await started(app)

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    assert telegram.calls_per_fan() == {fan.telegram_id: 1 for fan in community}
    assert await counted(app, broadcast_id) == {"sent": 60}


async def test_a_message_carries_the_text_and_the_way_out_in_the_fans_language(app):
    await given_fans(app, 2)
    telegram = FakeTelegram()
    broadcast_id = await started(app, text="Hello <b>you</b>", buttons=[[{"text": "Look", "action": "shop"}]])

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    method, payload = telegram.calls[0]
    assert (method, payload["text"], payload["parse_mode"]) == ("sendMessage", "Hello <b>you</b>", "HTML")
    assert payload["reply_markup"]["inline_keyboard"] == [
        [{"text": "Look", "callback_data": f"b:{broadcast_id}:shop"}],
        [{"text": "🔕 No more of these", "callback_data": f"b:{broadcast_id}:mute"}],
    ]


async def test_at_most_sixteen_are_in_flight_however_slow_telegram_answers(app):
    await given_fans(app, 40)
    telegram = FakeTelegram()
    telegram.answers.clear()
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=30):
        await until(lambda: telegram.in_flight == LEAST_IN_FLIGHT)
        await asyncio.sleep(0.3)
        in_flight = telegram.in_flight
        in_hand = (await counted(app, broadcast_id))["sending"]
        telegram.answers.set()
        await until(lambda: _finished(app, broadcast_id))

    assert (in_flight, in_hand) == (LEAST_IN_FLIGHT, LEAST_IN_FLIGHT)


async def test_a_broadcast_started_while_the_sender_is_idle_begins_within_a_second(app):
    await given_fans(app, 1)
    telegram = FakeTelegram()

    async with sending(app, telegram):
        await asyncio.sleep(0.1)
        await started(app)
        await until(lambda: telegram.calls, seconds=1)

    assert len(telegram.calls) == 1


async def test_a_pause_acts_within_a_second_and_a_resume_goes_on_where_it_stopped(app):
    community = await given_fans(app, 60)
    telegram = FakeTelegram(delay=0.02)
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=60):
        await until(lambda: len(telegram.calls) > 5)
        async with app.database.writing() as session:
            await broadcasts.pause(session, broadcast_id, actor=MEI, now=app.clock())
        paused_at = len(telegram.calls)
        await asyncio.sleep(1)
        while_paused = len(telegram.calls) - paused_at
        async with app.database.writing() as session:
            await broadcasts.resume(session, broadcast_id, actor=MEI, now=app.clock())
        await until(lambda: _finished(app, broadcast_id))

    assert while_paused <= 3  # whose claim was under way when the pause was committed
    assert telegram.calls_per_fan() == {fan.telegram_id: 1 for fan in community}


async def test_a_cancelled_broadcast_leaves_nobody_waiting_or_in_flight(app):
    await given_fans(app, 60)
    telegram = FakeTelegram(delay=0.05)
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=60):
        await until(lambda: len(telegram.calls) > 5)
        async with app.database.writing() as session:
            await broadcasts.cancel(session, broadcast_id, actor=MEI, now=app.clock())
        await until(lambda: telegram.in_flight == 0)

    counts = await counted(app, broadcast_id)
    assert counts["sent"] == len(telegram.calls)
    assert counts == {"sent": len(telegram.calls), "skipped": 60 - len(telegram.calls)}


async def test_two_broadcasts_take_turns(app):
    await given_fans(app, 40)
    await given_fans(app, 40, segment="loyalty.loyal", first=9000)
    telegram = FakeTelegram(delay=0.01)
    await started(app)
    later = await started(app, segment="loyalty.loyal")

    async with sending(app, telegram, rate=100):
        await until(lambda: _finished(app, later))

    first_forty = telegram.receivers[:40]
    assert 15 <= sum(receiver >= 9000 for receiver in first_forty) <= 25


async def test_a_slower_pace_of_its_own_does_not_hold_up_the_other_broadcast(app):
    await given_fans(app, 30)
    await given_fans(app, 30, segment="loyalty.loyal", first=9000)
    telegram = FakeTelegram()
    slow = await started(app, rate=2)
    quick = await started(app, segment="loyalty.loyal")

    async with sending(app, telegram, rate=200):
        began = time.monotonic()
        await until(lambda: _finished(app, quick))
        took = time.monotonic() - began
        reached = (await counted(app, slow))["sent"]

    assert 1 <= reached <= 2 * took + 2
    assert reached < 30


async def test_a_storm_of_429_pauses_everybody_and_costs_nobody_an_attempt(app):
    community = await given_fans(app, 30)
    telegram = FakeTelegram()
    telegram.will_say([fan.telegram_id for fan in community[5:12]], SlowDown(0.2))
    broadcast_id = await started(app)

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    assert await counted(app, broadcast_id) == {"sent": 30}
    assert {(await row_of(app, broadcast_id, fan)).attempts for fan in community} == {1}


async def test_nothing_leaves_while_a_429_holds(app):
    community = await given_fans(app, 20)
    telegram = FakeTelegram()
    telegram.will_say([community[0].telegram_id], SlowDown(1))
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=20):
        await until(lambda: telegram.calls)
        await asyncio.sleep(0.2)
        before = len(telegram.calls)
        await asyncio.sleep(0.5)
        during = len(telegram.calls) - before
        await until(lambda: _finished(app, broadcast_id))

    assert during == 0


async def test_each_answer_is_written_as_what_it_means(app):
    community = await given_fans(app, 9)
    telegram = FakeTelegram()
    answers = [
        Blocked(), Gone(), Unreachable(), Rejected("message is too long"), Unknown("TimeoutError"),
        ServerError("Internal Server Error"), Migrated(-100123),
    ]  # fmt: skip
    for fan, answer in zip(community, answers, strict=False):
        telegram.will_say([fan.telegram_id], answer)
    broadcast_id = await started(app)

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    rows = [await row_of(app, broadcast_id, fan) for fan in community]
    assert [(str(row.state), row.reason) for row in rows] == [
        ("blocked", "blocked"),
        ("failed", "gone"),
        ("failed", "unreachable"),
        ("failed", "rejected: message is too long"),
        ("unknown", "no_answer"),
        ("unknown", "server_error"),
        ("sent", None),  # at the chat's new address
        ("sent", None),
        ("sent", None),
    ]
    assert -100123 in telegram.receivers


async def test_a_fan_who_blocked_or_left_is_known_to_have_done_so(app):
    blocker, leaver = await given_fans(app, 2)
    telegram = FakeTelegram()
    telegram.will_say([blocker.telegram_id], Blocked())
    telegram.will_say([leaver.telegram_id], Gone())
    broadcast_id = await started(app)

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    async with app.database.reading() as session:
        assert (await fans.get_fan(session, blocker.telegram_id)).reach is Reach.BLOCKED
        assert (await fans.get_fan(session, leaver.telegram_id)).reach is Reach.GONE


async def test_without_a_line_nobody_is_lost_and_the_list_is_not_burnt(app, clock, monkeypatch):
    monkeypatch.setattr("bot.sender.REST_SECONDS", 0.1)
    community = await given_fans(app, 5)
    telegram = FakeTelegram()
    telegram.will_say([fan.telegram_id for fan in community], NotSent("refused"))
    broadcast_id = await started(app)

    async def over() -> bool:
        clock.pass_(seconds=2)
        return await _finished(app, broadcast_id)

    async with sending(app, telegram):
        await until(over)

    assert await counted(app, broadcast_id) == {"sent": 5}
    assert {(await row_of(app, broadcast_id, fan)).attempts for fan in community} == {1}


async def test_content_that_telegram_refuses_stops_the_broadcast_after_the_first_few(app):
    community = await given_fans(app, 200)
    telegram = FakeTelegram(delay=0.01)
    telegram.will_say([fan.telegram_id for fan in community], *[Rejected("can't parse entities")] * 3)
    broadcast_id = await started(app)

    async def paused() -> bool:
        return await state_of(app, broadcast_id) == "paused"

    async with sending(app, telegram, rate=100):
        await until(paused)

    counts = await counted(app, broadcast_id)
    assert 5 <= counts["failed"] <= 5 + LEAST_IN_FLIGHT
    async with app.database.reading() as session:
        broadcast = await broadcasts.get_broadcast(session, broadcast_id)
    assert broadcast.state_reason == "rejected: can't parse entities"


async def test_a_few_refusals_among_many_that_pass_do_not_stop_it(app):
    community = await given_fans(app, 60)
    telegram = FakeTelegram()
    telegram.will_say([fan.telegram_id for fan in community[20:26]], Rejected("PEER_FLOOD"))
    broadcast_id = await started(app)

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    assert await counted(app, broadcast_id) == {"sent": 54, "failed": 6}


async def test_a_revoked_token_pauses_every_broadcast_and_nobody_is_failed(app):
    community = await given_fans(app, 30)
    await given_fans(app, 3, segment="loyalty.loyal", first=9000)
    telegram = FakeTelegram(delay=0.01)
    telegram.will_say([fan.telegram_id for fan in community], *[Unauthorized()] * 30)
    one = await started(app)
    other = await started(app, segment="loyalty.loyal", rate=0.2)

    async def both_paused() -> bool:
        return [await state_of(app, one), await state_of(app, other)] == ["paused", "paused"]

    async with sending(app, telegram):
        await until(both_paused)
        await until(lambda: telegram.in_flight == 0)

    async with app.database.reading() as session:
        assert (await broadcasts.get_broadcast(session, one)).state_reason == "unauthorized"
    assert await counted(app, one) == {"pending": 30}


async def test_resend_sends_again_where_nobody_can_know_and_leave_does_not(app, clock):
    community = await given_fans(app, 2)
    telegram = FakeTelegram()
    telegram.will_say([fan.telegram_id for fan in community], Unknown(), ServerError())
    broadcast_id = await started(app, on_unknown="resend")

    async def over() -> bool:
        clock.pass_(seconds=6)
        return await _finished(app, broadcast_id)

    async with sending(app, telegram):
        await until(over)

    assert telegram.calls_per_fan() == {fan.telegram_id: 3 for fan in community}
    assert await counted(app, broadcast_id) == {"sent": 2}


async def test_resend_gives_up_after_five_tries_and_says_unknown(app, clock):
    (fan,) = await given_fans(app, 1)
    telegram = FakeTelegram()
    telegram.will_say([fan.telegram_id], *[Unknown()] * 9)
    broadcast_id = await started(app, on_unknown="resend")

    async def over() -> bool:
        clock.pass_(seconds=6)
        return await _finished(app, broadcast_id)

    async with sending(app, telegram):
        await until(over)

    assert len(telegram.calls) == 5
    assert await counted(app, broadcast_id) == {"unknown": 1}


async def test_a_stop_lets_what_is_in_flight_arrive_and_writes_it_down(app):
    await given_fans(app, 60)
    telegram = FakeTelegram(delay=0.3)
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=100):
        await until(lambda: telegram.in_flight > 5)

    assert telegram.in_flight == 0
    counts = await counted(app, broadcast_id)
    assert counts == {"sent": len(telegram.calls), "pending": 60 - len(telegram.calls)}


async def test_a_surprise_in_the_call_counts_as_unknown_and_the_rest_goes_on(app):
    class Surprising(FakeTelegram):
        async def call(self, method, payload):
            if payload["chat_id"] == 1003:
                raise RuntimeError("nobody expected this")
            return await super().call(method, payload)

    await given_fans(app, 5)
    broadcast_id = await started(app)

    with capture_logs() as logs:
        async with sending(app, Surprising()):
            await until(lambda: _finished(app, broadcast_id))

    assert await counted(app, broadcast_id) == {"sent": 4, "unknown": 1}
    assert "delivery.surprise" in [line["event"] for line in logs]


async def test_a_database_that_is_away_for_a_moment_costs_nobody_a_message(app, monkeypatch):
    class Flaky(Pace):
        """As on PostgreSQL, where slots and pauses are rows."""

        failures = 2

        async def slots(self, lane: int, wanted: int) -> int:
            if len(telegram.calls) >= 5 and self.failures:
                self.failures -= 1
                raise OperationalError("take a slot", {}, OSError("server closed the connection"))
            return await super().slots(lane, wanted)

        async def pause(self, seconds: float) -> None:
            raise OperationalError("write the pause", {}, OSError("server closed the connection"))

    monkeypatch.setattr("bot.sender.RETRY_SECONDS", 0.05)
    community = await given_fans(app, 20)
    telegram = FakeTelegram()
    telegram.will_say([community[2].telegram_id], SlowDown(0.1))
    broadcast_id = await started(app)

    async with sending(app, telegram, pace=Flaky(app.database, 42, 500)):
        await until(lambda: _finished(app, broadcast_id))

    assert await counted(app, broadcast_id) == {"sent": 20}


async def test_two_senders_on_one_broadcast_write_to_each_fan_once(app, database_url):
    if database_url.startswith("sqlite"):
        return  # one process owns the file: whoever else sends is taken for dead
    community = await given_fans(app, 120)
    telegram = FakeTelegram(delay=0.01)
    broadcast_id = await started(app)

    async with sending(app, telegram), sending(app, telegram), sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    assert telegram.calls_per_fan() == {fan.telegram_id: 1 for fan in community}


async def test_sent_carries_the_message_id(app):
    (fan,) = await given_fans(app, 1)
    telegram = FakeTelegram()
    telegram.will_say([fan.telegram_id], Sent(77))
    broadcast_id = await started(app)

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    row = await row_of(app, broadcast_id, fan)
    assert (row.message_id, row.sent_at) == (77, app.clock())
