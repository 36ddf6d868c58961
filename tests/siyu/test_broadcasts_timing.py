"""Clocks: the hour an operator means, whatever clocks do that day."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from siyu.broadcasts import Draft, timing
from siyu.broadcasts.timing import Every, Series
from siyu.kit.errors import Invalid
from siyu.tables import Timing
from tests.clocks import NOON

SHANGHAI, BERLIN, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
EVENING = Series(Every.DAILY, time(18))


def _following(series: Series, zone: ZoneInfo, *, since: datetime, times: int) -> list[timing.Occurrence]:
    found = [timing.next_after(series, since, zone)]
    while len(found) < times:
        found.append(timing.next_after(series, found[-1].moment, zone))
    return found


def test_a_daily_series_comes_at_the_same_hour_on_both_sides_of_a_clock_change():
    found = _following(EVENING, BERLIN, since=datetime(2026, 3, 28, 0, tzinfo=UTC), times=3)

    assert [one.day for one in found] == [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30)]
    assert [one.moment.astimezone(BERLIN).hour for one in found] == [18, 18, 18]
    assert found[1].moment - found[0].moment == timedelta(hours=23)


def test_an_hour_the_clocks_skip_is_an_hour_later_and_one_they_show_twice_comes_once():
    at_half_past_two = Series(Every.DAILY, time(2, 30))
    skipped = timing.next_after(at_half_past_two, datetime(2026, 3, 28, 12, tzinfo=UTC), BERLIN)
    twice = _following(at_half_past_two, BERLIN, since=datetime(2026, 10, 24, 12, tzinfo=UTC), times=2)

    assert skipped.moment.astimezone(BERLIN).time() == time(3, 30)
    assert [one.day for one in twice] == [date(2026, 10, 25), date(2026, 10, 26)]
    assert twice[0].moment == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", [SHANGHAI, BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kabul")])
def test_in_four_years_every_day_has_exactly_one_occurrence_and_it_is_the_newest_when_it_comes(zone):
    series = Series(Every.DAILY, time(2, 15))
    found = _following(series, zone, since=datetime(2025, 12, 31, 20, tzinfo=UTC), times=4 * 365)

    days = [one.day for one in found]
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    assert all(timing.newest_by(series, one.moment, zone) == one for one in found[::7])
    second = timedelta(seconds=1)
    assert all(timing.newest_by(series, one.moment - second, zone).day < one.day for one in found[::7])


def test_a_weekly_series_comes_on_its_days_and_a_monthly_one_on_the_last_day_of_a_short_month():
    weekly = Series(Every.WEEKLY, time(9), on=(1, 5))
    monthly = Series(Every.MONTHLY, time(9), on=(31,))

    assert [one.day.isoweekday() for one in _following(weekly, SHANGHAI, since=NOON, times=4)] == [5, 1, 5, 1]
    assert [one.day for one in _following(monthly, SHANGHAI, since=NOON, times=3)] == [
        date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31),
    ]  # fmt: skip


def test_a_series_may_have_a_zone_of_its_own():
    series = timing.read_series({"every": "daily", "at": "18:00", "zone": "Europe/Berlin"})

    assert timing.next_after(series, NOON, SHANGHAI).moment.astimezone(BERLIN).hour == 18


def _draft(**changes: object) -> Draft:
    return Draft(title="x", text="x", include=("loyalty.none",), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"timing": Timing.AT}, ("send_at",)),
        ({"timing": Timing.AT, "send_at": NOON}, ("send_at",)),
        ({"timing": Timing.AT, "send_at": NOON + timedelta(days=800)}, ("send_at",)),
        ({"timing": Timing.LOCAL}, ("local_at",)),
        ({"timing": Timing.LOCAL, "local_at": "tomorrow"}, ("local_at",)),
        ({"timing": Timing.LOCAL, "local_at": "2026-12-24T18:00+01:00"}, ("local_at",)),
        ({"timing": Timing.LOCAL, "local_at": "2026-03-03T10:00"}, ("local_at",)),
        ({"timing": Timing.SERIES}, ("series",)),
        ({"timing": Timing.SERIES, "series": {"every": "hourly", "at": "18:00"}}, ("series", "every")),
        ({"timing": Timing.SERIES, "series": {"every": "daily", "at": "25:00"}}, ("series", "at")),
        ({"timing": Timing.SERIES, "series": {"every": "weekly", "at": "18:00"}}, ("series", "on")),
        ({"timing": Timing.SERIES, "series": {"every": "weekly", "at": "18:00", "on": [1, 8]}}, ("series", "on")),
        ({"timing": Timing.SERIES, "series": {"every": "monthly", "at": "18:00", "on": [1, "x"]}}, ("series", "on")),
        (
            {"timing": Timing.SERIES, "series": {"every": "daily", "at": "18:00", "zone": "Mars/Base"}},
            ("series", "zone"),
        ),
        ({"spread_minutes": -1}, ("spread_minutes",)),
        ({"spread_minutes": 20_000}, ("spread_minutes",)),
    ],
)
def test_a_time_that_cannot_be_is_told_at_its_field(changes, place):
    [mistake] = timing.mistakes(_draft(**changes), now=NOON)

    assert isinstance(mistake, Invalid)
    assert mistake.where == place


def test_what_is_late_in_one_part_of_the_world_may_still_come_in_another():
    """04:00 UTC: 10 o'clock has passed in Shanghai, and is six hours ahead in New York."""
    draft = _draft(timing=Timing.LOCAL, local_at="2026-03-04T10:00")

    assert list(timing.mistakes(draft, now=NOON)) == []
    assert timing.first_moment(draft, now=NOON) == NOON
