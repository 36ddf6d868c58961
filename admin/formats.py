"""Numbers, money and time as a person reads them, in their language and the community's time zone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from markupsafe import Markup, escape

from siyu.kit.money import STARS, Money
from siyu.kit.wording import Words, words


class Amount(Protocol):
    """Anything with money in it."""

    @property
    def minor(self) -> int: ...
    @property
    def currency(self) -> str: ...


@dataclass(frozen=True)
class View:
    """Who reads: in which language, in which zone, at what time."""

    locale: str
    zone: ZoneInfo
    now: datetime

    @property
    def words(self) -> Words:
        return words(self.locale)

    @property
    def language(self) -> Locale:
        return _language(self.locale)


@cache
def _language(locale: str) -> Locale:
    """Babel reads a name anew at every call, 600 times for one page of members; an object it takes as it is."""
    return Locale.parse(locale)


# Imported macros do not see a page's variables, so what every format depends on is carried here.
_view: ContextVar[View] = ContextVar("view")

# CLDR writes CN¥ in English; our operators' everyday money is the plain ¥, and the yen carries the letters.
_SYMBOLS = {"CNY": "¥", "JPY": "JP¥"}


@contextmanager
def seen_by(view: View) -> Iterator[None]:
    """While this is open, every format speaks to that reader."""
    token = _view.set(view)
    try:
        yield
    finally:
        _view.reset(token)


def reader() -> View:
    """Who reads what is being rendered."""
    return _view.get()


def number(value: float, *, digits: int = 0) -> str:
    """12,345; with digits, exactly that many after the point."""
    return _number(value, digits, reader().language)


def compact(value: float) -> str:
    """1.2K or 1.2万, where a card has no room for all digits."""
    return numbers.format_compact_decimal(value, fraction_digits=1, locale=reader().language)


def percent(ratio: float, *, digits: int = 1, signed: bool = False) -> str:
    """0.063 is 6.3%; signed shows the plus, too."""
    plain = "#,##0" + ("." + "0" * digits if digits else "") + "%"
    pattern = f"+{plain};-{plain}" if signed and round(ratio, digits + 2) else plain
    return numbers.format_percent(ratio, format=pattern, locale=reader().language)


def local(texts: Mapping[str, str]) -> str:
    """What an operator wrote in several languages, in the reader's; or in the first there is."""
    return texts.get(reader().locale) or next((text for text in texts.values() if text), "")


def money(amount: Amount | int, currency: str = "", *, whole: bool = False) -> str:
    """Money, or minor units and a currency; `whole` drops the digits after the point where space is short."""
    paid = Money(amount, currency) if isinstance(amount, int) else Money(amount.minor, amount.currency)
    return _money(paid, whole, reader().language)


# A list says the same day, count or price again and again, and Babel takes 60 µs to spell one; for a page of thirty
# fans that was a quarter of its time.
_remembered = lru_cache(maxsize=4096)


@_remembered
def _number(value: float, digits: int, language: Locale) -> str:
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return numbers.format_decimal(value, format=pattern, locale=language)


@_remembered
def _money(paid: Money, whole: bool, locale: Locale) -> str:
    if paid.currency == STARS:
        return f"{_number(paid.minor, 0, locale)} ⭐"
    text = numbers.format_currency(
        paid.major,
        paid.currency,
        locale=locale,
        format="¤#,##0" if whole else None,
        currency_digits=not whole,
    )
    symbol = numbers.get_currency_symbol(paid.currency, locale=locale)
    return text.replace(symbol, _SYMBOLS.get(paid.currency, symbol))


def ago(moment: datetime) -> Markup:
    """ "12 minutes ago", with the exact moment for those who hover or listen; works ahead in time as well."""
    view = reader()
    seconds = round((moment - view.now).total_seconds())
    # "in 0 seconds" says nothing
    text = _distance(seconds, view.language) if abs(seconds) >= 10 else view.words.gettext("just now")
    return _time(moment, text, title=date_time(moment))


def span(seconds: float) -> str:
    """A duration in its largest fitting unit."""
    return dates.format_timedelta(seconds, threshold=1.2, locale=reader().language)  # type: ignore[arg-type]  # takes seconds too


def date_time(moment: datetime) -> str:
    """Day and minute in the community's zone."""
    return _around(reader().language).replace("{1}", day(moment)).replace("{0}", clock_time(moment))


def day(moment: date) -> str:
    """The calendar day; of a moment, the day it is in the community's zone."""
    view = reader()
    local = moment.astimezone(view.zone).date() if isinstance(moment, datetime) else moment
    return _day(local, view.language)


def clock_time(moment: datetime) -> str:
    """Hour and minute in the community's zone."""
    return f"{moment.astimezone(reader().zone):%H:%M}"


@_remembered
def _day(local: date, language: Locale) -> str:
    return dates.format_date(local, format="medium", locale=language)


@_remembered
def _distance(seconds: int, language: Locale) -> str:
    return dates.format_timedelta(seconds, add_direction=True, locale=language)


@cache
def _around(language: Locale) -> str:
    """How a language puts day and time together."""
    return str(dates.get_datetime_format("medium", locale=language))


def _time(moment: datetime, text: str, *, title: str) -> Markup:
    return Markup(f'<time datetime="{moment.isoformat()}" title="{escape(title)}">{escape(text)}</time>')
