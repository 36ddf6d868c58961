"""What is worked out from the facts: days, metrics, levels and their history. All of it can be rebuilt.

A recompute writes it, of fans it has just read, and nobody deletes a fan: to look each of them up again took PostgreSQL
a sixth of the time that forty new segments took.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Float, Index, Text, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Day, Instant


class DirtyDay(SQLModel, table=True):
    """A fan's day that must be counted again: written with the fact, taken by the next recompute.

    Appended, never merged: a fact that arrives during a run keeps its own row and is not lost.
    """

    __tablename__ = "dirty_day"
    __table_args__ = (Index("ix_dirty_day_due", "due"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    day: date = Field(sa_type=Day)
    due: datetime = Field(sa_type=Instant)  # the fact's own moment: a future fact waits for it


class FanDay(SQLModel, table=True):
    """What one fan did on one local day."""

    __tablename__ = "fan_day"
    # A day that leaves a window is one contiguous range of this index.
    __table_args__ = (Index("ix_fan_day_day", "day", "fan_id"), {"sqlite_with_rowid": False})

    fan_id: int = Field(primary_key=True, sa_type=BigKey)
    day: date = Field(primary_key=True, sa_type=Day)
    interactions: int = Field(default=0, sa_type=BigInteger)
    purchases: int = Field(default=0, sa_type=BigInteger)  # paid and not fully refunded
    spend_minor: int = Field(default=0, sa_type=BigInteger)  # main currency, refunds taken off
    last_interaction_at: datetime | None = Field(default=None, sa_type=Instant)
    first_purchase_at: datetime | None = Field(default=None, sa_type=Instant)
    last_purchase_at: datetime | None = Field(default=None, sa_type=Instant)
    views: int = Field(default=0, sa_type=BigInteger)
    with_coupon: int = Field(default=0, sa_type=BigInteger)  # of the purchases
    heat: float = Field(default=0.0, sa_type=Float(53))  # buying signals since the day's last purchase, undecayed
    feedback: int | None = Field(default=None, sa_type=BigInteger)  # the day's last: 4 x its second + 0 · 1 · 2


# What everybody's place among the buyers is found by: only buyers are in these indexes.
BUYERS = text("orders_total > 0")
WARM = text("intent_heat > 0")


def _ranked(column: str) -> Index:
    return Index(f"ix_fan_metrics_{column}", column, sqlite_where=BUYERS, postgresql_where=BUYERS)


class FanMetrics(SQLModel, table=True):
    """One row per fan: every number a rule can ask for that does not change between two facts or days."""

    __tablename__ = "fan_metrics"
    __table_args__ = (
        _ranked("orders_total"),
        _ranked("spend_total"),
        _ranked("spend_365d"),
        _ranked("value_halves"),
        _ranked("expected_spend_90d"),
        Index("ix_fan_metrics_intent_heat", "intent_heat", sqlite_where=WARM, postgresql_where=WARM),
        # Room in each page: a row none of whose indexed columns moved is written without its indexes.
        {"postgresql_with": {"fillfactor": 85}},
    )

    fan_id: int = Field(primary_key=True, sa_type=BigKey)
    interactions_7d: int = Field(default=0, sa_type=BigInteger)
    interactions_30d: int = Field(default=0, sa_type=BigInteger)
    interactions_90d: int = Field(default=0, sa_type=BigInteger)
    interactions_total: int = Field(default=0, sa_type=BigInteger)
    last_interaction_at: datetime | None = Field(default=None, sa_type=Instant)
    last_interaction_day: date | None = Field(default=None, sa_type=Day)
    purchases_30d: int = Field(default=0, sa_type=BigInteger)
    purchases_90d: int = Field(default=0, sa_type=BigInteger)
    purchases_365d: int = Field(default=0, sa_type=BigInteger)
    purchases_total: int = Field(default=0, sa_type=BigInteger)
    orders_total: int = Field(default=0, sa_type=BigInteger)  # local days with a purchase
    spend_30d: int = Field(default=0, sa_type=BigInteger)
    spend_90d: int = Field(default=0, sa_type=BigInteger)
    spend_365d: int = Field(default=0, sa_type=BigInteger)
    spend_total: int = Field(default=0, sa_type=BigInteger)
    first_purchase_at: datetime | None = Field(default=None, sa_type=Instant)
    first_purchase_day: date | None = Field(default=None, sa_type=Day)
    last_purchase_at: datetime | None = Field(default=None, sa_type=Instant)
    last_purchase_day: date | None = Field(default=None, sa_type=Day)
    referrals_total: int = Field(default=0, sa_type=BigInteger)
    referrals_qualified: int = Field(default=0, sa_type=BigInteger)
    referred_spend_365d: int = Field(default=0, sa_type=BigInteger)
    reachable: bool = False  # as counted in the levels' sizes
    joined_day: date | None = Field(default=None, sa_type=Day, index=True)
    seconds_to_first_purchase: int | None = Field(default=None, sa_type=BigInteger)
    views_90d: int = Field(default=0, sa_type=BigInteger)
    purchases_with_coupon: int = Field(default=0, sa_type=BigInteger)
    value_halves: int = Field(default=0, sa_type=BigInteger)  # twice the own spend and once the friends', 365 days
    intent_heat: float = Field(default=0.0, sa_type=Float(53))  # of the signals since the last purchase
    feedback_score: int | None = Field(default=None, sa_type=BigInteger)  # -1 · 0 · 1, the latest
    feedback_day: date | None = Field(default=None, sa_type=Day, index=True)
    p_alive: float | None = Field(default=None, sa_type=Float(53))  # the models' answers, as of the last scoring
    expected_purchases_90d: float | None = Field(default=None, sa_type=Float(53))
    expected_spend_90d: int | None = Field(default=None, sa_type=BigInteger)  # minor units
    points: int = Field(default=0, sa_type=BigInteger)  # of the ledger
    places: str = Field(default="", sa_type=Text)  # where the fan stands in everything, a letter each


class FanInterest(SQLModel, table=True):
    """When a fan last showed interest in a category: bought it, looked at it, or named it (then for good)."""

    __tablename__ = "fan_interest"
    __table_args__ = (
        Index("ix_fan_interest_category", "category", "day", "fan_id"),
        {"sqlite_with_rowid": False},
    )

    fan_id: int = Field(primary_key=True, sa_type=BigKey)
    category: str = Field(primary_key=True)
    day: date = Field(sa_type=Day)


class FanScore(SQLModel, table=True):
    """What the models expect of a buyer, written nightly."""

    __tablename__ = "fan_score"

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    p_alive: float = Field(sa_type=Float(53))
    expected_purchases_90d: float = Field(sa_type=Float(53))
    expected_spend_90d: int = Field(sa_type=BigInteger)


class ModelFit(SQLModel, table=True):
    """The models' parameters, fitted weekly; or why there are none."""

    __tablename__ = "model_fit"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fitted_at: datetime = Field(sa_type=Instant)
    parameters: dict[str, Any] | None = Field(default=None, sa_type=JSON)  # Any: a Fit as JSON
    why_not: str | None = None


