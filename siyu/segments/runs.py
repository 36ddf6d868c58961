"""Recompute: facts into days, days into metrics, metrics into levels, all true for one frozen moment.

A run computes in temporary tables without holding the database's writer, then writes only what differs, in short
turns between which others write. Two runs that overlap cannot mix: each must find the revision it started from.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from time import monotonic, perf_counter
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from siyu import leases
from siyu.kit.clock import local_day
from siyu.kit.database import Database, ReadSession
from siyu.kit.errors import Conflict
from siyu.kit.staging import Batch, Params, Staging
from siyu.metrics import affected, cuts, days, interests, stage, sums, upkeep
from siyu.metrics.cuts import Places
from siyu.metrics.measures import cooling
from siyu.metrics.stage import Cause
from siyu.segments import definitions, levels, writing
from siyu.segments.meaning import classification
from siyu.segments.plans import Computed, Mode, Overtaken, Plan
from siyu.segments.sizes import Sizes, came_first, count_anew, held_in, kept_in, moved_in, moves_of, sizes_of
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
# Days with new facts: more are as many as a night's run looks at.
FEW = 4_000


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


Noted = Callable[[Batch, Plan, Computed, int], Run]  # how many levels changed


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
    plan_now = partial(_plan, zone=zone, currency=currency, now=now, as_of=as_of, mode=Mode(mode))
    noted = partial(_noted, started=started, job=job, keep_empty=keep_empty)
    for _ in range(ATTEMPTS):
        try:
            async with database.staging() as staging:
                plan, computed, run = await staging.compute(lambda batch: _at_once(plan_now(batch), batch, noted))
                if run is not None:
                    return run
                if computed is not None:
                    return await _written(staging, plan, computed, noted)
            async with _turn(database, plan), database.staging() as staging:
                # Whoever waited for another run finds other things standing.
                computed_in_turn = await staging.compute(lambda batch: _in_turn(plan_now(batch), batch))
                return await _written(staging, *computed_in_turn, noted)
        except Overtaken:
            continue
    raise Conflict("another recompute keeps getting in the way; try again in a moment")


async def settle(database: Database, *, zone: ZoneInfo, currency: str, now: datetime) -> Run | None:
    """What somebody just changed takes effect at once; None while a look at another time, or a long run, goes on.

    Then the run that ends it brings the change.
    """
    async with database.reading() as session:
        free = await may_move(session, now=now)
    return await recompute(database, zone=zone, currency=currency, now=now) if free else None


async def is_due(session: ReadSession, *, zone: ZoneInfo, now: datetime) -> bool:
    """Whether a run by itself has anything to do; a few looks into indexes."""
    if not await may_move(session, now=now):
        return False
    standing = await _standing(session)
    rules = await definitions.in_force(session)
    if standing is None or _least_mode(standing, now, local_day(now, zone), rules) is not Mode.TICK:
        return True
    return await session.first(select(DirtyDay).where(col(DirtyDay.due) <= now).limit(1)) is not None


async def may_move(session: ReadSession, *, now: datetime) -> bool:
    """No look at another time is held, and no long run is under way."""
    standing = await _standing(session)
    held = standing is not None and standing.held_until is not None and now < standing.held_until
    return not held and await leases.holder(session, LEASE, now=now) is None


def _at_once(plan: Plan, batch: Batch, noted: Noted) -> tuple[Plan, Computed | None, Run | None]:
    """A tick is computed where it is planned: it is too short to take turns with others.

    A short one is also written there, where nobody waits for that.
    """
    if plan.mode is not Mode.TICK:
        return plan, None, None
    computed = _compute(batch, plan)
    if batch.dialect != "postgresql" or not computed.at_once:
        return plan, computed, None
    (everything,) = writing.turns(plan, computed)
    return plan, computed, noted(batch, plan, computed, everything(batch))


def _in_turn(plan: Plan, batch: Batch) -> tuple[Plan, Computed]:
    return plan, _compute(batch, plan)


def _plan(batch: Batch, *, zone: ZoneInfo, currency: str, now: datetime, as_of: datetime | None, mode: Mode) -> Plan:
    before = next((AsOf(**row._mapping) for row in batch.rows(stage.table_of(AsOf).select())), None)
    rules = definitions.in_force_now(batch)
    moment = now if as_of is None else as_of
    day = local_day(moment, zone)
    look = abs(moment - now) > PRESENT
    other_money = before is not None and before.currency != currency
    needed = Mode.FULL if look or before is None or other_money else _least_mode(before, moment, day, rules)
    return Plan(
        now=now,
        as_of=moment,
        day=day,
        mode=max(mode, needed, key=_BREADTH.index),
        definitions=rules,
        before=before,
        held_until=now + HOLD if look else None,
        currency=currency,
    )


def _least_mode(before: AsOf, as_of: datetime, day: date, rules: str) -> Mode:
    """How much must be looked at to come from what stands to as_of."""
    days = (day - before.day).days
    if before.unfinished or before.held_until is not None or as_of < before.as_of or days > MOST_DAYS_AT_ONCE:
        return Mode.FULL
    if rules == before.rules:
        return Mode.WINDOW if days > 0 else Mode.TICK
    # What counts as a friend who bought is part of the numbers, and a category of products comes with the facts that
    # show an interest in it; all else is worked out from them.
    now, then = classification(rules), classification(before.rules)
    same_numbers = now.qualifying == then.qualifying and now.interests == then.interests
    return Mode.WINDOW if same_numbers else Mode.FULL


async def _standing(session: ReadSession) -> AsOf | None:
    """What the levels that stand are true for."""
    return await session.get(AsOf, 1)


@asynccontextmanager
async def _turn(database: Database, plan: Plan) -> AsyncIterator[None]:
    """Long runs take turns and keep ticks away meanwhile."""
    owner, started = secrets.token_hex(8), monotonic()

    async def hold() -> bool:
        moment = plan.now + timedelta(seconds=monotonic() - started)
        async with database.writing() as session:
            return await leases.hold(session, LEASE, owner, now=moment, seconds=LEASE_SECONDS)

    while not await hold():
        if monotonic() - started > PATIENCE_SECONDS:
            raise Conflict("another recompute is under way; try again in a moment")
        await asyncio.sleep(0.1)
    renewing = asyncio.ensure_future(_renew(hold))
    try:
        yield
    finally:
        renewing.cancel()
        async with database.writing() as session:
            await leases.release(session, LEASE, owner)


async def _renew(hold: Callable[[], Awaitable[bool]]) -> None:
    """A run over a million fans is longer than a lease; who dies renews no more."""
    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        await hold()


async def _written(staging: Staging, plan: Plan, computed: Computed, noted: Noted) -> Run:
    *turns, last = writing.turns(plan, computed)
    changed = 0
    for turn in turns:
        changed += await staging.write(turn)
    return await staging.write(lambda batch: noted(batch, plan, computed, changed + last(batch)))


def _noted(
    batch: Batch, plan: Plan, computed: Computed, changed: int, *, started: float, job: str, keep_empty: bool
) -> Run:
    """All is written but its line."""
    batch.catch_up()  # or what was sent ahead would not count
    ms = round((perf_counter() - started) * 1000)
    run_id = _note(batch, plan, job, ms, computed.touched, changed) if computed.touched or keep_empty else None
    return Run(run_id, plan.mode, computed.touched, changed, ms, plan.as_of)


def _compute(batch: Batch, plan: Plan) -> Computed:
    """From one moment's facts to what is to be written: days, fans, numbers, levels, each out of those before."""
    given = stage.parameters(as_of=plan.as_of, day=plan.day, currency=plan.currency)
    few = _stage_days(batch, plan, given)
    _stage_fans(batch, plan)
    found = _stage_numbers(batch, plan, given)
    limits = cuts.parameters(plan.classification.cuts, cuts.values(found))
    given = {**given, "cooled": cooling(plan.day), **limits}
    counted = _stage_levels(batch, plan, given)
    computed = _computed(batch, plan, given, found, counted)
    upkeep.leave(batch, few=few)
    return computed


