"""The home page: what needs somebody today, how the community stands, and the first steps where nobody is yet."""

from dataclasses import dataclass

import segno
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from admin.pages.frame import Page, Viewing, app_of, show, words_of
from siyu import home, jobs, segments
from siyu.kit.database import ReadSession

router = APIRouter()


@router.get("/")
async def index(request: Request, me: Viewing) -> Response:
    """Before the first fan, the page teaches how they come."""
    app, now = app_of(request), app_of(request).clock()
    page = Page(words_of(request).gettext("Home"), "home")
    async with app.database.reading() as session:
        standing = await home.standing(session, zone=app.settings.zone, now=now)
        if not standing.fans.now:
            return await show(request, session, "admin/home/first.html", page, door=await _door(session))
        return await show(
            request,
            session,
            "admin/home/index.html",
            page,
            today=await home.today(session, zone=app.settings.zone, now=now),
            standing=standing,
            moves=home.biggest_moves(await segments.list_segments(session)),
            levels=(await segments.whole(session)).by_key,
            words=words_of(request),
            jobs={job.key: job.label for job in jobs.JOBS},
        )


@dataclass(frozen=True)
class Door:
    """Where fans come in: the bot's link, and the same as a code to scan."""

    username: str
    link: str
    code: Markup


async def _door(session: ReadSession) -> Door | None:
    account = await home.bot_account(session)
    if account is None:
        return None
    link = f"https://t.me/{account.username}"
    drawing = segno.make(link, error="m", micro=False).svg_inline(
        border=2, omitsize=True, svgclass=None, lineclass=None
    )
    return Door(account.username, link, Markup(drawing))  # drawn by segno from our own link
