"""The referral programme, what it gives to whom and why, and who is on the board of those who bring most."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Day, Instant, Word


class RewardRule(StrEnum):
    """Whom a reward is for, and for what."""

    REFERRER = "referral_referrer"  # the friend somebody brought bought
    NEWCOMER = "referral_newcomer"  # the same purchase, for the friend
    MILESTONE = "referral_milestone"  # so many friends


class RewardState(StrEnum):
    PENDING = "pending"
    GRANTED = "granted"
    REVERSED = "reversed"  # its purchase was paid back
    BLOCKED = "blocked"  # by a cap, or by somebody of the house


class ReferralProgramme(SQLModel, table=True):
    """The one programme of the house; without its row nobody was ever rewarded."""

    __tablename__ = "referral_programme"
    __table_args__ = (CheckConstraint("day_cap >= 1 AND month_cap >= 1", name="caps"),)

    id: int = Field(default=1, primary_key=True, sa_type=BigKey)
    since: datetime | None = Field(default=None, sa_type=Instant)  # off while empty; who came earlier earns nobody any
    day_cap: int = 5  # friends of one referrer who are rewarded on a local day
    month_cap: int = 30
    milestones: dict[str, int] = Field(default_factory=dict, sa_type=JSON)  # rewarded friends: points
    referrer_offer_id: int | None = Field(default=None, foreign_key="offer.id", sa_type=BigKey)
    newcomer_offer_id: int | None = Field(default=None, foreign_key="offer.id", sa_type=BigKey)


LIVE = text("state IN ('pending', 'granted')")


class RewardGrant(SQLModel, table=True):
    """One reward of one fan for one cause: a friend's purchase, or a milestone."""

    __tablename__ = "reward_grant"
    __table_args__ = (
        UniqueConstraint("rule", "fan_id", "cause"),
        Index("ix_reward_grant_state", "state", "due_day"),
        Index("ix_reward_grant_fan", "fan_id", "rule", "granted_day"),
        # The second guard: whatever is bought later, a friend counts once.
        Index("uq_reward_grant_live", "rule", "referee_id", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    rule: RewardRule = Field(sa_type=Word(RewardRule))
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    cause: str  # once per rule and fan
    referee_id: int | None = Field(default=None, foreign_key="fan.id", index=True, sa_type=BigKey)
    purchase_id: int | None = Field(default=None, foreign_key="purchase.id", index=True, sa_type=BigKey)
    state: RewardState = Field(default=RewardState.PENDING, sa_type=Word(RewardState))
    due_day: date = Field(sa_type=Day)
    reasons: str = ""  # words with a blank between: why somebody should look first
    reviewed_by: str | None = None
    opened_at: datetime = Field(sa_type=Instant)
    granted_at: datetime | None = Field(default=None, sa_type=Instant)
    granted_day: date | None = Field(default=None, sa_type=Day)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)  # reversed or blocked
    told_at: datetime | None = Field(default=None, sa_type=Instant)
    points: int = Field(default=0, sa_type=BigInteger)
    coupon_id: int | None = Field(default=None, foreign_key="coupon.id", sa_type=BigKey)


class ReferralBoard(SQLModel, table=True):
    """A fan who wants to be seen, masked, among those who bring most."""

    __tablename__ = "referral_board"

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    at: datetime = Field(sa_type=Instant)
