"""The pages of broadcasts: sent, watched, and what became of them. How they are written is the composer's."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from admin.forms.broadcasts import picture
from admin.forms.results import button_words, editions_of, outcome
from admin.framing import show_block
from admin.pages import composer
from admin.pages.course import course_of
from admin.pages.deeds import RowId, do
from admin.pages.frame import (
    Operating,
    Page,
    Viewing,
    app_of,
    frame_of,
    show,
    show_or_block,
    words_of,
)
from siyu import broadcasts, coupons, operators, segments
from siyu.app import App
from siyu.broadcasts import Progress, revising
from siyu.kit.database import ReadSession
from siyu.kit.wording import phrase
from siyu.tables import Broadcast, BroadcastState, DeliveryState, Topic
from siyu.transfer import exporting

router = APIRouter()

SHOWN = "admin/broadcasts/show.html"
LISTED = 20
LEDGER = 25
OCCURRENCES = 12
BEAT_SECONDS = 1.0

# Whoever looks at one of these sees it change by itself.
LIVE = (BroadcastState.RUNNING, BroadcastState.PAUSED)
# What it did costs 0.3 s to count for 100,000 fans: while it runs the page is there first, and that comes after.
OVER = (BroadcastState.FINISHED, BroadcastState.CANCELLED, BroadcastState.FAILED)

Context = dict[str, Any]  # Any: whatever the template shows


class Shelf(StrEnum):
    """Which list: what is in use, or what was put away."""

    ACTIVE = ""
    ARCHIVED = "archived"


@router.get("/broadcasts")
async def index(
    request: Request,
    me: Viewing,
    state: BroadcastState | None = None,
    shelf: Shelf = Shelf.ACTIVE,
    q: str = "",
    cursor: str | None = None,
) -> Response:
    async with app_of(request).database.reading() as session:
        found = await broadcasts.list_broadcasts(
            session, state=state, archived=shelf is Shelf.ARCHIVED, q=q, cursor=cursor, limit=LISTED
        )
        return await show_or_block(
            request,
            session,
            "admin/broadcasts/index.html",
            "list",
            Page(words_of(request).gettext("Broadcasts"), "broadcasts"),
            broadcasts=found,
            figures=await broadcasts.figures(session, [broadcast.id or 0 for broadcast in found.items]),
            numbers=await broadcasts.count_broadcasts(session, q=q),
            names=await _names(session, (one.state_by for one in found.items)),
            levels=await _levels(session),
            state=state or "",
            shelf=shelf,
            q=q,
            cursor=cursor,
        )


# Only numbers: `new` is the composer's.
@router.get("/broadcasts/{broadcast_id:int}")
async def broadcast(
    request: Request,
    me: Viewing,
    broadcast_id: RowId,
    state: DeliveryState | None = None,
    reason: Annotated[str, Query(max_length=400)] = "",
    variant: Annotated[str, Query(max_length=16)] = "",
    cursor: str | None = None,
) -> Response:
    async with app_of(request).database.reading() as session:
        found = await broadcasts.get_broadcast(session, broadcast_id)
        if found.state is BroadcastState.DRAFT and me.may("operate"):
            return await composer.drafted(request, session, found)
        page = _page(request, found.title)
        filters = {"state": state or "", "reason": reason, "variant": variant}
        ledger = {**filters, "cursor": cursor, **await _ledger(request, session, found, filters, cursor)}
        if frame_of(request).partial:
            counts = await broadcasts.counts(session, broadcast_id)
            return show_block(request, SHOWN, "ledger", page, **ledger, counts=counts)
        standing = await _standing(request, session, found)
        did = await _outcome(request, session, found) if found.state in OVER else {}
        return await show(request, session, SHOWN, page, **{**ledger, **standing, **did})


@router.get("/broadcasts/{broadcast_id}/results")
async def results(request: Request, me: Viewing, broadcast_id: RowId) -> Response:
    """What it did so far; a page of its own for those without scripts."""
    async with app_of(request).database.reading() as session:
        found = await broadcasts.get_broadcast(session, broadcast_id)
        page = _page(request, found.title)
        did = await _outcome(request, session, found)
        if frame_of(request).partial:
            return show_block(request, SHOWN, "results", page, broadcast=found, **did)
        return await show(request, session, "admin/broadcasts/results.html", page, broadcast=found, **did)


@router.post("/broadcasts/{broadcast_id}/pause")
async def pause(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    verb = partial(broadcasts.pause, broadcast_id=broadcast_id, actor=me.actor, now=app_of(request).clock())
    return await do(request, f"/broadcasts/{broadcast_id}", phrase("Paused. What was in flight still arrives."), verb)


@router.post("/broadcasts/{broadcast_id}/resume")
async def resume(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    app = app_of(request)
    verb = partial(broadcasts.resume, broadcast_id=broadcast_id, actor=me.actor, now=app.clock())
    answer = await do(request, f"/broadcasts/{broadcast_id}", phrase("It goes on."), verb)
    app.bells.broadcasts.set()
    return answer


@router.post("/broadcasts/{broadcast_id}/cancel")
async def cancel(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    verb = partial(broadcasts.cancel, broadcast_id=broadcast_id, actor=me.actor, now=app_of(request).clock())
    return await do(request, f"/broadcasts/{broadcast_id}", phrase("Cancelled. Nobody else gets it."), verb)


@router.post("/broadcasts/{broadcast_id}/unknown")
async def unknown(
    request: Request, me: Operating, broadcast_id: RowId, choice: Annotated[str, Form()] = ""
) -> Response:
    app = app_of(request)
    verb = partial(
        broadcasts.resolve_unknown, broadcast_id=broadcast_id, choice=choice, actor=me.actor, now=app.clock()
    )
    answer = await do(request, f"/broadcasts/{broadcast_id}", phrase("Decided."), verb)
    app.bells.broadcasts.set()
    return answer


async def known(request: Request, me: Viewing, broadcast_id: RowId) -> None:
    """A stream cannot say any more that there is no such broadcast: this says it before."""
    async with app_of(request).database.reading() as session:
        await broadcasts.get_broadcast(session, broadcast_id)


@router.get("/broadcasts/{broadcast_id}/progress", response_class=EventSourceResponse, dependencies=[Depends(known)])
async def watch(request: Request, me: Viewing, broadcast_id: RowId) -> AsyncIterator[ServerSentEvent]:
    """A message for every change while it stays in its state; `done` when it does not, or when nothing can come."""
    told, first, closing = "", None, request.app.state.closing
    while not closing.is_set():
        state, fragment = await _beat(request, broadcast_id, first)
        first = first or state
        if fragment != told:
            yield ServerSentEvent(raw_data=fragment)
            told = fragment
        if state is not first or state not in LIVE:
            yield ServerSentEvent(event="done", raw_data="")
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), BEAT_SECONDS)


@router.get("/broadcasts/{broadcast_id}/deliveries.csv")
async def deliveries_csv(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    async with app_of(request).database.reading() as session:
        await broadcasts.get_broadcast(session, broadcast_id)
    name = {"Content-Disposition": f'attachment; filename="broadcast-{broadcast_id}.csv"'}
    return StreamingResponse(_csv(app_of(request), broadcast_id), media_type="text/csv", headers=name)


async def _standing(request: Request, session: ReadSession, found: Broadcast) -> Context:
    """Where it stands and what was sent: little to count, however many it goes to."""
    standing = await _progress(request, session, found.id or 0)
    unknown = standing.counts[DeliveryState.UNKNOWN]
    left = await broadcasts.left_unknown(session, found.id or 0) if unknown else 0
    return {
        "broadcast": found,
        "course": await course_of(request, session, found),
        "progress_now": standing,
        "counts": standing.counts,
        "open_question": unknown - left,
        "revisions": await revising.revisions_of(session, found.id or 0),
        "names": await _names(session, (found.state_by, found.created_by, found.started_by, found.approved_by)),
        "offer": await coupons.get_offer(session, found.offer_id) if found.offer_id else None,
        "topic": await session.get(Topic, found.topic) if found.topic else None,
        "related": await _related(session, found),
        **await _occurrences(session, found),
        "editions": editions_of(found, words=words_of(request)),
        "media": [(str(one.get("kind")), picture(str(one.get("file", "")))) for one in found.media],
        "levels": await _levels(session),
    }


async def _outcome(request: Request, session: ReadSession, found: Broadcast) -> Context:
    return {"outcome": await outcome(session, found.id or 0, words=words_of(request))}


async def _ledger(
    request: Request, session: ReadSession, found: Broadcast, filters: Context, cursor: str | None
) -> Context:
    page = await broadcasts.deliveries(session, found.id or 0, **filters, cursor=cursor, limit=LEDGER)
    pressed = any(line.buttons for line in page.items)
    return {
        "broadcast": found,
        "deliveries": page,
        "buttons": await button_words(session, found, words=words_of(request)) if pressed else {},
    }


async def _names(session: ReadSession, keys: Iterable[str | None]) -> dict[str, str]:
    """Who is behind what a broadcast calls its people."""
    return {key: await operators.named(session, key) for key in {key for key in keys if key}}


async def _related(session: ReadSession, found: Broadcast) -> dict[str, Broadcast]:
    """The series it comes from, and the broadcast it follows."""
    ids = {"series": found.series_id, "followed": found.follows_id}
    return {role: await broadcasts.get_broadcast(session, one) for role, one in ids.items() if one}


async def _occurrences(session: ReadSession, found: Broadcast) -> Context:
    """What came of a series so far, the newest first."""
    if found.series is None:
        return {"occurrences": (), "figures": {}}
    page = await broadcasts.list_broadcasts(session, series_id=found.id, limit=OCCURRENCES)
    return {
        "occurrences": page.items,
        "figures": await broadcasts.figures(session, [one.id or 0 for one in page.items]),
    }


async def _progress(request: Request, session: ReadSession, broadcast_id: int) -> Progress:
    return await broadcasts.progress(session, broadcast_id, now=app_of(request).clock())


async def _beat(request: Request, broadcast_id: int, first: BroadcastState | None) -> tuple[BroadcastState, str]:
    """The state, and the part of the page that shows how far it is; after a change of state the page looks anew."""
    async with app_of(request).database.reading() as session:
        found = await broadcasts.get_broadcast(session, broadcast_id)
        standing = await _progress(request, session, broadcast_id)
    fragment = frame_of(request).render_block(
        SHOWN,
        "progress",
        look_anew=standing.state is not (first or standing.state) or standing.state not in LIVE,
        page=_page(request, found.title),
        me=request.state.me,
        broadcast=found,
        progress_now=standing,
    )
    return standing.state, fragment


async def _levels(session: ReadSession) -> dict[str, tuple[str, str]]:
    """What people call each segment: dimension and level, as message ids; a saved one has no dimension."""
    return {
        dimension.key if dimension.sparse else f"{dimension.key}.{level.key}": (dimension.label, level.label)
        for dimension in (await segments.whole(session)).everything
        for level in dimension.levels[: 1 if dimension.sparse else None]
    }


def _page(request: Request, title: str) -> Page:
    say = words_of(request).gettext
    return Page(title or say("New broadcast"), "broadcasts", ((say("Broadcasts"), "/broadcasts"),))


async def _csv(app: App, broadcast_id: int) -> AsyncIterator[str]:
    # A spreadsheet reads Chinese only behind a byte order mark.
    yield "\ufeff"
    async with app.database.reading() as session:
        async for page in exporting.take_out(session, "deliveries", str(broadcast_id), zone=app.settings.zone):
            yield exporting.text_of(page)