class ScoreCut(SQLModel, table=True):
    """A value that a share of the buyers does not pass: the ⌈k·N/n⌉-th smallest of N."""

    __tablename__ = "score_cut"

    measure: str = Field(primary_key=True)  # a column of fan_metrics
    k: int = Field(primary_key=True)
    n: int = Field(primary_key=True)
    value: int = Field(sa_type=BigInteger)
    below: int = Field(sa_type=BigInteger)  # how many buyers have less
    upto: int = Field(sa_type=BigInteger)  # how many have no more
    buyers: int = Field(sa_type=BigInteger)  # of how many


class FanLevel(SQLModel, table=True):
    """Where a fan stands in one dimension: exactly one level, always; or that a fan is in a saved segment."""

    __tablename__ = "fan_level"
    # Members are listed as they entered, the latest first.
    __table_args__ = (
        Index("ix_fan_level_level", "dimension", "level", "since", "fan_id"),
        {"sqlite_with_rowid": False},
    )

    dimension: str = Field(primary_key=True)
    fan_id: int = Field(primary_key=True, sa_type=BigKey)
    level: str
    since: datetime = Field(sa_type=Instant)
    since_day: date = Field(sa_type=Day)  # local


class LevelChange(SQLModel, table=True):
    """A fan left one level, where they had been since `old_since`, and entered another, when and why.

    The first level of all is no change: with `old_since` the past can be told without a row for it.
    """

    __tablename__ = "level_change"
    __table_args__ = (
        Index("ix_level_change_fan", "fan_id", "dimension", "at"),
        # Who came into a level on one of the last days, for the home page; and what a look wrote.
        Index("ix_level_change_day", "dimension", "day", "new_level", "old_level"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(sa_type=BigKey)
    dimension: str
    old_level: str | None = None  # None: first classified in a look
    old_since: datetime | None = Field(default=None, sa_type=Instant)
    old_day: date | None = Field(default=None, sa_type=Day)  # local, of old_since
    new_level: str
    at: datetime = Field(sa_type=Instant)
    day: date = Field(sa_type=Day)
    cause: str  # fact · time · rule · peers · look (at another time: gone when that ends)


class LevelSize(SQLModel, table=True):
    """How many fans a level held at the end of a day, and came and went in it; the newest day is what lists show."""

    __tablename__ = "level_size"

    dimension: str = Field(primary_key=True)
    level: str = Field(primary_key=True)
    day: date = Field(primary_key=True, sa_type=Day)
    size: int = Field(sa_type=BigInteger)
    reachable: int = Field(sa_type=BigInteger)
    entered: int = Field(sa_type=BigInteger)
    left: int = Field(sa_type=BigInteger)


class DimensionRule(SQLModel, table=True):
    """An operator's own thresholds for a dimension; absent: the shipped ones."""

    __tablename__ = "dimension_rule"

    dimension: str = Field(primary_key=True)
    thresholds: dict[str, Any] = Field(sa_type=JSON)  # Any: numbers by name, checked against the dimension
    own: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)  # Any: names, invitations, categories, a grid
    changed_at: datetime = Field(sa_type=Instant)
    changed_by: str


class CustomDimension(SQLModel, table=True):
    """A dimension an operator defined: levels by rules, the first that holds."""

    __tablename__ = "custom_dimension"

    key: str = Field(primary_key=True)
    label: str
    levels: list[dict[str, Any]] = Field(sa_type=JSON)  # Any: RULEs; [{key, label, rule}], the last without a rule
    created_at: datetime = Field(sa_type=Instant)
    changed_at: datetime = Field(sa_type=Instant)
    changed_by: str


class SavedSegment(SQLModel, table=True):
    """A rule somebody saved; who it fits is kept in fan_level under its key."""

    __tablename__ = "saved_segment"

    key: str = Field(primary_key=True)
    label: str
    note: str = Field(default="", sa_type=Text)
    rule: dict[str, Any] = Field(sa_type=JSON)  # Any: the contract's RULE
    colour: str = ""
    good: str = "none"  # which way it should grow: up · down · none
    folder: str = ""
    pinned: bool = False
    version: int = 1
    owner: str
    owner_name: str
    created_at: datetime = Field(sa_type=Instant)
    changed_at: datetime = Field(sa_type=Instant)
    frozen_at: datetime | None = Field(default=None, sa_type=Instant)  # since then nobody enters or leaves
    archived_at: datetime | None = Field(default=None, sa_type=Instant)
    broken: str | None = None  # why its rule cannot be worked out; meanwhile everybody stays where they are
    broken_since: datetime | None = Field(default=None, sa_type=Instant)


class AsOf(SQLModel, table=True):
    """The moment the levels are true for: one row."""

    __tablename__ = "as_of"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: int = Field(default=1, primary_key=True, sa_type=BigKey)
    as_of: datetime = Field(sa_type=Instant)
    day: date = Field(sa_type=Day)
    rules: str  # the definitions they were worked out with
    currency: str = ""  # the main one, in which money was summed
    slots: str = Field(default="[]", sa_type=Text)  # whose letter is which in a fan's places
    revision: int = Field(sa_type=BigInteger)  # each run's write adds one: the later of two that overlap starts again
    held_until: datetime | None = Field(default=None, sa_type=Instant)  # a look at another time, kept until then
    unfinished: bool = False  # a long run is writing, or died writing: then everything is compared anew