def _stage_days(batch: Batch, plan: Plan, given: Params) -> bool:
    """Whether it is a tick of a few."""
    tick = plan.mode is Mode.TICK
    upkeep.set_up(batch, tick=tick)
    few = days.capture_dirty(batch, given) <= FEW and tick
    upkeep.expect(batch, few=few)
    upkeep.count(batch, stage.dirty_days)
    days.stage_later_views(batch, given)
    days.stage_paid_back(batch, given, everywhere=plan.mode is Mode.FULL)
    if plan.mode is Mode.FULL:
        days.find_drift(batch, given)
    upkeep.count(batch, stage.dirty_days)
    days.count_again(batch, given)
    upkeep.count(batch, stage.days)
    return few


def _stage_fans(batch: Batch, plan: Plan) -> None:
    affected.stage_fans_with_facts(batch, everybody=plan.anew)
    _stage_others(batch, plan)
    upkeep.count(batch, stage.fans)


def _stage_numbers(batch: Batch, plan: Plan, given: Params) -> Places:
    """Returns the cuts; they stage whom they passed on their way, and so do new rules with everybody."""
    interests.stage_shown(batch, given, everybody=plan.anew)
    sums.sum_up(batch, given, qualifying=plan.classification.qualifying, everybody=plan.anew)
    interests.stage_named(batch, everybody=plan.anew)
    upkeep.count(batch, stage.metrics)
    found = _place_among_buyers(batch, plan)
    if plan.task.redefined and not plan.anew:
        affected.stage_everybody(batch, Cause.RULE)
    sums.stage_as_they_stand(batch)
    return found


