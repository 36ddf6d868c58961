"""A hello a day, days in a row, and a birthday once a year."""

from datetime import UTC, datetime

import pytest

from siyu import jobs
from siyu.app import App
from tests.clocks import FakeClock
from tests.people import given_values
from tests.pointing import balance_of, checks_in, given_programme, sets
from tests.trading import a_fan


async def test_seven_days_in_a_row_give_the_bonus_and_a_missed_day_begins_anew(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    mei = await a_fan(app)

    found = []
    for _ in range(8):
        found.append(await checks_in(app, mei))
        clock.pass_(days=1)
    clock.pass_(days=1)
    after = await checks_in(app, mei)

    assert [one.points for one in found] == [1, 1, 1, 1, 1, 1, 6, 1]
    assert [one.streak for one in found] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (after.streak, after.days_left) == (1, 6)
    assert await balance_of(app, mei) == 14


async def test_the_same_local_day_counts_once_around_midnight(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    clock.now = datetime(2026, 3, 4, 15, 59, 59, tzinfo=UTC)  # a second before midnight in Shanghai

    before = await checks_in(app, mei)
    again = await checks_in(app, mei)
    clock.pass_(seconds=1)
    after = await checks_in(app, mei)

    assert (before.is_new, again.is_new, after.is_new) == (True, False, True)
    assert (again.points, again.streak, after.streak) == (1, 1, 2)
    assert await balance_of(app, mei) == 2


async def test_without_a_programme_a_check_in_counts_and_gives_nothing(app: App) -> None:
    mei = await a_fan(app)

    told = await checks_in(app, mei)

    assert (told.streak, told.points, told.is_new) == (1, 0, True)


@pytest.mark.parametrize(
    ("born", "given"),
    [("1990-03-04", 50), ("03-04", 50), (" 1990-02-28 ", 50), ("1990-03-05", 0), ("1990-02-25", 0), ("soon", 0)],
)
async def test_a_birthday_of_this_week_gives_points_once(app: App, clock: FakeClock, born: str, given: int) -> None:
    await given_programme(app)
    mei = await a_fan(app)
    await given_values(app, mei, birthday=born)

    for _ in range(2):
        await jobs.run_job(app, "birthdays")

    assert await balance_of(app, mei) == given


async def test_the_29th_of_february_is_the_28th_of_most_years(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    await sets(app, "birthday", amount=7)
    mei = await a_fan(app)
    await given_values(app, mei, birthday="2000-02-29")
    clock.now = datetime(2026, 2, 28, 4, tzinfo=UTC)
    await jobs.run_job(app, "birthdays")
    clock.now = datetime(2028, 2, 28, 4, tzinfo=UTC)
    await jobs.run_job(app, "birthdays")
    early = await balance_of(app, mei)
    clock.pass_(days=1)
    await jobs.run_job(app, "birthdays")

    assert (early, await balance_of(app, mei)) == (0, 7)
