"""The numbers of a broadcast that a list shows: read off indexes, for a page of large ones at once."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, case, func, literal, or_, select, type_coerce
from sqlalchemy.sql.selectable import CTE
from sqlmodel import col

from siyu.broadcasts.comparing import HELD_OUT, Uplift, uplift
from siyu.broadcasts.effects import DAY_SECONDS, TRIED, bought_within, is_kept, within
from siyu.broadcasts.moving import is_waiting
from siyu.kit.database import ReadSession
from siyu.tables import Broadcast, BroadcastState, Delivery, DeliveryState, Purchase

SENT, HOLDOUT = DeliveryState.SENT, DeliveryState.HOLDOUT
# Up to so many fans are asked one by one what they bought.
FEW = 10_000
# Somebody held out in a time zone of their own may have their moment so long after the last message.
LAST_MOMENT_DAYS = 2
ENDLESS = 2**62

Bought = Select[Any]  # Any: rows of a ledger whose fans bought, each as often as they did


@dataclass(frozen=True)
class Figures:
    """How many fans; the uplift against those held out of it, where any were."""

    audience: int
    sent: int
    clicks: int
    purchases: int
    uplift: Uplift | None = None


async def figures(session: ReadSession, broadcast_ids: Collection[int]) -> dict[int, Figures]:
    """The numbers of each of these; a draft has none. 25 ms for 100,000 fans, where reading their rows took 150."""
    states = await _states(session, broadcast_ids)
    clicks = await _count(session, broadcast_ids, col(Delivery.clicked_at).is_not(None))
    held = await _count(session, broadcast_ids, _held)
    compared = {one: _tried_of(found) + held.get(one, 0) for one, found in states.items()}
    large = await _on_their_way_or_over(session, [one for one, fans in compared.items() if fans > FEW])
    buyers = await _buyers(session, _of_purchases(large))
    buyers |= await _buyers(session, _of_fans(states.keys() - large))
    return {
        one: _figures(found, clicks.get(one, 0), held.get(one, 0), *buyers.get(one, (0, 0, 0)))
        for one, found in states.items()
    }


async def _states(session: ReadSession, broadcast_ids: Collection[int]) -> dict[int, Counter[DeliveryState]]:
    found: dict[int, Counter[DeliveryState]] = {}
    key, state = col(Delivery.broadcast_id), col(Delivery.state)
    settled = select(key, state, func.count()).where(key.in_(broadcast_ids), ~is_waiting(Delivery))
    for one, its, number in await session.rows(settled.group_by(key, state)):
        found.setdefault(one, Counter())[its] = number
    for one, number in (await _count(session, broadcast_ids, is_waiting(Delivery))).items():
        found.setdefault(one, Counter())[DeliveryState.PENDING] = number
    return found


async def _count(session: ReadSession, broadcast_ids: Collection[int], holds: ColumnElement[bool]) -> Mapping[int, int]:
    key = col(Delivery.broadcast_id)
    rows = await session.rows(select(key, func.count()).where(key.in_(broadcast_ids), holds).group_by(key))
    return {one: number for one, number in rows}  # noqa: C416 - types


async def _on_their_way_or_over(session: ReadSession, broadcast_ids: Collection[int]) -> set[int]:
    """Those that went their way, or go it: all moments planned in them lie between their start and their end."""
    known = col(Broadcast.state).in_([BroadcastState.RUNNING, BroadcastState.PAUSED, BroadcastState.FINISHED])
    ids = await session.all(select(col(Broadcast.id)).where(col(Broadcast.id).in_(broadcast_ids), known))
    return {one for one in ids if one is not None}


async def _buyers(session: ReadSession, bought: Bought) -> dict[int, tuple[int, int, int]]:
    """Who bought in time: of those it reached, of those it was tried with, of those held out."""
    key, fans = col(Delivery.broadcast_id), col(Delivery.fan_id).distinct()
    sides = (func.count(fans).filter(side) for side in (col(Delivery.state) == SENT, _tried, _held))
    rows = await session.rows(bought.with_only_columns(key, *sides).group_by(key))
    return {one: (reached, tried, held) for one, reached, tried, held in rows}


def _of_fans(broadcast_ids: Collection[int]) -> Bought:
    """From the fans to what they bought."""
    return (
        select(Delivery)
        .join(Broadcast, col(Broadcast.id) == col(Delivery.broadcast_id))
        .join(Purchase, col(Purchase.fan_id) == col(Delivery.fan_id))
        .where(col(Delivery.broadcast_id).in_(broadcast_ids), or_(_tried, _held))
        .where(*bought_within(col(Broadcast.attribution_days)))
    )


def _of_purchases(broadcast_ids: Collection[int]) -> Bought:
    """From the purchases of its days to their fans: a community buys less in a week than it is written to."""
    bought = _bought_meanwhile(broadcast_ids)
    theirs = (col(Delivery.broadcast_id) == bought.c.broadcast_id) & (col(Delivery.fan_id) == bought.c.fan_id)
    found = select(Delivery).select_from(bought).join(Delivery, theirs)
    return found.where(*within(bought.c.paid_at, bought.c.days))


def _bought_meanwhile(broadcast_ids: Collection[int]) -> CTE:
    """What was paid, by anybody, from its start until its last fan's days were over."""
    opens = func.coalesce(col(Broadcast.frozen_at), col(Broadcast.started_at), col(Broadcast.created_at))
    days, minutes = col(Broadcast.attribution_days), col(Broadcast.spread_minutes)
    longest = (days + LAST_MOMENT_DAYS) * DAY_SECONDS + minutes * 60
    over = type_coerce(col(Broadcast.finished_at), BigInteger) + longest
    closes = func.coalesce(case((col(Broadcast.state) == BroadcastState.FINISHED, over)), literal(ENDLESS, BigInteger))
    paid_at = type_coerce(col(Purchase.paid_at), BigInteger)
    return (
        select(
            col(Broadcast.id).label("broadcast_id"),
            type_coerce(days, Integer).label("days"),
            col(Purchase.fan_id).label("fan_id"),
            paid_at.label("paid_at"),
        )
        .join(Purchase, paid_at.between(type_coerce(opens, BigInteger), closes))
        .where(col(Broadcast.id).in_(broadcast_ids), is_kept())
        .cte("bought")
        # By itself, or either planner starts with the hundred thousand.
        .prefix_with("MATERIALIZED")
    )


def _tried_of(states: Counter[DeliveryState]) -> int:
    return sum(states[state] for state in TRIED)


def _figures(
    states: Counter[DeliveryState], clicks: int, held: int, purchases: int, tried_bought: int, held_bought: int
) -> Figures:
    compared = uplift(_tried_of(states), tried_bought, held, held_bought) if held else None
    return Figures(states.total(), states[SENT], clicks, purchases, compared)


_tried = col(Delivery.state).in_(TRIED)
_held = (col(Delivery.state) == HOLDOUT) & (col(Delivery.reason) == HELD_OUT)