def _stage_levels(batch: Batch, plan: Plan, given: Params) -> Sizes:
    """Returns the sizes that had to be counted."""
    levels.stage_places(batch, given, plan.task)
    upkeep.count(batch, stage.words)
    counted = count_anew(batch, plan.task, first=plan.before is None)
    moved = levels.moved_words(batch, plan.task)
    sums.find_changed(batch)  # PostgreSQL holds rows against rows while moves are read off words here
    levels.stage_levels(batch, given, plan.task, moved, held_in(counted))
    upkeep.count(batch, stage.levels)
    return counted


def _computed(batch: Batch, plan: Plan, given: Params, found: Places, counted: Sizes) -> Computed:
    """All that is staged, in numbers."""
    staged = writing.staged(batch)
    moves = moves_of(batch, plan.definitions, some_turned=staged.turned > 0)
    sizes = sizes_of(batch, plan.task, moves, counted, day=plan.before.day if plan.before else None)
    straight = kept_in(sizes, plan.task.straight)
    moved = {**moved_in(moves), **straight}
    rows = staged.rows + sum(straight.values())
    return Computed(
        touched=staged.fans,
        at_once=writing.is_little(batch, rows),
        rows_in_a_turn=writing.ROWS[batch.dialect],
        parts=writing.parts_of(batch, rows),
        word_parts=writing.word_parts_of(batch, rows),
        first=plan.task.first,
        moved=moved,
        told_first=writing.told_first(batch, plan, rows),
        history_parts=writing.history_parts_of(batch, plan, moved),
        cuts=found,
        moves={**moves, **came_first(sizes, plan.task.straight)},
        sizes=sizes,
        given=given,
    )


def _stage_others(batch: Batch, plan: Plan) -> None:
    if plan.anew or plan.before is None:
        affected.stage_everybody(batch)
        return
    whole = plan.classification
    if plan.mode is Mode.WINDOW:
        passing = {"before": plan.before.day, "day": plan.day}
        affected.stage_fans_who_cooled(batch, **passing, scores=whole.intents)
        hold = sums.hold_over(whole.qualifying)
        affected.stage_fans_by_time(batch, **passing, edges=whole.edges, crossings=whole.crossings)
        affected.stage_who_brought_them(batch, **passing, hold=hold)
        for old in whole.interest_days:
            affected.stage_interests_given_up(batch, **passing, days=old)


def _place_among_buyers(batch: Batch, plan: Plan) -> Places:
    """The cuts as they are now, with everybody staged whom one of them passed."""
    before = cuts.stored(batch)
    places = cuts.find(batch, plan.classification.cuts, before, everybody=plan.anew)
    if not plan.anew:
        cuts.stage_passed(batch, before, places)
    return places


def _note(batch: Batch, plan: Plan, job: str, ms: int, touched: int, changed: int) -> int | None:
    line = {"job": job, "mode": plan.mode, "started_at": plan.now, "milliseconds": ms, "touched": touched}
    return batch.one(batch.insert(JobRun).values(**line, changed=changed).returning(col(JobRun.id)))
