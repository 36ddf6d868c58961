"""Recompute: facts into days, days into metrics, metrics into levels, all true for one frozen moment.

A run computes in temporary tables without holding the database's writer, then writes only what differs,
in one short transaction. Two runs that overlap cannot mix: each must find the revision it started from.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from time import monotonic, perf_counter
from zoneinfo import ZoneInfo

from sqlmodel import col, func, select

from siyu import leases
from siyu.kit.clock import local_day
from siyu.kit.database import Database, ReadSession
from siyu.kit.errors import Conflict
from siyu.kit.staging import Batch, Params
from siyu.metrics import affected, days, stage, sums
from siyu.metrics.sums import Qualifying
from siyu.segments import levels
from siyu.segments.compiler import crossings
from siyu.segments.thresholds import (
    CHANGED,
    Thresholds,
    changed_dimensions,
    fingerprint,
    in_force,
    thresholds_in_force,
)
from siyu.tables import AsOf, DirtyDay, JobRun

LEASE = "recompute"
# Longer than a full run of 100,000 fans on a busy machine (48 s); after a crash ticks wait so long at most.
LEASE_SECONDS = 60
PATIENCE_SECONDS = 90
# Everything is counted again rather than walking through more days of leavers than this.
MOST_DAYS_AT_ONCE = 31
# A look at another time stays to be looked at so long; then the present comes back.
HOLD = timedelta(minutes=10)
# "As of" a moment this near is the present.
PRESENT = timedelta(minutes=1)
ATTEMPTS = 5


class Mode(StrEnum):
    """How much a run looks at; it looks at more where that is needed."""

    TICK = "tick"  # fans with new facts
    WINDOW = "window"  # and those for whom time alone changed something
    FULL = "full"  # everybody, from the facts
    AUTO = "auto"


_BREADTH = (Mode.AUTO, Mode.TICK, Mode.WINDOW, Mode.FULL)


@dataclass(frozen=True)
class Run:
    """What a recompute did."""

    id: int | None  # None: nobody was touched, and nobody wanted a line about it
    mode: Mode
    fans: int
    changed: int
    ms: int
    computed_at: datetime


@dataclass(frozen=True)
class Plan:
    """One run, decided before it starts; `before` is the revision it must still find when it writes."""

    now: datetime
    as_of: datetime
    day: date
    mode: Mode
    thresholds: Thresholds
    before: AsOf | None
    held_until: datetime | None

    @property
    def rules(self) -> str:
        return fingerprint(self.thresholds)

    @property
    def look(self) -> bool:
        return self.held_until is not None

    @property
    def coming_back(self) -> bool:
        return not self.look and self.before is not None and self.before.held_until is not None

    @property
    def ruled(self) -> frozenset[str]:
        """Dimensions that changed because their thresholds did."""
        return changed_dimensions(self.before.rules, self.rules) if self.before else frozenset()

    @property
    def qualifying(self) -> Qualifying:
        referral = self.thresholds["referral"]
        return Qualifying(join_days=referral["join_days"], hold_days=referral["hold_days"])


@dataclass(frozen=True)
class Computed:
    """What a run has staged, counted."""

    touched: int  # fans
    moves: levels.Moves
    sizes: levels.Sizes  # as they will be


class _Overtaken(Exception):
    """Another run wrote in between; this one starts again from what stands now."""


async def recompute(
    database: Database,
    *,
    zone: ZoneInfo,
    currency: str,
    now: datetime,
    as_of: datetime | None = None,
    mode: Mode | str = Mode.AUTO,
    job: str = "recompute",
    keep_empty: bool = True,
) -> Run:
    """Bring every number and level to a moment: the present, or another to look at for a while.

    `mode` is the least that is looked at. Without `keep_empty` a run that touched nobody leaves no line.
    """
    started = perf_counter()
    for _ in range(ATTEMPTS):
        async with database.staging() as staging:
            plan = await staging.compute(lambda batch: _plan(batch, zone=zone, now=now, as_of=as_of, mode=Mode(mode)))
        try:
            async with _turn(database, plan):
                return await _carry_out(database, plan, currency, started=started, job=job, keep_empty=keep_empty)
        except _Overtaken:
            continue
    raise Conflict("another recompute keeps getting in the way; try again in a moment")


async def is_due(session: ReadSession, *, zone: ZoneInfo, now: datetime) -> bool:
    """Whether a run by itself has anything to do; a few looks into indexes."""
    if not await may_move(session, now=now):
        return False
    standing = await _standing(session)
    rules = fingerprint(await thresholds_in_force(session))
    if standing is None or _least_mode(standing, now, local_day(now, zone), rules) is not Mode.TICK:
        return True
    return await session.first(select(DirtyDay).where(col(DirtyDay.due) <= now).limit(1)) is not None


async def may_move(session: ReadSession, *, now: datetime) -> bool:
    """No look at another time is held, and no long run is under way."""
    standing = await _standing(session)
    held = standing is not None and standing.held_until is not None and now < standing.held_until
    return not held and await leases.holder(session, LEASE, now=now) is None


def _plan(batch: Batch, *, zone: ZoneInfo, now: datetime, as_of: datetime | None, mode: Mode) -> Plan:
    before = next((AsOf(**row._mapping) for row in batch.rows(stage.table_of(AsOf).select())), None)
    thresholds = in_force(batch.rows(CHANGED))
    moment = now if as_of is None else as_of
    day = local_day(moment, zone)
    look = abs(moment - now) > PRESENT
    needed = Mode.FULL if look or before is None else _least_mode(before, moment, day, fingerprint(thresholds))
    return Plan(
        now=now,
        as_of=moment,
        day=day,
        mode=max(mode, needed, key=_BREADTH.index),
        thresholds=thresholds,
        before=before,
        held_until=now + HOLD if look else None,
    )


def _least_mode(before: AsOf, as_of: datetime, day: date, rules: str) -> Mode:
    """How much must be looked at to come from what stands to as_of."""
    days = (day - before.day).days
    if before.held_until is not None or as_of < before.as_of or days > MOST_DAYS_AT_ONCE or rules != before.rules:
        return Mode.FULL
    return Mode.WINDOW if days > 0 else Mode.TICK


async def _standing(session: ReadSession) -> AsOf | None:
    """What the levels that stand are true for."""
    return await session.get(AsOf, 1)


@asynccontextmanager
async def _turn(database: Database, plan: Plan) -> AsyncIterator[None]:
    """Long runs take turns and keep ticks away meanwhile; a tick is too short to bother."""
    if plan.mode is Mode.TICK:
        yield
        return
    owner, started = secrets.token_hex(8), monotonic()
    while not await _hold(database, owner, now=plan.now + timedelta(seconds=monotonic() - started)):
        if monotonic() - started > PATIENCE_SECONDS:
            raise Conflict("another recompute is under way; try again in a moment")
        await asyncio.sleep(0.1)
    try:
        yield
    finally:
        async with database.writing() as session:
            await leases.release(session, LEASE, owner)


async def _hold(database: Database, owner: str, *, now: datetime) -> bool:
    async with database.writing() as session:
        return await leases.hold(session, LEASE, owner, now=now, seconds=LEASE_SECONDS)


async def _carry_out(
    database: Database, plan: Plan, currency: str, *, started: float, job: str, keep_empty: bool
) -> Run:
    given = stage.parameters(as_of=plan.as_of, day=plan.day, currency=currency)

    def write(batch: Batch) -> Run:
        _claim(batch, plan)
        changed = _write(batch, plan, given, computed)
        ms = round((perf_counter() - started) * 1000)
        run_id = _note(batch, plan, job, ms, computed.touched, changed) if computed.touched or keep_empty else None
        return Run(run_id, plan.mode, computed.touched, changed, ms, plan.as_of)

    async with database.staging() as staging:
        computed = await staging.compute(lambda batch: _compute(batch, plan, given))
        return await staging.write(write)


def _compute(batch: Batch, plan: Plan, given: Params) -> Computed:
    """Fill the stage from one moment's facts."""
    stage.set_up(batch)
    days.capture_dirty(batch, given)
    days.stage_paid_back(batch, given, everywhere=plan.mode is Mode.FULL)
    if plan.mode is Mode.FULL:
        days.find_drift(batch, given)
    days.count_again(batch, given)
    affected.stage_fans_with_facts(batch)
    _stage_others(batch, plan)
    sums.sum_up(batch, given, qualifying=plan.qualifying)
    levels.stage_levels(batch, given, rules=plan.rules, coming_back=plan.coming_back)
    moves = levels.moves(batch)
    touched = batch.one(select(func.count()).select_from(stage.fans))
    return Computed(touched, moves, _sizes(batch, plan, given, moves))


