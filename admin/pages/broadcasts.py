"""The pages of broadcasts: written, tried out, sent, watched, and what became of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from http import HTTPStatus
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from admin.forms import Errors
from admin.forms.broadcasts import Written, mistakes_at, picture, preview, shown, written
from admin.framing import show_block
from admin.pages.deeds import RowId, do
from admin.pages.frame import (
    Flash,
    Me,
    Operating,
    Page,
    Viewing,
    app_of,
    frame_of,
    go,
    refusal,
    show,
    show_or_block,
    words_of,
)
from siyu import broadcasts, coupons, segments
from siyu.app import App
from siyu.broadcasts import Progress
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import phrase
from siyu.tables import Broadcast, BroadcastState, DeliveryState, Offer, OfferState
from siyu.transfer import exporting

router = APIRouter()

COMPOSER, SHOWN = "admin/broadcasts/composer.html", "admin/broadcasts/show.html"
LISTED = 20
MOST_OFFERS = 200
LEDGER = 25
BEAT_SECONDS = 1.0

Context = dict[str, Any]  # Any: whatever the template shows


@router.get("/broadcasts")
async def index(
    request: Request, me: Viewing, state: BroadcastState | None = None, cursor: str | None = None
) -> Response:
    async with app_of(request).database.reading() as session:
        found = await broadcasts.list_broadcasts(session, state=state, cursor=cursor, limit=LISTED)
        return await show_or_block(
            request,
            session,
            "admin/broadcasts/index.html",
            "rows",
            Page(words_of(request).gettext("Broadcasts"), "broadcasts"),
            broadcasts=found,
            figures=await broadcasts.figures(session, [broadcast.id or 0 for broadcast in found.items]),
            levels=_levels(),
            state=state,
            cursor=cursor,
        )


@router.get("/broadcasts/new")
async def new(request: Request, me: Operating, segment: str = "", offer: str = "") -> Response:
    async with app_of(request).database.reading() as session:
        return await _composer(request, session, Written(segment=segment, offer=offer))


@router.post("/broadcasts/preview")
async def look(request: Request, me: Operating, form: Annotated[Written, Form()]) -> Response:
    """How it will look and who will get it; nothing is kept."""
    async with app_of(request).database.reading() as session:
        if not frame_of(request).partial:
            return await _composer(request, session, form)
        context = await _preview(request, session, form)
        return show_block(request, COMPOSER, "preview", _page(request, form.title), **context)


@router.post("/broadcasts")
async def compose(request: Request, me: Operating, form: Annotated[Written, Form()]) -> Response:
    kept = await _keep(request, me, form)
    if isinstance(kept, Response):
        return kept
    told = words_of(request).gettext("The draft is saved. Try it out, then send it.")
    return go(f"/broadcasts/{kept.id}", Flash(told))


@router.get("/broadcasts/{broadcast_id}")
async def broadcast(
    request: Request, me: Viewing, broadcast_id: RowId, state: DeliveryState | None = None, cursor: str | None = None
) -> Response:
    async with app_of(request).database.reading() as session:
        found = await broadcasts.get_broadcast(session, broadcast_id)
        if found.state is BroadcastState.DRAFT and me.may("operate"):
            return await _composer(request, session, written(found))
        context: Context = {"broadcast": found, "state": state, "cursor": cursor}
        context["deliveries"] = await broadcasts.deliveries(
            session, broadcast_id, state=state, cursor=cursor, limit=LEDGER
        )
        if frame_of(request).partial:
            return show_block(request, SHOWN, "rows", _page(request, found.title), **context)
        return await show(
            request, session, SHOWN, _page(request, found.title), **context, **await _results(request, session, found)
        )


@router.post("/broadcasts/{broadcast_id}")
async def edit(request: Request, me: Operating, broadcast_id: RowId, form: Annotated[Written, Form()]) -> Response:
    kept = await _keep(request, me, form, broadcast_id)
    if isinstance(kept, Response):
        return kept
    return go(f"/broadcasts/{broadcast_id}", Flash(words_of(request).gettext("The draft is saved.")))


@router.post("/broadcasts/{broadcast_id}/test")
async def test(request: Request, me: Operating, broadcast_id: RowId, form: Annotated[Written, Form()]) -> Response:
    """What is in the form is kept, then one copy goes to whoever asked."""
    kept, app, words = await _keep(request, me, form, broadcast_id), app_of(request), words_of(request)
    if isinstance(kept, Response):
        return kept
    async with app.database.writing() as session:
        await broadcasts.test_to(session, me.actor, kept, me.telegram_id, words=words, now=app.clock())
    app.bells.outbox.set()
    return go(
        f"/broadcasts/{broadcast_id}", Flash(words.gettext("A copy is on its way to your own chat with the bot."))
    )


@router.post("/broadcasts/{broadcast_id}/start")
async def start(request: Request, me: Operating, broadcast_id: RowId, form: Annotated[Written, Form()]) -> Response:
    """What is in the form is kept, then it goes out: nobody sends another text than the one on the screen."""
    kept, app = await _keep(request, me, form, broadcast_id), app_of(request)
    if isinstance(kept, Response):
        return kept
    verb = partial(broadcasts.start, broadcast_id=broadcast_id, actor=me.actor, now=app.clock())
    answer = await do(request, f"/broadcasts/{broadcast_id}", phrase("It is on its way."), verb)
    app.bells.broadcasts.set()
    return answer


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
    """A message for every change while it runs; `done` when it does not run any more."""
    told, closing = "", request.app.state.closing
    while not closing.is_set():
        state, fragment = await _standing(request, broadcast_id)
        if fragment != told:
            yield ServerSentEvent(raw_data=fragment)
            told = fragment
        if state is not BroadcastState.RUNNING:
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


async def _keep(request: Request, me: Me, form: Written, broadcast_id: int | None = None) -> Broadcast | Response:
    """The draft as it was kept; or the form again, with every mistake at its field."""
    app, words, back = app_of(request), words_of(request), f"/broadcasts/{broadcast_id or 'new'}"
    async with app.database.reading() as session:
        rate = (await broadcasts.get_broadcast(session, broadcast_id)).rate if broadcast_id else None
        draft = form.draft(rate=rate)
        if wrong := mistakes_at(await broadcasts.mistakes(session, draft), words):
            shown_again = form.model_copy(update={"id": str(broadcast_id or "")})
            return await _composer(request, session, shown_again, wrong)
    try:
        async with app.database.writing() as session:
            if broadcast_id is None:
                return await broadcasts.compose(session, me.actor, draft, now=app.clock())
            return await broadcasts.edit(session, me.actor, broadcast_id, draft, now=app.clock())
    except (Conflict, Invalid) as error:
        return go(back, refusal(request, error))


async def _composer(request: Request, session: ReadSession, form: Written, errors: Errors | None = None) -> Response:
    context = await _preview(request, session, form)
    views = await segments.list_segments(session)
    return await show(
        request,
        session,
        COMPOSER,
        _page(request, form.title.strip()),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        errors=errors or {},
        dimensions=[(label, list(levels)) for label, levels in groupby(views, key=lambda view: view.dimension_label)],
        offers=await _offers(session, form, app_of(request).clock()),
        **context,
    )


async def _preview(request: Request, session: ReadSession, form: Written) -> Context:
    app = app_of(request)
    look = await preview(session, form.draft(), words=words_of(request))
    return {"form": form, "look": look, "rate": app.settings.send_rate}


async def _offers(session: ReadSession, form: Written, now: datetime) -> list[Offer]:
    """What can be claimed now, and the one the draft has already."""
    found = await coupons.list_offers(session, limit=MOST_OFFERS)
    is_open = {offer.id for offer in found.items if offer.state is OfferState.ACTIVE and offer.ends_at > now}
    return [offer for offer in found.items if offer.id in is_open or str(offer.id) == form.offer]


async def _results(request: Request, session: ReadSession, found: Broadcast) -> Context:
    reasons = await broadcasts.reasons(session, found.id or 0)
    standing = await _progress(request, session, found.id or 0)
    return {
        "results": await broadcasts.results(session, found.id or 0),
        "open_question": standing.counts[DeliveryState.UNKNOWN] - reasons.get((DeliveryState.UNKNOWN, "left"), 0),
        "reasons": _summed(reasons),
        "progress_now": standing,
        "offer": await coupons.get_offer(session, found.offer_id) if found.offer_id else None,
        "markup": shown(found.text),
        "rows": _labels(request, found),
        "picture": picture(found.photo),
        "levels": _levels(),
    }


def _summed(reasons: dict[tuple[DeliveryState, str], int]) -> list[tuple[str, int]]:
    """Who was passed over and who was tried in vain for the same reason stand in one line, the most first."""
    total = Counter[str]()
    for (_, reason), number in reasons.items():
        total[reason] += number
    return total.most_common()


async def _progress(request: Request, session: ReadSession, broadcast_id: int) -> Progress:
    return await broadcasts.progress(session, broadcast_id, now=app_of(request).clock())


async def _standing(request: Request, broadcast_id: int) -> tuple[BroadcastState, str]:
    """The state, and the part of the page that shows how far it is."""
    async with app_of(request).database.reading() as session:
        found = await broadcasts.get_broadcast(session, broadcast_id)
        standing = await _progress(request, session, broadcast_id)
    fragment = frame_of(request).render_block(
        SHOWN,
        "progress",
        live=True,
        page=_page(request, found.title),
        me=request.state.me,
        broadcast=found,
        progress_now=standing,
    )
    return standing.state, fragment


def _labels(request: Request, found: Broadcast) -> list[list[str]]:
    rows = broadcasts.rows_of(found)
    keys = broadcasts.keyboard(0, rows, offer=found.offer_id is not None, words=words_of(request))
    return [[key["text"] for key in row] for row in keys]


def _levels() -> dict[str, tuple[str, str]]:
    """What people call each segment: dimension and level, as message ids."""
    return {
        f"{dimension.key}.{level.key}": (dimension.label, level.label)
        for dimension in segments.DIMENSIONS
        for level in dimension.levels
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
