"""Purchases and interactions from a file or a program: written in bulk, each with a ruling."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from siyu import interactions, purchases
from siyu.fans import Admitted
from siyu.interactions import Interacted
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.money import Money
from siyu.purchases import Line, Sale
from siyu.tables import Interaction
from siyu.transfer.baskets import Basket
from siyu.transfer.people import FORGOTTEN, known_by_import
from siyu.transfer.rows import InteractionRow, PurchaseRow, RefundRow, Ruling, Verdict, rejected, utc

OTHER_BODY = "the same key was told before with another content"


async def take_purchases(
    session: WriteSession, rows: Sequence[PurchaseRow], *, zone: ZoneInfo, now: datetime
) -> list[Ruling]:
    """Book these purchases; a fan nobody knew becomes one known by import. One ruling per row, in order."""
    people = await known_by_import(
        session, [(row.telegram_id, utc(row.purchased_at, zone)) for row in rows], zone=zone, now=now
    )
    sales = [_sale(row, people, zone) for row in rows if row.telegram_id in people]
    verdicts = iter(await purchases.record(session, sales, zone=zone))
    return [_of_sale(next(verdicts)) if row.telegram_id in people else FORGOTTEN for row in rows]


async def take_refund(session: WriteSession, row: RefundRow, *, zone: ZoneInfo, now: datetime) -> Ruling:
    """Book money given back, once."""
    verdict = await purchases.refund(
        session,
        source=row.source,
        external_id=row.external_id,
        refund_id=row.refund_id,
        amount_minor=row.amount_minor,
        at=utc(row.refunded_at, zone),
        zone=zone,
        now=now,
    )
    if verdict is purchases.Verdict.REJECTED:
        return rejected("no such purchase, more than is left of it, or this refund was told with another content")
    return Ruling(Verdict(verdict.value))


async def take_baskets(
    session: WriteSession, baskets: Sequence[Basket], *, zone: ZoneInfo, now: datetime
) -> list[Ruling]:
    """Book a file's purchases, and give back those it calls refunded; a purchase we had as paid is then `updated`."""
    rulings = await take_purchases(session, [basket.purchase for basket in baskets], zone=zone, now=now)
    for n, basket in enumerate(baskets):
        if basket.refunded and rulings[n].verdict in (Verdict.CREATED, Verdict.DUPLICATE):
            given_back = await _give_back(session, basket.purchase, zone=zone, now=now)
            if given_back and rulings[n].verdict is Verdict.DUPLICATE:
                rulings[n] = Ruling(Verdict.UPDATED)
    return rulings


async def take_interactions(
    session: WriteSession, rows: Sequence[InteractionRow], *, zone: ZoneInfo, now: datetime
) -> list[Ruling]:
    """Write what these fans did. One ruling per row, in order."""
    people = await known_by_import(session, [(row.telegram_id, utc(row.at, zone)) for row in rows], zone=zone, now=now)
    facts = [_interacted(row, people, zone) for row in rows if row.telegram_id in people]
    first: dict[tuple[str, str], Interacted] = {}
    for fact in facts:
        first.setdefault(fact.key, fact)
    fresh = await interactions.record(session, list(first.values()), zone=zone)
    known = await _written(session, [fact for key, fact in first.items() if key not in fresh])
    told = (_of_interaction(fact, fact is first[fact.key] and fact.key in fresh, known, first) for fact in facts)
    return [next(told) if row.telegram_id in people else FORGOTTEN for row in rows]


async def _give_back(session: WriteSession, row: PurchaseRow, *, zone: ZoneInfo, now: datetime) -> bool:
    """All that is left of it, once; the file does not say when, so it counts as given back at once."""
    verdict = await purchases.refund(
        session,
        source=row.source,
        external_id=row.external_id,
        refund_id=f"import:{row.external_id}",
        amount_minor=None,
        at=utc(row.purchased_at, zone),
        zone=zone,
        now=now,
    )
    return verdict is purchases.Verdict.CREATED


def _sale(row: PurchaseRow, people: Admitted, zone: ZoneInfo) -> Sale:
    return Sale(
        source=row.source,
        external_id=row.external_id,
        fan_id=people[row.telegram_id].id or 0,
        paid_at=utc(row.purchased_at, zone),
        amount=Money(row.amount_minor, row.currency),
        items=tuple(
            Line(sku=item.sku, name=item.name, category=item.category, quantity=item.quantity,
                 amount_minor=item.amount_minor)
            for item in row.items
        ),
        coupon_code=row.coupon_code or None,
    )  # fmt: skip


def _of_sale(verdict: purchases.Verdict) -> Ruling:
    match verdict:
        case purchases.Verdict.CONFLICT:
            return Ruling(Verdict.CONFLICT, OTHER_BODY, "external_id")
        case purchases.Verdict.REJECTED:
            return rejected("its amounts are not whole numbers of a known currency")
        case _:
            return Ruling(Verdict(verdict.value))


def _interacted(row: InteractionRow, people: Admitted, zone: ZoneInfo) -> Interacted:
    return Interacted(
        source=row.source,
        external_id=row.external_id,
        fan_id=people[row.telegram_id].id or 0,
        at=utc(row.at, zone),
        kind=row.kind,
        detail=row.detail or None,
    )


async def _written(session: ReadSession, facts: Iterable[Interacted]) -> dict[tuple[str, str], Interacted]:
    """What stands in the database under these keys."""
    wanted: dict[str, list[str]] = {}
    for fact in facts:
        wanted.setdefault(fact.source, []).append(fact.external_id)
    found: dict[tuple[str, str], Interacted] = {}
    for source, ids in wanted.items():
        statement = select(Interaction).where(Interaction.source == source, col(Interaction.external_id).in_(ids))
        for row in await session.all(statement):
            fact = Interacted(row.source, row.external_id, row.fan_id, row.at, row.kind, row.detail)
            found[fact.key] = fact
    return found


def _of_interaction(
    fact: Interacted, is_new: bool, known: dict[tuple[str, str], Interacted], first: dict[tuple[str, str], Interacted]
) -> Ruling:
    if is_new:
        return Ruling(Verdict.CREATED)
    if fact == known.get(fact.key, first[fact.key]):
        return Ruling(Verdict.DUPLICATE)
    return Ruling(Verdict.CONFLICT, OTHER_BODY, "external_id")
