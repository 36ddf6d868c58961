"""The pages of segments: all of them, one with its members, and why somebody is in it or not."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import StreamingResponse

from admin.forms.shelves import shelves, standing
from admin.framing import show_block
from admin.pages.fans import TelegramId
from admin.pages.frame import (
    Flash,
    Operating,
    Page,
    Viewing,
    app_of,
    frame_of,
    go,
    inside,
    show,
    show_or_block,
    words_of,
)
from siyu import broadcasts, fans, jobs, segments
from siyu.app import App
from siyu.kit.database import ReadSession
from siyu.kit.wording import phrase
from siyu.segments import saved
from siyu.segments.shipped.composites import COMPOSITES
from siyu.transfer import exporting

router = APIRouter()

# What a screen and a half shows; the page answers in half the time that fifty take.
ROWS = 30

WHY = phrase("Why is a fan here, or not?")
NOT_YET = phrase("This segment is not worked out at the moment.")


@router.get("/segments")
async def index(request: Request, me: Viewing, q: str = "") -> Response:
    """The saved ones first, then every dimension; `q` finds by any word that is shown."""
    words, app = words_of(request), app_of(request)
    async with app.database.reading() as session:
        found = await shelves(session, q=q, words=words, currency=app.settings.currency)
        page = Page(words.gettext("Segments"), "segments")
        template = "admin/segments/index.html"
        return await show_or_block(
            request, session, template, "list", page, shelves=found, q=q, words=words, composites=COMPOSITES
        )


@router.post("/segments/recompute")
async def recompute(request: Request, me: Operating, next: Annotated[str, Form()] = "/segments") -> Response:  # noqa: A002
    """Everybody whom new facts or passing days could have moved; also brings a look at another time to its end."""
    run = await jobs.run_job(app_of(request), "windows", asked_by=me.actor)
    words, touched = words_of(request), run.touched if run else 0
    told = words.ngettext("%(num)d fan looked at again.", "%(num)d fans looked at again.", touched) % {"num": touched}
    return go(inside(next), Flash(told))


@router.get("/segments/{key}")
async def segment(request: Request, me: Viewing, key: str, q: str = "", cursor: str | None = None) -> Response:
    app, template = app_of(request), "admin/segments/show.html"
    async with app.database.reading() as session:
        row = await saved.find_saved(session, key)
        if row is not None and not await _is_worked_out(session, key):
            told = Flash(words_of(request).gettext(NOT_YET), "info")
            return go("/segments/archived" if row.archived_at else "/segments", told)
        view = await segments.get_segment(session, key)
        page = _page(request, view)
        members = await segments.members(session, key, q=q, cursor=cursor, limit=ROWS)
        rows: dict[str, Any] = {"segment": view, "members": members, "q": q, "cursor": cursor}  # Any: what is shown
        rows["currency"] = app.settings.currency
        if frame_of(request).partial:
            return show_block(request, template, "members", page, **rows)
        rows["kept"] = await standing(session, row, words=words_of(request), currency=app.settings.currency)
        rows["funnel"] = await broadcasts.funnel(session, broadcasts.Audience((key,)))
        rows["days"] = await segments.history(session, key)
        rows["comings"] = await segments.comings(session, key)
        return await show(request, session, template, page, words=words_of(request), **rows)


@router.get("/segments/{key}/members.csv")
async def members_csv(request: Request, me: Operating, key: str) -> Response:
    async with app_of(request).database.reading() as session:
        (await segments.whole(session)).place(key)
    name = {"Content-Disposition": f'attachment; filename="{key}.csv"'}
    return StreamingResponse(_csv(app_of(request), key), media_type="text/csv", headers=name)


@router.get("/segments/{key}/why")
async def look_up(request: Request, me: Viewing, key: str, q: str = "") -> Response:
    """Anybody, member or not; the only fan who fits is explained at once."""
    async with app_of(request).database.reading() as session:
        view = await segments.get_segment(session, key)
        found = await fans.list_fans(session, q=q, limit=10) if q.strip() else None
        if found and len(found.items) == 1:
            return go(f"/segments/{key}/why/{found.items[0].telegram_id}")
        page = _page(request, view, WHY)
        return await show(request, session, "admin/segments/lookup.html", page, segment=view, q=q, found=found)


@router.get("/segments/{key}/why/{telegram_id}")
async def why(request: Request, me: Viewing, key: str, telegram_id: TelegramId) -> Response:
    async with app_of(request).database.reading() as session:
        view = await segments.get_segment(session, key)
        return await show_or_block(
            request,
            session,
            "admin/segments/why.html",
            "why",
            _page(request, view, WHY),
            segment=view,
            fan=await fans.get_fan(session, telegram_id),
            explanation=await segments.explain(session, key, telegram_id),
            words=words_of(request),
        )


async def _is_worked_out(session: ReadSession, key: str) -> bool:
    return key in (await segments.whole(session)).by_key


def _page(request: Request, view: segments.SegmentView, title: str = "") -> Page:
    """The segment's own page, or with a title one that lies below it."""
    say = words_of(request).gettext
    name = view.name.said(words_of(request))
    above = ((say("Segments"), "/segments"),)
    if title:
        return Page(say(title), "segments", (*above, (name, f"/segments/{view.key}")))
    return Page(name, "segments", above)


async def _csv(app: App, key: str) -> AsyncIterator[str]:
    # A spreadsheet reads Chinese only behind a byte order mark.
    yield "\ufeff"
    async with app.database.reading() as session:
        async for page in exporting.take_out(session, "segment", key, zone=app.settings.zone):
            yield exporting.text_of(page)
