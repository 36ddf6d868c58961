"""fan_day: what each fan did on each local day, counted again from the facts where something changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Delete,
    FromClause,
    Insert,
    Update,
    and_,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    update,
)

from siyu.kit.staging import Batch, Params
from siyu.metrics import signals, stage, upkeep
from siyu.metrics.measures import ROUNDING, day_number
from siyu.metrics.stage import AS_OF, CURRENCY, TODAY, Rows
from siyu.tables import Checkout, DirtyDay, FanDay, Interaction, Purchase, Refund

interaction, purchase, refund, checkout = (stage.table_of(model) for model in (Interaction, Purchase, Refund, Checkout))
fan_day, dirty_day = stage.table_of(FanDay), stage.table_of(DirtyDay)


def capture_dirty(batch: Batch, given: Params) -> int:
    """Stage which days have new facts up to as_of, and how many; facts written later keep their rows."""
    batch.run(_capture(), given)
    return batch.changed(_captured_days(), given)


def stage_later_views(batch: Batch, given: Params) -> None:
    """Whether a product was looked at before changes what a later day's look at it says."""
    batch.run(_later_days(batch.dialect), given)


def stage_paid_back(batch: Batch, given: Params, *, everywhere: bool) -> None:
    """What was given back of each purchase up to as_of, everywhere or on the staged days."""
    batch.run(_paid_back(everywhere=everywhere), given)


def find_drift(batch: Batch, given: Params) -> None:
    """Stage every day that stands otherwise than the facts say.

    As nearly always there is none: as many days stand as have facts, and each of those stands right. Only where the
    three numbers differ is asked which days they are.
    """
    standing = batch.rows(_days_that_stand())[0]
    for facts, stand in zip((_interactions(), _purchases(), _signals(batch.dialect)), standing, strict=True):
        with upkeep.walking(batch):
            with_facts, right = batch.rows(facts.compared, given)[0]
        if not with_facts == right == stand:
            batch.run(stage.add(batch.dialect, stage.dirty_days, facts.differing), given)
            batch.run(stage.add(batch.dialect, stage.dirty_days, facts.nothing_left), given)


def count_again(batch: Batch, given: Params) -> None:
    """The staged days, as the facts up to as_of make them."""
    batch.run(_days_counted_again(), given)
    batch.run(_signals_added(), given)


def write_days(batch: Batch, part: tuple[int, int]) -> None:
    """Put the staged days of these fans in the place of those that stand; empty ones go."""
    for statement in (_emptied(), *_counted(batch.dialect)):
        batch.run(statement, stage.range_of(part))


def write_answered(batch: Batch) -> None:
    """What asked for these days to be counted again has its answer."""
    batch.run(_answered())


@cache
def _capture() -> Insert:
    return insert(stage.dirty).from_select(["id"], select(dirty_day.c.id).where(dirty_day.c.due <= AS_OF))


@cache
def _captured_days() -> Insert:
    captured = select(dirty_day.c.fan_id, dirty_day.c.day).where(dirty_day.c.id.in_(select(stage.dirty.c.id)))
    return insert(stage.dirty_days).from_select(["fan_id", "day"], captured.distinct())


@cache
def _paid_back(*, everywhere: bool) -> Insert:
    purchases = stage.dirty_days.outerjoin(purchase, _same_day(purchase, stage.dirty_days))
    on_staged_days = purchases.outerjoin(refund, refund.c.purchase_id == purchase.c.id)
    minor = func.sum(refund.c.amount_minor).filter(refund.c.refunded_at <= AS_OF).label("minor")
    by_purchase = select(refund.c.purchase_id, minor).group_by(refund.c.purchase_id)
    sums = by_purchase.select_from(refund if everywhere else on_staged_days).subquery()
    known = select(sums).where(sums.c.purchase_id.is_not(None), sums.c.minor.is_not(None))
    return insert(stage.paid_back).from_select(["purchase_id", "minor"], known)