def _stage_others(batch: Batch, plan: Plan) -> None:
    if plan.mode is Mode.FULL or plan.before is None:
        affected.stage_everybody(batch)
    elif plan.mode is Mode.WINDOW:
        moments = crossings(plan.thresholds) | {sums.hold_over(plan.qualifying)}
        affected.stage_fans_by_time(batch, before=plan.before.day, day=plan.day, crossings=moments)


def _sizes(batch: Batch, plan: Plan, given: Params, moves: levels.Moves) -> levels.Sizes:
    """Everybody counted, or what the staged fans change of the sizes that stand."""
    if plan.mode is Mode.FULL or plan.before is None:
        return levels.sizes_of_everybody(batch, given, rules=plan.rules)
    return levels.sizes_after(batch, moves, day=plan.before.day)


def _claim(batch: Batch, plan: Plan) -> None:
    """Move the moment on, if nobody else did since this run was planned."""
    seen = plan.before.revision if plan.before else 0
    values = {
        "as_of": plan.as_of,
        "day": plan.day,
        "rules": plan.rules,
        "revision": seen + 1,
        "held_until": plan.held_until,
    }
    new = batch.insert(AsOf).values(id=1, **values)
    claim = new.on_conflict_do_update(index_elements=["id"], set_=values, where=col(AsOf.revision) == seen)
    if not batch.rows(claim.returning(col(AsOf.revision))):
        raise _Overtaken


def _write(batch: Batch, plan: Plan, given: Params, computed: Computed) -> int:
    days.write_days(batch)
    sums.write_metrics(batch)
    changed = levels.write_levels(batch, given, ruled=plan.ruled, look=plan.look, coming_back=plan.coming_back)
    levels.write_sizes(batch, computed.sizes, computed.moves, day=plan.day, coming_back=plan.coming_back)
    return changed


def _note(batch: Batch, plan: Plan, job: str, ms: int, touched: int, changed: int) -> int | None:
    line = {"job": job, "mode": plan.mode, "started_at": plan.now, "milliseconds": ms, "touched": touched}
    return batch.one(batch.insert(JobRun).values(**line, changed=changed).returning(col(JobRun.id)))
