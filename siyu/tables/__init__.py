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

from siyu.tables.broadcasts import (  # noqa: E402
    Broadcast,
    BroadcastClick,
    BroadcastRevision,
    BroadcastState,
    Delivery,
    DeliveryState,
    RevisionLine,
    RevisionState,
    Timing,
    Topic,
    TopicDeclined,
)
from siyu.tables.codes import Arm, CodeAsked, CodeAttempt, OfferAudience, OfferCode  # noqa: E402
from siyu.tables.consents import Consent, GeneralOnly, Purpose, Way  # noqa: E402
from siyu.tables.conversations import (  # noqa: E402
    Conversation,
    ConversationLine,
    ConversationNotice,
    ConversationState,
)
from siyu.tables.facts import (  # noqa: E402
    Checkout,
    CheckoutState,
    Interaction,
    Product,
    ProductKind,
    Purchase,
    PurchaseItem,
    Refund,
    RefundRequest,
)
from siyu.tables.feedback import Feedback, FeedbackTurn, FollowUp, Scale  # noqa: E402
from siyu.tables.house import (  # noqa: E402
    ApiToken,
    AuditEntry,
    JobRun,
    Lease,
    LoginTicket,
    Operator,
    OperatorSession,
    Preference,
    Role,
)
from siyu.tables.levels import (  # noqa: E402
    AsOf,
    CustomDimension,
    DimensionRule,
    DirtyDay,
    FanDay,
    FanInterest,
    FanLevel,
    FanMetrics,
    FanScore,
    LevelChange,
    LevelSize,
    ModelFit,
    SavedSegment,
    ScoreCut,
)
from siyu.tables.mail import BotAccount, Inbox, InboxState, Outbox, OutboxState, Pacer, PollOffset  # noqa: E402
from siyu.tables.people import (  # noqa: E402
    OUT_OF_REACH,
    OWN_HOURS,
    Fan,
    FanAttribute,
    FanTag,
    Reach,
    Referral,
)
from siyu.tables.points import (  # noqa: E402
    Checkin,
    PointsAccount,
    PointsEntry,
    PointsKind,
    PointsLot,
    PointsNote,
    PointsProgramme,
    PointsReward,
    PointsRule,
    Tier,
    TierChange,
)
from siyu.tables.privacy import HouseSecret, Tombstone  # noqa: E402
from siyu.tables.reconciling import StarCheck  # noqa: E402
from siyu.tables.referrals import (  # noqa: E402
    ReferralBoard,
    ReferralProgramme,
    RewardGrant,
    RewardRule,
    RewardState,
)
from siyu.tables.rewards import Coupon, CouponState, Idempotency, Offer, OfferKind, OfferState, Redemption  # noqa: E402
from siyu.tables.shops import EventState, InboundEvent, Shop, ShopKind  # noqa: E402
from siyu.tables.sources import Source, SourceCost  # noqa: E402
from siyu.tables.surveys import RunState, Survey, SurveyAnswer, SurveyRun, SurveyVersion  # noqa: E402
from siyu.tables.vocabulary import Attribute, AttributeType, Colour, Tag, TagGroup  # noqa: E402

metadata = SQLModel.metadata

__all__ = [
    "OUT_OF_REACH", "OWN_HOURS", "ApiToken", "Arm", "AsOf", "Attribute", "AttributeType", "AuditEntry", "BotAccount",
    "Broadcast", "BroadcastClick", "BroadcastRevision", "BroadcastState", "Checkin", "Checkout", "CheckoutState",
    "CodeAsked", "CodeAttempt", "Colour", "Consent", "Conversation", "ConversationLine", "ConversationNotice",
    "ConversationState", "Coupon", "CouponState", "CustomDimension", "Delivery", "DeliveryState", "DimensionRule",
    "DirtyDay", "EventState", "Fan", "FanAttribute", "FanDay", "FanInterest", "FanLevel", "FanMetrics", "FanScore",
    "FanTag", "Feedback", "FeedbackTurn", "FollowUp", "GeneralOnly", "HouseSecret", "Idempotency", "InboundEvent",
    "Inbox", "InboxState", "Interaction", "JobRun", "Lease", "LevelChange", "LevelSize", "LoginTicket", "ModelFit",
    "Offer", "OfferAudience", "OfferCode", "OfferKind", "OfferState", "Operator", "OperatorSession", "Outbox",
    "OutboxState", "Pacer", "PointsAccount", "PointsEntry", "PointsKind", "PointsLot", "PointsNote",
    "PointsProgramme", "PointsReward", "PointsRule", "PollOffset", "Preference", "Product", "ProductKind", "Purchase",
    "PurchaseItem", "Purpose", "Reach", "Redemption", "Referral", "ReferralBoard", "ReferralProgramme", "Refund",
    "RefundRequest", "RevisionLine", "RevisionState", "RewardGrant", "RewardRule", "RewardState", "Role", "RunState",
    "SavedSegment", "Scale", "ScoreCut", "Shop", "ShopKind", "Source", "SourceCost", "StarCheck", "Survey",
    "SurveyAnswer", "SurveyRun", "SurveyVersion", "Tag", "TagGroup", "Tier", "TierChange", "Timing", "Tombstone",
    "Topic", "TopicDeclined", "Way", "metadata",
]  # fmt: skip
