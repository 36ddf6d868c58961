"""The operators' own words for fans: tags in groups, and attributes that know what a value looks like."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from siyu.kit.columns import BigKey, Instant, Word


class Colour(StrEnum):
    """What a tag can look like: grey, or one of the eight hues of the design."""

    GREY = "grey"
    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    TEAL = "teal"
    BLUE = "blue"
    VIOLET = "violet"
    PINK = "pink"


class TagGroup(SQLModel, table=True):
    """Tags that belong together; of an exclusive group a fan has one at most."""

    __tablename__ = "tag_group"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    name: str = Field(unique=True)
    exclusive: bool = False


class Tag(SQLModel, table=True):
    """A word that fans can have. It has a row from the first time it is used."""

    __tablename__ = "tag"

    word: str = Field(primary_key=True)
    label: str | None = None  # shown instead of the word
    colour: Colour = Field(default=Colour.GREY, sa_type=Word(Colour))
    group_id: int | None = Field(default=None, foreign_key="tag_group.id", index=True, sa_type=BigKey)
    # Any: whom the tag is given to by itself, a rule of segments; carried here, read there.
    rule: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    created_at: datetime = Field(sa_type=Instant)
    created_by: str  # the actor's key


class AttributeType(StrEnum):
    """What the values of an attribute are."""

    TEXT = "text"
    NUMBER = "number"  # kept as plain decimal digits
    DATE = "date"  # kept as 2026-03-04
    FLAG = "flag"  # kept as yes or no
    CHOICE = "choice"  # kept as the value of one of its choices


class Attribute(SQLModel, table=True):
    """What the values of this name must look like. Values of other names are any text."""

    __tablename__ = "attribute"

    name: str = Field(primary_key=True)
    label: str | None = None  # shown instead of the name
    type: AttributeType = Field(sa_type=Word(AttributeType))
    choices: list[dict[str, str]] = Field(default_factory=list, sa_type=JSON)  # [{"value": …, "label": …}]
    created_at: datetime = Field(sa_type=Instant)
    created_by: str
