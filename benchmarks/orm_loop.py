"""The baseline of the recompute: what most programs do, fan by fan, with objects; it finds the same."""

import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import islice

from sqlmodel import col, select

from benchmarks.community import CURRENCY, ZONE
from siyu.kit.clock import local_day
from siyu.kit.database import Database, WriteSession
from siyu.tables import Fan, FanLevel, FanMetrics, Interaction, LevelChange, Purchase, Reach, Referral, Refund

# Fans to a commit: kinder to the loop than one commit each.
BATCH = 100


async def work_through(database: Database, fan_ids: Iterable[int], as_of: datetime) -> float:
    """Refresh these fans one by one; returns the seconds. Raises when something had to be changed.

    Ours ran just before with the same facts, so a correct loop finds every row as it should be.
    """
    waiting = iter(fan_ids)
    changed = 0
    started = time.perf_counter()
    while batch := list(islice(waiting, BATCH)):
        async with database.writing() as session:
            for fan_id in batch:
                changed += await _refresh(session, fan_id, as_of)
    seconds = time.perf_counter() - started
    if changed:
        raise SystemExit(f"the loop and the recompute disagree about {changed} rows")
    return seconds


async def _refresh(session: WriteSession, fan_id: int, as_of: datetime) -> int:
    """Load a fan's facts, add them up, write the row and the three levels; how many of these changed."""
    today = local_day(as_of, ZONE)
    fan = await session.get(Fan, fan_id)
    assert fan is not None
    interactions = await session.all(
        select(Interaction).where(Interaction.fan_id == fan_id, col(Interaction.at) <= as_of)
    )
    bought = await _counting(session, fan_id, as_of)
    numbers = _own(interactions, bought, today) | await _referred(session, fan_id, today, as_of)
    numbers["reachable"] = fan.reach is Reach.REACHABLE and fan.muted_at is None
    row = await session.get(FanMetrics, fan_id) or FanMetrics(fan_id=fan_id)
    different = [name for name, value in numbers.items() if getattr(row, name) != value]
    for name in different:
        setattr(row, name, numbers[name])
    session.add(row)
    return len(different) + await _place(session, row, today, as_of)


async def _counting(session: WriteSession, fan_id: int, as_of: datetime) -> list[tuple[Purchase, list[Refund]]]:
    """Purchases that were not paid back in full, each with what was paid back."""
    found = await session.all(select(Purchase).where(Purchase.fan_id == fan_id, col(Purchase.paid_at) <= as_of))
    ids = [purchase.id for purchase in found]
    refunds = await session.all(
        select(Refund).where(col(Refund.purchase_id).in_(ids), col(Refund.refunded_at) <= as_of)
    )
    with_refunds = [(purchase, [back for back in refunds if back.purchase_id == purchase.id]) for purchase in found]
    return [(purchase, backs) for purchase, backs in with_refunds if not backs or _net(purchase, backs) > 0]


def _net(purchase: Purchase, refunds: Sequence[Refund]) -> int:
    return purchase.amount_minor - sum(back.amount_minor for back in refunds)


def _own(
    interactions: Sequence[Interaction], bought: Sequence[tuple[Purchase, list[Refund]]], today: date
) -> dict[str, object]:
    numbers: dict[str, object] = {"interactions_total": len(interactions), "purchases_total": len(bought)}
    for days in (7, 30, 90):
        numbers[f"interactions_{days}d"] = sum(fact.day > today - timedelta(days=days) for fact in interactions)
    for days in (30, 90, 365):
        recent = [sale for sale in bought if sale[0].day > today - timedelta(days=days)]
        numbers[f"purchases_{days}d"], numbers[f"spend_{days}d"] = len(recent), _spend(recent)
    moments = [purchase.paid_at for purchase, _ in bought]
    numbers |= {
        "spend_total": _spend(bought),
        "orders_total": len({purchase.day for purchase, _ in bought}),
        "last_interaction_at": max((fact.at for fact in interactions), default=None),
        "last_interaction_day": max((fact.day for fact in interactions), default=None),
        "first_purchase_at": min(moments, default=None),
        "first_purchase_day": min((purchase.day for purchase, _ in bought), default=None),
        "last_purchase_at": max(moments, default=None),
        "last_purchase_day": max((purchase.day for purchase, _ in bought), default=None),
    }
    return numbers


