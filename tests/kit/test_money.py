"""Amounts are read exactly, and kept as whole numbers."""

import pytest

from siyu.kit.errors import Invalid
from siyu.kit.money import Money, exponent, parse_money


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("29.33", "USD", 2933),
        ("0.1", "CNY", 10),
        ("5", "JPY", 5),
        ("68", "XTR", 68),
        ("1.234", "KWD", 1234),
        ("0", "CNY", 0),
    ],
)
def test_an_amount_is_read_to_the_last_digit(text: str, currency: str, minor: int) -> None:
    assert parse_money(text, currency) == Money(minor, currency)


@pytest.mark.parametrize("text", ["1.005", "-1", "NaN", "Infinity", "", "1,5", "10000000.01", "1e9", "abc"])
def test_what_is_not_an_amount_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_money(text, "CNY")


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        parse_money("1", "QQQ")

    assert refusal.value.reason == "unknown_currency"


def test_currencies_know_their_digits() -> None:
    assert [exponent(code) for code in ("CNY", "JPY", "KWD", "XTR")] == [2, 0, 3, 0]
