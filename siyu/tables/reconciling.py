"""What Telegram lists of the bot's Stars, held against our books."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant


class StarCheck(SQLModel, table=True):
    """One page of Telegram's list, read once; the next check goes on behind it."""

    __tablename__ = "star_check"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    at: datetime = Field(sa_type=Instant)
    offset_from: int = Field(sa_type=BigInteger)
    seen: int
    recorded: int  # payments we had missed
    refunded: int  # refunds we had missed
    odd: list[dict[str, Any]] = Field(sa_type=JSON)  # Any: a charge, its amount, and why it is odd
