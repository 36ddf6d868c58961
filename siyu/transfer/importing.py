"""Bringing a CSV file in: a thousand rows a transaction, a ruling for every row, safe to repeat."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, BinaryIO, TypeVar, assert_never
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from siyu.audit import COMMAND_LINE, Actor
from siyu.kit.database import WriteSession
from siyu.kit.errors import Invalid
from siyu.transfer import baskets
from siyu.transfer.facts import take_baskets, take_interactions
from siyu.transfer.people import take_fans
from siyu.transfer.rows import FanRow, InteractionRow, Row, Ruling, free_source, ruling_of
from siyu.transfer.sheets import Ruled, Sheet, Told

CHUNK = 1_000

Shape = TypeVar("Shape", bound=Row)
Transactions = Callable[[], AbstractAsyncContextManager[WriteSession]]


class Kind(StrEnum):
    """What a file holds."""

    FANS = "fans"
    PURCHASES = "purchases"
    INTERACTIONS = "interactions"


@dataclass(frozen=True)
class Setting:
    """Where the rows go, and what they mean where they do not say it."""

    source: str
    zone: ZoneInfo
    currency: str
    now: datetime
    actor: Actor = COMMAND_LINE


REQUIRED = {
    Kind.FANS: ("telegram_id", "name"),
    Kind.PURCHASES: ("external_id", "telegram_id", "purchased_at", "amount"),
    Kind.INTERACTIONS: ("external_id", "telegram_id", "at", "kind"),
}
OPTIONAL = {
    Kind.FANS: ("username", "language", "phone", "joined_at", "source_channel", "referred_by", "tags"),
    Kind.PURCHASES: ("currency", "sku", "product", "category", "quantity", "coupon_code", "status"),
    Kind.INTERACTIONS: ("detail",),
}


def open_sheet(file: BinaryIO, kind: Kind) -> Sheet:
    """Read and check the header. Raises Invalid with what is missing."""
    return Sheet(file, required=REQUIRED[kind], known=REQUIRED[kind] + OPTIONAL[kind])


def check_source(name: str) -> str:
    """A source's name; Invalid for one our own facts carry."""
    try:
        return free_source(name)
    except ValueError as error:
        raise Invalid("%(why)s", why=error, where=("source",)) from None


async def bring_in(
    sheet: Sheet, kind: Kind, transactions: Transactions, setting: Setting
) -> AsyncIterator[list[Ruled]]:
    """Write the file's rows chunk by chunk; yields the rulings of each chunk after its commit."""
    match kind:
        case Kind.FANS:
            chunks = _chunks(_rows(sheet, FanRow, _fan_cells))
        case Kind.INTERACTIONS:
            chunks = _chunks(_rows(sheet, InteractionRow, lambda cells: _fact_cells(cells, setting.source)))
        case Kind.PURCHASES:
            chunks = _chunks(baskets.of(sheet, source=setting.source, currency=setting.currency))
        case _ as never:
            assert_never(never)
    for chunk in chunks:
        rows = [found.row for found in chunk if isinstance(found, Told)]
        async with transactions() as session:
            rulings = await _take(session, kind, rows, setting)
        yield _in_order(chunk, rulings)


Found = Told[Any] | Ruled  # Any: the row of the kind at hand


def _rows(sheet: Sheet, shape: type[Shape], cells_of: Callable[[dict[str, str]], dict[str, object]]) -> Iterator[Found]:
    for line in sheet.lines():
        if isinstance(line, Ruled):
            yield line
            continue
        try:
            yield Told((line.number,), shape.model_validate(cells_of(line.cells)))
        except ValidationError as error:
            yield Ruled(line.number, ruling_of(error))


def _fan_cells(cells: dict[str, str]) -> dict[str, object]:
    told: dict[str, object] = {column: text for column, text in cells.items() if text.strip()}
    if "tags" in told:
        told["tags"] = [tag for tag in cells["tags"].split(";") if tag.strip()]
    return told


def _fact_cells(cells: dict[str, str], source: str) -> dict[str, object]:
    known = REQUIRED[Kind.INTERACTIONS] + OPTIONAL[Kind.INTERACTIONS]
    return {"source": source, **{column: text for column, text in cells.items() if column in known and text.strip()}}


def _chunks(found: Iterator[Found]) -> Iterator[list[Found]]:
    while chunk := list(islice(found, CHUNK)):
        yield chunk


async def _take(session: WriteSession, kind: Kind, rows: Sequence[Any], setting: Setting) -> list[Ruling]:
    zone, now = setting.zone, setting.now
    match kind:
        case Kind.FANS:
            return await take_fans(session, setting.actor, rows, zone=zone, now=now)
        case Kind.PURCHASES:
            return await take_baskets(session, rows, zone=zone, now=now)
        case Kind.INTERACTIONS:
            return await take_interactions(session, rows, zone=zone, now=now)
        case _ as never:
            assert_never(never)


def _in_order(chunk: Sequence[Found], rulings: Sequence[Ruling]) -> list[Ruled]:
    """One ruling per line of the file: all lines of a purchase share its."""
    ruled: list[Ruled] = []
    remaining = iter(rulings)
    for found in chunk:
        if isinstance(found, Ruled):
            ruled.append(found)
        else:
            ruling = next(remaining)
            ruled += [Ruled(line, ruling) for line in found.lines]
    return ruled
