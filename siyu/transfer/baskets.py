"""Purchases in a CSV file: several rows of one `external_id` are the lines of one purchase, wherever they stand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pydantic import ValidationError

from siyu.kit.errors import Invalid
from siyu.kit.money import parse_money
from siyu.transfer.rows import ItemRow, PurchaseRow, Ruling, rejected, ruling_of
from siyu.transfer.sheets import Line, Ruled, Sheet, Told

# What the lines of one purchase must agree on; a blank says "as above".
SHARED = ("telegram_id", "purchased_at", "currency", "coupon_code", "status")
PAID, REFUNDED = "paid", "refunded"
_COLUMNS = {"amount_minor": "amount", "name": "product", "items": "external_id"}


@dataclass(frozen=True)
class Basket:
    """One purchase of the file; `refunded` if it was given back in full."""

    purchase: PurchaseRow
    refunded: bool


class _Wrong(Exception):
    """A line that cannot be; the whole purchase is left out, or its sum would be wrong."""

    def __init__(self, line: Line, ruling: Ruling) -> None:
        super().__init__(ruling.sentence)
        self.line = line
        self.ruling = ruling


def of(sheet: Sheet, *, source: str, currency: str) -> Iterator[Told[Basket] | Ruled]:
    """Every purchase of the file, or why its rows are none."""
    for found in _purchases(sheet):
        if isinstance(found, Ruled):
            yield found
            continue
        try:
            yield Told(tuple(line.number for line in found), _basket(found, source, currency))
        except _Wrong as wrong:
            yield from _rule_out(found, wrong)


def _purchases(sheet: Sheet) -> Iterator[Sequence[Line] | Ruled]:
    """The rows of each purchase. Rows that stand apart wait until the whole file was read."""
    scattered = _scattered(sheet)
    apart: dict[str, list[Line]] = {}
    for key, lines in groupby(sheet.lines(), key=_key):
        group = list(lines)
        if key is None:
            yield from (_without_id(line) for line in group)
        elif key in scattered:
            apart.setdefault(key, []).extend(line for line in group if isinstance(line, Line))
        else:
            yield [line for line in group if isinstance(line, Line)]
    yield from apart.values()


def _scattered(sheet: Sheet) -> set[str]:
    """Ids whose rows do not stand together: a first walk through the file, some 60 bytes of memory a purchase."""
    seen: set[int] = set()
    scattered: set[str] = set()
    for key, _ in groupby(sheet.lines(), key=_key):
        # Two ids that share a hash only mean that one purchase waits for nothing.
        if key is not None and hash(key) in seen:
            scattered.add(key)
        seen.add(hash(key))
    return scattered


def _key(line: Line | Ruled) -> str | None:
    return line.cells["external_id"].strip() or None if isinstance(line, Line) else None


def _without_id(line: Line | Ruled) -> Ruled:
    return line if isinstance(line, Ruled) else Ruled(line.number, rejected("is empty", "external_id"))


def _basket(lines: Sequence[Line], source: str, currency: str) -> Basket:
    shared = _shared(lines)
    currency = (shared["currency"] or currency).upper()
    amounts = [_amount(line, currency) for line in lines]
    told = {
        "source": source,
        "external_id": lines[0].cells["external_id"],
        "telegram_id": shared["telegram_id"],
        "purchased_at": shared["purchased_at"],
        "currency": currency,
        "amount_minor": sum(amounts),
        "coupon_code": shared["coupon_code"] or None,
        "items": [_item(line, amount) for line, amount in zip(lines, amounts, strict=True) if _says_what(lines, line)],
    }
    try:
        return Basket(PurchaseRow.model_validate(told), refunded=_is_refunded(lines[0], shared["status"]))
    except ValidationError as error:
        raise _Wrong(lines[0], _in_columns(ruling_of(error))) from None


def _shared(lines: Sequence[Line]) -> dict[str, str]:
    """What all lines say alike; a line may leave it out, but not say something else."""
    shared: dict[str, str] = {}
    for column in SHARED:
        shared[column] = ""
        for line in lines:
            said = line.cells.get(column, "").strip()
            if said and shared[column] and said != shared[column]:
                raise _Wrong(line, rejected(f"is {said} here and {shared[column]} in another row of it", column))
            shared[column] = shared[column] or said
    return shared


def _amount(line: Line, currency: str) -> int:
    text = line.cells["amount"].strip()
    if not text:
        raise _Wrong(line, rejected("is empty", "amount"))
    try:
        return parse_money(text, currency).minor
    except Invalid as error:
        column = "currency" if error.reason == "unknown_currency" else "amount"
        raise _Wrong(line, rejected(str(error), column)) from None


def _says_what(lines: Sequence[Line], line: Line) -> bool:
    """A purchase of one row that names nothing has no lines."""
    return len(lines) > 1 or any(line.cells.get(column, "").strip() for column in ("sku", "product", "category"))


def _item(line: Line, amount: int) -> ItemRow:
    told = {"sku": "sku", "product": "name", "category": "category", "quantity": "quantity"}
    given = {name: text for column, name in told.items() if (text := line.cells.get(column, "").strip())}
    try:
        return ItemRow.model_validate({**given, "amount_minor": amount})
    except ValidationError as error:
        raise _Wrong(line, _in_columns(ruling_of(error))) from None


def _is_refunded(line: Line, status: str) -> bool:
    if status.lower() not in ("", PAID, REFUNDED):
        raise _Wrong(line, rejected(f"{status} is neither {PAID} nor {REFUNDED}", "status"))
    return status.lower() == REFUNDED


def _in_columns(ruling: Ruling) -> Ruling:
    """The place as the file names it."""
    return rejected(ruling.sentence, _COLUMNS.get(ruling.column, ruling.column))


def _rule_out(lines: Sequence[Line], wrong: _Wrong) -> Iterator[Ruled]:
    """The wrong row with its reason, the others with where to look."""
    for line in lines:
        if line is wrong.line:
            yield Ruled(line.number, wrong.ruling)
        else:
            yield Ruled(line.number, rejected(f"row {wrong.line.number} of the same purchase is wrong"))
