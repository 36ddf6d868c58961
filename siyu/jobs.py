"""What the house does by itself, and how often, as data; what is due is read from the tables."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from time import perf_counter
from typing import assert_never
from zoneinfo import ZoneInfo

from sqlalchemy import delete
from sqlmodel import col, select

from siyu import (
    audit,
    broadcasts,
    conversations,
    coupons,
    expectations,
    feedback,
    followups,
    idempotency,
    mailroom,
    operators,
    points,
    purchases,
    referrals,
    segments,
    shops,
)
from siyu.app import App
from siyu.audit import SIYU, Actor
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import NotFound
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.kit.wording import phrase
from siyu.segments import Mode
from siyu.settings import Settings
from siyu.tables import JobRun

# A line per tick that found something: enough of them to see a pattern, not enough to fill the disk.
RUNS_KEPT = timedelta(days=14)
# What a key protects is written under unique keys of its own as well: after this a claim still gives the coupon it
# gave, and a sale or redemption sent once more is refused instead of answered again.
KEYS_KEPT = timedelta(days=90)
TRY_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class Every:
    """Again after so many seconds."""

    seconds: Callable[[Settings], float]


@dataclass(frozen=True)
class Daily:
    """Once on each of the community's days, at this time or as soon after as somebody is there to do it."""

    at: time


@dataclass(frozen=True)
class Done:
    """What a job did; `line` is the run it wrote down itself, in the transaction of its work."""

    touched: int = 0
    changed: int = 0
    line: int | None = None


async def _always(_app: App, _session: ReadSession) -> bool:
    return True


@dataclass(frozen=True)
class Job:
    """Something the house does by itself; the label is a message id."""

    key: str
    label: str
    when: Every | Daily
    work: Callable[[App, bool], Awaitable[Done]]  # whether somebody asked
    has_work: Callable[[App, ReadSession], Awaitable[bool]] = _always


@dataclass(frozen=True)
class JobView:
    """A job with its last run and its next, for people."""

    job: Job
    last: JobRun | None
    next_at: datetime


async def run_job(app: App, key: str, asked_by: Actor = SIYU) -> JobRun | None:
    """Do it now, due or not, and write down how it went; None where it found nothing and nobody had asked."""
    job = get_job(key)
    now, started = app.clock(), perf_counter()
    asked = asked_by != SIYU
    try:
        done = await job.work(app, asked)
    except Exception as error:
        failed = JobRun(job=key, started_at=now, milliseconds=_since(started), error=f"{type(error).__name__}: {error}")
        await _write_down(app, failed, asked_by)
        raise
    if done.line is not None:
        return await _written(app, done.line, asked_by)
    if not (asked or done.touched or isinstance(job.when, Daily)):
        return None
    run = JobRun(job=key, started_at=now, milliseconds=_since(started), touched=done.touched, changed=done.changed)
    return await _write_down(app, run, asked_by)


async def run_if_due(app: App, job: Job) -> bool:
    """What the scheduler does at each tick; whether there was anything to do."""
    async with app.database.reading() as session:
        due = await is_due(session, app, job)
    if due:
        await run_job(app, job.key)
    return due


async def is_due(session: ReadSession, app: App, job: Job) -> bool:
    """Whether its time has come and there is anything to do."""
    if isinstance(job.when, Daily) and await _next_daily(session, job, job.when, app) > app.clock():
        return False
    return await job.has_work(app, session)


async def list_jobs(session: ReadSession, app: App) -> list[JobView]:
    """Every job with its last line and when it comes next."""
    return [JobView(job, await _last(session, job), await _next(session, app, job)) for job in JOBS]


async def list_runs(session: ReadSession, *, cursor: str | None = None, limit: int = 50) -> Page[JobRun]:
    """What was done lately, the newest first."""
    statement = select(JobRun).order_by(col(JobRun.id).desc()).limit(limit + 1)
    if cursor:
        statement = statement.where(col(JobRun.id) < key_of(cursor, length=1)[0])
    found = await session.all(statement)
    return Page(found[:limit], cursor_of((found[limit - 1].id or 0,)) if len(found) > limit else None)


def get_job(key: str) -> Job:
    found = next((job for job in JOBS if job.key == key), None)
    if found is None:
        raise NotFound("there is no job %(key)s", key=key)
    return found


async def _write_down(app: App, run: JobRun, asked_by: Actor) -> JobRun:
    async with app.database.writing() as session:
        session.add(run)
        await _note(session, run.job, asked_by, now=run.started_at)
    return run


async def _written(app: App, line: int, asked_by: Actor) -> JobRun | None:
    async with app.database.writing() as session:
        run = await session.get(JobRun, line)
        if run is not None:
            await _note(session, run.job, asked_by, now=run.started_at)
    return run


async def _note(session: WriteSession, key: str, asked_by: Actor, *, now: datetime) -> None:
    if asked_by != SIYU:
        await audit.note(session, asked_by, "job.run", "job", key, now=now)


def _since(started: float) -> int:
    return round((perf_counter() - started) * 1000)


