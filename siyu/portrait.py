"""A fan's portrait: everything known about one fan, in the shape programs rely on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select

from siyu import fans, referrals, segments
from siyu.kit.database import ReadSession
from siyu.kit.wording import Words
from siyu.metrics.measures import COUNTED, DAYS_SINCE, value_of
from siyu.segments import LevelOf
from siyu.tables import AsOf, Fan, FanLevel, FanMetrics, Reach

Metric = int | float | datetime | None


@dataclass(frozen=True)
class Glance:
    """A fan in a list: what an operator wants to see first. Before the first recompute, only the fan."""

    fan: Fan
    loyalty: str | None
    spend_total: int
    last_interaction_at: datetime | None


class LevelShown(BaseModel):
    """Where the fan stands in one dimension."""

    model_config = ConfigDict(frozen=True)

    level: str
    since: datetime
    why: str


class Portrait(BaseModel):
    """One fan; what was not worked out yet is left out of `metrics` and `levels`."""

    model_config = ConfigDict(frozen=True)

    telegram_id: int
    name: str
    username: str | None
    language: str | None
    joined_at: datetime
    reachable: bool
    source: str
    referred_by: int | None  # a Telegram id
    attributes: dict[str, str]
    tags: list[str]
    metrics: dict[str, Metric]
    levels: dict[str, LevelShown]
    segments: list[str]
    points: int
    computed_at: datetime | None


async def portrait(session: ReadSession, telegram_id: int, *, now: datetime, words: Words | None = None) -> Portrait:
    """Raises NotFound; the reasons of the levels are in the language of `words`."""
    fan = await fans.get_fan(session, telegram_id)
    assert fan.id is not None, "it was read"
    as_of = await session.get(AsOf, 1)
    referrer = await referrals.referrer_of(session, fan.id)
    levels = await segments.levels_of(session, fan.id, words=words)
    return Portrait(
        telegram_id=fan.telegram_id,
        name=fan.name,
        username=fan.username,
        language=fan.chosen_language or fan.language,
        joined_at=fan.joined_at,
        reachable=fan.reach is Reach.REACHABLE and fan.muted_at is None,
        source=fan.source or fan.source_channel,
        referred_by=referrer.telegram_id if referrer else None,
        attributes=await fans.attributes_of(session, fan.id),
        tags=await fans.tags_of(session, fan.id),
        metrics=await metrics_of(session, fan, as_of),
        levels={dimension: _shown(level) for dimension, level in levels.items()},
        segments=[f"{dimension}.{level.level}" for dimension, level in levels.items()],
        points=0,
        computed_at=as_of.as_of if as_of else None,
    )


async def glances(session: ReadSession, found: Sequence[Fan]) -> list[Glance]:
    """The same fans in the same order, at a glance."""
    ids = [fan.id for fan in found]
    metrics = {row.fan_id: row for row in await session.all(select(FanMetrics).where(col(FanMetrics.fan_id).in_(ids)))}
    standing = select(FanLevel).where(FanLevel.dimension == "loyalty", col(FanLevel.fan_id).in_(ids))
    levels = {row.fan_id: row.level for row in await session.all(standing)}
    return [_glance(fan, levels.get(fan.id or 0), metrics.get(fan.id or 0)) for fan in found]


async def metrics_of(session: ReadSession, fan: Fan, as_of: AsOf | None) -> dict[str, Metric]:
    """A fan's numbers under the names rules use; empty before the first recompute."""
    row = await session.get(FanMetrics, fan.id)
    if row is None or as_of is None:
        return {}
    counted: dict[str, Metric] = {name: value_of(name, row, day=as_of.day) for name in (*COUNTED, *DAYS_SINCE)}
    return counted | {
        "last_interaction_at": row.last_interaction_at,
        "first_purchase_at": row.first_purchase_at,
        "last_purchase_at": row.last_purchase_at,
        "average_order": round(row.spend_total / row.orders_total) if row.orders_total else None,
        "hours_to_first_purchase": _hours_to_first_purchase(fan, row),
    }


def _glance(fan: Fan, loyalty: str | None, row: FanMetrics | None) -> Glance:
    return Glance(fan, loyalty, row.spend_total if row else 0, row.last_interaction_at if row else None)


def _hours_to_first_purchase(fan: Fan, row: FanMetrics) -> float | None:
    if row.first_purchase_at is None:
        return None
    return round((row.first_purchase_at - fan.joined_at) / timedelta(hours=1), 2)


def _shown(level: LevelOf) -> LevelShown:
    return LevelShown(level=level.level, since=level.since, why=level.why)
