"""Before it is sent: the people behind each line of the funnel, and everybody written to on trial."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from admin.pages.deeds import RowId
from admin.pages.frame import Operating, Page, Viewing, app_of, show_or_block, words_of
from siyu import broadcasts
from siyu.broadcasts.content import MISSING
from siyu.tables import Broadcast

router = APIRouter()

LISTED = 20


@router.get("/broadcasts/{broadcast_id}/funnel/{line}")
async def people(
    request: Request,
    me: Viewing,
    broadcast_id: RowId,
    line: Annotated[str, Path(max_length=32)],
    cursor: str | None = None,
) -> Response:
    app = app_of(request)
    async with app.database.reading() as session:
        found = await broadcasts.get_broadcast(session, broadcast_id)
        zone = app.settings.zone
        return await show_or_block(
            request,
            session,
            "admin/broadcasts/people.html",
            "people",
            _page(request, found),
            broadcast=found,
            line=line,
            listed=await broadcasts.members(
                session, found, line, at=app.clock(), zone=zone, cursor=cursor, limit=LISTED
            ),
            cursor=cursor,
        )


@router.get("/broadcasts/{broadcast_id}/rehearsal")
async def rehearsal(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    """Nothing is sent and nothing kept."""
    async with app_of(request).database.reading() as session:
        found = await broadcasts.get_broadcast(session, broadcast_id)
        checked = await broadcasts.rehearse(session, found)
        left_out = Counter(checked.bad.values())
        lacks = {
            name.removeprefix(MISSING): (number, left_out[name])
            for name, number in checked.counts.items()
            if name.startswith(MISSING)
        }
        others = {why: number for why, number in left_out.items() if not why.startswith(MISSING)}
        return await show_or_block(
            request,
            session,
            "admin/broadcasts/rehearsal.html",
            "rehearsal",
            _page(request, found),
            broadcast=found,
            lacks=lacks,
            others=others,
            will_get=(await broadcasts.funnel(session, found)).will_get - len(checked.bad),
        )


def _page(request: Request, broadcast: Broadcast) -> Page:
    say = words_of(request).gettext
    above = ((say("Broadcasts"), "/broadcasts"), (broadcast.title, f"/broadcasts/{broadcast.id}"))
    return Page(say("Before it is sent"), "broadcasts", above)
