"""What a shop tells of an order, whatever shop it is: paid, given back in part or in full, or neither yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from siyu.idempotency import hash_of
from siyu.kit.errors import Invalid
from siyu.kit.money import Money, parse_money
from siyu.purchases import Line

Model = TypeVar("Model", bound=BaseModel)
OrderId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
LONGEST_WORD = 256


class Unreadable(Exception):
    """Signed, and yet not an order as we know them; says where it stopped."""


class Read(BaseModel):
    """The part of a shop's JSON that we read; numbers are taken for words where a shop writes both."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


@dataclass(frozen=True)
class Buyer:
    """Who bought, as far as the shop knows."""

    telegram_id: int | None = None
    phone: str = ""


@dataclass(frozen=True)
class Paid:
    """An order that was paid; `amount` is what was paid, after the discount."""

    buyer: Buyer
    at: datetime
    amount: Money
    discount_minor: int = 0
    lines: tuple[Line, ...] = ()
    coupon_code: str | None = None


@dataclass(frozen=True)
class GivenBack:
    """Money given back, once by its key; `amount` None: all that is left."""

    key: str
    amount: Money | None
    at: datetime


@dataclass(frozen=True)
class Telling:
    """An order as it stood after a change. What it says adds to what was said: the order of delivery is no matter."""

    order_id: str
    change: str  # the shop's own words for it: a status, and when
    paid: Paid | None = None
    given_back: tuple[GivenBack, ...] = ()

    @property
    def key(self) -> str:
        """The same for the same content, however often and under whatever delivery id it comes."""
        return f"{self.order_id}:{hash_of(repr(self))[:16]}:{self.change}"[:LONGEST_WORD]


def parsed(model: type[Model], body: bytes) -> Model:
    """A shop's JSON. Raises Unreadable with the first place that does not fit."""
    if b"\\u0000" in body:
        raise Unreadable("holds a NUL character, which PostgreSQL does not keep")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unreadable(f"{place}: {first['msg']}" if place else first["msg"]) from None


def money(text: str, currency: str) -> Money:
    """A decimal as shops write it, with zeros beyond what the currency knows. Raises Unreadable."""
    try:
        return parse_money(_without_idle_zeros(text), currency.strip().upper())
    except Invalid as error:
        raise Unreadable(str(error)) from None


def total(amounts: Iterable[Money], currency: str) -> Money:
    return Money(sum(one.minor for one in amounts), currency)


def in_utc(moment: datetime) -> datetime:
    """Shops that leave the zone out mean UTC where they say `gmt`."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def telegram_id(text: str) -> int | None:
    """A Telegram id out of a field that anybody may fill in."""
    tidy = text.strip()
    return int(tidy) if tidy.isascii() and tidy.isdigit() and 0 < len(tidy) <= 15 else None


def short(text: str | None) -> str:
    """As our columns take it: PostgreSQL keeps no NUL."""
    return (text or "").replace("\0", "").strip()[:LONGEST_WORD]


def _without_idle_zeros(text: str) -> str:
    """`68.00` yen is 68 yen; 68.50 is not, and refused."""
    head, point, tail = text.strip().partition(".")
    tail = tail.rstrip("0")
    return f"{head}.{tail}" if point and tail else head


def times(price: Money, quantity: int, less: Money) -> Money:
    """A line of so many pieces, less its own discount; never below nothing."""
    return Money(max(0, price.minor * quantity - less.minor), price.currency)
