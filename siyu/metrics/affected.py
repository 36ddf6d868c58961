"""Whose numbers may have changed: fans with new facts, fans for whom time alone did it, and who brought them."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache

from sqlalchemy import Insert, literal, select

from siyu.kit.staging import Batch
from siyu.metrics import stage
from siyu.metrics.days import Rows, fan_day
from siyu.metrics.measures import EDGES
from siyu.metrics.sums import Crossing, fan, fan_metrics, referral


def stage_fans_with_facts(batch: Batch) -> None:
    """Fans of the staged days, and who brought them: their numbers count their friends'."""
    batch.run(_with_facts(batch.dialect))
    batch.run(_who_brought_them(batch.dialect, by_fact=True))


def stage_fans_by_time(batch: Batch, *, before: date, day: date, crossings: Iterable[Crossing]) -> None:
    """Fans for whom a day left a window, or a threshold was crossed, after `before` and up to `day`."""
    for edge in EDGES:
        batch.run(_staged(batch.dialect, _leaving(edge, before, day), by_fact=False))
    for crossing in crossings:
        batch.run(_staged(batch.dialect, _crossed(crossing, before, day), by_fact=False))
    batch.run(_who_brought_them(batch.dialect, by_fact=False))


def stage_everybody(batch: Batch) -> None:
    batch.run(_staged(batch.dialect, select(fan.c.id.label("fan_id")), by_fact=False))


def _leaving(edge: int, before: date, day: date) -> Rows:
    since, until = before - timedelta(days=edge), day - timedelta(days=edge)
    return select(fan_day.c.fan_id).where(fan_day.c.day > since, fan_day.c.day <= until).distinct()


def _crossed(crossing: Crossing, before: date, day: date) -> Rows:
    since, until = before - timedelta(days=crossing.days), day - timedelta(days=crossing.days)
    column = fan_metrics.c[crossing.column]
    return select(fan_metrics.c.fan_id).where(column > since, column <= until)


@cache
def _with_facts(dialect: str) -> Insert:
    return _staged(dialect, select(stage.dirty_days.c.fan_id).distinct(), by_fact=True)


@cache
def _who_brought_them(dialect: str, *, by_fact: bool) -> Insert:
    friends = select(stage.fans.c.fan_id).where(stage.fans.c.by_fact == literal(by_fact))
    brought = select(referral.c.referrer_id.label("fan_id")).where(referral.c.referee_id.in_(friends))
    return _staged(dialect, brought.distinct(), by_fact=by_fact)


def _staged(dialect: str, found: Rows, *, by_fact: bool) -> Insert:
    rows = found.subquery()
    return stage.add(dialect, stage.fans, select(rows.c.fan_id, literal(by_fact)).where(literal(True)))
