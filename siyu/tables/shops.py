"""Shops that tell us of their orders, and everything they told."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word


class ShopKind(StrEnum):
    """In whose manner a shop signs and writes."""

    STANDARD = "standard"  # Standard Webhooks, in our own words
    WOOCOMMERCE = "woocommerce"
    SHOPIFY = "shopify"


class Shop(SQLModel, table=True):
    """A shop with a door of its own: `POST /hooks/{key}`."""

    __tablename__ = "shop"

    key: str = Field(primary_key=True)
    title: str
    kind: ShopKind = Field(sa_type=Word(ShopKind))
    secret: str  # as it is: a signature cannot be checked with a fingerprint
    old_secret: str | None = None  # good beside the new one until somebody takes it away
    created_at: datetime = Field(sa_type=Instant)
    closed_at: datetime | None = Field(default=None, sa_type=Instant)
    heard_at: datetime | None = Field(default=None, sa_type=Instant)


class EventState(StrEnum):
    """What became of something a shop told."""

    RECEIVED = "received"  # written down, not read yet
    APPLIED = "applied"
    IGNORED = "ignored"  # nothing in it to book
    WAITING = "waiting"  # a refund that came before its order
    QUARANTINED = "quarantined"  # for a person to look at
    DROPPED = "dropped"  # somebody looked, and let it go


class InboundEvent(SQLModel, table=True):
    """One change of one order, as often as it may be delivered."""

    __tablename__ = "inbound_event"
    __table_args__ = (
        UniqueConstraint("shop_key", "key"),
        Index("ix_inbound_event_state", "state", "id"),
        Index("ix_inbound_event_order", "shop_key", "order_id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    shop_key: str = Field(foreign_key="shop.key")
    key: str  # of the order and its change, never of the delivery
    order_id: str | None = None  # none where it could not be read
    topic: str = ""
    body: str = Field(default="", sa_type=Text)  # wiped some weeks after it was booked
    state: EventState = Field(default=EventState.RECEIVED, sa_type=Word(EventState))
    reason: str = ""  # a stable word
    detail: str = Field(default="", sa_type=Text)
    deliveries: int = 1
    received_at: datetime = Field(sa_type=Instant)
    settled_at: datetime | None = Field(default=None, sa_type=Instant)
    fan_id: int | None = Field(default=None, foreign_key="fan.id", index=True, sa_type=BigKey)
    purchase_id: int | None = Field(default=None, foreign_key="purchase.id", sa_type=BigKey)
