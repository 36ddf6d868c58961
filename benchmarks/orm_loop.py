"""The baseline of the recompute: what most programs do, fan by fan, with objects; it finds all that a full run finds.

Days held against the facts, numbers, interests and levels: each row that would be another is counted, and none may be.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from math import isclose

from sqlmodel import col, func, select

from benchmarks.community import CURRENCY, ZONE
from siyu import fans
from siyu.kit.clock import local_day
from siyu.kit.database import Database, WriteSession
from siyu.metrics.interests import FOR_GOOD, NAMED
from siyu.metrics.measures import HALF_LIFE_DAYS, HEAT_ORIGIN, Present
from siyu.metrics.signals import COUPON, INVOICE, RATINGS, SOON, UNPAID, VIEW, VIEW_AGAIN
from siyu.segments import Classification, definitions
from siyu.segments.circumstances import beside
from siyu.segments.dimensions import OUT
from siyu.segments.reasons import Facts, level_of
from siyu.tables import (
    AsOf,
    Checkout,
    CheckoutState,
    Coupon,
    Fan,
    FanDay,
    FanInterest,
    FanLevel,
    FanMetrics,
    FanScore,
    Interaction,
    PointsEntry,
    Product,
    Purchase,
    PurchaseItem,
    Reach,
    Referral,
    Refund,
)

# Fans to a commit: kinder to the loop than one commit each.
BATCH = 100


@dataclass(frozen=True)
class Round:
    """What is the same for every fan."""

    as_of: datetime
    today: date
    standing: AsOf
    present: Present
    whole: Classification
    categories: Mapping[str, str]  # of products


async def work_through(database: Database, fan_ids: Iterable[int], as_of: datetime) -> float:
    """Refresh these fans one by one; returns the seconds. Raises when something had to be changed.

    Ours ran just before with the same facts, so a correct loop finds every row as it should be.
    """
    waiting = iter(fan_ids)
    changed = 0
    async with database.reading() as session:
        standing = await session.get(AsOf, 1)
        assert standing is not None, "ours ran before"
        present, whole = await definitions.present(session, standing), definitions.applied(standing)
        categories = {product.sku: product.category for product in await session.all(select(Product))}
    round_ = Round(as_of, local_day(as_of, ZONE), standing, present, whole, categories)
    started = time.perf_counter()
    while batch := list(islice(waiting, BATCH)):
        async with database.writing() as session:
            for fan_id in batch:
                changed += await _refresh(session, fan_id, round_)
    seconds = time.perf_counter() - started
    if changed:
        raise SystemExit(f"the loop and the recompute disagree about {changed} rows")
    return seconds


async def _refresh(session: WriteSession, fan_id: int, round_: Round) -> int:
    """Load a fan's facts, add them up, write the row and every level; how many of these changed."""
    today, as_of = round_.today, round_.as_of
    fan = await session.get(Fan, fan_id)
    assert fan is not None
    interactions = await session.all(
        select(Interaction).where(Interaction.fan_id == fan_id, col(Interaction.at) <= as_of)
    )
    bought = await _counting(session, fan_id, as_of)
    days = await session.all(select(FanDay).where(FanDay.fan_id == fan_id).order_by(col(FanDay.day)))
    numbers = _own(fan, interactions, bought, today) | await _referred(session, fan_id, today, as_of)
    numbers |= await _beside(session, fan_id, bought, as_of)
    numbers["value_halves"] = 2 * int(str(numbers["spend_365d"])) + int(str(numbers["referred_spend_365d"]))
    numbers["reachable"] = fan.reach is Reach.REACHABLE and fan.muted_at is None
    row = await session.get(FanMetrics, fan_id) or FanMetrics(fan_id=fan_id)
    heat = sum(day.heat for day in days if row.last_purchase_day is None or day.day >= row.last_purchase_day)
    numbers["intent_heat"] = row.intent_heat if isclose(heat, row.intent_heat) else heat
    different = [name for name, value in numbers.items() if getattr(row, name) != value]
    for name in different:
        setattr(row, name, numbers[name])
    session.add(row)
    wanting = await _wanting(session, fan_id, interactions, as_of)
    changed = len(different) + _days_that_differ(days, interactions, bought, wanting)
    changed += await _interests_that_differ(session, fan_id, interactions, round_)
    return changed + await _place(session, fan, row, round_)


Signal = tuple[date, datetime, float]  # of wanting to buy


