"""The pace: smooth for the whole bot, replies first, one rate for every process, and a 429 stops them all."""

import asyncio
import time
from itertools import pairwise

import pytest

from siyu.app import App
from siyu.kit.database import Database
from siyu.pace import BROADCAST, REPLY, Grant, Meter, Pace
from tests import servers


class Hours:
    """A wall clock and a sleep that take no time."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
async def alone(tmp_path):
    """A database of one process: the pace keeps its own time there."""
    database = Database(servers.fresh_sqlite(tmp_path))
    yield database
    await database.close()


@pytest.fixture
def paced(alone):
    """A pace at 28/s, with time that can be looked at."""
    hours = Hours()
    return Pace(alone, 42, 28, wall=hours, sleep=hours.sleep), hours


def most_in_one_second(moments: list[float]) -> int:
    return max(sum(first <= other < first + 1 for other in moments) for first in moments)


async def test_at_28_a_second_no_second_ever_sees_more_than_30(paced):
    pace, hours = paced
    moments = []

    for _ in range(500):
        await pace.slots(REPLY, 1)
        moments.append(hours.now)

    assert most_in_one_second(moments) <= 29
    assert moments[-1] - moments[0] == pytest.approx(499 / 28, rel=0.01)


def test_where_slots_are_free_a_call_leaves_at_once_and_where_they_are_scarce_evenly():
    meter = Meter(20)

    at_once = meter.take(1, 1000.0)
    asked = [1000.03, 1000.08, 1000.13, 1000.19]  # the last 10 ms later than the others
    leaving = [moment + meter.take(1, moment) for moment in asked]

    assert at_once == 0
    assert [round(later - earlier, 6) for earlier, later in pairwise(leaving)] == [0.05] * 3
    assert leaving[0] == pytest.approx(1000.025 + 0.5 * 0.05)


async def test_a_quiet_minute_is_not_made_up_for(paced):
    pace, hours = paced
    await pace.slots(REPLY, 1)
    hours.now += 60
    moments = []

    for _ in range(60):
        await pace.slots(REPLY, 1)
        moments.append(hours.now)

    assert most_in_one_second(moments) <= 29


def test_a_token_bucket_would_have_failed_these_tests():
    """What the two tests above guard against: saved-up slots."""
    bucket, moments, now = 28.0, [], 0.0
    for _ in range(56):
        while bucket < 1:
            now += 1 / 28
            bucket += 1
        bucket -= 1
        moments.append(now)

    assert most_in_one_second(moments) > 30


async def test_a_reply_overtakes_broadcasts_that_wait(paced):
    pace, _ = paced
    order = []

    async def want(lane: int, name: str) -> None:
        await pace.slots(lane, 1)
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(want(BROADCAST, f"broadcast {number}"))
        await asyncio.sleep(0)
        group.create_task(want(REPLY, "reply"))

    assert order.index("reply") <= 1
    assert [name for name in order if name != "reply"] == [f"broadcast {number}" for number in range(5)]


async def test_somebody_who_gives_up_waiting_leaves_the_others_in_the_queue(paced):
    pace, _ = paced
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(pace.slots(BROADCAST, 1)) for _ in range(4)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[2].cancel()

    assert [task.cancelled() for task in waiting] == [True, False, True, False]


async def test_a_429_stops_everybody_until_its_time_has_come(paced):
    pace, hours = paced
    await pace.slots(REPLY, 1)

    await pace.pause(7)
    began = hours.now
    await pace.slots(REPLY, 1)

    assert hours.now - began >= 7


async def _slots_within(pace: Pace, hours: Hours, seconds: float) -> int:
    began, slots = hours.now, 0
    while hours.now - began < seconds:
        await pace.slots(REPLY, 1)
        slots += 1
    return slots


async def test_after_a_429_the_pace_is_a_tenth_slower_and_recovers_within_minutes(paced):
    pace, hours = paced
    await pace.slots(REPLY, 1)

    await pace.pause(3)
    await pace.pause(2)  # others were refused together with the first: that says nothing new
    hours.now += 3
    at_first = await _slots_within(pace, hours, 10)
    hours.now += 110
    later = await _slots_within(pace, hours, 10)

    assert at_first == pytest.approx(280 / 1.1, abs=4)
    assert later == pytest.approx(280, abs=2)


async def test_one_429_after_the_other_never_slows_it_below_two_thirds(paced):
    pace, hours = paced
    for _ in range(20):
        await pace.pause(1)
        hours.now += 1.1

    assert await _slots_within(pace, hours, 10) == pytest.approx(280 / 1.5, abs=4)


async def test_a_slower_pace_is_known_to_every_process_and_after_a_restart(app: App):
    await Pace(app.database, 42, 50).pause(0.1)
    pace = Pace(app.database, 42, 50)
    await pace.slots(REPLY, 1)
    began = time.monotonic()

    for _ in range(50):
        await pace.slots(REPLY, 1)

    assert time.monotonic() - began >= 1.04


async def test_an_album_of_ten_takes_the_place_of_ten_messages(paced):
    pace, hours = paced
    moments = []

    for _ in range(29):
        assert (await pace.slots(BROADCAST, 5, weight=10)).slots == 1
        moments.append(hours.now)

    assert moments[-1] - moments[0] == pytest.approx(28 * 10 / 28, rel=0.01)
    assert most_in_one_second(moments) * 10 <= 30


async def test_a_reply_waits_for_the_album_before_it_but_for_no_second_one(paced):
    pace, hours = paced
    left: list[tuple[str, float]] = []

    async def want(lane: int, weight: int, name: str) -> None:
        await pace.slots(lane, 1, weight=weight)
        left.append((name, hours.now))

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(want(BROADCAST, 10, "album"))
        await asyncio.sleep(0)
        group.create_task(want(REPLY, 1, "reply"))

    assert [name for name, _ in left].index("reply") <= 1


async def test_a_handful_of_albums_at_a_thousand_a_second_is_fifty_messages(alone):
    hours = Hours()
    pace = Pace(alone, 42, 1000, wall=hours, sleep=hours.sleep)

    granted = [(await pace.slots(BROADCAST, 200, weight=10)).slots for _ in range(20)]

    assert granted == [5] * 20
    assert hours.now - 1_000_000 == pytest.approx(19 * 0.05, rel=0.05)


async def test_a_pause_outlives_a_restart(app: App):
    began = time.monotonic()
    await Pace(app.database, 42, 100).pause(1.5)

    await Pace(app.database, 42, 100).slots(REPLY, 1)

    assert time.monotonic() - began >= 1.4


async def test_a_shorter_pause_does_not_end_a_longer_one(app: App):
    began = time.monotonic()
    await Pace(app.database, 42, 100).pause(1.5)
    await Pace(app.database, 42, 100).pause(0.1)

    await Pace(app.database, 42, 100).slots(REPLY, 1)

    assert time.monotonic() - began >= 1.4


async def test_who_is_in_hand_and_late_does_not_sit_out_a_pause_of_an_hour(app: App):
    pace = Pace(app.database, 42, 20)
    await pace.pause(3600)

    async with asyncio.timeout(20):
        await pace.leave(Grant(1, time.monotonic() - 1), BROADCAST)


async def test_what_was_held_up_together_leaves_spaced_out(alone):
    pace, moments = Pace(alone, 42, 50), []

    async def leave() -> None:
        await pace.leave(Grant(1, time.monotonic() + 0.05), BROADCAST)
        moments.append(time.monotonic())

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(leave())
        await asyncio.sleep(0.01)
        time.sleep(0.3)  # noqa: ASYNC251 - the machine stands still, and all their moments with it

    assert all(later - earlier > 0.7 / 50 for earlier, later in pairwise(moments))


async def test_at_a_thousand_a_second_slots_come_by_the_handful(alone):
    hours = Hours()
    pace = Pace(alone, 42, 1000, wall=hours, sleep=hours.sleep)

    granted = [(await pace.slots(REPLY, 200)).slots for _ in range(10)]

    assert granted == [50] * 10


def test_at_telegrams_rate_slots_come_one_by_one():
    assert Meter(28).at_once == 1


async def test_four_processes_keep_one_rate_together(app: App):
    if app.database.dialect != "postgresql":
        pytest.skip("SQLite has one process")
    databases = [Database(app.settings.database_url) for _ in range(4)]
    moments: list[float] = []

    async def one(database: Database) -> None:
        pace = Pace(database, 42, 40)
        for _ in range(20):
            await pace.slots(REPLY, 1)
            moments.append(time.monotonic())

    async with asyncio.TaskGroup() as group:
        for database in databases:
            group.create_task(one(database))

    for database in databases:
        await database.close()
    assert max(moments) - min(moments) >= 79 / 40 - 0.2
    assert most_in_one_second(moments) <= 50


async def test_a_reply_does_not_stand_behind_the_broadcasts_of_other_processes(app: App):
    if app.database.dialect != "postgresql":
        pytest.skip("SQLite has one process")
    databases = [Database(app.settings.database_url) for _ in range(6)]
    leaving: list[float] = []

    async def one(database: Database) -> None:
        leaving.append((await Pace(database, 42, 1).slots(BROADCAST, 1)).leaves)

    async with asyncio.TaskGroup() as group:
        for database in databases:
            group.create_task(one(database))
        await asyncio.sleep(0.5)  # until each has asked
        asked = time.monotonic()
        reply = await Pace(app.database, 42, 1).slots(REPLY, 1)

    for database in databases:
        await database.close()
    assert sum(asked < moment < reply.leaves for moment in leaving) <= 3