async def _last(session: ReadSession, job: Job) -> JobRun | None:
    return await session.first(select(JobRun).where(JobRun.job == job.key).order_by(col(JobRun.id).desc()).limit(1))


async def _next(session: ReadSession, app: App, job: Job) -> datetime:
    match job.when:
        case Every():
            return app.clock() + timedelta(seconds=job.when.seconds(app.settings))
        case Daily():
            return max(app.clock(), await _next_daily(session, job, job.when, app))
        case _ as never:
            assert_never(never)


async def _next_daily(session: ReadSession, job: Job, daily: Daily, app: App) -> datetime:
    """Today's time, unless today's was done already; a run that failed is tried again an hour later."""
    zone = app.settings.zone
    today = local_day(app.clock(), zone)
    occurrence = _moment(today, daily, zone)
    last = await _last(session, job)
    if last is None or last.started_at < occurrence:
        return occurrence
    return _moment(today + timedelta(days=1), daily, zone) if last.error is None else last.started_at + TRY_AGAIN


def _moment(day: date, daily: Daily, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, daily.at, tzinfo=zone).astimezone(UTC)


async def _recompute(app: App, asked: bool, *, job: str, mode: Mode) -> Done:
    run = await segments.recompute(
        app.database,
        zone=app.settings.zone,
        currency=app.settings.currency,
        now=app.clock(),
        mode=mode,
        job=job,
        keep_empty=asked or mode is Mode.FULL,
    )
    return Done(run.fans, run.changed, run.id)


async def _facts_wait(app: App, session: ReadSession) -> bool:
    return await segments.is_due(session, zone=app.settings.zone, now=app.clock())


async def _levels_are_free(app: App, session: ReadSession) -> bool:
    return await segments.may_move(session, now=app.clock())


async def _fit(app: App, _asked: bool) -> Done:
    """A new fit says something else of everybody, at once."""
    fit = await expectations.fit_if_due(app.database, now=app.clock())
    if fit is None:
        return Done()
    changed = await expectations.score_everybody(app.database, now=app.clock())
    return Done(touched=fit.parameters["sampled"] if fit.parameters else 0, changed=changed)


async def _score(app: App, _asked: bool) -> Done:
    changed = await expectations.score_everybody(app.database, now=app.clock())
    return Done(touched=changed, changed=changed)


async def _winners_are_due(app: App, session: ReadSession) -> bool:
    return bool(await broadcasts.undecided(session, now=app.clock()))


async def _decide(app: App, _asked: bool) -> Done:
    """Each in a transaction of its own: the rest of a hundred thousand fans goes with one winner."""
    now, decided = app.clock(), 0
    async with app.database.reading() as session:
        due = await broadcasts.undecided(session, now=now)
    for broadcast_id in due:
        async with app.database.writing() as session:
            decided += await broadcasts.decide_winner(session, broadcast_id, now=now) is not None
    app.bells.broadcasts.set()
    return Done(touched=len(due), changed=decided)


async def _ratings_are_due(app: App, session: ReadSession) -> bool:
    return await feedback.any_due(session, now=app.clock())


async def _ask_for_ratings(app: App, _asked: bool) -> Done:
    async with app.database.writing() as session:
        asked = await feedback.ask_due(session, zone=app.settings.zone, now=app.clock())
    app.bells.outbox.set()
    return Done(touched=asked, changed=asked)


async def _followups_are_due(app: App, session: ReadSession) -> bool:
    return await followups.any_due(session, now=app.clock())


async def _remind(app: App, _asked: bool) -> Done:
    async with app.database.writing() as session:
        reminded = await followups.remind(session, site=app.settings.site, now=app.clock())
    app.bells.outbox.set()
    return Done(touched=reminded, changed=reminded)


async def _coupons_end_soon(app: App, session: ReadSession) -> bool:
    return await coupons.any_to_remind(session, now=app.clock())


async def _remind_of_coupons(app: App, _asked: bool) -> Done:
    """Five hundred a transaction; who sleeps now is asked again in ten minutes."""
    reminded, after = 0, 0
    while True:
        async with app.database.writing() as session:
            done = await coupons.remind_some(session, after=after, zone=app.settings.zone, now=app.clock())
        reminded += done.fans
        if done.last is None:
            break
        after = done.last
    if reminded:
        app.bells.outbox.set()
    return Done(touched=reminded)


async def _coupons_are_over(app: App, session: ReadSession) -> bool:
    return await coupons.any_expired(session, now=app.clock())


async def _label_coupons(app: App, _asked: bool) -> Done:
    labelled = 0
    while True:
        async with app.database.writing() as session:
            found = await coupons.label_expired(session, now=app.clock())
        labelled += found
        if not found:
            return Done(touched=labelled)


async def _shops_left_something(app: App, session: ReadSession) -> bool:
    return await shops.any_left_behind(session, now=app.clock())


async def _settle_shops(app: App, _asked: bool) -> Done:
    settled = await shops.settle_left_behind(app.database, zone=app.settings.zone, now=app.clock())
    return Done(touched=settled)


async def _points_are_over(app: App, session: ReadSession) -> bool:
    return await points.any_due(session, now=app.clock())


