"""Days and moments, where the community lives."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from siyu.kit.clock import end_of_day, local_day, parse_moment, start_of_day, whole_day

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def test_a_moment_without_an_offset_is_the_communitys() -> None:
    assert parse_moment("2026-03-04T12:00:00", SHANGHAI) == datetime(2026, 3, 4, 4, tzinfo=UTC)
    assert parse_moment("2026-03-04T12:00:00Z", SHANGHAI) == datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1997-09-30", "1997-09-30T23:59:59"),
        (" 1997-09-30 ", "1997-09-30T23:59:59"),
        ("1997-09-30T00:00:00", "1997-09-30T00:00:00"),
        ("1997-09-30T12:00:00Z", "1997-09-30T12:00:00Z"),
        ("yesterday", "yesterday"),
    ],
)
def test_as_of_a_bare_day_means_with_all_of_it(text: str, meant: str) -> None:
    assert whole_day(text) == meant


def test_a_day_of_a_change_of_clocks_has_its_own_length() -> None:
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)

    hours = [(end_of_day(day, BERLIN) - start_of_day(day, BERLIN)).total_seconds() / 3600 for day in (spring, autumn)]

    assert [round(length) for length in hours] == [23, 25]
    assert local_day(end_of_day(spring, BERLIN), BERLIN) == spring
