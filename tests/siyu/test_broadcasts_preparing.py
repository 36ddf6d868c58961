"""What happens between the click and the first message: in time, once, and whatever is killed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from siyu import audit, broadcasts, fans, preferences
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.broadcasts import preparing
from siyu.broadcasts.preparing import Check
from siyu.kit.database import WriteSession
from siyu.tables import Broadcast, Delivery, DeliveryState, Fan, Reach, Timing, Topic, TopicDeclined
from tests.broadcasting import MEI, SEGMENT, counted, given_fans, row_of, started, state_of
from tests.clocks import FakeClock
from tests.forks import Child
from tests.siyu.preparers import prepare_slowly

SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Checked:
    """What a check found, as the one of contents tells it."""

    bad: Mapping[int, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


async def _prepare(app: App, check: Check | None = None) -> None:
    """As the sender does in each of its looks around, until there is nothing left to do."""
    async with app.database.reading() as session:
        due = await preparing.due(session, now=app.clock())
    while due:
        due = [one for one in due if await _advance(app, one, check)]


async def _advance(app: App, broadcast_id: int, check: Check | None = None) -> bool:
    async with app.database.writing() as session:
        return await preparing.advance(session, broadcast_id, now=app.clock(), zone=SHANGHAI, check=check)


async def _got(app: App, broadcast_id: int) -> Broadcast:
    async with app.database.reading() as session:
        return await broadcasts.get_broadcast(session, broadcast_id)


async def _change_fan(app: App, fan: Fan, **values: Any) -> None:  # Any: columns of a fan
    async with app.database.writing() as session:
        await session.run(update(Fan).where(col(Fan.id) == fan.id).values(**values))


async def test_a_scheduled_broadcast_leaves_at_its_time_to_who_is_in_the_segment_then(app: App, clock: FakeClock):
    await given_fans(app, 2)
    broadcast_id = await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(hours=3))
    await _prepare(app)
    before = await state_of(app, broadcast_id), await counted(app, broadcast_id)
    await given_fans(app, 1, first=5000)

    clock.pass_(hours=3)
    await _prepare(app)

    assert before == ("scheduled", {})
    assert await state_of(app, broadcast_id) == "running"
    assert await counted(app, broadcast_id) == {"pending": 3}
    assert (await _got(app, broadcast_id)).started_at == app.clock()


async def test_who_is_in_it_can_be_settled_when_it_is_scheduled(app: App, clock: FakeClock):
    await given_fans(app, 2)
    settled_at, at = app.clock(), app.clock() + timedelta(hours=3)
    broadcast_id = await started(app, timing=Timing.AT, send_at=at, freeze_early=True)
    await _prepare(app)
    before = await state_of(app, broadcast_id), await counted(app, broadcast_id)
    await given_fans(app, 1, first=5000)

    clock.pass_(hours=3)
    await _prepare(app)

    assert before == ("scheduled", {"pending": 2})
    assert await state_of(app, broadcast_id) == "running"
    assert await counted(app, broadcast_id) == {"pending": 2}
    assert (await _got(app, broadcast_id)).frozen_at == settled_at


async def test_each_fan_gets_it_at_their_own_hour(app: App, clock: FakeClock):
    """At noon in Shanghai, six in the evening of the same day was planned: Auckland is nearly there, Berlin far off."""
    auckland, berlin, nowhere, here = await given_fans(app, 4)
    for fan, zone in ((auckland, "Pacific/Auckland"), (berlin, "Europe/Berlin"), (nowhere, "Mars/Base")):
        await _change_fan(app, fan, zone=zone)
    broadcast_id = await started(app, timing=Timing.LOCAL, local_at="2026-03-04T18:00")

    await _prepare(app)

    planned = {fan.name: (await row_of(app, broadcast_id, fan)) for fan in (auckland, berlin, nowhere, here)}
    assert [row.planned_at for row in planned.values()] == [
        datetime(2026, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 3, 4, 17, tzinfo=UTC),
        datetime(2026, 3, 4, 10, tzinfo=UTC),
        datetime(2026, 3, 4, 10, tzinfo=UTC),
    ]
    assert all(row.not_before == row.planned_at for row in planned.values())


async def test_an_hour_that_has_passed_where_a_fan_lives_means_at_once(app: App):
    (fan,) = await given_fans(app, 1)
    await _change_fan(app, fan, zone="Pacific/Auckland")
    broadcast_id = await started(app, timing=Timing.LOCAL, local_at="2026-03-04T16:00")

    await _prepare(app)

    row = await row_of(app, broadcast_id, fan)
    assert (row.planned_at, row.not_before) == (app.clock(), None)


async def test_it_is_spread_evenly_over_those_who_get_it(app: App):
    community = await given_fans(app, 6)
    first, *community = community
    async with app.database.writing() as session:
        for fan in (first, community[1]):
            await fans.change_reach(session, fan.telegram_id, Reach.BLOCKED, now=app.clock())

    broadcast_id = await started(app, spread_minutes=60)

    assert (await row_of(app, broadcast_id, first)).planned_at == app.clock()
    waits = [(await row_of(app, broadcast_id, fan)).not_before for fan in community]
    minutes = [(one - app.clock()).total_seconds() / 60 if one else None for one in waits]
    assert minutes == [None, None, 15, 30, 45]


async def test_a_series_comes_each_day_once_whoever_looks_and_however_often(app: App, clock: FakeClock):
    await given_fans(app, 2)
    series_id = await started(app, timing=Timing.SERIES, series={"every": "daily", "at": "18:00"})

    for _ in range(72):
        clock.pass_(hours=1)
        await _prepare(app)
        await _prepare(app)

    async with app.database.reading() as session:
        of_it = select(Broadcast).where(col(Broadcast.series_id) == series_id).order_by(col(Broadcast.id))
        occurrences = await session.all(of_it)
    assert [one.occurrence for one in occurrences] == ["2026-03-04", "2026-03-05", "2026-03-06"]
    assert {one.state for one in occurrences} == {"running"}
    assert [await counted(app, one.id or 0) for one in occurrences] == [{"pending": 2}] * 3
    series = await _got(app, series_id)
    assert (series.state, series.send_at) == ("scheduled", datetime(2026, 3, 7, 10, tzinfo=UTC))


async def test_a_paused_series_leaves_out_what_comes_meanwhile(app: App, clock: FakeClock):
    await given_fans(app, 1)
    series_id = await started(app, timing=Timing.SERIES, series={"every": "daily", "at": "18:00"})
    await _prepare(app)

    async with app.database.writing() as session:
        await broadcasts.pause(session, series_id, actor=MEI, now=app.clock())
    clock.pass_(days=3, hours=1)
    async with app.database.writing() as session:
        await broadcasts.resume(session, series_id, actor=MEI, now=app.clock())
    await _prepare(app)

    async with app.database.reading() as session:
        occurrences = await session.all(select(Broadcast.occurrence).where(col(Broadcast.series_id) == series_id))
    assert occurrences == []
    assert (await _got(app, series_id)).send_at == datetime(2026, 3, 7, 10, tzinfo=UTC)


async def test_a_house_that_slept_over_its_time_asks_and_sends_when_told(app: App, clock: FakeClock):
    await given_fans(app, 1)
    broadcast_id = await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(hours=1))

    clock.pass_(hours=3, seconds=1)
    await _prepare(app)
    asked = await _got(app, broadcast_id)
    async with app.database.writing() as session:
        await broadcasts.resume(session, broadcast_id, actor=MEI, now=app.clock())
    await _prepare(app)

    assert (asked.state, asked.state_reason) == ("paused", "late")
    assert await state_of(app, broadcast_id) == "running"


async def test_within_the_grace_it_leaves_a_little_late_and_asks_nobody(app: App, clock: FakeClock):
    await given_fans(app, 1)
    broadcast_id = await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(hours=1))

    clock.pass_(hours=3)
    await _prepare(app)

    assert await state_of(app, broadcast_id) == "running"


async def test_a_sleep_before_anybodys_hour_has_come_is_no_lateness(app: App, clock: FakeClock):
    """Six in the evening begins on Kiritimati at noon in Shanghai; the house slept from eleven to three."""
    await given_fans(app, 1)
    clock.pass_(hours=-1)
    broadcast_id = await started(app, timing=Timing.LOCAL, local_at="2026-03-04T18:00")

    clock.pass_(hours=4)
    await _prepare(app)

    assert await state_of(app, broadcast_id) == "running"


async def test_a_series_that_cannot_be_read_any_more_fails_and_says_why(app: App, clock: FakeClock):
    series_id = await started(app, timing=Timing.SERIES, series={"every": "daily", "at": "18:00"})
    async with app.database.writing() as session:
        await session.run(update(Broadcast).where(col(Broadcast.id) == series_id).values(series={"every": "never"}))

    await _prepare(app)

    assert await state_of(app, series_id) == "failed"


async def _woken(app: App) -> list[int]:
    async with app.database.writing() as session:
        return await preparing.wake(session, now=app.clock())


async def test_after_a_long_silence_what_was_running_asks_and_what_lies_ahead_does_not(app: App, clock: FakeClock):
    await given_fans(app, 1)
    running, ahead = await started(app), await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(days=2))
    first = await _woken(app)
    clock.pass_(hours=2)
    short = await _woken(app)

    clock.pass_(hours=2, seconds=1)
    held = await _woken(app)

    assert (first, short, held) == ([], [], [running])
    assert [await state_of(app, one) for one in (running, ahead)] == ["paused", "scheduled"]
    assert (await _got(app, running)).state_reason == "late"


async def test_a_restored_backup_sends_nothing_by_itself(app: App):
    await given_fans(app, 1)
    running, ahead = await started(app), await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(days=2))

    async with app.database.writing() as session:
        held = await preparing.hold_everything(session, preparing.RESTORED, now=app.clock())

    assert held == [running, ahead]
    assert [(await _got(app, one)).state_reason for one in held] == ["restored", "restored"]


async def test_a_broadcast_that_would_reach_nobody_when_its_time_comes_fails_and_says_why(app: App, clock: FakeClock):
    (fan,) = await given_fans(app, 1)
    broadcast_id = await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(hours=1))
    async with app.database.writing() as session:
        await fans.change_reach(session, fan.telegram_id, Reach.BLOCKED, now=app.clock())

    clock.pass_(hours=1)
    await _prepare(app)

    failed = await _got(app, broadcast_id)
    assert (failed.state, failed.state_reason, failed.finished_at) == ("failed", "empty", app.clock())
    assert await counted(app, broadcast_id) == {}
    async with app.database.reading() as session:
        lines = (await audit.entries(session, subject=("broadcast", str(broadcast_id)))).items
    assert "nobody would get this broadcast" in lines[0].details["detail"]


async def test_who_declined_the_topic_is_passed_over(app: App):
    community = await given_fans(app, 3)
    async with app.database.writing() as session:
        session.add(Topic(key="news", label="News", created_at=app.clock()))
        await session.flush()
        session.add(TopicDeclined(fan_id=community[0].id or 0, topic="news", at=app.clock()))

    broadcast_id = await started(app, topic="news")

    assert await counted(app, broadcast_id) == {"pending": 2, "skipped": 1}
    assert (await row_of(app, broadcast_id, community[0])).reason == "declined"


async def _lacks_a_name(session: WriteSession, broadcast: Broadcast, fan_ids: Sequence[int]) -> Checked:
    """Every third fan cannot get it."""
    bad = {fan_id: "no_name" for fan_id in fan_ids if fan_id % 3 == 0}
    return Checked(bad, {"missing:first_name": len(bad)})


async def test_what_differs_by_fan_is_looked_at_for_every_fan_before_the_first_gets_it(app: App, monkeypatch):
    monkeypatch.setattr(preparing, "CHUNK", 4)
    community = await given_fans(app, 10)
    lacking = [fan for fan in community if (fan.id or 0) % 3 == 0]
    broadcast_id = await started(app, text="Dear {first_name}")
    before = await state_of(app, broadcast_id)

    await _prepare(app, _lacks_a_name)

    ready = await _got(app, broadcast_id)
    assert (before, ready.state) == ("preparing", "running")
    assert await counted(app, broadcast_id) == {"pending": 10 - len(lacking), "skipped": len(lacking)}
    assert (await row_of(app, broadcast_id, lacking[0])).reason == "no_name"
    assert ready.report == {
        "looked_at": 10, "skipped": len(lacking), "counts": {"missing:first_name": len(lacking)},
    }  # fmt: skip


class _Killed(BaseException):
    """The process is gone: nothing of the transaction stays."""


async def test_killed_at_any_chunk_it_goes_on_where_it_was_and_counts_nobody_twice(app: App, monkeypatch):
    monkeypatch.setattr(preparing, "CHUNK", 3)
    await given_fans(app, 10)
    broadcast_id = await started(app, text="Dear {first_name}")

    async def dies_at_its_end(session: WriteSession, broadcast: Broadcast, fan_ids: Sequence[int]) -> Checked:
        await _lacks_a_name(session, broadcast, fan_ids)
        raise _Killed

    steps = 0
    while await state_of(app, broadcast_id) == "preparing":
        with pytest.raises(_Killed):
            await _advance(app, broadcast_id, dies_at_its_end)
        steps += 1
        await _advance(app, broadcast_id, _lacks_a_name)
        if steps == 4:
            await _advance(app, broadcast_id, _lacks_a_name)

    report = (await _got(app, broadcast_id)).report
    assert report["looked_at"] == 10
    assert report["skipped"] == (await counted(app, broadcast_id))["skipped"]


async def test_where_nobody_can_get_it_in_the_end_it_fails(app: App):
    await given_fans(app, 2)
    broadcast_id = await started(app, text="Dear {first_name}")

    async def nobody_can(session: WriteSession, broadcast: Broadcast, fan_ids: Sequence[int]) -> Checked:
        return Checked(dict.fromkeys(fan_ids, "too_long"))

    await _prepare(app, nobody_can)

    failed = await _got(app, broadcast_id)
    assert (failed.state, failed.state_reason) == ("failed", "empty")
    assert await counted(app, broadcast_id) == {"skipped": 2}


async def test_two_processes_that_prepare_at_once_do_it_once(app: App, clock: FakeClock):
    await given_fans(app, 20)
    broadcast_id = await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(hours=1))
    clock.pass_(hours=1)

    await asyncio.gather(*(_advance(app, broadcast_id) for _ in range(4)))

    assert await state_of(app, broadcast_id) == "running"
    assert await counted(app, broadcast_id) == {"pending": 20}


async def _funnel(app: App, **changes: Any) -> broadcasts.Funnel:  # Any: fields of an audience
    async with app.database.reading() as session:
        audience = broadcasts.Audience((SEGMENT,), **changes)
        return await broadcasts.funnel(session, audience, at=app.clock(), zone=SHANGHAI)


async def _behind(app: App, line: str, **changes: Any) -> list[str]:  # Any: fields of an audience
    async with app.database.reading() as session:
        audience = broadcasts.Audience((SEGMENT,), **changes)
        page = await broadcasts.members(session, audience, line, at=app.clock(), zone=SHANGHAI)
    return [fan.name for fan in page.items]


async def test_the_funnel_says_who_gets_it_later_and_each_line_opens_the_people_behind_it(app: App):
    community = await given_fans(app, 6)
    await _change_fan(app, community[0], rests_until=app.clock() + timedelta(days=3))
    await _change_fan(app, community[1], quiet_from=11 * 60, quiet_to=13 * 60)
    await _change_fan(app, community[2], quiet_from=11 * 60, quiet_to=13 * 60, zone="Europe/Berlin")
    await _change_fan(app, community[3], quiet_from=23 * 60, quiet_to=13 * 60)
    await _change_fan(app, community[4], reach=Reach.BLOCKED, quiet_from=11 * 60, quiet_to=13 * 60)

    funnel = await _funnel(app)

    assert (funnel.in_segment, funnel.blocked, funnel.will_get) == (6, 1, 5)
    assert (funnel.resting, funnel.quiet, funnel.later) == (1, 2, 3)
    assert await _behind(app, "resting") == ["Fan 0"]
    assert await _behind(app, "quiet") == ["Fan 1", "Fan 3"]
    assert await _behind(app, "blocked") == ["Fan 4"]
    assert await _behind(app, "will_get") == ["Fan 0", "Fan 1", "Fan 2", "Fan 3", "Fan 5"]


async def test_in_the_houses_quiet_hours_everybody_waits_but_those_for_whom_it_is_day(app: App):
    community = await given_fans(app, 4)
    await _change_fan(app, community[0], zone="America/New_York")
    await _change_fan(app, community[1], quiet_from=60, quiet_to=120)
    async with app.database.writing() as session:
        await preferences.change(session, COMMAND_LINE, now=app.clock(), quiet_from=11 * 60, quiet_to=14 * 60)

    assert (await _funnel(app)).quiet == 2
    assert await _behind(app, "quiet") == ["Fan 2", "Fan 3"]


async def test_who_got_enough_this_week_is_capped_and_counts_once(app: App, clock: FakeClock):
    await given_fans(app, 3)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        got = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.fan_id) % 2 == 0)
        sent = {"state": DeliveryState.SENT, "sent_at": app.clock()}
        reached = await session.run(update(Delivery).where(*got).values(sent))
        await preferences.change(session, COMMAND_LINE, now=app.clock(), weekly_cap=1)

    this_week = (await _funnel(app)).capped, len(await _behind(app, "capped"))
    clock.pass_(days=7, seconds=1)

    assert this_week == (reached, reached)
    assert (await _funnel(app)).capped == 0


async def _looked_at(app: App, broadcast_id: int) -> int:
    return int((await _got(app, broadcast_id)).report.get("looked_at", 0))


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=[pytest.mark.torture, pytest.mark.timeout(600)])])
async def test_killed_at_random_while_preparing_everybody_is_in_it_once_and_was_looked_at_once(
    app: App, clock: FakeClock, kills: int
):
    """Each process is killed after it got a little further; none of them gets to the end."""
    number = 100 * kills
    await given_fans(app, number)
    at, dice = app.clock() + timedelta(hours=1), Random(kills)
    broadcast_id = await started(app, text="Dear {first_name}", timing=Timing.AT, send_at=at)

    for _ in range(kills):
        before = await _looked_at(app, broadcast_id)
        child = Child(prepare_slowly, app.settings.database_url, at)
        while await _looked_at(app, broadcast_id) == before:
            await asyncio.sleep(0.005)
        await asyncio.sleep(dice.uniform(0, 0.06))
        child.kill()
    left = number - await _looked_at(app, broadcast_id)
    clock.pass_(hours=1)
    await _prepare(app, _lacks_a_name)

    ready, counts = await _got(app, broadcast_id), await counted(app, broadcast_id)
    assert left > 0
    assert (ready.state, ready.report["looked_at"], sum(counts.values())) == ("running", number, number)
    assert ready.report["skipped"] == counts["skipped"]
