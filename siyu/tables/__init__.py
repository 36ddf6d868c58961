"""Every table of the house: foreign keys cross rooms, Alembic reads one metadata."""

from sqlmodel import SQLModel

# Constraints have names, so that a migration can find them and an error can be told apart.
# Set before the tables are declared: the imports below depend on it.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

from siyu.tables.broadcasts import Broadcast, BroadcastState, Delivery, DeliveryState  # noqa: E402
from siyu.tables.facts import (  # noqa: E402
    Checkout,
    CheckoutState,
    Interaction,
    Product,
    Purchase,
    PurchaseItem,
    Refund,
    RefundRequest,
)
from siyu.tables.house import ApiToken, AuditEntry, JobRun, Lease, LoginTicket, Operator, OperatorSession, Role  # noqa: E402
from siyu.tables.levels import (  # noqa: E402
    AsOf,
    DimensionRule,
    DirtyDay,
    FanDay,
    FanLevel,
    FanMetrics,
    LevelChange,
    LevelSize,
)
from siyu.tables.mail import BotAccount, Inbox, InboxState, Outbox, OutboxState, Pacer, PollOffset  # noqa: E402
from siyu.tables.people import OUT_OF_REACH, Fan, FanAttribute, FanTag, Reach, Referral, Source  # noqa: E402
from siyu.tables.rewards import Coupon, CouponState, Idempotency, Offer, OfferKind, OfferState, Redemption  # noqa: E402

metadata = SQLModel.metadata

__all__ = [
    "OUT_OF_REACH",
    "ApiToken", "AsOf", "AuditEntry", "BotAccount", "Broadcast", "BroadcastState", "Checkout", "CheckoutState",
    "Coupon", "CouponState", "Delivery", "DeliveryState", "DimensionRule", "DirtyDay", "Fan", "FanAttribute",
    "FanDay", "FanLevel", "FanMetrics", "FanTag", "Idempotency", "Inbox", "InboxState", "Interaction", "JobRun",
    "Lease", "LevelChange", "LevelSize", "LoginTicket", "Offer", "OfferKind", "OfferState", "Operator",
    "OperatorSession", "Outbox", "OutboxState", "Pacer", "PollOffset", "Product", "Purchase", "PurchaseItem",
    "Reach", "Redemption", "Referral", "Refund", "RefundRequest", "Role", "Source", "metadata",
]  # fmt: skip
