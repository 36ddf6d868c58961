"""Interests: the categories a fan bought from, looked at, or named; the latest day counts."""

from datetime import date
from functools import cache

from sqlalchemy import ColumnElement, Delete, Insert, Select, delete, func, insert, literal, select, true, union_all

from siyu.kit.staging import Batch, Params
from siyu.metrics import stage
from siyu.metrics.days import interaction, purchase
from siyu.metrics.stage import AS_OF, Rows
from siyu.tables import FanAttribute, FanInterest, Product, PurchaseItem

fan_interest, item, product, attribute = (
    stage.table_of(model) for model in (FanInterest, PurchaseItem, Product, FanAttribute)
)
# What a fan named stays until they name something else.
FOR_GOOD = date(9999, 12, 31)
NAMED = "interests"


def stage_shown(batch: Batch, given: Params, *, everybody: bool) -> None:
    """Worked out anew: of the staged fans who told something of it, or of all of them."""
    batch.run(_shown(everybody=everybody), given)


def stage_named(batch: Batch, *, everybody: bool) -> None:
    """The same for what they said of themselves."""
    named = [
        {"fan_id": fan_id, "category": category.strip(), "day": FOR_GOOD}
        for fan_id, text in batch.rows(_named(everybody=everybody))
        for category in text.split(";")
        if category.strip()
    ]
    new = batch.insert(stage.interests)
    batch.run_many(new.on_conflict_do_update(index_elements=["fan_id", "category"], set_={"day": FOR_GOOD}), named)


def write_interests(batch: Batch, *, everybody: bool) -> None:
    batch.run(_forgotten(everybody=everybody))
    batch.run(stage.put(batch.dialect, fan_interest, select(stage.interests).where(literal(True))))


def worked_out(*, everybody: bool) -> ColumnElement[bool]:
    """Of these staged fans the interests are staged; of the others those that stand are right."""
    return true() if everybody else stage.fans.c.shown


@cache
def _shown(*, everybody: bool) -> Insert:
    them = _them(everybody=everybody)
    seen = union_all(_bought(them), _looked_at(them)).subquery()
    rows = select(seen.c.fan_id, seen.c.category, func.max(seen.c.day)).group_by(seen.c.fan_id, seen.c.category)
    return insert(stage.interests).from_select(["fan_id", "category", "day"], rows)


def _them(*, everybody: bool) -> Select[int]:
    """As a list to look up one by one: a join would walk over everybody's facts."""
    return select(stage.fans.c.fan_id).where(worked_out(everybody=everybody))


def _bought(them: Select[int]) -> Rows:
    return (
        select(purchase.c.fan_id, item.c.category, purchase.c.day)
        .join_from(purchase, item, item.c.purchase_id == purchase.c.id)
        .where(purchase.c.fan_id.in_(them), purchase.c.paid_at <= AS_OF, item.c.category != "")
    )


def _looked_at(them: Select[int]) -> Rows:
    return (
        select(interaction.c.fan_id, product.c.category, interaction.c.day)
        .join_from(interaction, product, product.c.sku == interaction.c.detail)
        .where(interaction.c.kind == "view", interaction.c.fan_id.in_(them))
        .where(interaction.c.at <= AS_OF, product.c.category != "")
    )


@cache
def _named(*, everybody: bool) -> Rows:
    them = attribute.c.fan_id.in_(_them(everybody=everybody))
    return select(attribute.c.fan_id, attribute.c.value).where(attribute.c.name == NAMED, them)


@cache
def _forgotten(*, everybody: bool) -> Delete:
    kept = select(stage.interests.c.category).where(
        stage.interests.c.fan_id == fan_interest.c.fan_id, stage.interests.c.category == fan_interest.c.category
    )
    return delete(fan_interest).where(fan_interest.c.fan_id.in_(_them(everybody=everybody)), ~kept.exists())
