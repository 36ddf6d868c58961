"""Who asked to be forgotten: nothing but a mark by which an import would know them again."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from siyu.kit.columns import Instant


class Tombstone(SQLModel, table=True):
    """Somebody who was erased at their own wish; a keyed hash of their Telegram id."""

    __tablename__ = "tombstone"

    mark: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Instant)


class HouseSecret(SQLModel, table=True):
    """A random key of this installation, made when it is first needed."""

    __tablename__ = "house_secret"

    name: str = Field(primary_key=True)
    value: str
