"""The offer form: amounts and times as people write them, and the offer they would make."""

from dataclasses import asdict
from datetime import datetime
from typing import assert_never
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from admin.forms import Reading, number, number_or_none
from siyu.coupons import NewOffer
from siyu.kit.clock import EPOCH, parse_moment, start_of_day
from siyu.kit.errors import Invalid
from siyu.kit.figures import basis_points
from siyu.kit.money import STARS, Money, exponent, parse_money
from siyu.tables import Offer, OfferKind


class OfferForm(BaseModel):
    """The form as it came: all text."""

    title: str = ""
    kind: str = OfferKind.PERCENT.value
    value: str = ""
    min_spend: str = ""
    max_discount: str = ""
    stock: str = ""
    per_fan: str = "1"
    ends_at: str = ""
    valid_days: str = ""
    budget: str = ""
    currency: str = ""  # the community's, unless it is for Stars
    products: str = ""  # SKUs, between commas
    categories: str = ""
    daily_cap: str = ""
    stack_group: str = ""
    shared_code: str = ""
    holdout: str = ""
    segment: str = ""  # whom it will be handed out to, where somebody came from there


def read_offer(form: OfferForm, *, currency: str, zone: ZoneInfo) -> tuple[NewOffer, list[Invalid]]:
    """The offer, and everything in it that could not be read."""
    reading = Reading()
    kind = reading.take(lambda: _kind(form.kind), OfferKind.PERCENT)
    currency = STARS if form.currency == STARS else currency
    value, hundredths = reading.take(lambda: _worth(kind, form.value, currency), (0, 0))
    offer = NewOffer(
        title=form.title,
        kind=kind,
        value=value,
        hundredths=hundredths,
        currency=currency,
        stock=reading.take(lambda: number(form.stock, "stock"), 0),
        ends_at=reading.take(lambda: _moment(form.ends_at, zone), start_of_day(EPOCH, zone)),
        per_fan=reading.take(lambda: number(form.per_fan, "per_fan"), 1),
        min_spend_minor=reading.take(lambda: _minor(form.min_spend, currency, "min_spend"), None) or 0,
        max_discount_minor=reading.take(lambda: _most(kind, form.max_discount, currency), None),
        valid_days=reading.take(lambda: number_or_none(form.valid_days, "valid_days"), None),
        budget_minor=reading.take(lambda: _minor(form.budget, currency, "budget"), None),
        products=_listed(form.products),
        categories=_listed(form.categories),
        daily_cap=reading.take(lambda: number_or_none(form.daily_cap, "daily_cap"), None),
        stack_group=form.stack_group.strip() or None,
        shared_code=form.shared_code.strip() or None,
        holdout_percent=reading.take(lambda: number_or_none(form.holdout.rstrip("%％ "), "holdout"), None) or 0,
    )
    return offer, reading.mistakes


def filled(offer: Offer, zone: ZoneInfo) -> OfferForm:
    """A draft as its form shows it."""
    return OfferForm(
        title=offer.title,
        kind=offer.kind.value,
        value=_written_worth(offer),
        min_spend=_written(offer.min_spend_minor or None, offer.currency),
        max_discount=_written(offer.max_discount_minor, offer.currency),
        stock=str(offer.stock),
        per_fan=str(offer.per_fan),
        ends_at=offer.ends_at.astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
        valid_days=str(offer.valid_days or ""),
        budget=_written(offer.budget_minor, offer.currency),
        currency=offer.currency,
        products=", ".join(offer.products),
        categories=", ".join(offer.categories),
        daily_cap=str(offer.daily_cap or ""),
        stack_group=offer.stack_group or "",
        shared_code=offer.shared_code or "",
        holdout=str(offer.holdout_percent or ""),
    )


def imagined(draft: NewOffer, *, now: datetime) -> Offer:
    """The offer a draft would be, for a look before it is saved."""
    lists = {"products": list(draft.products), "categories": list(draft.categories)}
    return Offer(code="", created_at=now, created_by="", **asdict(draft) | lists)


def read_amount(text: str, currency: str, field: str) -> Money:
    """An amount in major units. Raises Invalid with its place."""
    try:
        return parse_money(text.replace(",", ""), currency)
    except Invalid as mistake:
        mistake.where = (field,)
        raise


def _kind(word: str) -> OfferKind:
    if word not in set(OfferKind):
        raise Invalid("choose one of these", where=("kind",))
    return OfferKind(word)


def _worth(kind: OfferKind, text: str, currency: str) -> tuple[int, int]:
    match kind:
        case OfferKind.AMOUNT:
            return read_amount(text, currency, "value").minor, 0
        case OfferKind.PERCENT:
            return _percentage(text)
        case OfferKind.GIFT | OfferKind.EXCHANGE:
            return 0, 0
        case _ as never:
            assert_never(never)


def _percentage(text: str) -> tuple[int, int]:
    """12.5 is 12 and 50 hundredths: exact, no float in between."""
    plain = text.strip().rstrip("%％ ").replace(",", ".")
    whole, _, part = plain.partition(".")
    if not part:
        return number(whole, "value"), 0
    if len(part) > 2:
        raise Invalid("a percentage has at most two digits after the point", where=("value",))
    return number(whole, "value"), number(part.ljust(2, "0"), "value")


def _listed(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.replace("，", ",").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def _most(kind: OfferKind, text: str, currency: str) -> int | None:
    """Only what grows with the price needs a limit."""
    return _minor(text, currency, "max_discount") if kind in (OfferKind.PERCENT, OfferKind.EXCHANGE) else None


def _minor(text: str, currency: str, field: str) -> int | None:
    return read_amount(text, currency, field).minor if text.strip() else None


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        return parse_moment(text, zone)
    except (ValueError, OverflowError):
        raise Invalid("choose a day and a time", where=("ends_at",)) from None


def _written_worth(offer: Offer) -> str:
    if offer.kind is OfferKind.PERCENT:
        return basis_points(offer.basis_points)
    if offer.kind is OfferKind.AMOUNT:
        return _written(offer.value, offer.currency)
    return str(offer.value or "")


def _written(minor: int | None, currency: str) -> str:
    return "" if minor is None else f"{Money(minor, currency).major:.{exponent(currency)}f}"