def _spend(bought: Sequence[tuple[Purchase, list[Refund]]]) -> int:
    return sum(_net(purchase, refunds) for purchase, refunds in bought if purchase.currency == CURRENCY)


async def _referred(session: WriteSession, fan_id: int, today: date, as_of: datetime) -> dict[str, object]:
    """The friends this fan brought, each with their purchases."""
    edges = select(Fan).join(Referral, col(Referral.referee_id) == col(Fan.id))
    friends = await session.all(edges.where(Referral.referrer_id == fan_id, col(Referral.at) <= as_of))
    qualified = spend = 0
    for friend in friends:
        bought = await _counting(session, friend.id or 0, as_of)
        spend += _spend([sale for sale in bought if sale[0].day > today - timedelta(days=365)])
        qualified += _qualifies(friend, bought, today)
    return {
        "referrals_total": len(friends),
        "referrals_qualified": qualified,
        "referred_spend_365d": spend,
    }


def _qualifies(friend: Fan, bought: Sequence[tuple[Purchase, list[Refund]]], today: date) -> bool:
    if not bought:
        return False
    first, refunds = min(bought, key=lambda sale: (sale[0].paid_at, sale[0].id or 0))
    soon = 0 <= (first.day - friend.joined_day).days <= 7
    return soon and (today - first.day).days >= 14 and not any((back.day - first.day).days < 14 for back in refunds)


async def _place(session: WriteSession, row: FanMetrics, today: date, as_of: datetime) -> int:
    """Put the fan into the levels these numbers mean."""
    standing = {level.dimension: level for level in await _levels(session, row.fan_id)}
    changed = 0
    for dimension, level in _where(row, today).items():
        before = standing.get(dimension)
        if before is None or before.level != level:
            changed += 1
            session.add(
                before or FanLevel(dimension=dimension, fan_id=row.fan_id, level=level, since=as_of),
                LevelChange(
                    fan_id=row.fan_id, dimension=dimension, old_level=before.level if before else None, new_level=level,
                    at=as_of, day=today, cause="fact",
                ),
            )  # fmt: skip
            if before is not None:
                before.level, before.since = level, as_of
    return changed


async def _levels(session: WriteSession, fan_id: int) -> Sequence[FanLevel]:
    return await session.all(select(FanLevel).where(FanLevel.fan_id == fan_id))


def _where(row: FanMetrics, today: date) -> dict[str, str]:
    often = row.interactions_30d
    frequency = "high" if often >= 20 else "mid" if often >= 5 else "low" if often >= 1 else "none"
    qualified = row.referrals_qualified
    referral = "ambassador" if qualified >= 3 else "referrer" if qualified >= 1 else "none"
    life = row.purchases_total
    return {
        "interaction_frequency": frequency,
        "purchase_frequency": _purchase_frequency(row.purchases_90d),
        "loyalty": _loyalty(row, frequency, today),
        "lifecycle": _lifecycle(row, today),
        "purchase_stage": "loyal" if life >= 5 else "repeat" if life >= 2 else "first" if life else "potential",
        "referral": referral,
    }


def _purchase_frequency(often: int) -> str:
    return "high" if often >= 4 else "mid" if often >= 2 else "low" if often == 1 else "none"


def _lifecycle(row: FanMetrics, today: date) -> str:
    if row.first_purchase_day is None or row.last_purchase_day is None:
        return "potential"
    if (today - row.first_purchase_day).days <= 30:
        return "new"
    ago = (today - row.last_purchase_day).days
    return "active" if ago <= 90 else "dormant" if ago <= 180 else "lost"


def _loyalty(row: FanMetrics, frequency: str, today: date) -> str:
    if row.last_purchase_day is None:
        return "none"
    since = (today - row.last_purchase_day).days
    silent = (today - row.last_interaction_day).days if row.last_interaction_day else 0
    if since > 365:
        return "lost"
    if (row.purchases_total >= 2 and since > 90) or silent > 60:
        return "at_risk"
    if row.purchases_365d >= 3 and frequency in {"high", "mid"}:
        return "loyal"
    return "growing" if row.purchases_365d >= 2 else "casual"
