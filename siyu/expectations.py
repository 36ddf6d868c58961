"""What buyers will probably do: the models fitted weekly on the community's own purchases, everybody scored nightly."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Integer, and_, delete, func, literal_column, select, type_coerce
from sqlmodel import col

from siyu import models
from siyu.fans import mark_dirty
from siyu.kit.database import Database, ReadSession, WriteSession
from siyu.models import Fit
from siyu.models.deciding import median_hours
from siyu.tables import AsOf, Fan, FanDay, FanLevel, FanMetrics, FanScore, ModelFit

if TYPE_CHECKING:
    from siyu.models import Scores
    from siyu.models.buyers import Buyers

FITTED_EVERY = timedelta(days=7)
# A fit an hour after last week's is this week's.
SLACK = timedelta(hours=12)
READ_AT_ONCE = 20_000
# A thousand rows are written in 10 ms: whoever else wants to write waits no longer.
WRITTEN_AT_ONCE = 1_000

Score = tuple[float, float, int]  # chance of coming back, orders and spend to be expected


@dataclass(frozen=True)
class Outlook:
    """How the models stand: fitted when and on how many, or why not."""

    installed: bool
    fitted_at: datetime | None = None
    fit: Fit | None = None
    why_not: str | None = None  # a Shortage
    buyers: int = 0  # who have ordered up to now
    scored: int = 0


@dataclass(frozen=True)
class Deciding:
    """How long a group takes to buy for the first time; `median` is None while fewer than half have."""

    level: str
    median: float | None  # whole hours
    bought: int
    waiting: int  # who have not bought yet: they count for as long as they have been seen


async def outlook(session: ReadSession) -> Outlook:
    """For people who wonder why nobody has a churn risk."""
    latest, buyers = await _latest(session), await session.one(_buyers_counted())
    if latest is None:
        return Outlook(models.available(), buyers=buyers)
    fit = Fit.from_dict(latest.parameters) if latest.parameters else None
    scored = await session.one(select(func.count()).select_from(FanScore))
    return Outlook(models.available(), latest.fitted_at, fit, latest.why_not, buyers, scored)


async def fit_if_due(database: Database, *, now: datetime) -> ModelFit | None:
    """Once a week, and every day while there was not enough to learn from; None where it is not due."""
    if not models.available():
        return None
    async with database.reading() as session:
        latest, as_of = await _latest(session), await session.get(AsOf, 1)
        fresh = latest is not None and latest.parameters and now - latest.fitted_at < FITTED_EVERY - SLACK
        if fresh or as_of is None:
            return None
        buyers = await _read(session, as_of.day)
    fit = await asyncio.to_thread(models.fit, buyers, seed=as_of.day.toordinal())
    why_not = models.shortage(buyers)
    async with database.writing() as session:
        return await _keep(session, fit, why_not, now=now)


async def score_everybody(database: Database, *, now: datetime) -> int:
    """By the latest fit; where there is none, nobody has a score. Returns for how many fans it is another now.

    They are looked at again by the next recompute: their day of today is counted anew, which has the fewest facts.
    """
    async with database.reading() as session:
        latest, as_of = await _latest(session), await session.get(AsOf, 1)
        if latest is None or as_of is None or not models.available():
            return 0
        known = await _scores_known(session)
        buyers = await _read(session, as_of.day) if latest.parameters else None
    found: Mapping[int, Score] = {}
    if buyers is not None and latest.parameters:
        found = await asyncio.to_thread(_scored, buyers, Fit.from_dict(latest.parameters))
    new = [(fan_id, score) for fan_id, score in found.items() if known.get(fan_id) != score]
    gone = [fan_id for fan_id in known if fan_id not in found]
    for part in _chunks(new):
        async with database.writing() as session:
            await _write(session, part, as_of.day, now=now)
    for part in _chunks(gone):
        async with database.writing() as session:
            await session.run(delete(FanScore).where(col(FanScore.fan_id).in_(part)))
            await mark_dirty(session, [(fan_id, as_of.day, now) for fan_id in part])
    return len(new) + len(gone)


async def time_to_decide(session: ReadSession, dimension: str) -> list[Deciding]:
    """For each level of a dimension that has fans, how long they take to the first purchase; in whole hours."""
    as_of = await session.get(AsOf, 1)
    if as_of is None:
        return []
    counted: dict[str, tuple[dict[float, int], dict[float, int]]] = {}
    for level, bought, hours, fans in await session.rows(_hours(dimension, as_of.as_of)):
        counted.setdefault(level, ({}, {}))[not bought][float(hours)] = fans
    return [_deciding(level, *hours) for level, hours in counted.items()]


async def _latest(session: ReadSession) -> ModelFit | None:
    return await session.first(select(ModelFit).order_by(col(ModelFit.id).desc()).limit(1))


async def _keep(session: WriteSession, fit: Fit | None, why_not: str | None, *, now: datetime) -> ModelFit:
    """A row for each fit; one for all the days on which the same thing was missing."""
    latest = await _latest(session)
    if latest is None or fit is not None or latest.why_not != why_not:
        latest = ModelFit(fitted_at=now, parameters=fit.to_dict() if fit else None, why_not=why_not)
    latest.fitted_at = now
    session.add(latest)
    await session.flush()
    return latest


def _buyers_counted() -> Any:  # Any: a SELECT of a number
    return select(func.count()).select_from(FanMetrics).where(col(FanMetrics.orders_total) > 0)


async def _read(session: ReadSession, today: date) -> "Buyers":
    """Everybody who ordered, as the last run counted them; one snapshot, in parts that fit any memory."""
    import numpy as np

    from siyu.models.buyers import Buyers

    parts = [np.zeros((0, 5), dtype=np.int64)]
    after = 0
    while rows := await session.rows(_orders(after)):
        days = [
            (fan_id, orders - 1, (last - first).days, (today - first).days, total - at_first)
            for fan_id, orders, first, last, total, at_first in rows
        ]
        parts.append(np.array(days, dtype=np.int64))
        after = rows[-1][0]
    fan_id, repeats, active, known, paid_later = np.concatenate(parts).T
    return Buyers(fan_id, repeats, active, known, paid_later / np.maximum(repeats, 1))


def _orders(after: int) -> Any:  # Any: a SELECT of six columns
    """What was spent in all, and on the day of the first order: what lies between was paid when coming back."""
    first_day = and_(
        col(FanDay.fan_id) == col(FanMetrics.fan_id), col(FanDay.day) == col(FanMetrics.first_purchase_day)
    )
    columns = (
        col(FanMetrics.fan_id), col(FanMetrics.orders_total), col(FanMetrics.first_purchase_day),
        col(FanMetrics.last_purchase_day), col(FanMetrics.spend_total), func.coalesce(col(FanDay.spend_minor), 0),
    )  # fmt: skip
    buyers = select(*columns).select_from(FanMetrics).outerjoin(FanDay, first_day)
    fitting = buyers.where(col(FanMetrics.orders_total) > 0, col(FanMetrics.fan_id) > after)
    return fitting.order_by(col(FanMetrics.fan_id)).limit(READ_AT_ONCE)


async def _scores_known(session: ReadSession) -> dict[int, Score]:
    columns = (
        col(FanScore.fan_id), col(FanScore.p_alive), col(FanScore.expected_purchases_90d),
        col(FanScore.expected_spend_90d),
    )  # fmt: skip
    return {fan_id: (alive, orders, spend) for fan_id, alive, orders, spend in await session.rows(select(*columns))}


def _scored(buyers: "Buyers", fit: Fit) -> dict[int, Score]:
    scores: Scores = models.score(buyers, fit)
    columns = (scores.p_alive, scores.expected_purchases_90d, scores.expected_spend_90d.round().astype("int64"))
    alive, orders, spend = (column.tolist() for column in columns)
    return dict(zip(scores.fan_id.tolist(), zip(alive, orders, spend, strict=True), strict=True))


async def _write(session: WriteSession, scores: Sequence[tuple[int, Score]], day: date, *, now: datetime) -> None:
    new = session.insert(FanScore)
    names = ("p_alive", "expected_purchases_90d", "expected_spend_90d")
    statement = new.on_conflict_do_update(
        index_elements=["fan_id"], set_={name: new.excluded[name] for name in names}
    )  # fmt: skip
    rows = [{"fan_id": fan_id, **dict(zip(names, score, strict=True))} for fan_id, score in scores]
    await session.run_many(statement, rows)
    await mark_dirty(session, [(fan_id, day, now) for fan_id, _ in scores])


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:  # Any: rows of any kind
    for start in range(0, len(rows), WRITTEN_AT_ONCE):
        yield rows[start : start + WRITTEN_AT_ONCE]


def _hours(dimension: str, as_of: datetime) -> Any:  # Any: a SELECT of four columns
    """How many fans of each level took so many hours, or have waited so long."""
    seconds = col(FanMetrics.seconds_to_first_purchase)
    waited = int(as_of.timestamp()) - type_coerce(col(Fan.joined_at), BigInteger)
    each = (
        select(
            col(FanLevel.level).label("level"), seconds.is_not(None).label("bought"),
            (func.coalesce(seconds, waited) // literal_column("3600", Integer)).label("hours"),
        )
        .select_from(FanLevel)
        .join(FanMetrics, col(FanMetrics.fan_id) == col(FanLevel.fan_id))
        .join(Fan, col(Fan.id) == col(FanLevel.fan_id))
        .where(col(FanLevel.dimension) == dimension, col(Fan.joined_at) <= as_of)
        .subquery()
    )  # fmt: skip
    return select(each, func.count()).group_by(*each.c)


def _deciding(level: str, bought: Mapping[float, int], waiting: Mapping[float, int]) -> Deciding:
    return Deciding(level, median_hours(bought, waiting), sum(bought.values()), sum(waiting.values()))