@cache
def _days_counted_again() -> Insert:
    did, bought = _interactions_of_days().subquery(), _purchases_of_days().subquery()
    rows = select(
        did.c.fan_id, did.c.day, did.c.interactions,
        bought.c.purchases, bought.c.spend_minor,
        did.c.last_interaction_at, bought.c.first_purchase_at, bought.c.last_purchase_at,
        did.c.views, bought.c.with_coupon, literal_column("0.0").label("heat"),
    ).join_from(did, bought, _same_day(did, bought))  # fmt: skip
    return insert(stage.days).from_select([column.name for column in rows.selected_columns], rows)


@cache
def _signals_added() -> Update:
    """How much the day's signals weigh that came after its last purchase, and its last rating."""
    given = signals.of_staged_days().subquery()
    counting = or_(stage.days.c.last_purchase_at.is_(None), given.c.at > stage.days.c.last_purchase_at)
    same = _same_day(given, stage.days)
    sums = select(
        func.coalesce(func.sum(given.c.heat).filter(counting), literal_column("0.0")).label("heat"),
        func.max(given.c.feedback).label("feedback"), stage.days.c.fan_id, stage.days.c.day,
    ).join_from(stage.days, given, same).group_by(stage.days.c.fan_id, stage.days.c.day).subquery()  # fmt: skip
    statement = update(stage.days).where(_same_day(sums, stage.days))
    return statement.values(heat=sums.c.heat, feedback=sums.c.feedback)


@cache
def _emptied() -> Delete:
    gone = select(stage.days.c.fan_id, stage.days.c.day).where(_is_empty(), stage.within(stage.days))
    return delete(fan_day).where(tuple_(fan_day.c.fan_id, fan_day.c.day).in_(gone))


@cache
def _counted(dialect: str) -> Sequence[Insert | Update]:
    return stage.put_few(dialect, fan_day, select(stage.days).where(~_is_empty(), stage.within(stage.days)))


@cache
def _answered() -> Delete:
    return delete(dirty_day).where(dirty_day.c.id.in_(select(stage.dirty.c.id)))


def _is_empty() -> ColumnElement[bool]:
    return and_(stage.days.c.interactions == 0, stage.days.c.purchases == 0, stage.days.c.heat == 0)


@cache
def _later_days(dialect: str) -> Insert:
    """From the first staged day of each on: a range of the key. After today there is none."""
    dirty = stage.dirty_days.c
    past = select(dirty.fan_id, func.min(dirty.day).label("day")).where(day_number(dirty.day) < TODAY)
    first = past.group_by(dirty.fan_id).subquery()
    later = and_(fan_day.c.fan_id == first.c.fan_id, fan_day.c.day > first.c.day)
    days = select(fan_day.c.fan_id, fan_day.c.day).join_from(first, fan_day, later)
    return stage.add(dialect, stage.dirty_days, days.where(fan_day.c.views > 0))


@dataclass(frozen=True)
class _Facts:
    """Facts of a kind, counted by day, and the days that stand held against them."""

    compared: Rows  # how many days have such facts, and how many of those stand right
    differing: Rows  # days that stand otherwise, or not at all
    nothing_left: Rows  # days that stand without a fact to carry them


@cache
def _days_that_stand() -> Rows:
    """With interactions, with purchases, and with signals."""
    kinds = (fan_day.c.interactions > 0, fan_day.c.purchases > 0, _has_signals())
    return select(*(func.count().filter(kind) for kind in kinds))


def _has_signals() -> ColumnElement[bool]:
    return or_(fan_day.c.heat > 0, fan_day.c.feedback.is_not(None))


@cache
def _interactions() -> _Facts:
    counted = _interactions_by_day(interaction).where(interaction.c.at <= AS_OF).subquery()
    carried = select(interaction.c.id).where(_same_day(interaction, fan_day), interaction.c.at <= AS_OF).exists()
    return _facts(counted, ("interactions", "views", "last_interaction_at"), carried)


@cache
def _purchases() -> _Facts:
    counting = and_(purchase.c.paid_at <= AS_OF, _counts())
    sales = _with_paid_back(purchase)
    counted = _purchases_by_day(purchase).select_from(sales).where(counting).subquery()
    carried = select(purchase.c.id).select_from(sales).where(_same_day(purchase, fan_day), counting).exists()
    return _facts(
        counted, ("purchases", "spend_minor", "first_purchase_at", "last_purchase_at", "with_coupon"), carried
    )


