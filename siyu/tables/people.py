"""Fans and how they came: the people everything else is about."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Day, Instant, Word


class Reach(StrEnum):
    """Whether a message would arrive: only `reachable` fans are ever written to."""

    REACHABLE = "reachable"
    IMPORTED = "imported"  # known from a file or a program; never talked to the bot
    BLOCKED = "blocked"  # until my_chat_member says otherwise
    GONE = "gone"  # the account is deactivated


# Spelled as plain SQL: a planner uses a partial index only for the very words it was made with.
OUT_OF_REACH = text("reach <> 'reachable' OR muted_at IS NOT NULL")
OWN_HOURS = text("zone IS NOT NULL OR quiet_from IS NOT NULL OR rests_until IS NOT NULL")


class Fan(SQLModel, table=True):
    """One person, once, by their Telegram id."""

    __tablename__ = "fan"
    # Few fans cannot be reached: an audience is all of a segment less those found here.
    __table_args__ = (
        Index("ix_fan_out_of_reach", "reach", "muted_at", sqlite_where=OUT_OF_REACH, postgresql_where=OUT_OF_REACH),
        # Everything a funnel asks of these: 13,000 of them are read off it without looking up one fan.
        Index(
            "ix_fan_own_hours",
            "zone",
            "quiet_from",
            "quiet_to",
            "rests_until",
            "reach",
            "muted_at",
            sqlite_where=OWN_HOURS,
            postgresql_where=OWN_HOURS,
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    telegram_id: int = Field(sa_type=BigKey, unique=True)
    name: str
    username: str | None = None
    language: str | None = None  # as Telegram tells it; a hint
    chosen_language: str | None = None  # what the fan picked in /settings
    phone: str | None = None
    joined_at: datetime = Field(sa_type=Instant)  # first contact, or the earliest imported fact
    joined_day: date = Field(sa_type=Day)
    source: str = ""  # first-touch start payload as text; never overwritten
    source_channel: str = "direct"
    referral_code: str = Field(unique=True)
    reach: Reach = Field(default=Reach.REACHABLE, sa_type=Word(Reach))
    reach_changed_at: datetime | None = Field(default=None, sa_type=Instant)
    muted_at: datetime | None = Field(default=None, sa_type=Instant)  # opted out of broadcasts
    rests_until: datetime | None = Field(default=None, sa_type=Instant)  # wants a break: broadcasts wait so long
    zone: str | None = None  # the fan's own, where known
    quiet_from: int | None = None  # minutes of the fan's own day
    quiet_to: int | None = None


class FanAttribute(SQLModel, table=True):
    """What is known of a fan beyond the columns: imported or answered."""

    __tablename__ = "fan_attribute"
    __table_args__ = (Index("ix_fan_attribute_value", "name", "value", "fan_id"),)

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    name: str = Field(primary_key=True)
    value: str


class FanTag(SQLModel, table=True):
    """A word an operator hung on a fan; no recompute touches it."""

    __tablename__ = "fan_tag"
    __table_args__ = (Index("ix_fan_tag_tag", "tag", "fan_id"),)

    fan_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    tag: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Instant)


class Referral(SQLModel, table=True):
    """Who brought whom: fixed at the newcomer's first contact, one referrer at most."""

    __tablename__ = "referral"
    # Ids grow, so an edge from older to newer can never close a cycle.
    __table_args__ = (CheckConstraint("referrer_id < referee_id", name="older_brings_newer"),)

    referee_id: int = Field(primary_key=True, foreign_key="fan.id", sa_type=BigKey)
    referrer_id: int = Field(foreign_key="fan.id", index=True, sa_type=BigKey)
    at: datetime = Field(sa_type=Instant)
