"""The scheduler: a clock that ticks. What is due is read from the tables, by whoever leads."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import assert_never

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from siyu import jobs, leases
from siyu.app import App
from siyu.jobs import Daily, Every, Job

log = structlog.get_logger()

LEASE = "scheduler"
# Renewed three times before it runs out; a leader that died is followed after so long.
LEASE_SECONDS = 15
# How often it is looked whether a daily job's time has come.
DAILY_LOOK_SECONDS = 60


@dataclass(frozen=True)
class _Desk:
    """What the ticks of one process share: one job at a time, and only while this process leads."""

    app: App
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    leading: asyncio.Event = field(default_factory=asyncio.Event)
    working: asyncio.Lock = field(default_factory=asyncio.Lock)


async def run_scheduler(app: App, stop: asyncio.Event) -> None:
    """Until `stop`: lead, or wait for the leader to go. A job that is under way is finished first."""
    desk = _Desk(app)
    scheduler = _wind_up(desk)
    scheduler.start()
    try:
        await _lead(desk, stop)
    finally:
        desk.leading.clear()
        scheduler.pause()
        async with desk.working:
            scheduler.shutdown(wait=False)
        async with app.database.writing() as session:
            await leases.release(session, LEASE, desk.owner)


def _wind_up(desk: _Desk) -> AsyncIOScheduler:
    # Without these a tick that was late by a second would be dropped, and slow jobs would pile up.
    defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
    scheduler = AsyncIOScheduler(timezone=desk.app.settings.zone, job_defaults=defaults)
    for job in jobs.JOBS:
        scheduler.add_job(_tick, IntervalTrigger(seconds=_seconds(desk.app, job)), [desk, job], id=job.key)
    return scheduler


async def _lead(desk: _Desk, stop: asyncio.Event) -> None:
    """Renew the lease, or try for it, until `stop`."""
    while not stop.is_set():
        if await _holds_the_lease(desk):
            desk.leading.set()
        else:
            desk.leading.clear()
        try:
            await asyncio.wait_for(stop.wait(), LEASE_SECONDS / 3)
        except TimeoutError:
            continue


async def _holds_the_lease(desk: _Desk) -> bool:
    try:
        async with desk.app.database.writing() as session:
            return await leases.hold(session, LEASE, desk.owner, now=desk.app.clock(), seconds=LEASE_SECONDS)
    except Exception:
        log.exception("the scheduler cannot reach the database")
        return False


async def _tick(desk: _Desk, job: Job) -> None:
    async with desk.working:
        if not desk.leading.is_set():
            return
        try:
            await jobs.run_if_due(desk.app, job)
        except Exception:
            log.exception("job failed", job=job.key)


def _seconds(app: App, job: Job) -> float:
    match job.when:
        case Every():
            return job.when.seconds(app.settings)
        case Daily():
            return DAILY_LOOK_SECONDS
        case _ as never:
            assert_never(never)
