"""Definitions: everything operators decided about the classification, as one text that tells two of them apart."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlmodel import col

from siyu.kit.database import ReadSession
from siyu.kit.staging import Batch
from siyu.metrics.measures import Cuts, Present
from siyu.segments.classification import Classification
from siyu.segments.meaning import classification
from siyu.tables import AsOf, CustomDimension, DimensionRule, Product, SavedSegment, ScoreCut, Tag

SHIPPED = "{}"

_RULES = select(col(DimensionRule.dimension), col(DimensionRule.thresholds), col(DimensionRule.own))
_CUSTOM = select(col(CustomDimension.key), col(CustomDimension.label), col(CustomDimension.levels)).order_by(
    col(CustomDimension.created_at), col(CustomDimension.key)
)
_SAVED = (
    select(
        col(SavedSegment.key), col(SavedSegment.label), col(SavedSegment.rule), col(SavedSegment.good),
        col(SavedSegment.frozen_at),
    )
    .where(col(SavedSegment.archived_at).is_(None))
    .order_by(col(SavedSegment.created_at), col(SavedSegment.key))
)  # fmt: skip
_INTERESTS = select(col(Product.category)).where(col(Product.category) != "").distinct().order_by(col(Product.category))

_TAGS = select(col(Tag.word), col(Tag.rule)).where(col(Tag.rule).is_not(None)).order_by(col(Tag.word))
_ALL = (_RULES, _CUSTOM, _SAVED, _INTERESTS, _TAGS)

Rows = Sequence[Row[*tuple[Any, ...]]]


async def in_force(session: ReadSession) -> str:
    """What the next recompute goes by."""
    return _text(*[await session.rows(statement) for statement in _ALL])


def in_force_now(batch: Batch) -> str:
    """The same where a recompute reads it."""
    return _text(*[batch.rows(statement) for statement in _ALL])


async def classification_in_force(session: ReadSession) -> Classification:
    return classification(await in_force(session))


def applied(as_of: AsOf | None) -> Classification:
    """What the levels that stand were worked out with: what explains them until the next recompute."""
    return classification(as_of.rules if as_of else SHIPPED)


async def classification_applied(session: ReadSession) -> Classification:
    return applied(await session.get(AsOf, 1))


def _text(rules: Rows, custom: Rows, saved: Rows, interests: Rows, tags: Rows) -> str:
    """The same decisions give the same text."""
    whole = {
        "thresholds": {key: numbers for key, numbers, _ in rules if numbers},
        "own": {key: own for key, _, own in rules if own},
        "custom": [{"key": key, "label": label, "levels": levels} for key, label, levels in custom],
        "saved": {
            key: {"label": label, "rule": rule, "good": good, "frozen": frozen_at is not None}
            for key, label, rule, good, frozen_at in saved
        },
        "interests": [category for (category,) in interests],
        "tags": {word: rule for word, rule in tags},  # noqa: C416 - types
    }
    return _written(whole)


def with_decisions(text: str, key: str, thresholds: Mapping[str, int], own: Mapping[str, Any]) -> str:
    """The text as it would be with these decisions about one dimension, in the place of all it says of it."""

    def decide(whole: dict[str, Any]) -> None:
        for name, part in (("thresholds", thresholds), ("own", own)):
            whole[name] = {**whole.get(name, {}), key: dict(part)}
            if not part:
                del whole[name][key]

    return _changed(text, decide)


def with_custom(text: str, key: str, label: str, levels: Sequence[Mapping[str, Any]]) -> str:
    """With this custom dimension: in the place of the one of its key, or as the last."""
    new = {"key": key, "label": label, "levels": list(levels)}

    def put(whole: dict[str, Any]) -> None:
        there = whole.get("custom", [])
        known = any(one["key"] == key for one in there)
        whole["custom"] = [new if one["key"] == key else one for one in there] + ([] if known else [new])

    return _changed(text, put)


def without_custom(text: str, key: str) -> str:
    def take_out(whole: dict[str, Any]) -> None:
        whole["custom"] = [one for one in whole.get("custom", ()) if one["key"] != key]

    return _changed(text, take_out)


def _changed(text: str, change: Callable[[dict[str, Any]], None]) -> str:
    whole: dict[str, Any] = json.loads(text)
    change(whole)
    return _written(whole)


def _written(whole: Mapping[str, Any]) -> str:
    return json.dumps({name: part for name, part in whole.items() if part}, sort_keys=True, ensure_ascii=False)


async def present(session: ReadSession, as_of: AsOf) -> Present:
    """What numbers are read against, as the last run left it."""
    return Present(as_of.as_of, as_of.day, await cuts_known(session), as_of.currency)


async def cuts_known(session: ReadSession) -> Cuts:
    columns = (col(ScoreCut.measure), col(ScoreCut.k), col(ScoreCut.n), col(ScoreCut.value))
    known = select(*columns).where(col(ScoreCut.buyers) > 0)
    return {(measure, k, n): value for measure, k, n, value in await session.rows(known)}
