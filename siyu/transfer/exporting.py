"""Taking facts out as CSV, page by page in one snapshot: a million rows need no more memory than a thousand."""

import csv
import os
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from sqlalchemy import Row as Record
from sqlalchemy import Select, and_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from siyu import broadcasts, purchases, segments
from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid
from siyu.kit.money import Money, exponent
from siyu.tables import (
    Coupon,
    Delivery,
    Fan,
    FanAttribute,
    FanLevel,
    FanTag,
    Interaction,
    Offer,
    Purchase,
    PurchaseItem,
    Reach,
    Redemption,
    Referral,
)
from siyu.transfer.cells import cell

PAGE = 1_000

# Any: each export selects its own columns.
Columns = tuple[Any, ...]
Found = Record[*Columns]

Values = Sequence[object]
Rows = AsyncIterator[Sequence[Values]]


def take_out(session: ReadSession, what: str, key: str, *, zone: ZoneInfo) -> Rows:
    """Pages of rows, the header in the first; times are the community's, with their offset."""
    match what:
        case "fans":
            return _fans(session, zone)
        case "purchases":
            return _purchases(session, zone)
        case "interactions":
            return _interactions(session, zone)
        case "coupons":
            return _coupons(session, zone)
        case "segment":
            return _segment(session, key, zone)
        case "deliveries":
            return _deliveries(session, key, zone)
        case _:
            raise Invalid("%(what)s cannot be exported", what=what)


async def write(rows: Rows, target: Path | TextIO) -> None:
    """Into a stream, or into a file that appears only when it is whole."""
    if not isinstance(target, Path):
        await _write_to(rows, target)
        return
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            await _write_to(rows, file)
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


async def _write_to(rows: Rows, stream: TextIO) -> None:
    async for page in rows:
        stream.write(text_of(page))


def text_of(page: Sequence[Values]) -> str:
    """A page of rows as CSV, safe to open in a spreadsheet."""
    stream = StringIO()
    csv.writer(stream, lineterminator="\n").writerows([[cell(value) for value in row] for row in page])
    return stream.getvalue()


async def _pages(
    session: ReadSession,
    statement: Select[*Columns],
    key_of: Callable[[Found], object],
    after: Callable[[Any], Any],
) -> AsyncIterator[Sequence[Found]]:  # Any: each export selects its own columns
    """By key, never by offset."""
    last: object = None
    while True:
        page = await session.rows((statement if last is None else statement.where(after(last))).limit(PAGE))
        if page:
            yield page
        if len(page) < PAGE:
            return
        last = key_of(page[-1])


async def _fans(session: ReadSession, zone: ZoneInfo) -> Rows:
    """The columns of an import, so that what was taken out can be brought in."""
    names = await session.all(select(col(FanAttribute.name)).distinct().order_by(col(FanAttribute.name)))
    own = ("telegram_id", "name", "username", "language", "phone", "joined_at", "source_channel", "referred_by", "tags")
    attributes = [name for name in names if name not in own]
    yield [(*own, *attributes)]
    referrer = aliased(Fan)
    statement = (
        select(Fan, col(referrer.telegram_id))
        .outerjoin(Referral, col(Referral.referee_id) == col(Fan.id))
        .outerjoin(referrer, col(referrer.id) == col(Referral.referrer_id))
        .order_by(col(Fan.id))
    )
    async for page in _pages(session, statement, lambda row: row[0].id, lambda last: col(Fan.id) > last):
        ids = [fan.id for fan, _ in page]
        tags, known = await _tags(session, ids), await _attributes(session, ids)
        yield [
            (
                fan.telegram_id, fan.name, fan.username, fan.language, fan.phone, _time(fan.joined_at, zone),
                fan.source_channel, by, ";".join(tags.get(fan.id, ())),
                *(known.get((fan.id, name)) for name in attributes),
            )
            for fan, by in page
        ]  # fmt: skip


async def _purchases(session: ReadSession, zone: ZoneInfo) -> Rows:
    """One row per line; the amounts of a purchase's rows add up to what was paid."""
    yield [
        (
            "external_id", "telegram_id", "purchased_at", "amount", "currency", "sku", "product", "category",
            "quantity", "coupon_code", "status", "refunded", "source",
        )
    ]  # fmt: skip
    statement = select(Purchase, col(Fan.telegram_id)).join(Fan, col(Fan.id) == col(Purchase.fan_id))
    statement = statement.order_by(col(Purchase.id))
    async for page in _pages(session, statement, lambda row: row[0].id, lambda last: col(Purchase.id) > last):
        lines = await purchases.lines_of(session, [purchase.id for purchase, _ in page])
        yield [
            row
            for purchase, telegram_id in page
            for row in _purchase_rows(purchase, telegram_id, lines.get(purchase.id, []), zone)
        ]


def _purchase_rows(purchase: Purchase, telegram_id: int, lines: Sequence[PurchaseItem], zone: ZoneInfo) -> list[Values]:
    amounts = spread(purchase.amount_minor, [line.amount_minor for line in lines]) or [purchase.amount_minor]
    refunds = [purchase.refunded_minor, *([0] * (len(amounts) - 1))]
    whole = purchase.amount_minor > 0 and purchase.refunded_minor == purchase.amount_minor
    what: list[Values] = [(line.sku, line.name, line.category, line.quantity) for line in lines] or [("", "", "", "")]
    return [
        (
            purchase.external_id, telegram_id, _time(purchase.paid_at, zone), _major(amount, purchase.currency),
            purchase.currency, *named, purchase.coupon_code, "refunded" if whole else "paid",
            _major(refunded, purchase.currency), purchase.source,
        )
        for amount, refunded, named in zip(amounts, refunds, what, strict=True)
    ]  # fmt: skip


