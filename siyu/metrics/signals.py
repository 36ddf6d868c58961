"""Signals of wanting to buy, and ratings: what a day's facts say beyond their number.

A look at a product weighs 1, another look at the same 2, an invoice opened 5 and left unpaid 8 more, a coupon claimed
3, the answer "soon" 8. Each counts in full on its own day, and half after a week. Ratings are answers such as `nps:9`
and `stars:4`.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.selectable import CompoundSelect

from siyu.kit.clock import EPOCH
from siyu.metrics import stage
from siyu.metrics.measures import HALF_LIFE_DAYS, HEAT_ORIGIN, MOST_HALVINGS
from siyu.metrics.stage import AS_OF, Rows
from siyu.tables import Checkout, CheckoutState, Coupon, FanDay, Interaction, Purchase

VIEW, VIEW_AGAIN, INVOICE, UNPAID, COUPON, SOON = 1.0, 2.0, 5.0, 8.0, 3.0, 8.0
RATINGS: Mapping[str, int] = {
    **{f"nps:{n}": 2 if n >= 9 else 1 if n >= 7 else 0 for n in range(11)},
    **{f"stars:{n}": 2 if n >= 4 else 1 if n == 3 else 0 for n in range(1, 6)},
}
interaction, checkout, coupon, purchase, fan_day = (
    stage.table_of(model) for model in (Interaction, Checkout, Coupon, Purchase, FanDay)
)
_DIRTY = stage.dirty_days
_NEVER: ColumnElement[int] = literal_column(str(-(2**62)))


def of_staged_days() -> CompoundSelect[*tuple[object, ...]]:
    """`fan_id, day, at, heat, feedback` of every signal on the staged days up to as_of.

    Outer joins, so that each staged day is one look into an index, and nobody else's facts are walked through.
    """
    return union_all(_looks_and_answers(), _invoices(), _unpaid(), _coupons())


def by_day(dialect: str) -> Rows:
    """`fan_id, day, heat, feedback` of every day with a signal that counts, out of all facts up to as_of; and as
    `stood_heat, stood_feedback` what stands.

    Held against the moment of the day's last purchase as it stands: where that is wrong, the day is counted again.
    """
    every = union_all(_all_looks(), _all_answers(), _all_invoices(), _all_coupons())
    if dialect == "postgresql":  # sorted them once to hold them against the days, and once more to count them by day
        every = every.order_by(every.selected_columns.fan_id, every.selected_columns.day)
    given = every.subquery()
    counting = or_(fan_day.c.last_purchase_at.is_(None), given.c.at > fan_day.c.last_purchase_at)
    total = func.coalesce(func.sum(given.c.weight).filter(counting), literal_column("0.0"))
    heat, feedback = total * _standing_on(given.c.day), func.max(given.c.feedback)
    same_day = and_(fan_day.c.fan_id == given.c.fan_id, fan_day.c.day == given.c.day)
    return (
        select(
            given.c.fan_id, given.c.day, heat.label("heat"), feedback.label("feedback"),
            func.max(fan_day.c.heat).label("stood_heat"), func.max(fan_day.c.feedback).label("stood_feedback"),
        )
        .select_from(given.outerjoin(fan_day, same_day))
        .group_by(given.c.fan_id, given.c.day)
        .having(or_(total > 0, feedback.is_not(None)))
    )  # fmt: skip


def _all_looks() -> Rows:
    """Numbered by fan and product: but for the first, each is another look at the same."""
    number = func.row_number().over(
        partition_by=[interaction.c.fan_id, interaction.c.detail], order_by=interaction.c.at
    )
    facts = select(interaction.c.fan_id, interaction.c.day, interaction.c.at, interaction.c.detail, number.label("n"))
    looks = facts.where(interaction.c.kind == "view", interaction.c.at <= AS_OF).subquery()
    again = and_(looks.c.n > 1, looks.c.detail.is_not(None))
    return _given(looks.c.fan_id, looks.c.day, looks.c.at, case((again, VIEW_AGAIN), else_=VIEW))


def _all_answers() -> Rows:
    weight = case((interaction.c.detail == "soon", SOON), else_=0.0)
    rating = cast(interaction.c.at, BigInteger) * 4 + _rating()
    answers = _given(interaction.c.fan_id, interaction.c.day, interaction.c.at, weight, rating)
    return answers.where(interaction.c.kind == "answer", interaction.c.at <= AS_OF)


def _all_invoices() -> Rows:
    left = and_(checkout.c.hold_until <= AS_OF, checkout.c.state != CheckoutState.PAID)
    weight = case((left, INVOICE + UNPAID), else_=INVOICE)
    invoices = _given(checkout.c.fan_id, checkout.c.day, checkout.c.created_at, weight)
    return invoices.where(checkout.c.created_at <= AS_OF)


def _all_coupons() -> Rows:
    claimed = _given(coupon.c.fan_id, coupon.c.day, coupon.c.claimed_at, literal(COUPON))
    return claimed.where(_was_claimed())


def _given(
    fan_id: ColumnElement[int],
    day: ColumnElement[Any],
    at: ColumnElement[Any],
    weight: ColumnElement[float],
    rating: ColumnElement[Any] | None = None,
) -> Rows:
    feedback = cast(null(), BigInteger) if rating is None else rating
    return select(fan_id, day, at.label("at"), cast(weight, Float(53)).label("weight"), feedback.label("feedback"))


def _looks_and_answers() -> Rows:
    facts = and_(
        _same_day(interaction), interaction.c.kind.in_(["view", "answer"]),
        interaction.c.at <= AS_OF,
    )  # fmt: skip
    is_view = interaction.c.kind == "view"
    weight = case(
        (and_(is_view, _seen_before()), VIEW_AGAIN), (is_view, VIEW), (interaction.c.detail == "soon", SOON), else_=0.0
    )
    rating = cast(interaction.c.at, BigInteger) * 4 + _rating()
    return _signal(interaction.c.at, weight, rating).select_from(_DIRTY.outerjoin(interaction, facts))


def _seen_before() -> ColumnElement[bool]:
    earlier = interaction.alias("earlier")
    before = or_(
        earlier.c.at < interaction.c.at, and_(earlier.c.at == interaction.c.at, earlier.c.id < interaction.c.id)
    )
    same = and_(
        earlier.c.kind == "view",
        earlier.c.fan_id == interaction.c.fan_id,
        earlier.c.detail == interaction.c.detail,
    )
    return select(earlier.c.id).where(same, before).exists()


def _rating() -> ColumnElement[int | None]:
    by_place: dict[int, list[str]] = {}
    for word, place in RATINGS.items():
        by_place.setdefault(place, []).append(word)
    is_answer = interaction.c.kind == "answer"
    return case(*((and_(is_answer, interaction.c.detail.in_(words)), place) for place, words in by_place.items()))


def _invoices() -> Rows:
    opened = and_(_same_day(checkout), checkout.c.created_at <= AS_OF)
    return _signal(checkout.c.created_at, literal(INVOICE)).select_from(_DIRTY.outerjoin(checkout, opened))


def _unpaid() -> Rows:
    """Said when the invoice ends, of the moment it was opened."""
    left = and_(_same_day(checkout), checkout.c.hold_until <= AS_OF, checkout.c.state != CheckoutState.PAID)
    return _signal(checkout.c.created_at, literal(UNPAID)).select_from(_DIRTY.outerjoin(checkout, left))


def _coupons() -> Rows:
    """Those the fan took; being given one says nothing."""
    claimed = and_(_same_day(coupon), _was_claimed())
    return _signal(coupon.c.claimed_at, literal(COUPON)).select_from(_DIRTY.outerjoin(coupon, claimed))


def _was_claimed() -> ColumnElement[bool]:
    return and_(coupon.c.claimed_at <= AS_OF, ~coupon.c.claim_key.startswith("issue:"))


def _signal(at: ColumnElement[Any], weight: ColumnElement[float], rating: ColumnElement[Any] | None = None) -> Rows:
    heat = cast(weight, Float(53)) * _standing_on(_DIRTY.c.day)
    feedback = cast(null(), BigInteger) if rating is None else rating
    rows = select(_DIRTY.c.fan_id, _DIRTY.c.day, at.label("at"), heat.label("heat"), feedback.label("feedback"))
    # A day without any of these gives none. Asked by a function: by IS NOT NULL alone SQLite turned the outer join into
    # an inner one, and walked over everybody's facts.
    return rows.where(func.coalesce(type_coerce(at, BigInteger), _NEVER) != _NEVER)


def _standing_on(day: ColumnElement[Any]) -> ColumnElement[float]:
    """What a signal of that day is worth at the origin."""
    days = cast(day, BigInteger) - (HEAT_ORIGIN - EPOCH).days
    most = MOST_HALVINGS * HALF_LIFE_DAYS
    within = case((days > most, most), (days < -most, -most), else_=days)
    # Not as PostgreSQL's exact decimals, whose powers took 2 of 3.4 seconds.
    two, half_life = (cast(literal_column(str(float(number))), Float(53)) for number in (2, HALF_LIFE_DAYS))
    return func.power(two, cast(within, Float(53)) / half_life, type_=Float(53))


def _same_day(facts: FromClause) -> ColumnElement[bool]:
    return and_(facts.c.fan_id == _DIRTY.c.fan_id, facts.c.day == _DIRTY.c.day)
