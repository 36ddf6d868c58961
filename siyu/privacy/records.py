"""Records: which tables keep something of a fan, and what becomes of it when the fan is forgotten.

A table that is in neither list fails a test: whoever adds one decides.
"""

from collections.abc import Iterator

from sqlalchemy import Column, Table

from siyu.tables import metadata

# What tells who somebody is, what they like, did and said: erased row by row.
PERSONAL = (
    "interaction",
    "fan_attribute",
    "fan_tag",
    "fan_interest",
    "topic_declined",
    "consent",
    "general_only",
    "checkin",
    "code_asked",
    "code_attempt",
    "points_note",
    "conversation_line",
    "conversation_notice",
    "conversation",
    "survey_answer",
    "survey_run",
    "feedback",
    "feedback_turn",
    "follow_up",
    "referral_board",
    "inbound_event",
)

# What books, stocks and ledgers add up from, and what is worked out from that: the rows stay, of somebody without a
# name. Whatever a fan did on a day is counted again once the facts are gone.
KEPT_WITHOUT_A_NAME = (
    "purchase",
    "checkout",
    "coupon",
    "redemption",
    "offer_audience",
    "offer_code",
    "points_account",
    "points_lot",
    "points_entry",
    "tier_change",
    "referral",
    "reward_grant",
    "delivery",
    "broadcast_click",
    "revision_line",
    "dirty_day",
    "fan_day",
    "fan_metrics",
    "fan_score",
    "fan_level",
    "level_change",
)
# Copies that nobody asks for: how a recompute works, and what is about to be sent.
NOT_TOLD = frozenset({"dirty_day", "revision_line", "conversation_notice"})


def people_in(table: Table) -> Iterator[Column[int]]:
    """The columns of a table that say which fan a row is about."""
    for column in table.columns:
        points_to_fan = any(key.target_fullname == "fan.id" for key in column.foreign_keys)
        if points_to_fan or column.name == "fan_id":
            yield column


def table(name: str) -> Table:
    return metadata.tables[name]
