"""How the house is doing, for those who keep it running: alive, ready, and numbers for Prometheus."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import Executable, func
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlmodel import col, select

from admin import problems
from admin.framing import app_of
from admin.problems import Problem
from admin.security import everybody
from siyu import fans, schema
from siyu.kit.database import ReadSession, answers
from siyu.tables import (
    AsOf,
    Broadcast,
    BroadcastState,
    Coupon,
    Delivery,
    DirtyDay,
    Fan,
    Inbox,
    InboxState,
    Outbox,
    OutboxState,
    Purchase,
    Redemption,
)

router = APIRouter(include_in_schema=False, dependencies=[Depends(everybody)])

Numbers = dict[str, float]


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers; nothing is said of the database, or a hiccup there would restart us."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(request: Request) -> Response:
    """The database answers and stands at the migration this version brings."""
    app = app_of(request)
    await answers(app.database)
    current, newest = await asyncio.to_thread(_migrations, app.settings.database_url)
    if current == newest:
        return Response('{"status":"ok"}', media_type="application/json")
    sentence = "the database stands at %(current)s, this version needs %(newest)s; run `siyu db upgrade`"
    values = (("current", current), ("newest", newest))
    return problems.answer(request, Problem(HTTPStatus.SERVICE_UNAVAILABLE, "migrations", sentence, values))


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    app = app_of(request)
    async with app.database.reading() as session:
        snapshot = await _snapshot(session)
        as_of = await session.first(select(col(AsOf.as_of)))
    age = (app.clock() - as_of).total_seconds() if as_of else None
    registry = CollectorRegistry()
    registry.register(_Shown(snapshot, age))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Shown(Collector):
    """The numbers of this moment, as Prometheus reads them. Labels never name a fan."""

    def __init__(self, numbers: dict[str, Numbers], levels_age: float | None) -> None:
        self.numbers = numbers
        self.levels_age = levels_age

    def collect(self) -> Iterator[Metric]:
        for name, (text, label, kind) in _FAMILIES.items():
            family = kind(name, text, labels=[label] if label else [])
            for value, number in self.numbers[name].items():
                family.add_metric([value] if label else [], number)
            yield family
        if self.levels_age is not None:
            yield GaugeMetricFamily("siyu_levels_age_seconds", "How old the levels are.", value=self.levels_age)


_FAMILIES: dict[str, tuple[str, str, type[GaugeMetricFamily] | type[CounterMetricFamily]]] = {
    "siyu_fans": ("Fans we know.", "", GaugeMetricFamily),
    "siyu_fans_reachable": ("Fans a broadcast can reach.", "", GaugeMetricFamily),
    "siyu_inbox": ("Updates that are not done, by state.", "state", GaugeMetricFamily),
    "siyu_outbox": ("Calls to Telegram that are not done, by state.", "state", GaugeMetricFamily),
    "siyu_broadcasts_running": ("Broadcasts that are being sent.", "", GaugeMetricFamily),
    "siyu_deliveries": ("Deliveries of running broadcasts, by state.", "state", GaugeMetricFamily),
    "siyu_dirty_days": ("Days that wait for the next recompute.", "", GaugeMetricFamily),
    "siyu_purchases": ("Purchases written down.", "", CounterMetricFamily),
    "siyu_coupons_claimed": ("Coupons cut.", "", CounterMetricFamily),
    "siyu_coupons_redeemed": ("Coupons used, refunds included.", "", CounterMetricFamily),
}


async def _snapshot(session: ReadSession) -> dict[str, Numbers]:
    running = select(col(Broadcast.id)).where(Broadcast.state == BroadcastState.RUNNING)
    sending = select(col(Delivery.state), func.count()).where(col(Delivery.broadcast_id).in_(running))
    undone_in = select(col(Inbox.state), func.count()).where(col(Inbox.state) != InboxState.DONE)
    undone_out = select(col(Outbox.state), func.count()).where(
        col(Outbox.state).in_([OutboxState.WAITING, OutboxState.SENDING, OutboxState.UNKNOWN])
    )
    return {
        "siyu_fans": await _count(session, select(func.count()).select_from(Fan)),
        "siyu_fans_reachable": await _count(session, select(func.count()).where(fans.can_be_reached())),
        "siyu_inbox": await _by_state(session, undone_in.group_by(col(Inbox.state))),
        "siyu_outbox": await _by_state(session, undone_out.group_by(col(Outbox.state))),
        "siyu_broadcasts_running": await _count(session, select(func.count()).select_from(running.subquery())),
        "siyu_deliveries": await _by_state(session, sending.group_by(col(Delivery.state))),
        "siyu_dirty_days": await _count(session, select(func.count()).select_from(DirtyDay)),
        "siyu_purchases": await _count(session, select(func.count()).select_from(Purchase)),
        "siyu_coupons_claimed": await _count(session, select(func.count()).select_from(Coupon)),
        "siyu_coupons_redeemed": await _count(session, select(func.count()).select_from(Redemption)),
    }


async def _count(session: ReadSession, statement: TypedReturnsRows[int]) -> Numbers:
    return {"": await session.one(statement)}


async def _by_state(session: ReadSession, statement: Executable) -> Numbers:
    return {str(state.value): number for state, number in await session.rows(statement)}


def _migrations(url: str) -> tuple[str | None, str | None]:
    return schema.current(url), schema.newest(url)
