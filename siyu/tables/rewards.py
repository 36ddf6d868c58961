"""Offers, the coupons cut from them, and their redemptions."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Day, Instant, Word


class OfferKind(StrEnum):
    AMOUNT = "amount"
    PERCENT = "percent"
    GIFT = "gift"
    EXCHANGE = "exchange"  # for a thing of its scope, which then costs nothing


class OfferState(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"


class Offer(SQLModel, table=True):
    """What a coupon is worth, how many there are, and until when."""

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint("claimed >= 0 AND claimed <= stock", name="claimed_within_stock"),
        CheckConstraint("redeemed >= 0 AND redeemed <= claimed", name="redeemed_within_claimed"),
        CheckConstraint("spent_minor >= 0 AND (budget_minor IS NULL OR spent_minor <= budget_minor)", name="budget"),
        CheckConstraint("per_fan >= 1", name="per_fan_positive"),
        Index("uq_offer_shared_code", "shared_code", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    code: str = Field(unique=True)  # in the deep link o_CODE
    title: str
    kind: OfferKind = Field(sa_type=Word(OfferKind))
    value: int = Field(sa_type=BigInteger)  # minor units; whole percent; 0 for a gift or an exchange
    hundredths: int = 0  # of a percent, beyond the whole ones
    currency: str
    min_spend_minor: int = Field(default=0, sa_type=BigInteger)
    max_discount_minor: int | None = Field(default=None, sa_type=BigInteger)
    stock: int = Field(sa_type=BigInteger)
    per_fan: int = 1
    ends_at: datetime = Field(sa_type=Instant)
    valid_days: int | None = None  # days from the claim, never beyond ends_at
    budget_minor: int | None = Field(default=None, sa_type=BigInteger)
    products: list[str] = Field(default_factory=list, sa_type=JSON)  # SKUs it is good for; with no category: for all
    categories: list[str] = Field(default_factory=list, sa_type=JSON)
    daily_cap: int | None = None  # pieces on one of the community's days
    claimed_on: date | None = Field(default=None, sa_type=Day)  # the last day one was claimed
    claimed_that_day: int = 0
    stack_group: str | None = None  # of all offers with this word a fan holds one good coupon at a time
    shared_code: str | None = None  # a word that fans type: SPRING
    holdout_percent: int = 0  # of a segment it is handed out to, who get none, to compare with
    state: OfferState = Field(default=OfferState.DRAFT, sa_type=Word(OfferState))
    claimed: int = Field(default=0, sa_type=BigInteger)
    redeemed: int = Field(default=0, sa_type=BigInteger)
    spent_minor: int = Field(default=0, sa_type=BigInteger)
    created_at: datetime = Field(sa_type=Instant)
    created_by: str

    @property
    def basis_points(self) -> int:
        """Of a percentage: 1250 is 12.5 %."""
        return self.value * 100 + self.hundredths


class CouponState(StrEnum):
    ACTIVE = "active"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    REVOKED = "revoked"


STILL_ACTIVE = text("state = 'active'")


class Coupon(SQLModel, table=True):
    """One fan's one use of an offer."""

    __tablename__ = "coupon"
    __table_args__ = (
        # The second guard: even a wrong writer cannot cut the same piece twice.
        UniqueConstraint("offer_id", "serial"),
        UniqueConstraint("offer_id", "fan_id", "seq"),
        UniqueConstraint("offer_id", "claim_key"),
        CheckConstraint("serial >= 1", name="serial_positive"),
        Index("ix_coupon_fan", "fan_id", "state", "valid_until"),
        Index("ix_coupon_day", "fan_id", "day"),
        # Who is to be reminded, and what is over: both look at the unused ones by their end.
        Index("ix_coupon_ends", "valid_until", sqlite_where=STILL_ACTIVE, postgresql_where=STILL_ACTIVE),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    offer_id: int = Field(foreign_key="offer.id", sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    serial: int = Field(sa_type=BigInteger)  # 1 … claimed
    seq: int  # 1 … per_fan
    code: str = Field(unique=True)
    claim_key: str  # the cause of the claim: the same tap twice is one coupon
    state: CouponState = Field(default=CouponState.ACTIVE, sa_type=Word(CouponState))
    claimed_at: datetime = Field(sa_type=Instant)
    day: date = Field(sa_type=Day)  # local, of the claim
    valid_until: datetime = Field(sa_type=Instant)
    hold_checkout_id: int | None = Field(default=None, sa_type=BigKey)  # while a payment is under way
    hold_until: datetime | None = Field(default=None, sa_type=Instant)
    redeemed_at: datetime | None = Field(default=None, sa_type=Instant)
    reminded: int | None = None  # so many days before its end, the last time


class Redemption(SQLModel, table=True):
    """A coupon was used, where and for how much; reversed by a refund."""

    __tablename__ = "redemption"
    __table_args__ = (
        Index(
            "uq_redemption_live_coupon",
            "coupon_id",
            unique=True,
            sqlite_where=text("reversed_at IS NULL"),
            postgresql_where=text("reversed_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    coupon_id: int = Field(foreign_key="coupon.id", sa_type=BigKey)
    offer_id: int = Field(foreign_key="offer.id", index=True, sa_type=BigKey)
    fan_id: int = Field(foreign_key="fan.id", index=True, sa_type=BigKey)
    purchase_id: int | None = Field(default=None, foreign_key="purchase.id", index=True, sa_type=BigKey)
    amount_minor: int = Field(sa_type=BigInteger)  # before the discount
    discount_minor: int = Field(sa_type=BigInteger)
    currency: str
    channel: str  # chat · staff · api
    staff: str | None = None
    at: datetime = Field(sa_type=Instant)
    reversed_at: datetime | None = Field(default=None, sa_type=Instant)


class Idempotency(SQLModel, table=True):
    """A request that was answered: the same key gives the same answer and changes nothing."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("ix_idempotency_created", "created_at"),)

    key: str = Field(primary_key=True)
    body_hash: str
    answer: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(sa_type=Instant)
