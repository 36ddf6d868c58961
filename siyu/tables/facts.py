"""What fans did and bought: append-only, once each by their key."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Day, Instant, Word


class Interaction(SQLModel, table=True):
    """One thing a fan did; what the bot or an operator does is never an interaction."""

    __tablename__ = "interaction"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        # Covering: a fan's days are counted without touching the table.
        Index("ix_interaction_fan_day", "fan_id", "day", "at", "kind"),
        # Who did something so often lately, and whether a product was looked at before.
        Index("ix_interaction_kind", "kind", "fan_id", "day", "at", "detail"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    source: str  # "telegram", or the name of an import
    external_id: str
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    at: datetime = Field(sa_type=Instant)
    day: date = Field(sa_type=Day)  # local, fixed when written
    kind: str
    detail: str | None = None
    broadcast_id: int | None = Field(default=None, foreign_key="broadcast.id", sa_type=BigKey)  # the campaign


class ProductKind(StrEnum):
    DIGITAL = "digital"  # Telegram takes Stars for these, and nothing else
    PHYSICAL = "physical"  # money through a payment provider, or at the counter


class Product(SQLModel, table=True):
    """Something fans can buy; one that only a shop told us of has no price and is not on sale."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint("stars_price > 0", name="stars_price_positive"),
        CheckConstraint("price_minor > 0", name="price_positive"),
        CheckConstraint("stock >= 0", name="stock_not_negative"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    sku: str = Field(unique=True)
    title: str
    description: str = ""
    category: str = ""
    kind: ProductKind = Field(default=ProductKind.DIGITAL, sa_type=Word(ProductKind))
    stars_price: int | None = Field(default=None, sa_type=BigInteger)
    price_minor: int | None = Field(default=None, sa_type=BigInteger)
    currency: str = ""  # of price_minor
    photo: str = ""  # an address on the open web
    stock: int | None = None  # None: as many as asked
    active: bool = True
    created_at: datetime = Field(sa_type=Instant)


class CheckoutState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"  # pre-checkout said yes: the money may come any moment
    PAID = "paid"
    EXPIRED = "expired"


class Checkout(SQLModel, table=True):
    """One invoice shown to one fan: what a pre-checkout is held against."""

    __tablename__ = "checkout"
    __table_args__ = (Index("ix_checkout_fan", "fan_id", "state"), Index("ix_checkout_day", "fan_id", "day"))

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    payload: str = Field(unique=True)  # random, in the invoice
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    product_id: int = Field(foreign_key="product.id", sa_type=BigKey)
    coupon_id: int | None = Field(default=None, foreign_key="coupon.id", sa_type=BigKey)
    price_minor: int = Field(sa_type=BigInteger)
    discount_minor: int = Field(default=0, sa_type=BigInteger)
    currency: str
    state: CheckoutState = Field(default=CheckoutState.PENDING, sa_type=Word(CheckoutState))
    created_at: datetime = Field(sa_type=Instant)
    day: date = Field(sa_type=Day)  # local, fixed when written
    hold_until: datetime = Field(sa_type=Instant)


class Purchase(SQLModel, table=True):
    """Money a fan paid, by whatever way it came; counts until fully refunded."""

    __tablename__ = "purchase"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_purchase_fan_at", "fan_id", "paid_at"),
        # What was bought in the days of a broadcast.
        Index("ix_purchase_paid", "paid_at", "fan_id"),
        # Covering: a fan's days are counted without touching the table.
        Index("ix_purchase_fan_day", "fan_id", "day", "paid_at", "currency", "amount_minor"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("refunded_minor >= 0 AND refunded_minor <= amount_minor", name="refund_within_amount"),
        CheckConstraint("discount_minor >= 0", name="discount_not_negative"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    source: str  # "telegram", "staff", "csv:NAME", or the name a program gives
    external_id: str
    fan_id: int = Field(foreign_key="fan.id", sa_type=BigKey)
    paid_at: datetime = Field(sa_type=Instant)
    day: date = Field(sa_type=Day)
    amount_minor: int = Field(sa_type=BigInteger)  # paid, after the discount
    discount_minor: int = Field(default=0, sa_type=BigInteger)
    refunded_minor: int = Field(default=0, sa_type=BigInteger)
    currency: str
    coupon_code: str | None = None
    body_hash: str  # the same key with another body is a conflict
    broadcast_id: int | None = Field(default=None, foreign_key="broadcast.id", sa_type=BigKey)


class PurchaseItem(SQLModel, table=True):
    """One line of a purchase."""

    __tablename__ = "purchase_item"

    purchase_id: int = Field(primary_key=True, foreign_key="purchase.id", sa_type=BigKey)
    line: int = Field(primary_key=True)
    sku: str = ""
    name: str = ""
    category: str = ""
    quantity: int = 1
    amount_minor: int = Field(sa_type=BigInteger)


class Refund(SQLModel, table=True):
    """Money given back, in whole or in part, once per refund id."""

    __tablename__ = "refund"
    __table_args__ = (
        UniqueConstraint("source", "refund_key"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    source: str
    refund_key: str  # the caller's refund_id
    purchase_id: int = Field(foreign_key="purchase.id", index=True, sa_type=BigKey)
    amount_minor: int = Field(sa_type=BigInteger)
    refunded_at: datetime = Field(sa_type=Instant)
    day: date = Field(sa_type=Day)  # local, fixed when written


class RefundRequest(SQLModel, table=True):
    """A fan asked for their money back; an operator answers once."""

    __tablename__ = "refund_request"

    purchase_id: int = Field(primary_key=True, foreign_key="purchase.id", sa_type=BigKey)
    asked_at: datetime = Field(sa_type=Instant)
    answered_at: datetime | None = Field(default=None, index=True, sa_type=Instant)
    answer: str | None = None  # refunded · declined
