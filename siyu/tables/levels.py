"""What is worked out from the facts: days, metrics, levels and their history. All of it can be rebuilt."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index
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

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    day: date = Field(primary_key=True, sa_type=Day)
    interactions: int = Field(default=0, sa_type=BigInteger)
    purchases: int = Field(default=0, sa_type=BigInteger)  # paid and not fully refunded
    spend_minor: int = Field(default=0, sa_type=BigInteger)  # main currency, refunds taken off
    last_interaction_at: datetime | None = Field(default=None, sa_type=Instant)
    first_purchase_at: datetime | None = Field(default=None, sa_type=Instant)
    last_purchase_at: datetime | None = Field(default=None, sa_type=Instant)


class FanMetrics(SQLModel, table=True):
    """One row per fan: every number a rule can ask for that does not change between two facts or days."""

    __tablename__ = "fan_metrics"

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    interactions_7d: int = Field(default=0, sa_type=BigInteger)
    interactions_30d: int = Field(default=0, sa_type=BigInteger)
    interactions_90d: int = Field(default=0, sa_type=BigInteger)
    interactions_total: int = Field(default=0, sa_type=BigInteger)
    last_interaction_at: datetime | None = Field(default=None, sa_type=Instant)
    last_interaction_day: date | None = Field(default=None, sa_type=Day, index=True)
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
    first_purchase_day: date | None = Field(default=None, sa_type=Day, index=True)
    last_purchase_at: datetime | None = Field(default=None, sa_type=Instant)
    last_purchase_day: date | None = Field(default=None, sa_type=Day, index=True)
    referrals_total: int = Field(default=0, sa_type=BigInteger)
    referrals_qualified: int = Field(default=0, sa_type=BigInteger)
    referred_spend_365d: int = Field(default=0, sa_type=BigInteger)
    reachable: bool = False  # as counted in the levels' sizes


class FanLevel(SQLModel, table=True):
    """Where a fan stands in one dimension: exactly one level, always."""

    __tablename__ = "fan_level"
    # Members are listed as they entered, the latest first.
    __table_args__ = (
        Index("ix_fan_level_level", "dimension", "level", "since", "fan_id"),
        {"sqlite_with_rowid": False},
    )

    dimension: str = Field(primary_key=True)
    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    level: str
    since: datetime = Field(sa_type=Instant)


class LevelChange(SQLModel, table=True):
    """A fan left one level and entered another, when and why."""

    __tablename__ = "level_change"
    __table_args__ = (
        Index("ix_level_change_fan", "fan_id", "dimension", "at"),
        # Who came into a level on one of the last days, for the home page; and what a look wrote.
        Index("ix_level_change_day", "dimension", "day", "new_level", "old_level"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    dimension: str
    old_level: str | None = None  # None: first classified
    new_level: str
    at: datetime = Field(sa_type=Instant)
    day: date = Field(sa_type=Day)
    cause: str  # fact · time · rule · look (at another time: gone when that ends)


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
    changed_at: datetime = Field(sa_type=Instant)
    changed_by: str


class AsOf(SQLModel, table=True):
    """The moment the levels are true for: one row."""

    __tablename__ = "as_of"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: int = Field(default=1, primary_key=True, sa_type=BigKey)
    as_of: datetime = Field(sa_type=Instant)
    day: date = Field(sa_type=Day)
    rules: str  # the thresholds they were worked out with
    revision: int = Field(sa_type=BigInteger)  # each run's write adds one: the later of two that overlap starts again
    held_until: datetime | None = Field(default=None, sa_type=Instant)  # a look at another time, kept until then
