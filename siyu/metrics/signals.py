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
from siyu.tables import Checkout, CheckoutState, Coupon, Interaction, Purchase

VIEW, VIEW_AGAIN, INVOICE, UNPAID, COUPON, SOON = 1.0, 2.0, 5.0, 8.0, 3.0, 8.0
RATINGS: Mapping[str, int] = {
    **{f"nps:{n}": 2 if n >= 9 else 1 if n >= 7 else 0 for n in range(11)},
    **{f"stars:{n}": 2 if n >= 4 else 1 if n == 3 else 0 for n in range(1, 6)},
}
interaction, checkout, coupon, purchase = (stage.table_of(model) for model in (Interaction, Checkout, Coupon, Purchase))
_DIRTY = stage.dirty_days
_NEVER: ColumnElement[int] = literal_column(str(-(2**62)))


def of_staged_days() -> CompoundSelect[*tuple[object, ...]]:
    """`fan_id, day, at, heat, feedback` of every signal on the staged days up to as_of.

    Outer joins, so that each staged day is one look into an index, and nobody else's facts are walked through.
    """
    return union_all(_looks_and_answers(), _invoices(), _unpaid(), _coupons())


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
    claimed = and_(_same_day(coupon), coupon.c.claimed_at <= AS_OF, ~coupon.c.claim_key.startswith("issue:"))
    return _signal(coupon.c.claimed_at, literal(COUPON)).select_from(_DIRTY.outerjoin(coupon, claimed))


def _signal(at: ColumnElement[Any], weight: ColumnElement[float], rating: ColumnElement[Any] | None = None) -> Rows:
    days = cast(_DIRTY.c.day, BigInteger) - (HEAT_ORIGIN - EPOCH).days
    most = MOST_HALVINGS * HALF_LIFE_DAYS
    within = case((days > most, most), (days < -most, -most), else_=days)
    halvings = within / literal_column(str(float(HALF_LIFE_DAYS)))
    heat = cast(weight, Float(53)) * func.power(literal_column("2.0"), halvings, type_=Float(53))
    feedback = cast(null(), BigInteger) if rating is None else rating
    rows = select(_DIRTY.c.fan_id, _DIRTY.c.day, at.label("at"), heat.label("heat"), feedback.label("feedback"))
    # A day without any of these gives none. Asked by a function: by IS NOT NULL alone SQLite turned the outer join into
    # an inner one, and walked over everybody's facts.
    return rows.where(func.coalesce(type_coerce(at, BigInteger), _NEVER) != _NEVER)


def _same_day(facts: FromClause) -> ColumnElement[bool]:
    return and_(facts.c.fan_id == _DIRTY.c.fan_id, facts.c.day == _DIRTY.c.day)
