"""Points for what was bought: given with the sale, taken back with the refund."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from siyu.kit.database import WriteSession
from siyu.kit.money import STARS, exponent
from siyu.points.ledger import Grant, grant, take_back
from siyu.points.terms import Programme, Rule, programme, rule_in_force
from siyu.tables import PointsKind


@dataclass(frozen=True)
class Bought:
    """A sale that was written down: what was paid, in which currency, and when."""

    purchase_id: int
    fan_id: int
    amount_minor: int
    currency: str
    paid_at: datetime


async def earn_for(session: WriteSession, sales: Sequence[Bought]) -> None:
    """Only sales since the programme was switched on: the history of years, imported, gives nothing."""
    terms = await programme(session)
    fresh = [sale for sale in sales if terms.since is not None and sale.paid_at >= terms.since]
    for kind in (PointsKind.PURCHASE, PointsKind.STARS):
        mine = [sale for sale in fresh if kind_of(sale.currency, terms) is kind]
        rule = await rule_in_force(session, kind) if mine else None
        if rule:
            await grant(session, rule, [_worth(sale, rule) for sale in mine])


async def take_back_for(
    session: WriteSession, purchase_id: int, *, refunded_minor: int, paid_minor: int, now: datetime
) -> None:
    """`refunded_minor`: all that was given back so far. In full, all points go."""
    for kind in (PointsKind.PURCHASE, PointsKind.STARS):
        await take_back(session, kind, str(purchase_id), now=now, part=(refunded_minor, paid_minor))


def kind_of(currency: str, terms: Programme) -> PointsKind | None:
    """Currencies are never mixed: others than the main one and Stars give nothing."""
    if currency == STARS:
        return PointsKind.STARS
    return PointsKind.PURCHASE if currency == terms.currency else None


def _worth(sale: Bought, rule: Rule) -> Grant:
    """Rounded down: ¥19.90 at a point for each ¥1 are 19."""
    points = sale.amount_minor * rule.amount // (rule.per * 10 ** exponent(sale.currency))
    return Grant(sale.fan_id, str(sale.purchase_id), points, sale.paid_at)