async def _wanting(
    session: WriteSession, fan_id: int, interactions: Sequence[Interaction], as_of: datetime
) -> list[Signal]:
    """What a fan's looks, answers, invoices and coupons weigh."""
    found: list[Signal] = []
    seen: set[str] = set()
    for fact in sorted(interactions, key=lambda fact: (fact.at, fact.id or 0)):
        if fact.kind == "view" and fact.detail is not None:
            found.append((fact.day, fact.at, VIEW_AGAIN if fact.detail in seen else VIEW))
            seen.add(fact.detail)
        elif fact.kind == "answer" and fact.detail == "soon":
            found.append((fact.day, fact.at, SOON))
    invoices = await session.all(select(Checkout).where(Checkout.fan_id == fan_id, col(Checkout.created_at) <= as_of))
    for invoice in invoices:
        unpaid = invoice.hold_until <= as_of and invoice.state != CheckoutState.PAID
        found.append((invoice.day, invoice.created_at, INVOICE + UNPAID * unpaid))
    coupons = await session.all(select(Coupon).where(Coupon.fan_id == fan_id, col(Coupon.claimed_at) <= as_of))
    claimed = (coupon for coupon in coupons if not coupon.claim_key.startswith("issue:"))
    return [*found, *((coupon.day, coupon.claimed_at, COUPON) for coupon in claimed)]


def _days_that_differ(
    days: Sequence[FanDay],
    interactions: Sequence[Interaction],
    bought: Sequence[tuple[Purchase, list[Refund]]],
    wanting: Sequence[Signal],
) -> int:
    """Days that stand otherwise than the facts say, or are missing, or have nothing to carry them."""
    facts: dict[date, list[Interaction]] = {}
    sales: dict[date, list[tuple[Purchase, list[Refund]]]] = {}
    signals: dict[date, list[Signal]] = {}
    for fact in interactions:
        facts.setdefault(fact.day, []).append(fact)
    for sale in bought:
        sales.setdefault(sale[0].day, []).append(sale)
    for signal in wanting:
        signals.setdefault(signal[0], []).append(signal)
    found = {
        day: _day(day, facts.get(day, []), sales.get(day, []), signals.get(day, []))
        for day in facts.keys() | sales.keys() | signals.keys()
    }
    stand = {
        day.day: (day.interactions, day.views, day.last_interaction_at, day.purchases, day.spend_minor,
                  day.first_purchase_at, day.last_purchase_at, day.with_coupon, day.feedback, f"{day.heat:.6e}")
        for day in days
    }  # fmt: skip
    return len(found.items() ^ stand.items())


def _day(
    day: date,
    facts: Sequence[Interaction],
    sales: Sequence[tuple[Purchase, list[Refund]]],
    signals: Sequence[Signal],
) -> tuple[object, ...]:
    paid = [purchase.paid_at for purchase, _ in sales]
    last = max(paid, default=None)
    weight = sum(weight for _, at, weight in signals if last is None or at > last)
    heat = weight * 2.0 ** ((day - HEAT_ORIGIN).days / HALF_LIFE_DAYS)
    answers = ((fact.at, fact.detail or "") for fact in facts if fact.kind == "answer")
    ratings = [4 * int(at.timestamp()) + RATINGS[answer] for at, answer in answers if answer in RATINGS]
    return (
        len(facts), sum(fact.kind == "view" for fact in facts), max((fact.at for fact in facts), default=None),
        len(sales), _spend(sales), min(paid, default=None), last,
        sum(bool(sale.coupon_code or sale.discount_minor) for sale, _ in sales), max(ratings, default=None),
        f"{heat:.6e}",
    )  # fmt: skip


async def _beside(
    session: WriteSession, fan_id: int, bought: Sequence[tuple[Purchase, list[Refund]]], as_of: datetime
) -> dict[str, object]:
    """Points, and what the models expect of a buyer."""
    delta = func.coalesce(func.sum(PointsEntry.delta), 0)
    points = await session.one(select(delta).where(PointsEntry.fan_id == fan_id, col(PointsEntry.at) <= as_of))
    score = await session.get(FanScore, fan_id) if bought else None
    names = ("p_alive", "expected_purchases_90d", "expected_spend_90d")
    return {"points": points, **{name: getattr(score, name, None) for name in names}}


