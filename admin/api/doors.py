"""What every call of the API is handed: the app, the program, a session that commits before the answer leaves."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from admin.framing import app_of
from admin.security import Program, bearer
from siyu.app import App
from siyu.kit.database import ReadSession, WriteSession
from siyu.operators import Scope
from siyu.transfer.rows import Row, Ruling, ruling_of

Item = TypeVar("Item")

LARGEST_BATCH = 1_000

Reader = Annotated[Program, Depends(bearer(Scope.READ))]
Writer = Annotated[Program, Depends(bearer(Scope.WRITE))]


@dataclass(frozen=True)
class Moment:
    """One operation has one time, in one zone."""

    now: datetime
    zone: ZoneInfo


async def _reading(request: Request) -> AsyncIterator[ReadSession]:
    async with app_of(request).database.reading() as session:
        yield session


async def _writing(request: Request) -> AsyncIterator[WriteSession]:
    async with app_of(request).database.writing() as session:
        yield session


def _moment(request: Request) -> Moment:
    app = app_of(request)
    return Moment(app.clock(), app.settings.zone)


# `function`: the session is closed, and what it wrote committed, before the answer leaves.
Reading = Annotated[ReadSession, Depends(_reading, scope="function")]
Writing = Annotated[WriteSession, Depends(_writing, scope="function")]
At = Annotated[Moment, Depends(_moment)]
House = Annotated[App, Depends(app_of)]

Cursor = Annotated[str | None, Query(description="`next` of the page before; absent for the first page.")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many items a page has at most.")]


class Shape(BaseModel):
    """An answer, read from the domain's own objects."""

    model_config = ConfigDict(from_attributes=True)


class Listing(Shape, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


@dataclass(frozen=True)
class BadRow:
    """A row that is not well formed: rejected alone, the others go on."""

    given: object
    ruling: Ruling

    def key(self, name: str) -> Any:  # Any: whatever the JSON held
        return self.given.get(name) if isinstance(self.given, dict) else None


@dataclass(frozen=True)
class EachAlone:
    """Checks a row of a batch as `shape`, and turns a mistake into a BadRow instead of refusing the batch."""

    shape: type[Row]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_or_bad, handler.generate_schema(self.shape))


def _or_bad(given: object, check: core_schema.ValidatorFunctionWrapHandler) -> object:
    try:
        return check(given)
    except ValidationError as error:
        return BadRow(given, ruling_of(error))


def reason_of(ruling: Ruling) -> str | None:
    """`field: sentence`, or nothing to say."""
    return f"{ruling.column}: {ruling.sentence}".removeprefix(": ") if ruling.sentence else None
