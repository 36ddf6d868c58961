"""Money: a whole number of a currency's smallest unit, and the currency beside it."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from babel.core import get_global

from siyu.kit.errors import Invalid

STARS = "XTR"
# Ten million major units: more than any community's basket, far below what 64 bits hold.
LARGEST_MAJOR = 10_000_000


@dataclass(frozen=True)
class Money:
    """`Money(1990, "CNY")` is ¥19.90."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return f"{self.major} {self.currency}"

    @property
    def major(self) -> Decimal:
        return Decimal(self.minor).scaleb(-exponent(self.currency))


def exponent(currency: str) -> int:
    """Digits after the point: 2 for CNY, 0 for JPY and Telegram Stars. Raises Invalid for unknown words."""
    if currency == STARS:
        return 0
    known_currency(currency)
    digits = get_global("currency_fractions")
    return int(digits.get(currency, digits["DEFAULT"])[0])


def known_currency(currency: str) -> str:
    """The currency itself if it is an ISO 4217 code or XTR, else Invalid."""
    if currency != STARS and currency not in get_global("all_currencies"):
        raise Invalid("%(currency)s is not a currency", reason="unknown_currency", currency=currency)
    return currency


def parse_money(text: str, currency: str) -> Money:
    """A decimal in major units, read exactly: no float, no rounding, no digit beyond the currency's own."""
    amount = _decimal(text)
    minor = amount.scaleb(exponent(currency))
    if minor != minor.to_integral_value():
        raise Invalid("%(text)s has more digits than %(currency)s knows", text=text, currency=currency)
    if not 0 <= amount <= LARGEST_MAJOR:
        raise Invalid("an amount lies between 0 and 10,000,000, not at %(text)s", text=text)
    return Money(int(minor), currency)


def _decimal(text: str) -> Decimal:
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise Invalid("%(text)s is not an amount", text=text) from None
    if not amount.is_finite():
        raise Invalid("%(text)s is not an amount", text=text)
    return amount