def spread(total: int, shares: Sequence[int]) -> list[int]:
    """`total` over these shares in whole units: a discount taken off lines in proportion, nothing lost to rounding."""
    whole = sum(shares)
    if whole in (total, 0):
        return list(shares) if whole == total else [total, *([0] * (len(shares) - 1))] if shares else []
    given, reached, amounts = 0, 0, []
    for share in shares:
        reached += share
        amounts.append(total * reached // whole - given)
        given += amounts[-1]
    return amounts


async def _interactions(session: ReadSession, zone: ZoneInfo) -> Rows:
    header: Values = ("external_id", "telegram_id", "at", "kind", "detail", "source")
    yield [header]
    statement = select(Interaction, col(Fan.telegram_id)).join(Fan, col(Fan.id) == col(Interaction.fan_id))
    statement = statement.order_by(col(Interaction.id))
    async for page in _pages(session, statement, lambda row: row[0].id, lambda last: col(Interaction.id) > last):
        yield [
            (did.external_id, telegram_id, _time(did.at, zone), did.kind, did.detail, did.source)
            for did, telegram_id in page
        ]


async def _coupons(session: ReadSession, zone: ZoneInfo) -> Rows:
    yield [
        (
            "code", "offer", "title", "telegram_id", "state", "claimed_at", "valid_until", "redeemed_at", "discount",
            "currency",
        )
    ]  # fmt: skip
    live = and_(col(Redemption.coupon_id) == col(Coupon.id), col(Redemption.reversed_at).is_(None))
    statement = (
        select(Coupon, Offer, col(Fan.telegram_id), Redemption)
        .join(Offer, col(Offer.id) == col(Coupon.offer_id))
        .join(Fan, col(Fan.id) == col(Coupon.fan_id))
        .outerjoin(Redemption, live)
        .order_by(col(Coupon.id))
    )
    async for page in _pages(session, statement, lambda row: row[0].id, lambda last: col(Coupon.id) > last):
        yield [
            (
                coupon.code, offer.id, offer.title, telegram_id, coupon.state, _time(coupon.claimed_at, zone),
                _time(coupon.valid_until, zone), _time(coupon.redeemed_at, zone),
                _major(use.discount_minor, use.currency) if use else "", use.currency if use else offer.currency,
            )
            for coupon, offer, telegram_id, use in page
        ]  # fmt: skip


async def _segment(session: ReadSession, key: str, zone: ZoneInfo) -> Rows:
    dimension, level = (await segments.whole(session)).place(key)
    yield [("telegram_id", "name", "username", "reachable", "since")]
    statement = (
        select(Fan, col(FanLevel.since))
        .join(FanLevel, col(FanLevel.fan_id) == col(Fan.id))
        .where(col(FanLevel.dimension) == dimension.key, col(FanLevel.level) == level.key)
        .order_by(col(Fan.id))
    )
    async for page in _pages(session, statement, lambda row: row[0].id, lambda last: col(Fan.id) > last):
        yield [
            (fan.telegram_id, fan.name, fan.username, "yes" if _is_reachable(fan) else "no", _time(since, zone))
            for fan, since in page
        ]


async def _deliveries(session: ReadSession, key: str, zone: ZoneInfo) -> Rows:
    if not key.isdecimal() or len(key) > 15:
        raise Invalid("%(key)s is not the number of a broadcast", key=key)
    broadcast = await broadcasts.get_broadcast(session, int(key))
    yield [
        (
            "telegram_id", "name", "state", "reason", "message_id", "sent_at", "clicked_at", "variant", "planned_at",
            "attempts", "buttons", "bought",
        )
    ]  # fmt: skip
    statement = (
        select(Delivery, Fan, broadcasts.has_bought(broadcast.attribution_days))
        .join(Fan, col(Fan.id) == col(Delivery.fan_id))
        .where(col(Delivery.broadcast_id) == broadcast.id)
        .order_by(col(Delivery.fan_id))
    )
    async for page in _pages(session, statement, lambda row: row[0].fan_id, lambda last: col(Delivery.fan_id) > last):
        pressed = await broadcasts.pressed_by(session, broadcast.id or 0, [delivery.fan_id for delivery, _, _ in page])
        yield [
            (
                fan.telegram_id, fan.name, delivery.state, delivery.reason, delivery.message_id,
                _time(delivery.sent_at, zone), _time(delivery.clicked_at, zone), delivery.variant,
                _time(delivery.planned_at, zone), delivery.attempts, ";".join(pressed.get(delivery.fan_id, ())),
                "yes" if bought else "no",
            )
            for delivery, fan, bought in page
        ]  # fmt: skip


async def _tags(session: ReadSession, ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    wanted = select(FanTag).where(col(FanTag.fan_id).in_(ids)).order_by(col(FanTag.tag))
    for tag in await session.all(wanted):
        found.setdefault(tag.fan_id, []).append(tag.tag)
    return found


async def _attributes(session: ReadSession, ids: Sequence[int]) -> dict[tuple[int, str], str]:
    wanted = select(FanAttribute).where(col(FanAttribute.fan_id).in_(ids))
    return {(known.fan_id, known.name): known.value for known in await session.all(wanted)}


def _is_reachable(fan: Fan) -> bool:
    return fan.reach is Reach.REACHABLE and fan.muted_at is None


def _time(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return moment.astimezone(zone).isoformat() if moment else None


def _major(minor: int, currency: str) -> str:
    """Plain digits, as an import reads them."""
    return f"{Money(minor, currency).major:.{exponent(currency)}f}"
