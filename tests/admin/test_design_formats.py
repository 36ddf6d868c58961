"""Numbers, money and time read well in both languages and in the community's zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from admin import formats
from admin.formats import View, seen_by
from siyu.kit.money import Money

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
ENGLISH = View("en", SHANGHAI, NOW)
CHINESE = View("zh_CN", SHANGHAI, NOW)


@pytest.mark.parametrize(
    ("view", "amount", "shown"),
    [
        (ENGLISH, Money(123456, "CNY"), "¥1,234.56"),
        (CHINESE, Money(123456, "CNY"), "¥1,234.56"),
        (CHINESE, Money(-50, "CNY"), "-¥0.50"),
        (ENGLISH, Money(1990, "USD"), "$19.90"),
        (CHINESE, Money(1990, "USD"), "US$19.90"),
        (ENGLISH, Money(500, "JPY"), "JP¥500"),
        (CHINESE, Money(50, "XTR"), "50 ⭐"),
        (ENGLISH, Money(1500, "KWD"), "KWD1.500"),
    ],
)
def test_money_is_exact_and_its_sign_unambiguous(view: View, amount: Money, shown: str) -> None:
    with seen_by(view):
        assert formats.money(amount) == shown


def test_money_takes_minor_units_and_drops_digits_on_request() -> None:
    with seen_by(ENGLISH):
        assert formats.money(1999, "CNY") == "¥19.99"
        assert formats.money(123456700, "CNY", whole=True) == "¥1,234,567"


def test_numbers_are_grouped_and_shortened() -> None:
    with seen_by(ENGLISH):
        assert formats.number(1234567) == "1,234,567"
        assert formats.number(2.345, digits=1) == "2.3"
        assert formats.compact(12000) == "12K"
    with seen_by(CHINESE):
        assert formats.compact(12000) == "1.2万"


def test_percentages_show_their_sign_when_they_are_changes() -> None:
    with seen_by(ENGLISH):
        assert formats.percent(0.063) == "6.3%"
        assert formats.percent(0.529, signed=True) == "+52.9%"
        assert formats.percent(-0.031, signed=True) == "-3.1%"
        assert formats.percent(0, signed=True) == "0.0%"
        assert formats.percent(0.5, digits=0) == "50%"


def test_moments_are_told_in_the_community_s_zone() -> None:
    moment = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)

    with seen_by(ENGLISH):
        assert formats.date_time(moment) == "Nov 22, 2026, 00:30"
        assert formats.day(moment) == "Nov 22, 2026"
        assert formats.clock_time(moment) == "00:30"
    with seen_by(CHINESE):
        assert formats.date_time(moment) == "2026年11月22日 00:30"
        assert formats.day(date(2026, 11, 22)) == "2026年11月22日"


def test_distances_in_time_carry_the_exact_moment() -> None:
    with seen_by(ENGLISH):
        assert formats.ago(NOW - timedelta(minutes=12)) == (
            '<time datetime="2026-11-22T03:48:00+00:00" title="Nov 22, 2026, 11:48">12 minutes ago</time>'
        )
        assert ">in 3 days<" in formats.ago(NOW + timedelta(days=3))
        assert ">just now<" in formats.ago(NOW)
        assert formats.span(90) == "2 minutes"
    with seen_by(CHINESE):
        assert ">12分钟前<" in formats.ago(NOW - timedelta(minutes=12))
        assert ">刚刚<" in formats.ago(NOW)