async def _let_points_run_out(app: App, _asked: bool) -> Done:
    """A thousand fans in each transaction, so that nobody waits long for one of them."""
    touched = 0
    while some := await _run_out_some(app):
        touched += some
    return Done(touched=touched, changed=touched)


async def _run_out_some(app: App) -> int:
    async with app.database.writing() as session:
        return await points.run_out_some(session, now=app.clock())


async def _tiers_may_change(app: App, session: ReadSession) -> bool:
    return await points.any_to_settle(session, now=app.clock())


async def _settle_tiers(app: App, _asked: bool) -> Done:
    touched = changed = 0
    while True:
        async with app.database.writing() as session:
            some, moved = await points.settle_some(session, now=app.clock())
        touched, changed = touched + some, changed + moved
        if not some:
            return Done(touched=touched, changed=changed)


async def _congratulate(app: App, _asked: bool) -> Done:
    async with app.database.writing() as session:
        given = await points.congratulate(session, zone=app.settings.zone, now=app.clock())
    return Done(touched=given, changed=given)


async def _reward(app: App, _asked: bool) -> Done:
    """The days are those of the dimension: what a referral is worth and what it is called never disagree."""
    now, zone = app.clock(), app.settings.zone
    async with app.database.writing() as session:
        numbers = (await segments.classification_in_force(session)).qualifying
        days = referrals.Days(join=numbers.join_days, hold=numbers.hold_days)
        moved = await referrals.keep_promises(session, days, zone=zone, now=now)
        told = await referrals.tell(session, zone=zone, now=now)
    if told:
        app.bells.outbox.set()
    return Done(touched=moved.total + told, changed=moved.total)


async def _ask_for_stars(app: App, _asked: bool) -> Done:
    """Telegram's answer is read where all answers are: by the courier."""
    if app.settings.bot_token is None:
        return Done()
    async with app.database.writing() as session:
        await purchases.ask_for_stars(session, now=app.clock())
    app.bells.outbox.set()
    return Done(touched=1)


async def _tidy(app: App, _asked: bool) -> Done:
    now = app.clock()
    async with app.database.writing() as session:
        dropped = await mailroom.prune(session, now=now)
        dropped += await conversations.forget_notices(session, now=now)
        dropped += await coupons.forget_attempts(session, now=now)
        dropped += await operators.forget_old(session, now=now)
        dropped += await shops.forget_bodies(session, now=now)
        dropped += await idempotency.forget_before(session, now - KEYS_KEPT)
        dropped += await session.run(delete(JobRun).where(col(JobRun.started_at) < now - RUNS_KEPT))
    return Done(touched=dropped)


JOBS: tuple[Job, ...] = (
    Job(
        "recompute", phrase("Levels of fans with new facts"), Every(lambda settings: settings.recompute_seconds),
        partial(_recompute, job="recompute", mode=Mode.TICK), _facts_wait,
    ),
    Job(
        "windows", phrase("Levels that change as days pass"), Every(lambda _: 60),
        partial(_recompute, job="windows", mode=Mode.WINDOW), _levels_are_free,
    ),
    Job(
        "full", phrase("Everything counted again from the facts"), Daily(time(3, 30)),
        partial(_recompute, job="full", mode=Mode.FULL), _levels_are_free,
    ),
    Job(
        "fit", phrase("What buyers will probably do, learnt anew"), Daily(time(4, 0)), _fit, _levels_are_free,
    ),
    Job(
        "score", phrase("What every buyer will probably do"), Daily(time(4, 15)), _score, _levels_are_free,
    ),
    Job("winners", phrase("Winners of compared broadcasts"), Every(lambda _: 60), _decide, _winners_are_due),
    Job(
        "ratings", phrase("How fans liked what they bought"), Every(lambda _: 600), _ask_for_ratings, _ratings_are_due,
    ),
    Job(
        "followups", phrase("Reminders of what is to be followed up"), Every(lambda _: 60), _remind, _followups_are_due,
    ),
    Job("reminders", phrase("A word before coupons end"), Every(lambda _: 600), _remind_of_coupons, _coupons_end_soon),
    Job("expiry", phrase("Labels of coupons that are over"), Every(lambda _: 600), _label_coupons, _coupons_are_over),
    Job("points", phrase("Points that ran out"), Every(lambda _: 60), _let_points_run_out, _points_are_over),
    Job("tiers", phrase("Tiers that were reached or lost"), Every(lambda _: 60), _settle_tiers, _tiers_may_change),
    Job("birthdays", phrase("Points for birthdays"), Daily(time(9, 0)), _congratulate),
    Job("rewards", phrase("Rewards for friends who came and bought"), Every(lambda _: 60), _reward),
    Job("stars", phrase("Stars held against Telegram’s list"), Daily(time(4, 45)), _ask_for_stars),
    Job("shops", phrase("Orders that shops told and nobody booked"), Every(lambda _: 60), _settle_shops,
        _shops_left_something),
    Job("tidy", phrase("Old mail, old keys and old lines of this list"), Every(lambda _: 3600), _tidy),
)  # fmt: skip
