"""The dimensions Siyu ships, as data: adding one is adding an entry here."""

from siyu.segments.dimensions import Dimension
from siyu.segments.shipped.activity import BEHAVIOUR, DECISION_SPEED, FEEDBACK, INTERACTION_FREQUENCY, PURCHASE_INTENT
from siyu.segments.shipped.buying import (
    GRID_25,
    GRID_27,
    LIFECYCLE,
    LOYALTY,
    PURCHASE_AMOUNT,
    PURCHASE_FREQUENCY,
    PURCHASE_STAGE,
    RFM,
    VALUE,
)
from siyu.segments.shipped.expected import CHURN_RISK, PREDICTED_VALUE
from siyu.segments.shipped.people import (
    AGE_GROUP,
    COMPANY_SIZE,
    CUSTOMER_TYPE,
    GENDER,
    INCOME,
    INDUSTRY,
    NEED,
    NEED_KIND,
    REFERRAL,
    SOURCE_CHANNEL,
    geography,
)

__all__ = ["DIMENSIONS", "GRID_25", "GRID_27", "geography"]

DIMENSIONS: tuple[Dimension, ...] = (
    INTERACTION_FREQUENCY, PURCHASE_FREQUENCY, PURCHASE_AMOUNT, VALUE, LOYALTY, LIFECYCLE, PURCHASE_STAGE, RFM,
    REFERRAL, BEHAVIOUR, PURCHASE_INTENT, DECISION_SPEED, FEEDBACK, SOURCE_CHANNEL, CUSTOMER_TYPE, COMPANY_SIZE,
    INDUSTRY, NEED,
    NEED_KIND, geography(), AGE_GROUP, GENDER, INCOME, CHURN_RISK, PREDICTED_VALUE,
)  # fmt: skip
