"""The page of the audit: who changed what, and when."""

from fastapi import APIRouter, Request, Response

from admin.pages.frame import Administering, Page, app_of, show_or_block, words_of
from siyu import audit, operators

router = APIRouter()


@router.get("/audit")
async def index(request: Request, me: Administering, subject: str = "", cursor: str | None = None) -> Response:
    """`subject` is a kind and a key, as in `broadcast:7`."""
    kind, _, key = subject.partition(":")
    async with app_of(request).database.reading() as session:
        return await show_or_block(
            request,
            session,
            "admin/audit/index.html",
            "rows",
            Page(words_of(request).gettext("Audit"), "audit"),
            entries=await audit.entries(session, subject=(kind, key) if key else None, cursor=cursor),
            people={str(person.id): person.name for person in await operators.list_operators(session) if person.name},
            subject=subject,
            cursor=cursor,
        )
