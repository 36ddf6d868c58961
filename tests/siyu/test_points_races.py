"""Points under attack: never spent twice, never below nothing, never given twice for one cause, whoever races."""

import asyncio

import pytest

from siyu import points
from siyu.app import App
from siyu.tables import Fan, PointsKind
from tests import racing, servers
from tests.clocks import FakeClock
from tests.conftest import DATABASES
from tests.forks import Child, in_processes
from tests.pointing import balance_of, earns, given_programme, owes, sets, takes_back
from tests.trading import a_fan, breaches

on_postgres = pytest.mark.skipif("postgresql" not in DATABASES, reason="PostgreSQL was left out by TEST_DATABASES")
PROCESSES = 4


async def test_fifty_tasks_spend_no_more_than_there_is(app: App) -> None:
    mei = await a_fan(app)
    await _given(app, mei, 60, "more", valid_days=9)
    await _given(app, mei, 40)

    spent = await _fifty(app, racing.spend_points, mei)

    assert spent == 14
    assert await balance_of(app, mei) == 2
    assert await breaches(app) == []


async def test_a_wrong_writer_spends_more_than_there_is_so_the_race_is_real(app: App) -> None:
    mei = await a_fan(app)
    await _given(app, mei, 100)

    spent = await _fifty(app, racing.spend_points_wrongly, mei)

    assert spent > 14
    assert "points = their entries" in [breach.rule for breach in await breaches(app)]


async def test_one_cause_told_fifty_times_at_once_gives_once(app: App) -> None:
    await _given_rule(app, amount=20)
    mei = await a_fan(app)

    async with asyncio.TaskGroup() as group:
        told = [group.create_task(earns(app, mei, "survey", "one")) for _ in range(50)]

    assert sorted(task.result() for task in told)[-2:] == [0, 20]
    assert await balance_of(app, mei) == 20
    assert await breaches(app) == []


async def test_a_cap_holds_whatever_comes_at_once(app: App) -> None:
    await _given_rule(app, amount=20, daily_cap=50)
    mei = await a_fan(app)

    async with asyncio.TaskGroup() as group:
        told = [group.create_task(earns(app, mei, "survey", str(n))) for n in range(20)]

    assert sum(task.result() for task in told) == 50
    assert await breaches(app) == []


async def test_spending_expiring_earning_and_taking_back_at_once_leave_the_books_right(
    app: App, clock: FakeClock
) -> None:
    await _given_rule(app, amount=20)
    mei = await a_fan(app)
    for n in range(10):
        await _given(app, mei, 10, f"old {n}", valid_days=1)
        await earns(app, mei, "survey", f"due {n}")
    clock.pass_(days=1)

    async with asyncio.TaskGroup() as group:
        for n in range(10):
            group.create_task(_runs_out(app))
            group.create_task(earns(app, mei, "survey", f"new {n}"))
            group.create_task(takes_back(app, "survey", f"due {n}"))
            group.create_task(racing.spend_points(app, mei.id or 0, f"s{n}", app.clock()))

    has, debt = await balance_of(app, mei), await owes(app, mei)
    assert has == 0 or debt == 0
    # Ten times 20 came, ten times 20 went, ten lots ran out: what differs was spent.
    assert (200 - has + debt) % 7 == 0
    assert await breaches(app) == []


@on_postgres
async def test_processes_spend_no_more_than_there_is() -> None:
    async with servers.postgres_app(FakeClock()) as (url, app):
        people = [await a_fan(app) for _ in range(4)]
        for fan in people:
            await _given(app, fan, 100)
        ids = [fan.id or 0 for fan in people]

        await in_processes(
            [
                Child(racing.spending_of_a_process, url, racing.spend_points, ids, f"p{n}", app.clock())
                for n in range(PROCESSES)
            ]
        )

        assert [await balance_of(app, fan) for fan in people] == [2, 2, 2, 2]
        assert await breaches(app) == []


@on_postgres
async def test_processes_with_a_wrong_writer_spend_more_than_there_is() -> None:
    async with servers.postgres_app(FakeClock()) as (url, app):
        mei = await a_fan(app)
        await _given(app, mei, 5_000)

        spending, wrongly = racing.spending_of_a_process, racing.spend_points_wrongly
        await in_processes(
            [Child(spending, url, wrongly, [mei.id], f"p{n}", app.clock(), 150) for n in range(PROCESSES)]
        )

        assert "points = their entries" in [breach.rule for breach in await breaches(app)]


async def _given_rule(app: App, **terms: object) -> None:
    await given_programme(app)
    await sets(app, "survey", **{"daily_cap": None, **terms})


async def _given(app: App, fan: Fan, amount: int, cause: str = "gift", *, valid_days: int | None = None) -> None:
    rule = points.Rule(PointsKind.FEEDBACK, amount, valid_days=valid_days)
    async with app.database.writing() as session:
        one = points.Grant(fan.id or 0, f"{fan.id}:{cause}", amount, app.clock())
        await points.grant(session, rule, [one])


async def _runs_out(app: App) -> None:
    async with app.database.writing() as session:
        await points.run_out_some(session, now=app.clock())


async def _fifty(app: App, tries: racing.Spend, fan: Fan) -> int:
    """Fifty at once, each 7 points; how many were granted."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(tries(app, fan.id or 0, f"t{n}", app.clock())) for n in range(50)]
    return sum(task.result() for task in tasks)