async def _interests_that_differ(
    session: WriteSession, fan_id: int, interactions: Sequence[Interaction], round_: Round
) -> int:
    items = select(PurchaseItem, col(Purchase.day)).join(Purchase, col(Purchase.id) == col(PurchaseItem.purchase_id))
    theirs = items.where(Purchase.fan_id == fan_id, col(Purchase.paid_at) <= round_.as_of)
    seen = [(item.category, day) for item, day in await session.rows(theirs)]
    seen += [(round_.categories.get(f.detail or "", ""), f.day) for f in interactions if f.kind == "view"]
    found: dict[str, date] = {}
    for category, day in seen:
        if category:
            found[category] = max(day, found.get(category, day))
    named = (await fans.attributes_of(session, fan_id)).get(NAMED, "")
    found |= {word.strip(): FOR_GOOD for word in named.split(";") if word.strip()}
    stand = await session.all(select(FanInterest).where(FanInterest.fan_id == fan_id))
    return len(found.items() ^ {interest.category: interest.day for interest in stand}.items())


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
    fan: Fan, interactions: Sequence[Interaction], bought: Sequence[tuple[Purchase, list[Refund]]], today: date
) -> dict[str, object]:
    recently = [fact for fact in interactions if fact.day > today - timedelta(days=90)]
    ratings = [fact for fact in interactions if fact.detail in RATINGS]
    latest = max(ratings, key=lambda fact: 4 * int(fact.at.timestamp()) + RATINGS[fact.detail or ""], default=None)
    numbers: dict[str, object] = {"joined_day": fan.joined_day, "views_90d": sum(f.kind == "view" for f in recently)}
    if latest is not None:
        last_day = [fact for fact in ratings if fact.day == latest.day]
        numbers |= {
            "feedback_day": max(fact.day for fact in last_day),
            "feedback_score": RATINGS[latest.detail or ""] - 1,
        }
    numbers |= {"interactions_total": len(interactions), "purchases_total": len(bought)}
    for days in (7, 30, 90):
        numbers[f"interactions_{days}d"] = sum(fact.day > today - timedelta(days=days) for fact in interactions)
    for days in (30, 90, 365):
        recent = [sale for sale in bought if sale[0].day > today - timedelta(days=days)]
        numbers[f"purchases_{days}d"], numbers[f"spend_{days}d"] = len(recent), _spend(recent)
    moments = [purchase.paid_at for purchase, _ in bought]
    numbers |= {
        "spend_total": _spend(bought),
        "purchases_with_coupon": sum(bool(sale.coupon_code or sale.discount_minor) for sale, _ in bought),
        "seconds_to_first_purchase": _seconds_to(min(moments, default=None), fan),
        "orders_total": len({purchase.day for purchase, _ in bought}),
        "last_interaction_at": max((fact.at for fact in interactions), default=None),
        "last_interaction_day": max((fact.day for fact in interactions), default=None),
        "first_purchase_at": min(moments, default=None),
        "first_purchase_day": min((purchase.day for purchase, _ in bought), default=None),
        "last_purchase_at": max(moments, default=None),
        "last_purchase_day": max((purchase.day for purchase, _ in bought), default=None),
    }
    return numbers


def _seconds_to(first: datetime | None, fan: Fan) -> int | None:
    return None if first is None else max(0, int((first - fan.joined_at).total_seconds()))


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


async def _place(session: WriteSession, fan: Fan, row: FanMetrics, round_: Round) -> int:
    """Put the fan into the levels and segments these numbers mean; how many of them are others than before."""
    asked = [level.rule for dimension in round_.whole.everything for level in dimension.levels if level.rule]
    known = await beside(session, fan, round_.standing, round_.whole, asked)
    facts = Facts(row, round_.present, round_.whole, known)
    standing = {level.dimension: level for level in await _levels(session, row.fan_id, list(round_.whole.by_key))}
    changed = 0
    for dimension in round_.whole.everything:
        level, before = level_of(dimension, facts).key, standing.get(dimension.key)
        if (before.level if before else OUT) != level:
            changed += 1
            session.add(FanLevel(
                dimension=dimension.key, fan_id=row.fan_id, level=level, since=round_.as_of, since_day=round_.today
            ))  # fmt: skip
    return changed


async def _levels(session: WriteSession, fan_id: int, keys: Sequence[str]) -> Sequence[FanLevel]:
    """With the dimensions named, as an index has them first: by the fan alone SQLite read everybody's for 96 ms."""
    return await session.all(select(FanLevel).where(FanLevel.fan_id == fan_id, col(FanLevel.dimension).in_(keys)))