@cache
def _signals(dialect: str) -> _Facts:
    """An invoice left unpaid is a fact that nobody writes down, time makes it: it is found here."""
    said = signals.by_day(dialect).subquery()
    near = func.abs(said.c.stood_heat - said.c.heat) <= said.c.heat * literal_column(str(ROUNDING))
    right = and_(near, said.c.stood_feedback.is_not_distinct_from(said.c.feedback))
    forgotten = fan_day.outerjoin(said, _same_day(said, fan_day))
    return _Facts(
        select(func.count(), func.count(case((right, 1)))).select_from(said),
        select(said.c.fan_id, said.c.day).where(right.is_not(true())),
        select(fan_day.c.fan_id, fan_day.c.day).select_from(forgotten).where(_has_signals(), said.c.day.is_(None)),
    )


def _facts(counted: FromClause, names: tuple[str, ...], carried: ColumnElement[bool]) -> _Facts:
    """The first of the names is how many facts a day has."""
    same = and_(*(fan_day.c[name].is_not_distinct_from(counted.c[name]) for name in names))
    joined = counted.outerjoin(fan_day, _same_day(fan_day, counted))
    return _Facts(
        select(func.count(), func.count(case((same, 1)))).select_from(joined),
        select(counted.c.fan_id, counted.c.day).select_from(joined).where(~same),
        select(fan_day.c.fan_id, fan_day.c.day).where(fan_day.c[names[0]] > 0, ~carried),
    )


def _interactions_of_days() -> Rows:
    """Outer joins from the staged days: each day is one look into an index, in this order on any database."""
    facts = and_(_same_day(interaction, stage.dirty_days), interaction.c.at <= AS_OF)
    return _interactions_by_day(stage.dirty_days).select_from(stage.dirty_days.outerjoin(interaction, facts))


def _purchases_of_days() -> Rows:
    facts = and_(_same_day(purchase, stage.dirty_days), purchase.c.paid_at <= AS_OF)
    joined = _with_paid_back(stage.dirty_days.outerjoin(purchase, facts))
    return _purchases_by_day(stage.dirty_days).select_from(joined)


def _interactions_by_day(days: FromClause) -> Rows:
    return select(
        days.c.fan_id,
        days.c.day,
        func.count(interaction.c.at).label("interactions"),
        func.max(interaction.c.at).label("last_interaction_at"),
        func.count(case((interaction.c.kind == "view", interaction.c.at))).label("views"),
    ).group_by(days.c.fan_id, days.c.day)


def _purchases_by_day(days: FromClause) -> Rows:
    net = purchase.c.amount_minor - func.coalesce(stage.paid_back.c.minor, 0)
    paid_at = case((_counts(), purchase.c.paid_at))
    return select(
        days.c.fan_id,
        days.c.day,
        func.count(paid_at).label("purchases"),
        func.coalesce(func.sum(case((and_(_counts(), purchase.c.currency == CURRENCY), net))), 0).label("spend_minor"),
        func.min(paid_at).label("first_purchase_at"),
        func.max(paid_at).label("last_purchase_at"),
        func.count(case((_cheaper(), paid_at))).label("with_coupon"),
    ).group_by(days.c.fan_id, days.c.day)


def _with_paid_back(purchases: FromClause) -> FromClause:
    return purchases.outerjoin(stage.paid_back, stage.paid_back.c.purchase_id == purchase.c.id)


def _counts() -> ColumnElement[bool]:
    """Not given back in full; the refund of a purchase of nothing is in full too."""
    return or_(stage.paid_back.c.minor.is_(None), stage.paid_back.c.minor < purchase.c.amount_minor)


def _cheaper() -> ColumnElement[bool]:
    return or_(purchase.c.coupon_code.is_not(None), purchase.c.discount_minor > 0)


def _same_day(facts: FromClause, days: FromClause) -> ColumnElement[bool]:
    return and_(facts.c.fan_id == days.c.fan_id, facts.c.day == days.c.day)
