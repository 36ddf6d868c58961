"""What the house does by itself: when it is due, that it happens once, and what it leaves to read."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import func, select

from siyu import jobs, leases
from siyu.app import App
from siyu.audit import Actor
from siyu.jobs import get_job
from siyu.kit.errors import Conflict, NotFound
from siyu.portrait import portrait
from siyu.scheduler import run_scheduler
from siyu.segments import recompute
from siyu.tables import AuditEntry, DirtyDay, FanLevel, Idempotency, JobRun
from tests.clocks import FakeClock
from tests.siyu.worlds import World
from tests.trading import a_fan, an_offer, at_the_till, claims, redeems

OPERATOR = Actor("operator:1", "Ada")


async def lines(app: App) -> list[tuple[str, str]]:
    async with app.database.reading() as session:
        return [(run.job, run.mode) for run in await session.all(select(JobRun).order_by(JobRun.id))]


async def test_a_tick_runs_only_when_a_fact_waits(app: App, clock: FakeClock) -> None:
    world = World(app.database, now=clock())
    fan = await world.admit()
    first = await jobs.run_if_due(app, get_job("recompute"))
    idle = await jobs.run_if_due(app, get_job("recompute"))
    await world.interact(fan, at=clock())

    busy = await jobs.run_if_due(app, get_job("recompute"))

    assert (first, idle, busy) == (True, False, True)
    assert await lines(app) == [("recompute", "full"), ("recompute", "tick")]


async def test_midnight_is_noticed_without_any_fact(app: App, clock: FakeClock) -> None:
    world = World(app.database, now=clock())
    fan = await world.admit()
    await world.interact(fan, at=clock())
    await jobs.run_if_due(app, get_job("recompute"))
    clock.pass_(days=30)

    assert await jobs.run_if_due(app, get_job("windows"))

    async with app.database.reading() as session:
        level = await session.get(FanLevel, ("interaction_frequency", fan))
    assert level is not None
    assert level.level == "none"
    assert (await lines(app))[-1] == ("windows", "window")


async def test_the_daily_run_comes_once_a_day_at_its_time_or_as_soon_after_as_possible(
    app: App, clock: FakeClock
) -> None:
    full = get_job("full")
    clock.now = clock.now.replace(hour=19, minute=0)  # 03:00 in Shanghai
    runs = [await jobs.run_if_due(app, full)]
    for hours in (1, 1, 20, 3, 72, 1):
        clock.pass_(hours=hours)
        runs.append(await jobs.run_if_due(app, full))

    assert runs == [False, True, False, False, True, True, False]


async def test_a_daily_run_that_failed_is_tried_again_an_hour_later(app: App, clock: FakeClock) -> None:
    full = get_job("full")
    async with app.database.writing() as session:
        session.add(JobRun(job="full", started_at=clock(), milliseconds=3, error="OSError: disk full"))
    clock.pass_(minutes=59)
    soon = await jobs.run_if_due(app, full)
    clock.pass_(minutes=1)

    later = await jobs.run_if_due(app, full)

    assert (soon, later) == (False, True)


async def test_what_somebody_asks_for_is_done_at_once_written_down_and_audited(app: App, clock: FakeClock) -> None:
    await jobs.run_job(app, "recompute")

    run = await jobs.run_job(app, "recompute", OPERATOR)

    assert run is not None
    assert (run.job, run.touched) == ("recompute", 0)
    async with app.database.reading() as session:
        entry = await session.one(select(AuditEntry))
    assert (entry.action, entry.subject, entry.actor) == ("job.run", "recompute", "operator:1")


async def test_a_look_at_another_time_is_left_alone(app: App, clock: FakeClock) -> None:
    world = World(app.database, now=clock())
    await world.admit()
    past = clock() - timedelta(days=90)
    await recompute(app.database, zone=app.settings.zone, currency="CNY", now=clock(), as_of=past)

    during = [await jobs.run_if_due(app, get_job(key)) for key in ("recompute", "windows", "full")]
    clock.pass_(minutes=10)
    after = await jobs.run_if_due(app, get_job("windows"))

    assert (during, after) == ([False, False, False], True)


async def test_a_long_run_under_way_keeps_ticks_away(app: App, clock: FakeClock) -> None:
    await World(app.database, now=clock()).admit()
    async with app.database.writing() as session:
        await leases.hold(session, "recompute", "another process", now=clock(), seconds=60)

    during = await jobs.run_if_due(app, get_job("recompute"))
    clock.pass_(seconds=61)
    after = await jobs.run_if_due(app, get_job("recompute"))

    assert (during, after) == (False, True)


async def test_old_lines_are_tidied_away(app: App, clock: FakeClock) -> None:
    async with app.database.writing() as session:
        session.add(JobRun(job="recompute", started_at=clock() - timedelta(days=15)))
        session.add(JobRun(job="recompute", started_at=clock() - timedelta(days=13)))

    await jobs.run_if_due(app, get_job("tidy"))

    async with app.database.reading() as session:
        assert await session.one(select(func.count()).select_from(JobRun).where(JobRun.job == "recompute")) == 1


async def test_keys_are_forgotten_after_ninety_days_and_nothing_is_given_twice(app: App, clock: FakeClock) -> None:
    mei, offer = await a_fan(app), await an_offer(app, ends_at=clock() + timedelta(days=200), valid_days=None)
    claimed = await claims(app, offer, mei)
    await redeems(app, claimed.code, at_the_till())

    clock.pass_(days=90)
    await jobs.run_if_due(app, get_job("tidy"))
    kept = await keys(app)
    clock.pass_(seconds=1)
    await jobs.run_if_due(app, get_job("tidy"))
    left = await keys(app)

    assert (kept, left) == (2, 0)
    assert (await claims(app, offer, mei)).code == claimed.code
    with pytest.raises(Conflict, match="used already"):
        await redeems(app, claimed.code, at_the_till())


async def keys(app: App) -> int:
    async with app.database.reading() as session:
        return await session.one(select(func.count()).select_from(Idempotency))


async def test_an_error_is_written_down_and_raised(app: App) -> None:
    async with app.database.writing() as session:
        await session.run(text("ALTER TABLE inbox RENAME TO mislaid"))

    try:
        with pytest.raises(DBAPIError):
            await jobs.run_job(app, "tidy")
    finally:
        async with app.database.writing() as session:
            await session.run(text("ALTER TABLE mislaid RENAME TO inbox"))

    async with app.database.reading() as session:
        run = await session.one(select(JobRun))
    assert run.error is not None
    assert "inbox" in run.error


async def test_an_unknown_job_is_not_found(app: App) -> None:
    with pytest.raises(NotFound):
        await jobs.run_job(app, "no such job")


async def test_the_list_of_jobs_says_what_ran_last_and_what_comes_next(app: App, clock: FakeClock) -> None:
    await jobs.run_job(app, "full")

    async with app.database.reading() as session:
        views = {view.job.key: view for view in await jobs.list_jobs(session, app)}

    assert list(views) == [job.key for job in jobs.JOBS]
    assert views["full"].last is not None
    assert views["full"].next_at == clock().replace(hour=19, minute=30)
    assert (views["tidy"].last, views["windows"].next_at) == (None, clock() + timedelta(seconds=60))


async def test_of_two_schedulers_one_leads_and_the_other_follows(app: App, clock: FakeClock) -> None:
    world = World(app.database, now=clock())
    await world.admit()
    stop = asyncio.Event()

    async with asyncio.TaskGroup() as group:
        group.create_task(run_scheduler(app, stop))
        group.create_task(run_scheduler(app, stop))
        await _until_nothing_is_dirty(app)
        async with app.database.reading() as session:
            leader = await leases.holder(session, "scheduler", now=clock())
        stop.set()

    assert leader is not None
    assert await lines(app) == [("recompute", "full")]
    async with app.database.reading() as session:
        assert await leases.holder(session, "scheduler", now=clock()) is None


async def test_a_portrait_tells_what_is_known_of_a_fan(app: App, clock: FakeClock) -> None:
    world = World(app.database, now=clock())
    older = await world.admit()
    fan = await world.admit(brought_by=older)
    world.now = clock.now = clock.now + timedelta(hours=30)
    await world.interact(fan, at=clock(), times=5)
    await world.buy(fan, at=clock(), amount=1500)
    await world.buy(fan, at=clock(), amount=700)
    await world.recompute()

    async with app.database.reading() as session:
        found = await portrait(session, 1001, now=clock())

    assert (found.referred_by, found.reachable, found.source, found.points) == (1000, True, "direct", 0)
    assert found.segments == [
        "interaction_frequency.mid", "purchase_frequency.mid", "purchase_amount.low", "value.low", "loyalty.growing",
        "lifecycle.new", "purchase_stage.repeat", "rfm.hibernating", "referral.none", "behaviour.purchasing",
        "purchase_intent.none", "decision_speed.mid", "feedback.none", "source_channel.direct",
        "customer_type.unknown", "company_size.unknown", "industry.unknown", "need.unknown", "need_kind.unknown",
        "geography.unknown", "age_group.unknown", "gender.unknown", "income.unknown", "churn_risk.none",
        "predicted_value.none",
    ]  # fmt: skip
    assert found.levels["loyalty"].why == "bought 2 times in 365 days (needs 2 or more)"
    assert {
        "interactions_30d": 5, "days_silent": 0, "purchases_365d": 2, "spend_total": 2200, "orders_total": 1,
        "average_order": 2200, "hours_to_first_purchase": 30.0, "referrals_total": 0,
    }.items() <= found.metrics.items()  # fmt: skip
    # The only buyer: nobody is worse.
    assert [found.metrics[name] for name in ("rfm_r", "rfm_f", "rfm_m")] == [1, 1, 1]
    assert found.computed_at == clock()


async def _until_nothing_is_dirty(app: App) -> None:
    async with asyncio.timeout(50):
        while True:
            async with app.database.reading() as session:
                if await session.first(select(DirtyDay)) is None:
                    return
            await asyncio.sleep(0.05)
