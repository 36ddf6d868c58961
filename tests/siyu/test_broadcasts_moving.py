"""Whose message has to wait, until when exactly, and that it comes then."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlmodel import col

from siyu import broadcasts, preferences
from siyu.broadcasts import answers, ledger, moving
from siyu.broadcasts.tasks import Noted, Task
from siyu.outcomes import NotSent, Sent
from siyu.tables import Fan
from tests.broadcasting import MEI, given_fans, row_of, started, state_of

SHANGHAI = ZoneInfo("Asia/Shanghai")


async def _claim(app, broadcast_id, *, limit=10) -> list[Task]:
    async with app.database.writing() as session:
        customs = await moving.customs(session, SHANGHAI)
        return await ledger.claim(session, broadcast_id, "me", limit=limit, now=app.clock(), customs=customs)


async def _note(app, *noted: Noted) -> None:
    async with app.database.writing() as session:
        await answers.note(session, noted, "me", now=app.clock())


async def _house(app, **likes) -> None:
    async with app.database.writing() as session:
        await preferences.change(session, MEI, now=app.clock(), **likes)


async def _change(app, fan, **columns) -> None:
    async with app.database.writing() as session:
        await session.run(update(Fan).where(col(Fan.id) == fan.id).values(**columns))


async def _waits(app, broadcast_id, fan) -> tuple[str | None, datetime | None]:
    row = await row_of(app, broadcast_id, fan)
    assert (row.state, row.owner, row.attempts) == ("pending", None, 0)
    return row.reason, row.not_before


def shanghai(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=SHANGHAI).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "hours", "until"),
    [
        (shanghai(4, 12), (11, 13), shanghai(4, 13)),
        (shanghai(4, 23, 30), (22, 8), shanghai(5, 8)),
        (shanghai(4, 7, 59), (22, 8), shanghai(4, 8)),
        (shanghai(4, 22), (22, 8), shanghai(5, 8)),
        (shanghai(4, 8), (22, 8), None),
        (shanghai(4, 21, 59), (22, 8), None),
    ],
)
async def test_the_houses_quiet_hours_move_everybody_to_their_end_also_over_midnight(app, clock, now, hours, until):
    clock.now = now
    community = await given_fans(app, 3)
    broadcast_id = await started(app)
    await _house(app, quiet_from=hours[0] * 60, quiet_to=hours[1] * 60)

    taken = await _claim(app, broadcast_id)

    assert len(taken) == (3 if until is None else 0)
    if until is not None:
        assert [await _waits(app, broadcast_id, fan) for fan in community] == [("quiet", until)] * 3
        clock.now = until
        assert len(await _claim(app, broadcast_id)) == 3


async def test_a_fan_has_hours_and_a_zone_of_their_own(app):
    # It is noon in Shanghai, 04:00 in London and 23:00 of the day before in New York.
    early, own, awake, home = await given_fans(app, 4)
    await _change(app, early, zone="Europe/London")
    await _change(app, own, zone="America/New_York", quiet_from=22 * 60, quiet_to=9 * 60 + 30)
    await _change(app, awake, zone="America/New_York", quiet_from=2 * 60, quiet_to=3 * 60)
    broadcast_id = await started(app)
    await _house(app, quiet_from=23 * 60, quiet_to=6 * 60)

    taken = await _claim(app, broadcast_id)

    assert [task.fan_id for task in taken] == [awake.id, home.id]
    assert await _waits(app, broadcast_id, early) == ("quiet", datetime(2026, 3, 4, 6, tzinfo=UTC))
    assert await _waits(app, broadcast_id, own) == ("quiet", datetime(2026, 3, 4, 14, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("now", "until"),
    [
        # 22:30 in Berlin, the night clocks go from 2 to 3, and the night they go back from 3 to 2.
        (datetime(2026, 3, 28, 21, 30, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC)),
        (datetime(2026, 10, 24, 20, 30, tzinfo=UTC), datetime(2026, 10, 25, 7, tzinfo=UTC)),
    ],
)
async def test_quiet_hours_end_at_eight_by_the_fans_clock_also_when_it_was_changed_that_night(app, clock, now, until):
    clock.now = now
    (fan,) = await given_fans(app, 1)
    await _change(app, fan, zone="Europe/Berlin", quiet_from=22 * 60, quiet_to=8 * 60)
    broadcast_id = await started(app)

    assert await _claim(app, broadcast_id) == []
    assert await _waits(app, broadcast_id, fan) == ("quiet", until)


async def test_an_end_that_the_clocks_skip_is_the_moment_they_are_changed(app, clock):
    clock.now = datetime(2026, 3, 28, 21, 30, tzinfo=UTC)
    (fan,) = await given_fans(app, 1)
    await _change(app, fan, zone="Europe/Berlin", quiet_from=22 * 60, quiet_to=2 * 60 + 30)
    broadcast_id = await started(app)

    await _claim(app, broadcast_id)

    assert await _waits(app, broadcast_id, fan) == ("quiet", datetime(2026, 3, 29, 1, tzinfo=UTC))


async def test_who_rests_gets_it_when_the_rest_is_over(app, clock):
    (fan,) = await given_fans(app, 1)
    until = app.clock() + timedelta(days=30)
    await _change(app, fan, rests_until=until)
    broadcast_id = await started(app)

    assert await _claim(app, broadcast_id) == []
    assert await _waits(app, broadcast_id, fan) == ("resting", until)
    clock.now = until
    assert [task.attempts for task in await _claim(app, broadcast_id)] == [1]


async def test_who_got_enough_this_week_gets_the_next_when_the_week_is_over(app, clock):
    (fan,) = await given_fans(app, 1)
    await _house(app, weekly_cap=2)
    sent_at = []
    for _ in range(2):
        (task,) = await _claim(app, await started(app))
        await _note(app, Noted(task, Sent(5)))
        sent_at.append(app.clock())
        clock.pass_(days=1)
    third = await started(app)

    assert await _claim(app, third) == []
    assert await _waits(app, third, fan) == ("capped", sent_at[0] + timedelta(days=7, seconds=1))
    clock.now = sent_at[0] + timedelta(days=7, seconds=1)
    assert len(await _claim(app, third)) == 1


async def test_a_message_on_its_way_counts_and_one_that_never_left_does_not(app, clock):
    await given_fans(app, 1)
    await _house(app, weekly_cap=1)
    first, second = await started(app), await started(app)
    (task,) = await _claim(app, first)

    meanwhile = await _claim(app, second)
    await _note(app, Noted(task, NotSent()))
    clock.pass_(minutes=1)
    afterwards = await _claim(app, second)

    assert (meanwhile, len(afterwards)) == ([], 1)


async def test_what_everybody_must_know_keeps_nobodys_hours_but_lets_them_rest(app):
    busy, resting = await given_fans(app, 2)
    await _house(app, quiet_from=11 * 60, quiet_to=13 * 60, weekly_cap=1)
    (task, _) = await _claim(app, await started(app, ignores_quiet=True))
    await _note(app, Noted(task, Sent(5)))
    await _change(app, resting, rests_until=app.clock() + timedelta(days=1))
    broadcast_id = await started(app, ignores_quiet=True)

    assert [task.fan_id for task in await _claim(app, broadcast_id)] == [busy.id]
    assert (await _waits(app, broadcast_id, resting))[0] == "resting"


async def test_who_need_not_wait_is_taken_at_once_from_behind_those_who_do(app):
    community = await given_fans(app, 40)
    async with app.database.writing() as session:
        early = update(Fan).where(col(Fan.id).in_([fan.id for fan in community[:30]]))
        await session.run(early.values(quiet_from=11 * 60, quiet_to=13 * 60))
    broadcast_id = await started(app)

    taken = [*await _claim(app, broadcast_id, limit=1), *await _claim(app, broadcast_id, limit=20)]

    assert [task.fan_id for task in taken] == [fan.id for fan in community[30:]]


async def test_a_thousand_in_quiet_hours_are_moved_together_not_one_by_one(app, monkeypatch):
    await given_fans(app, 1000)
    await _house(app, quiet_from=11 * 60, quiet_to=13 * 60)
    broadcast_id = await started(app)
    looks = []
    take = ledger._take

    async def counting(*given):
        looks.append(given)
        return await take(*given)

    monkeypatch.setattr(ledger, "_take", counting)
    assert await _claim(app, broadcast_id, limit=1) == []

    assert len(looks) == 3
    async with app.database.reading() as session:
        assert list((await broadcasts.reasons(session, broadcast_id)).values()) == [1000]
    assert await state_of(app, broadcast_id) == "running"


async def test_where_nobody_asked_for_any_of_it_nobody_is_asked_about_it(app, monkeypatch):
    await given_fans(app, 1)
    broadcast_id = await started(app)
    monkeypatch.setattr(moving, "put_back", None)

    assert len(await _claim(app, broadcast_id)) == 1
