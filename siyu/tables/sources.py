"""Source links and what was spent on them."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Day, Instant


class Source(SQLModel, table=True):
    """A link we hand out, by the code in `/start s_CODE`."""

    __tablename__ = "source"

    code: str = Field(primary_key=True)
    title: str
    channel: str
    campaign: str = ""
    created_at: datetime = Field(sa_type=Instant)
    retired_at: datetime | None = Field(default=None, sa_type=Instant)  # not handed out any more; it still works


class SourceCost(SQLModel, table=True):
    """Money spent on a link on a day; nothing is ever changed, a mistake is deleted."""

    __tablename__ = "source_cost"
    __table_args__ = (CheckConstraint("amount_minor > 0", name="amount_positive"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    key: str = Field(unique=True)  # of whoever booked it: the same form sent twice is one cost
    code: str = Field(foreign_key="source.code", index=True)
    day: date = Field(sa_type=Day)
    amount_minor: int = Field(sa_type=BigInteger)
    currency: str
    at: datetime = Field(sa_type=Instant)
