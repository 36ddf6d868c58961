"""The shapes of what is brought in, the same for a CSV row and a program's JSON; and what became of each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from siyu.kit.errors import Invalid
from siyu.kit.money import LARGEST_MAJOR, exponent, known_currency
from siyu.operators import LARGEST_TELEGRAM_ID

# Facts we write ourselves carry these; a file or a program that could use them could forge ours.
OUR_SOURCES = frozenset({"telegram", "staff", "siyu"})
FIRST_YEAR, LAST_YEAR = 1970, 2199


class Verdict(StrEnum):
    """What became of one row."""

    CREATED = "created"
    UPDATED = "updated"
    DUPLICATE = "duplicate"  # known already, nothing changed
    CONFLICT = "conflict"  # the same key with another content; nothing changed
    REJECTED = "rejected"


@dataclass(frozen=True)
class Ruling:
    """The verdict on one row; `sentence` says why, `column` where."""

    verdict: Verdict
    sentence: str = ""
    column: str = ""


def rejected(sentence: str, column: str = "") -> Ruling:
    return Ruling(Verdict.REJECTED, sentence, column)


def _without_nul(text: str) -> str:
    """PostgreSQL keeps none."""
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


def _written_moment(value: object) -> object:
    """ISO 8601 only: a bare number would be read as seconds since 1970 by one caller and as a year by another."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("is an ISO 8601 time such as 2026-03-04T12:00:00+08:00")
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"{value!r} is not an ISO 8601 time such as 2026-03-04T12:00:00+08:00") from None


def _plausible_year(moment: datetime) -> datetime:
    if not FIRST_YEAR < moment.year <= LAST_YEAR:
        raise ValueError(f"lies outside the years {FIRST_YEAR + 1} to {LAST_YEAR}")
    return moment


TelegramId = Annotated[int, Field(gt=0, le=LARGEST_TELEGRAM_ID)]
Moment = Annotated[datetime, BeforeValidator(_written_moment), AfterValidator(_plausible_year)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=256), AfterValidator(_without_nul)]
Named = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256), AfterValidator(_without_nul)
]
Word = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[a-z0-9_]{1,32}$")]
Long = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_without_nul)]


class Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FanRow(Row):
    """A fan. Fields of other names become attributes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    telegram_id: TelegramId
    name: Named
    username: Text | None = Field(None, description="Without the @.")
    language: Annotated[Text | None, Field(max_length=35)] = Field(None, description="Such as zh-hans.")
    phone: Annotated[Text | None, Field(max_length=32)] = None
    joined_at: Moment | None = Field(None, description="First contact; may move earlier, never later.")
    source_channel: Word | None = Field(None, description="search, social, email, ads, referral, offline, direct, …")
    referred_by: TelegramId | None = Field(None, description="Who brought this fan in, by Telegram id.")
    tags: tuple[Named, ...] = Field((), max_length=50)
    attributes: dict[Named, Long] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _others_are_attributes(cls, given: Any) -> Any:  # Any: whatever the JSON held
        if not isinstance(given, dict):
            return given
        known = {name: value for name, value in given.items() if name in cls.model_fields}
        more = {name: _plain(name, value) for name, value in given.items() if name not in cls.model_fields}
        attributes = known.get("attributes", {})
        if not isinstance(attributes, dict):
            return given
        plain = {str(name): _plain(str(name), value) for name, value in attributes.items()}
        return {**known, "attributes": {name: value for name, value in {**more, **plain}.items() if value is not None}}

    @field_validator("username")
    @classmethod
    def _bare(cls, username: str | None) -> str | None:
        return (username or "").lstrip("@") or None


class ItemRow(Row):
    """One line of a purchase."""

    sku: Text = ""
    name: Text = ""
    category: Text = ""
    quantity: int = Field(1, ge=1, le=1_000_000)
    amount_minor: int = Field(ge=0, le=LARGEST_MAJOR * 1000)


class Keyed(Row):
    """A fact with its source's own key: the same key twice is one fact."""

    source: Named = Field(description="Where it comes from, e.g. `shop`; `telegram`, `staff` and `siyu` are ours.")
    external_id: Named
    telegram_id: TelegramId

    @field_validator("source")
    @classmethod
    def _not_ours(cls, source: str) -> str:
        return free_source(source)


class PurchaseRow(Keyed):
    """A paid purchase; amounts are whole numbers of the currency's smallest unit."""

    amount_minor: int = Field(ge=0, description="What was paid: 1990 is ¥19.90.")
    currency: str
    purchased_at: Moment
    items: tuple[ItemRow, ...] = Field((), max_length=1000)
    coupon_code: Text | None = None

    @field_validator("currency")
    @classmethod
    def _known(cls, currency: str) -> str:
        return _said(known_currency, currency.strip())

    @model_validator(mode="after")
    def _not_too_much(self) -> "PurchaseRow":
        if self.amount_minor > LARGEST_MAJOR * 10 ** exponent(self.currency):
            raise ValueError(f"amount_minor is above {LARGEST_MAJOR:,} {self.currency}")
        return self


class InteractionRow(Keyed):
    """Something a fan did."""

    kind: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[a-z_]{1,32}$")]
    at: Moment
    detail: Long | None = None


class RefundRow(Row):
    """Money given back for a purchase we know."""

    source: Named
    external_id: Named
    refund_id: Named
    amount_minor: int = Field(gt=0, le=LARGEST_MAJOR * 1000)
    refunded_at: Moment

    @field_validator("source")
    @classmethod
    def _not_ours(cls, source: str) -> str:
        return free_source(source)


def ruling_of(error: ValidationError) -> Ruling:
    """The first mistake: where, and what is wrong there."""
    mistake = error.errors()[0]
    column = ".".join(str(part) for part in mistake["loc"])
    said = _SAID.get(mistake["type"]) or mistake["msg"].removeprefix("Value error, ")
    return rejected(said, column)


_SAID = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this",
    "string_too_short": "is empty",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "int_type": "is not a whole number",
    "string_type": "is not text",
    "string_unicode": "is not UTF-8 text",
}


def free_source(source: str) -> str:
    """The source itself; ValueError for a word our own facts carry."""
    if source in OUR_SOURCES:
        raise ValueError(f"{source} is what Siyu writes itself; choose another name")
    return source


def utc(moment: datetime, zone: ZoneInfo) -> datetime:
    """A moment without an offset is the community's; whole seconds, as they are kept."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return aware.astimezone(UTC).replace(microsecond=0)


def _plain(name: str, value: object) -> object:
    """Attributes are texts; a number or a truth is written as one, a null is not known."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise ValueError(f"{name} is neither text nor a number")


def _said(check: Callable[[str], str], value: str) -> str:
    try:
        return check(value)
    except Invalid as error:
        raise ValueError(str(error)) from None
