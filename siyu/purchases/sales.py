"""Sales as facts: each once by its source and the source's own id, whatever comes twice."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, tuple_
from sqlmodel import col

from siyu import coupons, fans, points
from siyu.idempotency import hash_of
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid, NotFound
from siyu.kit.money import LARGEST_MAJOR, Money, exponent
from siyu.kit.paging import Page, cursor_of, key_of, moment_of
from siyu.points import Bought
from siyu.tables import Purchase, PurchaseItem

# 13 columns a row: 500 rows stay far below SQLite's 32,766 and PostgreSQL's 65,535 parameters.
CHUNK = 500

Key = tuple[str, str]


@dataclass(frozen=True)
class Line:
    """One line of a purchase."""

    sku: str
    name: str
    category: str
    quantity: int
    amount_minor: int


@dataclass(frozen=True)
class Sale:
    """A purchase as somebody tells it; `amount` is what was paid, after the discount."""

    source: str
    external_id: str
    fan_id: int
    paid_at: datetime
    amount: Money
    items: tuple[Line, ...] = ()
    coupon_code: str | None = None
    discount_minor: int = 0
    broadcast_id: int | None = None

    @property
    def key(self) -> Key:
        return self.source, self.external_id

    @property
    def body_hash(self) -> str:
        """What makes two tellings of one key the same; the campaign is our own guess and not part of it."""
        lines = [[line.sku, line.name, line.category, line.quantity, line.amount_minor] for line in self.items]
        amounts = [self.amount.minor, self.amount.currency, self.discount_minor]
        told = [self.fan_id, int(self.paid_at.timestamp()), *amounts, self.coupon_code or "", lines]
        return hash_of(json.dumps(told, ensure_ascii=False))


class Verdict(StrEnum):
    """What became of one row that somebody sent."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


async def record(session: WriteSession, sales: Sequence[Sale], *, zone: ZoneInfo) -> list[Verdict]:
    """Write what is new; a verdict for each, in order. The same key with another body is a conflict."""
    good = {n: sale for n, sale in enumerate(sales) if _is_sound(sale)}
    first: dict[Key, int] = {}
    for n, sale in good.items():
        first.setdefault(sale.key, n)
    written = await _write(session, [sales[n] for n in first.values()], zone=zone)
    known = await _hashes(session, [key for key in first if key not in written])
    known |= {key: sales[first[key]].body_hash for key in written}
    return [
        Verdict.REJECTED
        if n not in good
        else Verdict.CREATED
        if sale.key in written and first[sale.key] == n
        else Verdict.DUPLICATE
        if known[sale.key] == sale.body_hash
        else Verdict.CONFLICT
        for n, sale in enumerate(sales)
    ]


async def get_purchase(session: ReadSession, purchase_id: int) -> Purchase:
    purchase = await session.get(Purchase, purchase_id)
    if purchase is None:
        raise NotFound("there is no such purchase")
    return purchase


async def find_purchase(session: ReadSession, source: str, external_id: str) -> Purchase:
    """By its own key. Raises NotFound."""
    mine = select(Purchase).where(col(Purchase.source) == source, col(Purchase.external_id) == external_id)
    purchase = await session.first(mine)
    if purchase is None:
        raise NotFound("there is no such purchase")
    return purchase


