"""What operators made their own of a shipped dimension: numbers, names, categories, a grid, a home."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from siyu.segments.dimensions import Dimension, Level, Own, Unit
from siyu.segments.rules import Above, All, AnyOf, Attribute, Channel, Match, Metric, NoneOf, OnGrid, Rule
from siyu.segments.shipped import geography
from siyu.segments.shipped.people import ANSWERED, BY_CHANNEL


def made_own(dimension: Dimension, own: Mapping[str, Any]) -> Dimension:
    if dimension.key == "geography" and own.get(Own.HOME):
        dimension = geography(*(own[Own.HOME].get(name, "") for name in ("country", "region")))
    if own.get(Own.CATEGORIES):
        dimension = _with_categories(dimension, own[Own.CATEGORIES])
    if own.get(Own.GRID):
        dimension = _on_own_grid(dimension, own[Own.GRID])
    names, invites = own.get(Own.NAMES, {}), own.get(Own.INVITES, {})
    levels = tuple(
        replace(
            level,
            label=plain(names[level.key]) if level.key in names else level.label,
            invites=plain(invites[level.key]) if level.key in invites else level.invites,
        )
        for level in dimension.levels
    )
    return replace(dimension, levels=levels)


def resolved(dimension: Dimension, thresholds: Mapping[str, int]) -> Dimension:
    units = {threshold.name: threshold.unit for threshold in dimension.thresholds}

    def number(value: "int | float | str") -> "int | float | str":
        if not isinstance(value, str):
            return value
        return thresholds[value] / 100 if units[value] is Unit.PERCENT else thresholds[value]

    def resolve(rule: Rule) -> Rule:
        match rule:
            case Metric():
                return Metric(rule.metric, rule.op, number(rule.value))
            case Above():
                return Above(above=rule.above, share=number(rule.share))
            case All() | AnyOf() | NoneOf():
                return type(rule)(tuple(resolve(part) for part in rule.of))
            case _:
                return rule

    levels = tuple(replace(level, rule=resolve(level.rule) if level.rule else None) for level in dimension.levels)
    return replace(dimension, levels=levels)


def plain(text: str) -> str:
    """Somebody's own words, safe where texts of ours are filled in."""
    return text.replace("%", "%%")


def _with_categories(dimension: Dimension, categories: Iterable[Mapping[str, str]]) -> Dimension:
    """More levels before the one that takes the rest; a channel in the list is none of the others."""
    added = tuple(_category(dimension, one["key"], plain(one["label"])) for one in categories)
    keys = tuple(level.key for level in added)
    levels = tuple(_knowing(level, keys) for level in dimension.levels[:-1])
    return replace(dimension, levels=(*levels, *added, dimension.levels[-1]), order=(*keys, *dimension.order))


def _category(dimension: Dimension, key: str, label: str) -> Level:
    if dimension.key == "source_channel":
        return Level(key, label, BY_CHANNEL, Channel(channels=(key,)))
    return Level(key, label, ANSWERED, Attribute(attribute=dimension.asked, op=Match.IS, value=key))


def _knowing(level: Level, keys: tuple[str, ...]) -> Level:
    if isinstance(level.rule, Channel) and level.rule.other:
        return replace(level, rule=Channel(channels=(*level.rule.channels, *keys), other=True))
    return level


def _on_own_grid(dimension: Dimension, grid: Mapping[str, str]) -> Dimension:
    cells: dict[str, list[int]] = {}
    for cell, key in grid.items():
        cells.setdefault(key, []).append(int(cell))
    parts = 5 if len(grid) == 25 else 3
    rest = dimension.order[-1]

    def of(level: Level) -> Level:
        if level.key in {"none", rest}:
            return level
        return replace(level, rule=OnGrid(cells=tuple(sorted(cells.get(level.key, ()))), parts=parts))

    return replace(dimension, levels=tuple(of(level) for level in dimension.levels))
