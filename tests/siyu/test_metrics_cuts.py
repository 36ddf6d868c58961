"""Places among the buyers: exact after every small change, and blind to everything but the order of values."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from math import ceil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

from siyu import fans
from siyu.app import App
from siyu.fans import Newcomer
from siyu.kit.clock import local_day
from siyu.kit.database import Database
from siyu.segments import recompute
from siyu.tables import FanLevel, FanMetrics, Purchase, ScoreCut
from tests.conftest import DATABASES
from tests.effort import examples
from tests.siyu.buying import cdnow
from tests.siyu.oracle import NAMES
from tests.siyu.test_metrics_never_drift import PHASES, fresh
from tests.siyu.worlds import EURO, ZONE, World

WHO, AMOUNT, DAYS_AGO = st.integers(0, 11), st.integers(0, 6), st.integers(0, 400)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), WHO, AMOUNT, DAYS_AGO),
        st.tuples(st.just("buy"), WHO, AMOUNT, DAYS_AGO),
        st.tuples(st.just("pay back"), WHO),
        st.tuples(st.just("wait"), st.sampled_from([1, 20, 31, 200])),
    ),
    min_size=3, max_size=20,
)  # fmt: skip


@pytest.mark.parametrize("kind", DATABASES)
def test_cuts_moved_by_small_changes_are_those_of_the_sorted_list(kind: str) -> None:
    @settings(max_examples=examples(3), deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(CHANGES)
    def after(changes: list[tuple[object, ...]]) -> None:
        with fresh(kind) as url:
            asyncio.run(_moved_by(url, changes))

    after()


async def _moved_by(url: str, changes: list[tuple[object, ...]]) -> None:
    database = Database(url)
    try:
        world = World(database)
        for n in range(12):
            await world.admit(brought_by=world.fans[0] if n % 3 == 1 else None)
        for verb, *details in changes:
            await _change(world, str(verb), details)
            await world.recompute()
            assert await _kept(database) == await _sorted(database)
    finally:
        await database.close()


async def _change(world: World, verb: str, details: list[object]) -> None:
    if verb == "buy":
        who, amount, days = (int(str(detail)) for detail in details)
        await world.buy(world.fans[who], at=world.now - timedelta(days=days), amount=amount)
    elif verb == "wait":
        world.now += timedelta(days=int(str(details[0])))
    elif world.bought:
        bought = world.bought[-1 - int(str(details[0])) % len(world.bought)]
        await world.pay_back(bought, at=world.now)


Places = dict[tuple[str, int, int], tuple[int, int, int, int]]


async def _kept(database: Database) -> Places:
    async with database.reading() as session:
        rows = await session.all(select(ScoreCut))
    # Where nobody is, a row only says so.
    return {(row.measure, row.k, row.n): (row.value, row.below, row.upto, row.buyers) for row in rows if row.buyers}


async def _sorted(database: Database) -> Places:
    """Of N values in order the ⌈k·N/n⌉-th."""
    async with database.reading() as session:
        buyers = await session.all(select(FanMetrics).where(col(FanMetrics.orders_total) > 0))
    found: Places = {}
    for measure in ("last_purchase_day", "orders_total", "spend_total", "spend_365d", "value_halves"):
        values = sorted(_number(getattr(row, measure)) for row in buyers)
        ks = range(1, 5) if measure in {"last_purchase_day", "orders_total", "spend_total"} else (2, 4)
        for k in ks if values else ():
            value = values[ceil(k * len(values) / 5) - 1]
            below = sum(other < value for other in values)
            found[measure, k, 5] = (value, below, below + values.count(value), len(values))
    return found


def _number(value: int | date) -> int:
    return (value - date(1970, 1, 1)).days if isinstance(value, date) else value


@pytest.mark.parametrize("seen", ["as published", "shuffled", "dearer", "later", "renumbered"])
async def test_rfm_names_cdnows_customers_alike_however_they_are_written_down(app: App, seen: str) -> None:
    orders = cdnow()
    rows = [
        (int(fan), int(day), int(cents)) for fan, day, cents in zip(orders.fans, orders.days, orders.spend, strict=True)
    ]
    shift, price = (1000 if seen == "later" else 0), (7 if seen == "dearer" else 1)
    if seen == "shuffled":
        rows = rows[1::2] + rows[::-2]
    everybody = sorted({fan for fan, *_ in rows}, reverse=seen == "renumbered")
    ids = await _admitted(app.database, everybody)
    await _written(app.database, [(ids[fan], day + shift, cents * price) for fan, day, cents in rows])

    await recompute(app.database, zone=ZONE, currency=EURO, now=_noon(date(1998, 7, 1).toordinal() + shift))

    async with app.database.reading() as session:
        stood = select(FanLevel).where(col(FanLevel.dimension) == "rfm")
        found = {row.fan_id: row.level for row in await session.all(stood)}
    assert {fan: found[ids[fan]] for fan in everybody} == _named(rows)


def _named(rows: list[tuple[int, int, int]]) -> Mapping[int, str]:
    """By the rule of definitions.md: score = 1 + ⌊5 · W / N⌋, W strictly worse."""
    days: dict[int, set[int]] = {}
    for fan, day, _ in rows:
        days.setdefault(fan, set()).add(day)
    recency, frequency = {fan: max(mine) for fan, mine in days.items()}, {fan: len(mine) for fan, mine in days.items()}
    cells = {fan: (_score(recency, fan), _score(frequency, fan)) for fan in days}
    return {fan: next(name for name, there in NAMES.items() if cell in there) for fan, cell in cells.items()}


def _score(values: Mapping[int, int], fan: int) -> int:
    return 1 + 5 * sum(value < values[fan] for value in values.values()) // len(values)


def _noon(ordinal: int) -> datetime:
    return datetime.combine(date.fromordinal(ordinal), datetime.min.time(), UTC) + timedelta(hours=12)


async def _admitted(database: Database, numbers: list[int]) -> dict[int, int]:
    """Fan ids by customer, given in this order."""
    async with database.writing() as session:
        newcomers = [Newcomer(number) for number in numbers]
        admitted = await fans.admit(session, newcomers, zone=ZONE, now=_noon(date(1996, 12, 1).toordinal()))
        return {number: fan.id or 0 for number, fan in admitted.items()}


async def _written(database: Database, rows: list[tuple[int, int, int]]) -> None:
    sales = [
        {"source": "cdnow", "external_id": str(n), "fan_id": fan, "paid_at": _noon(day),
         "day": local_day(_noon(day), ZONE),
         "amount_minor": cents, "currency": EURO, "body_hash": ""}
        for n, (fan, day, cents) in enumerate(rows)
    ]  # fmt: skip
    async with database.writing() as session:
        await session.run_many(session.insert(Purchase), sales)
