"""Broadcasts, for programs."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from admin.api.doors import At, Cursor, Limit, Listing, Reader, Reading, Shape, Writer, Writing
from siyu import broadcasts
from siyu.broadcasts import Draft
from siyu.operators import LARGEST_TELEGRAM_ID
from siyu.tables import Broadcast, BroadcastState, DeliveryState

router = APIRouter(prefix="/broadcasts", tags=["broadcasts"])

BroadcastId = Annotated[int, InPath(ge=1, le=LARGEST_TELEGRAM_ID)]


def _not_yet(value: object) -> None:
    if value is not None:
        raise ValueError("this version does not know this yet; leave it out")


NotYet = SkipJsonSchema[Annotated[None, BeforeValidator(_not_yet)]]


class BroadcastDraft(BaseModel):
    """One message to one segment."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(description="For yourselves; fans do not see it.")
    segment: str = Field(description="Key of a segment, e.g. `loyalty.at_risk`.")
    text: str = Field(description="Telegram's HTML: <b> <i> <u> <s> <a> <code> <tg-spoiler> …")
    # Any: rows of {text, url?|action?}, checked by the room that sends them
    buttons: list[list[dict[str, Any]]] = Field([], description="Rows of `{text, url}` or `{text, action}`.")
    photo: str | None = Field(None, description="A Telegram file id, or an address Telegram can fetch.")
    offer: int | None = Field(None, ge=1, le=LARGEST_TELEGRAM_ID, description="An active offer: adds a Claim button.")
    on_unknown: Literal["leave", "resend"] = Field(
        "leave",
        description="After a crash it may be unknown whether a message arrived: leave it, or risk a second one.",
    )
    rate: float | None = Field(None, gt=0, description="Messages a second, below the bot's own pace.")
    rule: NotYet = None
    scheduled_at: NotYet = None
    holdout_percent: NotYet = None
    variants: NotYet = None


class BroadcastStanding(BaseModel):
    id: int
    state: BroadcastState


class BroadcastShown(BaseModel):
    """`counts` always add up to `audience`."""

    id: int
    title: str
    segment: str
    state: BroadcastState
    state_reason: str | None
    audience: int
    counts: dict[DeliveryState, int]
    clicks: int
    purchases: int = Field(description="Fans who bought within 7 days of getting it, each once.")
    started_at: datetime | None
    finished_at: datetime | None


class DeliveryShown(Shape):
    telegram_id: int
    state: DeliveryState
    reason: str | None
    message_id: int | None
    sent_at: datetime | None


@router.post("", summary="Draft a broadcast")
async def compose(draft: BroadcastDraft, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    """Nobody is written to before `start`."""
    given = draft.model_dump(include={"title", "segment", "text", "buttons", "photo", "on_unknown", "rate"})
    written = Draft(**given, offer_id=draft.offer)
    return _standing(await broadcasts.compose(session, program.actor, written, now=at.now))


@router.post("/{broadcast_id}/start", summary="Freeze the audience and send")
async def start(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return _standing(await broadcasts.start(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/pause", summary="Hold it")
async def pause(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return _standing(await broadcasts.pause(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/resume", summary="Go on")
async def resume(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return _standing(await broadcasts.resume(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/cancel", summary="End it; who still waits is skipped")
async def cancel(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return _standing(await broadcasts.cancel(session, broadcast_id, actor=program.actor, now=at.now))


@router.get("/{broadcast_id}", summary="How it stands")
async def get(broadcast_id: BroadcastId, program: Reader, session: Reading) -> BroadcastShown:
    results = await broadcasts.results(session, broadcast_id)
    broadcast = results.broadcast
    return BroadcastShown(
        id=broadcast_id,
        title=broadcast.title,
        segment=broadcast.segment,
        state=broadcast.state,
        state_reason=broadcast.state_reason,
        audience=results.audience,
        counts=results.counts,
        clicks=results.clicks,
        purchases=results.purchases,
        started_at=broadcast.started_at,
        finished_at=broadcast.finished_at,
    )


@router.get("/{broadcast_id}/deliveries", summary="What became of it for each fan")
async def deliveries(
    broadcast_id: BroadcastId,
    program: Reader,
    session: Reading,
    state: Annotated[DeliveryState | None, Query(description="Only deliveries in this state.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Listing[DeliveryShown]:
    page = await broadcasts.deliveries(session, broadcast_id, state=state, cursor=cursor, limit=limit)
    return Listing(items=[DeliveryShown.model_validate(line) for line in page.items], next=page.next)


def _standing(broadcast: Broadcast) -> BroadcastStanding:
    return BroadcastStanding(id=broadcast.id or 0, state=broadcast.state)
