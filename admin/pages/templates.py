"""The page of templates: what new broadcasts can start from."""

from fastapi import APIRouter, Request, Response

from admin.pages.frame import Page, Viewing, app_of, show_or_block, words_of
from siyu import broadcasts

router = APIRouter()

LISTED = 20


@router.get("/broadcasts/templates")
async def index(request: Request, me: Viewing, cursor: str | None = None) -> Response:
    say = words_of(request).gettext
    async with app_of(request).database.reading() as session:
        return await show_or_block(
            request,
            session,
            "admin/broadcasts/templates.html",
            "rows",
            Page(say("Templates"), "broadcasts", ((say("Broadcasts"), "/broadcasts"),)),
            listed=await broadcasts.list_broadcasts(session, templates=True, cursor=cursor, limit=LISTED),
            cursor=cursor,
        )
