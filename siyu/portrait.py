"""A fan's portrait: everything known about one fan, in the shape programs rely on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func
from sqlmodel import col, select

from siyu import fans, points, referrals, segments
from siyu.kit import wording
from siyu.kit.database import ReadSession
from siyu.kit.wording import ENGLISH, Words, phrase
from siyu.metrics.measures import MEASURES, Kind
from siyu.segments import INTERESTS, Classification, Dimension, Level, LevelOf, sentences
from siyu.segments.classification import INTEREST_DAYS
from siyu.tables import AsOf, Fan, FanLevel, FanMetrics, LevelChange, Reach

Metric = int | float | datetime | None

# What each dimension tells of a fan; those that operators made come after them.
FAMILIES: tuple[tuple[str, list[str]], ...] = (
    (phrase("What they do"), ["interaction_frequency", "behaviour", "purchase_intent", "feedback", "referral"]),
    (
        phrase("What they buy"),
        [
            "loyalty", "lifecycle", "purchase_stage", "rfm", "value", "purchase_frequency", "purchase_amount",
            "decision_speed",
        ],
    ),
    (
        phrase("Who they are"),
        [
            "source_channel", "customer_type", "company_size", "industry", "need", "need_kind", "geography",
            "age_group", "gender", "income",
        ],
    ),
    (phrase("What to expect"), ["churn_risk", "predicted_value"]),
)  # fmt: skip
OWN = phrase("Your own dimensions")
NOTHING = phrase("showed no interest in any category yet")


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
    previous: str | None = None  # the level before, if there was one


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
    levels: dict[str, LevelShown]  # of `interests`: the categories, with commas between, or none
    segments: list[str]
    points: int
    computed_at: datetime | None


@dataclass(frozen=True)
class Portrayed:
    """A portrait, with what a page shows beside it."""

    portrait: Portrait
    places: Mapping[str, datetime]  # every segment the fan is in, and since when
    referrer: Fan | None


async def portrait(session: ReadSession, telegram_id: int, *, now: datetime, words: Words | None = None) -> Portrait:
    """Raises NotFound; the reasons of the levels are in the language of `words`."""
    return (await portrayed(session, await fans.get_fan(session, telegram_id), now=now, words=words)).portrait


async def portrayed(session: ReadSession, fan: Fan, *, now: datetime, words: Words | None = None) -> Portrayed:
    """The same of somebody who was found already."""
    assert fan.id is not None, "it was read"
    as_of = await session.get(AsOf, 1)
    referrer = await referrals.referrer_of(session, fan.id)
    places = await segments.segments_of(session, fan)
    told = Portrait(
        telegram_id=fan.telegram_id,
        name=fan.name,
        username=fan.username,
        language=fan.chosen_language or fan.language,
        joined_at=fan.joined_at,
        reachable=fan.reach is Reach.REACHABLE and fan.muted_at is None,
        source=fan.source or fan.source_channel,
        referred_by=referrer.telegram_id if referrer else None,
        attributes=await fans.attributes_of(session, fan.id),
        tags=await segments.tags_of(session, fan),
        metrics=await metrics_of(session, fan, as_of),
        levels=await _levels(session, fan, places, words or wording.words(ENGLISH)),
        segments=list(places),
        points=await points.balance(session, fan.id, now=now),
        computed_at=as_of.as_of if as_of else None,
    )
    return Portrayed(told, places, referrer)


@dataclass(frozen=True)
class Place:
    """Where the fan stands in a dimension, and stood before."""

    dimension: Dimension
    level: Level
    shown: LevelShown
    previous: Level | None


@dataclass(frozen=True)
class Family:
    """Dimensions that answer one question about a fan; the label is a message id."""

    label: str
    places: tuple[Place, ...]
    unknown: tuple[Dimension, ...]  # asked for, and not known yet


def families(portrait: Portrait, whole: Classification) -> list[Family]:
    """The levels in the order people read them, by what they are about."""
    known = [_place(portrait, dimension) for dimension in whole.dimensions if dimension.key in portrait.levels]
    unknown = {place.dimension.key for place in known if _is_unknown(place)}
    found = []
    for label, keys in (*FAMILIES, (OWN, [one.key for one in whole.dimensions if one.custom])):
        mine = sorted((p for p in known if p.dimension.key in keys), key=lambda p: keys.index(p.dimension.key))
        told = tuple(place for place in mine if place.dimension.key not in unknown)
        asked = tuple(place.dimension for place in mine if place.dimension.key in unknown)
        if told or asked:
            found.append(Family(label, told, asked))
    return found


def interests(portrait: Portrait, whole: Classification) -> list[Dimension]:
    """What the fan is interested in, each with a segment of its own."""
    return [whole.by_key[key] for key in portrait.segments if key.startswith(f"{INTERESTS}.") and key in whole.by_key]


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
    present = await segments.present(session, as_of)
    return {measure.name: _rounded(measure.kind, measure.read(row, present)) for measure in MEASURES.values()}


def _glance(fan: Fan, loyalty: str | None, row: FanMetrics | None) -> Glance:
    return Glance(fan, loyalty, row.spend_total if row else 0, row.last_interaction_at if row else None)


def _rounded(kind: Kind, value: Metric) -> Metric:
    """Money to whole minor units, other parts of one to four digits."""
    if not isinstance(value, float):
        return value
    return round(value) if kind is Kind.MONEY else round(value, 4)


async def _levels(
    session: ReadSession, fan: Fan, places: Mapping[str, datetime], words: Words
) -> dict[str, LevelShown]:
    levels = await segments.levels_of(session, fan, words=words)
    if not levels:
        return {}
    before = await _before(session, fan)
    found = {key: _shown(level, before.get(key)) for key, level in levels.items()}
    return {**found, INTERESTS: _interests(fan, places, words)}


def _shown(level: LevelOf, previous: str | None) -> LevelShown:
    return LevelShown(level=level.level, since=level.since, why=level.why, previous=previous)


def _interests(fan: Fan, places: Mapping[str, datetime], words: Words) -> LevelShown:
    """Since the latest of them; nobody is told to have lost one, only not to have any."""
    mine = {key.partition(".")[2]: since for key, since in places.items() if key.startswith(f"{INTERESTS}.")}
    since = max(mine.values(), default=fan.joined_at)
    why = sentences.interested(list(mine), INTEREST_DAYS, holds=True).said(words) if mine else words.gettext(NOTHING)
    return LevelShown(level=",".join(mine) or "none", since=since, why=why)


async def _before(session: ReadSession, fan: Fan) -> dict[str, str]:
    """The level left last, in every dimension: one look into the fan's own changes."""
    mine = (col(LevelChange.fan_id) == fan.id, col(LevelChange.old_level).is_not(None))
    latest = select(func.max(col(LevelChange.id))).where(*mine, col(LevelChange.cause) != "look")
    newest = latest.group_by(col(LevelChange.dimension))
    columns = (col(LevelChange.dimension), col(LevelChange.old_level))
    rows = await session.rows(select(*columns).where(col(LevelChange.id).in_(newest)))
    return {dimension: level for dimension, level in rows}  # noqa: C416 - types


def _place(portrait: Portrait, dimension: Dimension) -> Place:
    shown = portrait.levels[dimension.key]
    by_key = {level.key: level for level in dimension.levels}
    return Place(dimension, by_key[shown.level], shown, by_key.get(shown.previous or ""))


def _is_unknown(place: Place) -> bool:
    return bool(place.dimension.asked) and place.shown.level == place.dimension.order[-1]
