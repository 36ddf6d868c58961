"""Fans, for programs."""

from typing import Annotated, Literal, assert_never

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from admin.api.doors import (
    LARGEST_BATCH,
    At,
    BadRow,
    Cursor,
    EachAlone,
    Limit,
    Listing,
    Reader,
    Reading,
    Shape,
    Writer,
    Writing,
    reason_of,
)
from siyu import fans, portrait, segments
from siyu.portrait import Portrait
from siyu.tables import Fan, Reach
from siyu.transfer.people import take_fans
from siyu.transfer.rows import FanRow, Ruling, Verdict

router = APIRouter(prefix="/fans", tags=["fans"])


class FanBatch(BaseModel):
    """Up to 1,000 fans; a bad row is rejected alone. Fields of other names become attributes."""

    fans: list[Annotated[FanRow | BadRow, EachAlone(FanRow)]] = Field(max_length=LARGEST_BATCH)


class FanResult(BaseModel):
    telegram_id: int | None
    status: Literal["created", "updated", "rejected"]
    reason: str | None = None


class FanResults(BaseModel):
    """One result per row, in the order they came."""

    results: list[FanResult]


class FanInList(Shape):
    telegram_id: int
    name: str
    username: str | None
    reachable: bool


@router.post("", summary="Create or update fans")
async def put_fans(batch: FanBatch, program: Writer, session: Writing, at: At) -> FanResults:
    """A fan is known by `telegram_id`. Who never talked to the bot is not reachable until they do."""
    good = [row for row in batch.fans if isinstance(row, FanRow)]
    rulings = iter(await take_fans(session, program.actor, good, zone=at.zone, now=at.now))
    return FanResults(
        results=[
            _bad(row) if isinstance(row, BadRow) else _result(row.telegram_id, next(rulings)) for row in batch.fans
        ]
    )


@router.get("/{telegram_id}", summary="One fan's portrait")
async def get_fan(telegram_id: int, program: Reader, session: Reading, at: At) -> Portrait:
    return await portrait.portrait(session, telegram_id, now=at.now)


@router.get("", summary="List fans")
async def list_fans(
    program: Reader,
    session: Reading,
    segment: Annotated[str | None, Query(description="Only members of this segment, e.g. `loyalty.at_risk`.")] = None,
    q: Annotated[str, Query(description="In names and usernames; or a whole Telegram id.")] = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Listing[FanInList]:
    if segment:
        members = await segments.members(session, segment, q=q, cursor=cursor, limit=limit)
        return Listing(items=[FanInList.model_validate(member) for member in members.items], next=members.next)
    page = await fans.list_fans(session, q=q, cursor=cursor, limit=limit)
    return Listing(items=[_listed(fan) for fan in page.items], next=page.next)


def _bad(row: BadRow) -> FanResult:
    given = row.key("telegram_id")
    known = given if isinstance(given, int) and not isinstance(given, bool) else None
    return FanResult(telegram_id=known, status="rejected", reason=reason_of(row.ruling))


def _result(telegram_id: int, ruling: Ruling) -> FanResult:
    match ruling.verdict:
        case Verdict.CREATED:
            return FanResult(telegram_id=telegram_id, status="created")
        case Verdict.UPDATED | Verdict.DUPLICATE:
            return FanResult(telegram_id=telegram_id, status="updated")
        case Verdict.REJECTED | Verdict.CONFLICT:
            return FanResult(telegram_id=telegram_id, status="rejected", reason=reason_of(ruling))
        case _ as never:
            assert_never(never)


def _listed(fan: Fan) -> FanInList:
    reachable = fan.reach is Reach.REACHABLE and fan.muted_at is None
    return FanInList(telegram_id=fan.telegram_id, name=fan.name, username=fan.username, reachable=reachable)
