"""Figures as people write them in their language: amounts, numbers, days."""

from datetime import date

from babel import dates, numbers

from siyu.kit.money import STARS, Money

# CLDR writes CN¥ in English; our fans' everyday money is the plain ¥, and the yen carries the letters.
_SYMBOLS = {"CNY": "¥", "JPY": "JP¥"}


def money(amount: Money, locale: str) -> str:
    """80 ⭐ or ¥19.90."""
    if amount.currency == STARS:
        return stars(amount.minor, locale)
    said = numbers.format_currency(amount.major, amount.currency, locale=locale)
    cldr = str(numbers.get_currency_symbol(amount.currency, locale=locale))
    return said.replace(cldr, _SYMBOLS.get(amount.currency, cldr))


def stars(amount: int, locale: str) -> str:
    return f"{number(amount, locale)} ⭐"


def number(value: float, locale: str) -> str:
    """12,345 or 0.7: one digit after the point says enough in a message."""
    return str(numbers.format_decimal(round(value, 1), locale=locale))


def day(value: date, locale: str) -> str:
    """Mar 6, 2026."""
    return str(dates.format_date(value, format="medium", locale=locale))


def basis_points(number: int) -> str:
    """1250 is 12.5, 2000 is 20: a percentage without its sign, and without a nought that says nothing."""
    return f"{number / 100:.2f}".rstrip("0").rstrip(".")
