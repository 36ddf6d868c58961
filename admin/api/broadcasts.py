"""Broadcasts, for programs."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from admin.api.doors import At, Cursor, Limit, Listing, Reader, Reading, Shape, Writer, Writing
from admin.api.drafts import BroadcastDraft, renamed
from siyu import broadcasts
from siyu.broadcasts import Results
from siyu.operators import LARGEST_TELEGRAM_ID
from siyu.tables import Broadcast, BroadcastState, DeliveryState, Timing

router = APIRouter(prefix="/broadcasts", tags=["broadcasts"])

BroadcastId = Annotated[int, InPath(ge=1, le=LARGEST_TELEGRAM_ID)]

# Of a broadcast that stands already, what the contract calls otherwise.
FIELDS: dict[str | int, str | int] = {"include": "segment", "send_at": "scheduled_at"}


class BroadcastStanding(BaseModel):
    id: int
    state: BroadcastState


class BroadcastShown(BaseModel):
    """`counts` always add up to `audience`."""

    id: int
    title: str
    segment: str | None
    segments: list[str]
    exclude: list[str]
    rule: dict[str, Any] | None  # Any: the contract's RULE
    topic: str | None
    offer: int | None
    state: BroadcastState
    state_reason: str | None
    audience: int
    counts: dict[DeliveryState, int]
    clicks: int
    purchases: int = Field(description="Fans who bought within `attribution_days` of getting it, each once.")
    attribution_days: int
    timing: Timing
    scheduled_at: datetime | None = Field(description="Of a series, its next occurrence.")
    local_at: str | None
    series: dict[str, Any] | None  # Any: {every, at, on?, zone?}
    series_id: int | None = Field(description="The series it is an occurrence of.")
    spread_minutes: int
    holdout_percent: int
    winner: str | None
    archived_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class DeliveryShown(Shape):
    telegram_id: int
    state: DeliveryState
    reason: str | None
    message_id: int | None
    sent_at: datetime | None
    planned_at: datetime | None
    clicked_at: datetime | None
    variant: str | None
    attempts: int
    bought: bool = Field(description="Within the days of attribution.")


class BroadcastListed(BaseModel):
    """One line of the list."""

    id: int
    title: str
    state: BroadcastState
    state_reason: str | None
    scheduled_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


@router.post("", summary="Draft a broadcast")
async def compose(draft: BroadcastDraft, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    """Nobody is written to before `start`."""
    with draft.in_our_words():
        return standing(await broadcasts.compose(session, program.actor, draft.draft(at.zone), now=at.now))


@router.get("", summary="All broadcasts, the newest first")
async def index(
    program: Reader,
    session: Reading,
    state: Annotated[BroadcastState | None, Query(description="Only broadcasts in this state.")] = None,
    q: Annotated[str, Query(max_length=200, description="Part of the title.")] = "",
    archived: Annotated[bool, Query(description="Those that were put away, instead.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Listing[BroadcastListed]:
    page = await broadcasts.list_broadcasts(session, state=state, archived=archived, q=q, cursor=cursor, limit=limit)
    return Listing(items=[_listed(one) for one in page.items], next=page.next)


@router.put("/{broadcast_id}", summary="Write a draft anew")
async def edit(
    broadcast_id: BroadcastId, draft: BroadcastDraft, program: Writer, session: Writing, at: At
) -> BroadcastStanding:
    """Whom a follow-up follows stays; segments and rule say whom of these."""
    there = await broadcasts.get_broadcast(session, broadcast_id)
    with draft.in_our_words():
        written = replace(draft.draft(at.zone), follows_id=there.follows_id, follows=there.follows)
        return standing(await broadcasts.edit(session, program.actor, broadcast_id, written, now=at.now))


@router.post("/{broadcast_id}/start", summary="Freeze the audience and send, at once or at its time")
async def start(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    """Above the number of recipients the house decided on, it waits for a second one's approval."""
    with renamed(FIELDS):
        return standing(await broadcasts.start(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/approve", summary="Let go what somebody else wrote and asked for")
async def approve(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    """403 for whoever wrote it, changed it last, or asked for it."""
    with renamed(FIELDS):
        return standing(await broadcasts.approve(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/decline", summary="Back to who wrote it, as a draft")
async def decline(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return standing(await broadcasts.decline(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/unschedule", summary="Take it back before the first message, as a draft")
async def unschedule(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return standing(await broadcasts.unschedule(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/pause", summary="Hold it")
async def pause(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return standing(await broadcasts.pause(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/resume", summary="Go on")
async def resume(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return standing(await broadcasts.resume(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/cancel", summary="End it; who still waits is skipped")
async def cancel(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return standing(await broadcasts.cancel(session, broadcast_id, actor=program.actor, now=at.now))


@router.get("/{broadcast_id}", summary="How it stands")
async def get(broadcast_id: BroadcastId, program: Reader, session: Reading) -> BroadcastShown:
    return _shown(await broadcasts.results(session, broadcast_id))


@router.get("/{broadcast_id}/deliveries", summary="What became of it for each fan")
async def deliveries(
    broadcast_id: BroadcastId,
    program: Reader,
    session: Reading,
    state: Annotated[DeliveryState | None, Query(description="Only deliveries in this state.")] = None,
    reason: Annotated[str | None, Query(max_length=400, description="Only for this reason.")] = None,
    variant: Annotated[str | None, Query(max_length=16, description="Only of this version.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Listing[DeliveryShown]:
    page = await broadcasts.deliveries(
        session, broadcast_id, state=state, reason=reason, variant=variant, cursor=cursor, limit=limit
    )
    return Listing(items=[DeliveryShown.model_validate(line) for line in page.items], next=page.next)


def standing(broadcast: Broadcast) -> BroadcastStanding:
    """What every verb answers with."""
    return BroadcastStanding(id=broadcast.id or 0, state=broadcast.state)


def _shown(results: Results) -> BroadcastShown:
    broadcast = results.broadcast
    return BroadcastShown(
        **broadcast.model_dump(include=_AS_THEY_ARE),
        segment=next(iter(broadcast.include), None),
        segments=broadcast.include,
        offer=broadcast.offer_id,
        audience=results.audience,
        counts=results.counts,
        clicks=results.clicks,
        purchases=results.purchases,
        scheduled_at=broadcast.send_at,
    )


_AS_THEY_ARE = {
    "id", "title", "exclude", "rule", "topic", "state", "state_reason", "attribution_days", "timing", "local_at",
    "series", "series_id", "spread_minutes", "holdout_percent", "winner", "archived_at", "started_at", "finished_at",
}  # fmt: skip


def _listed(broadcast: Broadcast) -> BroadcastListed:
    given = broadcast.model_dump(include={"id", "title", "state", "state_reason", "started_at", "finished_at"})
    return BroadcastListed(**given, scheduled_at=broadcast.send_at)
