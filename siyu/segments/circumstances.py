"""What is known of one fan beside the numbers: tags, attributes, deeds, interests, where they stood before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlmodel import col

from siyu import fans
from siyu.kit.database import ReadSession
from siyu.segments import rules
from siyu.segments.classification import Classification
from siyu.segments.rules import Did, InSegment, Rule, Stands, Tagged, Was
from siyu.tables import AsOf, Fan, FanInterest, FanLevel, Interaction, LevelChange


@dataclass(frozen=True)
class Beside:
    """As far as the rules in question ask for it."""

    telegram_id: int = 0
    channel: str = ""
    tags: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)
    interests: Mapping[str, date] = field(default_factory=dict)
    segments: frozenset[str] = frozenset()
    deeds: Mapping[tuple[str, int], int] = field(default_factory=dict)  # by kind and days
    stays: Mapping[tuple[str, date], bool] = field(default_factory=dict)  # by segment and day


async def beside(session: ReadSession, fan: Fan, as_of: AsOf, whole: Classification, asked: Iterable[Rule]) -> Beside:
    fan_id, leaves = fan.id or 0, _all_leaves(whole, asked)
    interests = select(col(FanInterest.category), col(FanInterest.day)).where(col(FanInterest.fan_id) == fan_id)
    standing = await session.all(select(col(FanLevel.dimension)).where(
        col(FanLevel.fan_id) == fan_id, col(FanLevel.dimension).in_(list(whole.by_key))
    ))  # fmt: skip
    return Beside(
        telegram_id=fan.telegram_id,
        channel=fan.source_channel,
        tags=frozenset(await fans.tags_of(session, fan_id)),
        attributes=await fans.attributes_of(session, fan_id),
        interests={category: day for category, day in await session.rows(interests)},  # noqa: C416 - types
        segments=frozenset(standing),
        deeds={
            (leaf.did, leaf.days): await _times(session, fan_id, leaf, as_of)
            for leaf in leaves
            if isinstance(leaf, Did)
        },
        stays={
            (leaf.was, leaf.on): await _stood(session, fan_id, leaf, whole) for leaf in leaves if isinstance(leaf, Was)
        },
    )


def _all_leaves(whole: Classification, asked: Iterable[Rule]) -> set[rules.Leaf]:
    """Of these rules, and of every segment and dimension they lead to."""
    found: set[rules.Leaf] = set()
    queue = [leaf for rule in asked for leaf in rules.leaves(rule)]
    while queue:
        leaf = queue.pop()
        if leaf in found:
            continue
        found.add(leaf)
        queue += [other for rule in _led_to(leaf, whole) for other in rules.leaves(rule)]
    return found


def _led_to(leaf: rules.Leaf, whole: Classification) -> list[Rule]:
    match leaf:
        case Stands() if leaf.dimension in whole.by_key:
            return [level.rule for level in whole.dimension(leaf.dimension).levels if level.rule is not None]
        case InSegment():
            return [whole.rule_of(leaf.segment)]
        case Tagged():
            rule = whole.rule_of_tag(leaf.tag)
            return [] if rule is None else [rule]
        case _:
            return []


async def _times(session: ReadSession, fan_id: int, leaf: Did, as_of: AsOf) -> int:
    deeds = select(func.count()).where(
        col(Interaction.fan_id) == fan_id,
        col(Interaction.kind) == leaf.did,
        col(Interaction.day) > as_of.day - timedelta(days=leaf.days),
        col(Interaction.at) <= as_of.as_of,
    )
    return await session.one(deeds)


async def _stood(session: ReadSession, fan_id: int, leaf: Was, whole: Classification) -> bool:
    dimension, level = whole.place(leaf.was)
    closed = select(func.count()).where(
        col(LevelChange.fan_id) == fan_id, col(LevelChange.dimension) == dimension.key,
        col(LevelChange.old_level) == level.key, col(LevelChange.old_day) <= leaf.on, col(LevelChange.day) > leaf.on,
    )  # fmt: skip
    going_on = select(func.count()).where(
        col(FanLevel.fan_id) == fan_id, col(FanLevel.dimension) == dimension.key, col(FanLevel.level) == level.key,
        col(FanLevel.since_day) <= leaf.on,
    )  # fmt: skip
    return await session.one(closed) + await session.one(going_on) > 0