async def purchases_of(
    session: ReadSession, fan_id: int, *, source: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[Purchase]:
    """What one fan bought, the newest first; of one source or of all."""
    statement = select(Purchase).where(col(Purchase.fan_id) == fan_id)
    if source:
        statement = statement.where(col(Purchase.source) == source)
    if cursor:
        at, row = key_of(cursor, length=2)
        statement = statement.where(tuple_(col(Purchase.paid_at), col(Purchase.id)) < (moment_of(at), row))
    order = (col(Purchase.paid_at).desc(), col(Purchase.id).desc())
    found = await session.all(statement.order_by(*order).limit(limit + 1))
    if len(found) <= limit:
        return Page(found)
    last = found[limit - 1]
    return Page(found[:limit], cursor_of((int(last.paid_at.timestamp()), last.id or 0)))


async def sums_of(session: ReadSession, fan_id: int) -> list[Money]:
    """What one fan paid and did not get back, each currency by itself."""
    kept = func.sum(col(Purchase.amount_minor) - col(Purchase.refunded_minor))
    grouped = select(col(Purchase.currency), kept).where(col(Purchase.fan_id) == fan_id)
    rows = await session.rows(grouped.group_by(col(Purchase.currency)).order_by(col(Purchase.currency)))
    return [Money(int(row[1]), row[0]) for row in rows]


async def lines_of(session: ReadSession, purchase_ids: Iterable[int]) -> dict[int, list[PurchaseItem]]:
    """The lines of these purchases, in order."""
    wanted = col(PurchaseItem.purchase_id).in_(list(purchase_ids))
    lines: dict[int, list[PurchaseItem]] = {}
    statement = select(PurchaseItem).where(wanted).order_by(col(PurchaseItem.purchase_id), col(PurchaseItem.line))
    for line in await session.all(statement):
        lines.setdefault(line.purchase_id, []).append(line)
    return lines


def _is_sound(sale: Sale) -> bool:
    """Whole amounts of a currency that exists, and an id to know it by."""
    try:
        most = LARGEST_MAJOR * 10 ** exponent(sale.amount.currency)
    except Invalid:
        return False
    amounts = [sale.amount.minor, sale.discount_minor, *(line.amount_minor for line in sale.items)]
    quantities = all(1 <= line.quantity <= LARGEST_MAJOR for line in sale.items)
    return bool(sale.source and sale.external_id) and quantities and all(0 <= amount <= most for amount in amounts)


async def _write(session: WriteSession, sales: Sequence[Sale], *, zone: ZoneInfo) -> set[Key]:
    """Insert what no one had; the keys that were new, with their lines, coupons and days."""
    columns = (col(Purchase.source), col(Purchase.external_id), col(Purchase.id))
    insert = session.insert(Purchase).on_conflict_do_nothing().returning(*columns)
    rows = [_row(sale, zone) for sale in sales]
    # As parameters of one statement, not spelled out in it: compiling 1,000 VALUES costs more than inserting them.
    ids = {(row[0], row[1]): row[2] for row in await session.returning(insert, rows)} if rows else {}
    fresh = [sale for sale in sales if sale.key in ids]
    await session.run_many(session.insert(PurchaseItem), [row for sale in fresh for row in _lines(sale, ids[sale.key])])
    for sale in fresh:
        if sale.coupon_code:
            await coupons.link(session, sale.coupon_code, fan_id=sale.fan_id, purchase_id=ids[sale.key])
    await fans.mark_dirty(session, [(sale.fan_id, local_day(sale.paid_at, zone), sale.paid_at) for sale in fresh])
    await points.earn_for(session, [_bought(sale, ids[sale.key]) for sale in fresh])
    return set(ids)


async def _hashes(session: ReadSession, keys: Sequence[Key]) -> dict[Key, str]:
    found: dict[Key, str] = {}
    queue = iter(keys)
    columns = (col(Purchase.source), col(Purchase.external_id), col(Purchase.body_hash))
    while chunk := list(islice(queue, CHUNK)):
        wanted = tuple_(col(Purchase.source), col(Purchase.external_id)).in_(chunk)
        found |= {(row[0], row[1]): row[2] for row in await session.rows(select(*columns).where(wanted))}
    return found


def _row(sale: Sale, zone: ZoneInfo) -> dict[str, object]:
    return {
        "source": sale.source,
        "external_id": sale.external_id,
        "fan_id": sale.fan_id,
        "paid_at": sale.paid_at,
        "day": local_day(sale.paid_at, zone),
        "amount_minor": sale.amount.minor,
        "discount_minor": sale.discount_minor,
        "refunded_minor": 0,
        "currency": sale.amount.currency,
        "coupon_code": sale.coupon_code,
        "body_hash": sale.body_hash,
        "broadcast_id": sale.broadcast_id,
    }


def _bought(sale: Sale, purchase_id: int) -> Bought:
    return Bought(purchase_id, sale.fan_id, sale.amount.minor, sale.amount.currency, sale.paid_at)


def _lines(sale: Sale, purchase_id: int) -> list[dict[str, object]]:
    return [{"purchase_id": purchase_id, "line": n, **asdict(line)} for n, line in enumerate(sale.items, start=1)]
