"""The sender's promises, held against a pretend Telegram that answers as each test says."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlmodel import col
from structlog.testing import capture_logs

from bot.road import LEAST_IN_FLIGHT
from bot.sender import Sender
from siyu import broadcasts, fans, preferences
from siyu.app import App
from siyu.broadcasts import links, preparing
from siyu.broadcasts.letters import letter_to
from siyu.kit.database import Database, WriteSession
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
from siyu.pace import Grant, Pace
from siyu.tables import Delivery, DeliveryState, Fan, Reach, Timing
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
            app.bells.broadcasts.set()


async def _silence(telegram: FakeTelegram, *, seconds: float = 1) -> None:
    """Until nothing has left for so long."""
    before = -1
    while len(telegram.calls) > before:
        before = len(telegram.calls)
        await asyncio.sleep(seconds)


async def _finished(app: App, broadcast_id: int) -> bool:
    return await state_of(app, broadcast_id) == "finished"


async def _paused(app: App, broadcast_id: int) -> bool:
    return await state_of(app, broadcast_id) == "paused"


async def _called(app: App, fan: Fan, username: str | None) -> None:
    async with app.database.writing() as session:
        await session.run(update(Fan).where(col(Fan.id) == fan.id).values(username=username))


async def _moved(app: App, broadcast_id: int, number: int) -> bool:
    async with app.database.reading() as session:
        found = await broadcasts.reasons(session, broadcast_id)
    return found == {(DeliveryState.PENDING, "quiet"): number}


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


async def test_each_fan_reads_their_own_version_with_their_own_name(app):
    community = await given_fans(app, 40)
    telegram = FakeTelegram()
    broadcast_id = await started(
        app,
        text="Hello {first_name|friend}",
        versions={"zh": {"text": "你好 {name}"}},
        variants=[{"key": "b", "text": "Hi {name}", "share": 50}],
    )

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    read = {payload["chat_id"]: payload["text"] for _, payload in telegram.calls}
    drew = [(await row_of(app, broadcast_id, fan)).variant for fan in community]
    first = {"en": "Hello Fan", "zh-hans": "你好 {name}"}
    assert read == {
        fan.telegram_id: ("Hi {name}" if variant == "b" else first[fan.language]).format(name=fan.name)
        for fan, variant in zip(community, drew, strict=True)
    }


async def test_a_link_tells_who_followed_it_where_fans_can_reach_us(app):
    (fan,) = await given_fans(app, 1)
    telegram = FakeTelegram()
    broadcast_id = await started(app, buttons=[[{"text": "Look", "url": "https://tea.example/new"}]])
    reached = replace(app, settings=app.settings.model_copy(update={"public_url": "https://club.example"}))

    async with sending(reached, telegram):
        await until(lambda: _finished(app, broadcast_id))

    address = telegram.calls[0][1]["reply_markup"]["inline_keyboard"][0][0]["url"]
    async with app.database.reading() as session:
        secret = await links.find_secret(session)
    assert address.startswith("https://club.example/r/")
    assert links.read_token(secret, address.rpartition("/")[2]) == links.Aim(broadcast_id, fan.id, 0)


async def test_who_lost_what_the_text_needs_gets_nothing_broken_and_the_row_says_why(app):
    kept, lost = await given_fans(app, 2)
    await _called(app, kept, "anna")
    await _called(app, lost, "ben")
    broadcast_id = await started(app, text="Hello @{username}")
    async with app.database.writing() as session:
        while await preparing.advance(session, broadcast_id, now=app.clock(), zone=app.settings.zone):
            pass
    await _called(app, lost, None)
    telegram = FakeTelegram()

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    assert telegram.receivers == [kept.telegram_id]
    row = await row_of(app, broadcast_id, lost)
    assert (row.state, row.reason, row.attempts) == ("failed", "missing:username", 0)


async def test_a_letter_nobody_can_write_stops_neither_the_sender_nor_the_others(app, monkeypatch):
    community = await given_fans(app, 3)
    telegram = FakeTelegram()
    broadcast_id = await started(app)

    def stumbling(telegram_id, *given, **more):
        if telegram_id == community[1].telegram_id:
            raise RuntimeError("nobody thought of this")
        return letter_to(telegram_id, *given, **more)

    monkeypatch.setattr("bot.sender.letter_to", stumbling)
    with capture_logs():
        async with sending(app, telegram):
            await until(lambda: _finished(app, broadcast_id))

    assert (await row_of(app, broadcast_id, community[1])).reason == "not_written"
    assert await counted(app, broadcast_id) == {"sent": 2, "failed": 1}


async def test_quiet_hours_keep_everybody_until_they_end_and_nobody_is_lost(app, clock):
    community = await given_fans(app, 50)
    async with app.database.writing() as session:
        await preferences.change(session, MEI, now=app.clock(), quiet_from=11 * 60, quiet_to=13 * 60)
    telegram = FakeTelegram()
    broadcast_id = await started(app)

    async with sending(app, telegram):
        await until(lambda: _moved(app, broadcast_id, 50))
        at_noon = len(telegram.calls)
        clock.pass_(hours=1)
        await until(lambda: _finished(app, broadcast_id))

    assert at_noon == 0
    assert telegram.calls_per_fan() == {fan.telegram_id: 1 for fan in community}


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


async def test_a_broadcast_started_while_the_sender_is_idle_does_not_wait_for_its_next_beat(app, monkeypatch):
    monkeypatch.setattr("bot.sender.BEAT_SECONDS", 600)
    await given_fans(app, 1)
    telegram = FakeTelegram()

    async with sending(app, telegram):
        await asyncio.sleep(0.3)  # until it rests
        await started(app)
        await until(lambda: telegram.calls)

    assert len(telegram.calls) == 1


async def test_a_scheduled_broadcast_leaves_by_itself_and_a_series_goes_on(app, clock):
    community = await given_fans(app, 2)
    telegram = FakeTelegram()
    later = await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(minutes=5))
    series = await started(app, timing=Timing.SERIES, series={"every": "daily", "at": "12:05"})

    async with sending(app, telegram):
        await asyncio.sleep(1)
        early = len(telegram.calls)
        clock.pass_(minutes=5)
        await until(lambda: _finished(app, later))
        clock.pass_(seconds=2)  # they meet in the same chats, which get one message a second
        await until(lambda: len(telegram.calls) == 4)

    assert early == 0
    assert telegram.calls_per_fan() == {fan.telegram_id: 2 for fan in community}
    assert await state_of(app, series) == "scheduled"


async def test_a_broadcast_that_cannot_be_prepared_keeps_nobody_else_waiting(app, clock, monkeypatch):
    await given_fans(app, 2)
    telegram = FakeTelegram()
    at = app.clock() + timedelta(minutes=5)
    cursed, healthy = await started(app, timing=Timing.AT, send_at=at), await started(app, timing=Timing.AT, send_at=at)
    advance = preparing.advance

    async def stumbling(session, broadcast_id, **moment):
        if broadcast_id == cursed:
            raise RuntimeError("nobody thought of this")
        return await advance(session, broadcast_id, **moment)

    monkeypatch.setattr(preparing, "advance", stumbling)
    clock.pass_(minutes=5)
    with capture_logs() as logs:
        async with sending(app, telegram):
            await until(lambda: _finished(app, healthy))

    assert await state_of(app, cursed) == "paused"
    assert [line["broadcast"] for line in logs if line["event"] == "broadcast.surprise"] == [cursed]


async def test_after_a_pause_only_what_was_in_hand_still_leaves(app):
    await given_fans(app, 300)
    await given_fans(app, 300, segment="loyalty.loyal", first=9000)
    telegram = FakeTelegram(delay=0.01)
    halted = await started(app)
    await started(app, include=("loyalty.loyal",))

    async with sending(app, telegram, rate=100):
        await until(lambda: len(telegram.calls) > 60)
        async with app.database.writing() as session:
            await broadcasts.pause(session, halted, actor=MEI, now=app.clock())
        before = len(telegram.calls)
        await until(lambda: len(telegram.calls) >= before + 100)

    # At this pace fifty messages are half a second; what was in hand when it was paused is among them.
    late = [receiver for receiver in telegram.receivers[before + 50 :] if receiver < 9000]
    assert late == []


async def test_a_pause_lets_half_a_second_of_messages_leave_and_a_resume_goes_on_where_it_stopped(app):
    community = await given_fans(app, 300)
    telegram = FakeTelegram(delay=0.02)
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=60):
        await until(lambda: len(telegram.calls) > 30)
        async with app.database.writing() as session:
            await broadcasts.pause(session, broadcast_id, actor=MEI, now=app.clock())
        before = len(telegram.calls)
        await _silence(telegram)
        while_paused = len(telegram.calls) - before
        async with app.database.writing() as session:
            await broadcasts.resume(session, broadcast_id, actor=MEI, now=app.clock())
        await until(lambda: _finished(app, broadcast_id))

    assert while_paused <= 60 / 2  # what was in hand
    assert telegram.calls_per_fan() == {fan.telegram_id: 1 for fan in community}


async def test_a_cancelled_broadcast_leaves_nobody_waiting_or_in_flight(app):
    await given_fans(app, 300)
    telegram = FakeTelegram(delay=0.05)
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=60):
        await until(lambda: len(telegram.calls) > 5)
        async with app.database.writing() as session:
            await broadcasts.cancel(session, broadcast_id, actor=MEI, now=app.clock())
        await until(lambda: telegram.in_flight == 0)

    counts = await counted(app, broadcast_id)
    assert counts["sent"] == len(telegram.calls)
    assert counts == {"sent": len(telegram.calls), "skipped": 300 - len(telegram.calls)}


async def test_two_broadcasts_take_turns(app):
    await given_fans(app, 40)
    await given_fans(app, 40, segment="loyalty.loyal", first=9000)
    telegram = FakeTelegram(delay=0.01)
    await started(app)
    later = await started(app, include=("loyalty.loyal",))

    async with sending(app, telegram, rate=100):
        await until(lambda: _finished(app, later))

    first_forty = telegram.receivers[:40]
    assert 10 <= sum(receiver >= 9000 for receiver in first_forty) <= 30


async def test_a_small_broadcast_does_not_stand_behind_a_huge_one(app):
    await given_fans(app, 800)
    await given_fans(app, 40, segment="loyalty.loyal", first=9000)
    telegram = FakeTelegram(delay=0.01)
    huge = await started(app)

    async with sending(app, telegram, rate=100):
        await until(lambda: len(telegram.calls) > 30)
        small = await started(app, include=("loyalty.loyal",))
        await until(lambda: _finished(app, small))
        reached = (await counted(app, huge))["sent"]

    assert reached < 600  # in turn it is a hundred or two: how long the small one's first twenty take is the machine's


async def test_what_is_paid_for_does_not_wait_for_the_free_pace(app):
    community = await given_fans(app, 60)
    telegram = FakeTelegram(delay=0.01)
    broadcast_id = await started(app, paid=True)

    async with sending(app, telegram, rate=0.01):
        await until(lambda: _finished(app, broadcast_id))

    assert telegram.calls_per_fan() == {fan.telegram_id: 1 for fan in community}
    assert all(payload["allow_paid_broadcast"] for _, payload in telegram.calls)


async def test_a_slower_pace_of_its_own_does_not_hold_up_the_other_broadcast(app):
    await given_fans(app, 30)
    await given_fans(app, 30, segment="loyalty.loyal", first=9000)
    telegram = FakeTelegram()
    await started(app, rate=0.2)
    quick = await started(app, include=("loyalty.loyal",))

    async with sending(app, telegram, rate=200):
        began = time.monotonic()
        await until(lambda: _finished(app, quick))
        await until(lambda: min(telegram.receivers) < 9000)
        reached = sum(receiver < 9000 for receiver in telegram.receivers)
        took = time.monotonic() - began

    assert reached <= 0.2 * took + 2


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
    community = await given_fans(app, 100)
    telegram = FakeTelegram()
    telegram.will_say([community[0].telegram_id], SlowDown(3600))
    await started(app)

    async with sending(app, telegram, rate=20):
        await until(lambda: telegram.calls)
        await _silence(telegram)

    assert len(telegram.calls) <= LEAST_IN_FLIGHT  # what had its slot before Telegram's answer came


async def test_each_answer_is_written_as_what_it_means(app):
    community = (await given_fans(app, 29))[20:]  # refusals among the first twenty hold it
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


async def test_a_fan_who_blocked_or_left_or_never_came_is_known_to_have_done_so(app):
    community = await given_fans(app, 3)
    telegram = FakeTelegram()
    for fan, answer in zip(community, [Blocked(), Gone(), Unreachable()], strict=True):
        telegram.will_say([fan.telegram_id], answer)
    broadcast_id = await started(app)

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    async with app.database.reading() as session:
        reach = [(await fans.get_fan(session, fan.telegram_id)).reach for fan in community]
    assert reach == [Reach.BLOCKED, Reach.GONE, Reach.IMPORTED]


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


async def test_the_first_message_that_telegram_refuses_holds_the_broadcast_in_telegrams_words(app):
    community = await given_fans(app, 200)
    telegram = FakeTelegram(delay=0.01)
    telegram.will_say([fan.telegram_id for fan in community[:19:6]], Rejected("can't parse entities"))
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=100):
        await until(lambda: _paused(app, broadcast_id))

    counts = await counted(app, broadcast_id)
    assert 1 <= counts["failed"] <= 4
    assert len(telegram.calls) <= 20
    async with app.database.reading() as session:
        broadcast = await broadcasts.get_broadcast(session, broadcast_id)
    assert broadcast.state_reason == "rejected: can't parse entities"


async def test_until_the_first_twenty_have_passed_no_more_than_these_are_under_way(app):
    await given_fans(app, 60)
    telegram = FakeTelegram()
    telegram.answers.clear()
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=1000):
        await until(lambda: telegram.in_flight == 20)
        await asyncio.sleep(0.6)
        in_flight = telegram.in_flight
        telegram.answers.set()
        await until(lambda: _finished(app, broadcast_id))

    assert in_flight == 20
    assert await counted(app, broadcast_id) == {"sent": 60}


async def test_a_version_that_nobody_got_yet_has_its_own_first_message(app):
    community = await given_fans(app, 60)
    chinese = community[30:]
    async with app.database.writing() as session:
        for fans_of_it, language in ((community[:30], "en"), (chinese, "zh")):
            theirs = update(Fan).where(col(Fan.id).in_([fan.id for fan in fans_of_it]))
            await session.run(theirs.values(language=language))
    telegram = FakeTelegram(delay=0.01)
    telegram.will_say([fan.telegram_id for fan in chinese], Rejected("can't parse entities"))
    broadcast_id = await started(app, versions={"zh": {"text": "我们想你"}})

    async with sending(app, telegram, rate=30):
        await until(lambda: _paused(app, broadcast_id))

    assert 1 <= (await counted(app, broadcast_id))["failed"] <= LEAST_IN_FLIGHT


async def test_where_more_than_a_quarter_of_the_latest_fail_the_broadcast_holds(app):
    community = await given_fans(app, 200)
    telegram = FakeTelegram(delay=0.01)
    telegram.will_say([fan.telegram_id for fan in community[30:]], Unknown("TimeoutError"))
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=100):
        await until(lambda: _paused(app, broadcast_id))

    # Of 170; how many are on their way while it is held is the machine's.
    assert 11 <= (await counted(app, broadcast_id))["unknown"] <= 85
    async with app.database.reading() as session:
        assert (await broadcasts.get_broadcast(session, broadcast_id)).state_reason == "no_answer"


async def test_fans_who_blocked_or_left_stop_nobody_elses_broadcast(app):
    community = await given_fans(app, 60)
    telegram = FakeTelegram()
    for fans_of_it, answer in (
        (community[:20], Blocked()),
        (community[20:40], Gone()),
        (community[40:55], Unreachable()),
    ):
        telegram.will_say([fan.telegram_id for fan in fans_of_it], answer)
    broadcast_id = await started(app)

    async with sending(app, telegram):
        await until(lambda: _finished(app, broadcast_id))

    assert await counted(app, broadcast_id) == {"sent": 5, "blocked": 20, "failed": 35}


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
    other = await started(app, include=("loyalty.loyal",), rate=0.2)

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
    telegram = FakeTelegram()
    telegram.answers.clear()
    broadcast_id = await started(app)

    async with sending(app, telegram, rate=100):
        await until(lambda: telegram.in_flight > 5)
        asyncio.get_running_loop().call_later(0.3, telegram.answers.set)

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

        async def slots(self, lane: int, wanted: int, *, weight: int = 1) -> Grant:
            if len(telegram.calls) >= 5 and self.failures:
                self.failures -= 1
                raise OperationalError("take a slot", {}, OSError("server closed the connection"))
            return await super().slots(lane, wanted, weight=weight)

        async def pause(self, seconds: float) -> None:
            raise OperationalError("write the pause", {}, OSError("server closed the connection"))

    monkeypatch.setattr("bot.clerk.RETRY_SECONDS", 0.05)
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


async def test_a_commit_that_came_through_though_we_were_told_otherwise_keeps_nobody_in_hand(app):
    """A server that restarts in the moment of a commit: the claim stands, and nothing has left."""
    await given_fans(app, 12)
    broadcast_id = await started(app)
    losing = _Losing(app.database, times=2)
    telegram = FakeTelegram()

    async with sending(replace(app, database=losing), telegram, rate=100):
        await until(lambda: _finished(app, broadcast_id))

    assert (losing.times, len(telegram.calls)) == (0, 12)
    assert await counted(app, broadcast_id) == {"sent": 12}


class _Losing(Database):
    """Commits, and says it did not, a few times while somebody is in hand."""

    def __init__(self, of: Database, *, times: int) -> None:
        vars(self).update(vars(of))
        self.times = times

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[WriteSession]:
        async with super().writing() as session:
            yield session
            taken = select(Delivery.fan_id).where(col(Delivery.state) == DeliveryState.SENDING).limit(1)
            lost = self.times > 0 and await session.rows(taken)
        if lost:
            self.times -= 1
            raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))
