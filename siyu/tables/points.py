"""Points: what gives them, a ledger that only grows, lots that run out, and tiers."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Day, Instant, Word


class PointsKind(StrEnum):
    """What moved points: a rule that gives them, or one of the other movements."""

    PURCHASE = "purchase"  # in the main currency
    STARS = "stars"  # a purchase paid in Stars
    CHECKIN = "checkin"
    SURVEY = "survey"
    FEEDBACK = "feedback"
    REFERRER = "referral_referrer"
    NEWCOMER = "referral_newcomer"
    BIRTHDAY = "birthday"
    HAND = "hand"  # given or taken by somebody of the house
    SPENT = "spent"
    TAKEN_BACK = "taken_back"
    EXPIRED = "expired"


class PointsProgramme(SQLModel, table=True):
    """The one programme of the house; without its row nobody was ever given a point."""

    __tablename__ = "points_programme"

    id: int = Field(default=1, primary_key=True, sa_type=BigKey)
    since: datetime | None = Field(default=None, sa_type=Instant)  # off while empty; older purchases earn nothing
    currency: str  # the main one, as it was when the programme was switched on
    window_days: int = 365  # points earned in so many days make the tier
    grace_days: int = 30  # so long a tier is kept that is not earned any more


class PointsRule(SQLModel, table=True):
    """What gives points, where it differs from what is shipped."""

    __tablename__ = "points_rule"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("per >= 1", name="per"),
        CheckConstraint("streak_bonus >= 0 AND streak_days >= 2", name="streak"),
    )

    kind: PointsKind = Field(primary_key=True, sa_type=Word(PointsKind))
    is_on: bool
    amount: int = Field(sa_type=BigInteger)  # points each time, or for every `per` whole units of money
    per: int = Field(default=1, sa_type=BigInteger)
    daily_cap: int | None = Field(default=None, sa_type=BigInteger)  # points a fan gets by it within 24 hours
    valid_days: int | None = None  # None: they never run out
    streak_days: int = 7  # check-ins in a row that give the bonus, and again each time as many
    streak_bonus: int = Field(default=0, sa_type=BigInteger)
    attribute: str | None = None  # the birthday's


class PointsReward(SQLModel, table=True):
    """An offer that can be had for points."""

    __tablename__ = "points_reward"
    __table_args__ = (CheckConstraint("cost >= 1", name="cost"),)

    offer_id: int = Field(primary_key=True, foreign_key="offer.id", sa_type=BigKey)
    cost: int = Field(sa_type=BigInteger)


class PointsAccount(SQLModel, table=True):
    """What a fan has, owes, and has reached. Whoever moves points of a fan holds this row first."""

    __tablename__ = "points_account"
    __table_args__ = (
        CheckConstraint("balance >= 0", name="balance"),
        CheckConstraint("owed >= 0", name="owed"),
        CheckConstraint("balance = 0 OR owed = 0", name="debt_first"),
        Index("ix_points_account_recheck", "recheck_at"),
    )

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    balance: int = Field(default=0, sa_type=BigInteger)
    owed: int = Field(default=0, sa_type=BigInteger)  # taken back after it was spent: what is earned pays it first
    tier: int = 0  # the rank; 0 is none
    tier_since: datetime | None = Field(default=None, sa_type=Instant)
    falls_at: datetime | None = Field(default=None, sa_type=Instant)  # the end of the grace
    recheck_at: datetime | None = Field(default=None, sa_type=Instant)  # when the tier may be another


LIVE = text("remaining > 0")


class PointsLot(SQLModel, table=True):
    """Points that were given together and run out together."""

    __tablename__ = "points_lot"
    __table_args__ = (
        CheckConstraint("remaining >= 0 AND expired >= 0 AND remaining + expired <= amount", name="remaining"),
        Index("ix_points_lot_live", "fan_id", "expires_at", sqlite_where=LIVE, postgresql_where=LIVE),
        Index("ix_points_lot_due", "expires_at", sqlite_where=LIVE, postgresql_where=LIVE),
    )

    entry_id: int = Field(primary_key=True, foreign_key="points_entry.id", sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    amount: int = Field(sa_type=BigInteger)
    remaining: int = Field(sa_type=BigInteger)
    expired: int = Field(default=0, sa_type=BigInteger)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)


class PointsEntry(SQLModel, table=True):
    """One movement; a trigger refuses to change or delete it. It holds no words of or about the fan."""

    __tablename__ = "points_entry"
    __table_args__ = (
        UniqueConstraint("kind", "cause"),
        # Covers the sum of a fan's entries up to a moment: what the metric asks.
        Index("ix_points_entry_fan", "fan_id", "at", "delta"),
        Index(
            "ix_points_entry_reverses",
            "reverses",
            sqlite_where=text("reverses IS NOT NULL"),
            postgresql_where=text("reverses IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    kind: PointsKind = Field(sa_type=Word(PointsKind))
    cause: str  # once per kind
    delta: int = Field(sa_type=BigInteger)  # of the balance
    owed: int = Field(default=0, sa_type=BigInteger)  # of what is owed; `delta - owed` is what it was about
    at: datetime = Field(sa_type=Instant)
    reverses: int | None = Field(default=None, foreign_key="points_entry.id", sa_type=BigKey)


class PointsNote(SQLModel, table=True):
    """Why somebody gave or took points by hand: apart from the ledger, because words may have to be erased."""

    __tablename__ = "points_note"

    entry_id: int = Field(primary_key=True, foreign_key="points_entry.id", sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", index=True, sa_type=BigKey)
    reason: str = Field(sa_type=Text)
    by: str


class Checkin(SQLModel, table=True):
    """A fan said hello on this local day, and on how many in a row."""

    __tablename__ = "checkin"

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    day: date = Field(primary_key=True, sa_type=Day)
    streak: int
    points: int = Field(default=0, sa_type=BigInteger)


class Tier(SQLModel, table=True):
    """A step that is reached with points earned in the window; 1 is the lowest."""

    __tablename__ = "tier"
    __table_args__ = (
        CheckConstraint("minimum >= 1", name="minimum"),
        CheckConstraint("multiplier >= 100", name="multiplier"),
    )

    rank: int = Field(primary_key=True)
    minimum: int = Field(unique=True, sa_type=BigInteger)
    multiplier: int = 100  # percent of what the rules give
    names: dict[str, str] = Field(default_factory=dict, sa_type=JSON)  # by language
    benefits: dict[str, str] = Field(default_factory=dict, sa_type=JSON)


class TierChange(SQLModel, table=True):
    """A fan rose or fell, and why."""

    __tablename__ = "tier_change"
    __table_args__ = (Index("ix_tier_change_fan", "fan_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    old: int
    new: int
    at: datetime = Field(sa_type=Instant)
    reason: str  # earned · window
