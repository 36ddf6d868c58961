"""The pace: smooth for the whole bot, replies first, one rate for every process, and a 429 stops them all."""

import asyncio
import time

import pytest

from siyu.app import App
from siyu.kit.database import Database
from siyu.pace import BROADCAST, REPLY, Meter, Pace
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
        await pace.slot(REPLY)
        moments.append(hours.now)

    assert most_in_one_second(moments) <= 29
    assert moments[-1] - moments[0] == pytest.approx(499 / 28, rel=0.01)


async def test_a_quiet_minute_is_not_made_up_for(paced):
    pace, hours = paced
    await pace.slot(REPLY)
    hours.now += 60
    moments = []

    for _ in range(60):
        await pace.slot(REPLY)
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
        await pace.slot(lane)
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
        waiting = [group.create_task(pace.slot(BROADCAST)) for _ in range(4)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[2].cancel()

    assert [task.cancelled() for task in waiting] == [True, False, True, False]


async def test_a_429_stops_everybody_until_its_time_has_come(paced):
    pace, hours = paced
    await pace.slot(REPLY)

    await pace.pause(7)
    began = hours.now
    await pace.slot(REPLY)

    assert hours.now - began >= 7


async def test_a_pause_outlives_a_restart(app: App):
    await Pace(app.database, 42, 100).pause(1.5)

    began = time.monotonic()
    await Pace(app.database, 42, 100).slot(REPLY)

    assert time.monotonic() - began >= 1.4


async def test_a_shorter_pause_does_not_end_a_longer_one(app: App):
    await Pace(app.database, 42, 100).pause(1.5)
    await Pace(app.database, 42, 100).pause(0.1)

    began = time.monotonic()
    await Pace(app.database, 42, 100).slot(REPLY)

    assert time.monotonic() - began >= 1.4


async def test_at_a_thousand_a_second_slots_come_by_the_handful(alone):
    hours = Hours()
    pace = Pace(alone, 42, 1000, wall=hours, sleep=hours.sleep)

    granted = [await pace.slots(REPLY, 200) for _ in range(10)]

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
            await pace.slot(REPLY)
            moments.append(time.monotonic())

    async with asyncio.TaskGroup() as group:
        for database in databases:
            group.create_task(one(database))

    for database in databases:
        await database.close()
    assert max(moments) - min(moments) >= 79 / 40 - 0.2
    assert most_in_one_second(moments) <= 44
