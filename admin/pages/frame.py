"""What every page shares: who may look, and how a page or a part of it is answered.

A handler opens a session, asks the domain, and answers with `show` inside that session:

    @router.get("/offers")
    async def offers(request: Request, me: Viewing) -> Response:
        async with app_of(request).database.reading() as session:
            found = await coupons.list_offers(session)
            return await show(request, session, "admin/offers/index.html", page, offers=found)

After a POST: `return go("/offers", Flash(words_of(request).gettext("Saved.")))`.
"""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from admin import framing
from admin.framing import app_of, frame_of, go, inside
from admin.redrawing import typed
from admin.rendering import Flash, Page
from admin.security import Me, signed_in
from siyu import home
from siyu.kit.database import ReadSession
from siyu.kit.errors import SiyuError
from siyu.kit.wording import Words
from siyu.operators import Permission

__all__ = [
    "Administering",
    "Flash",
    "Me",
    "Operating",
    "Owning",
    "Page",
    "Viewing",
    "app_of",
    "frame_of",
    "go",
    "inside",
    "refusal",
    "show",
    "show_or_block",
    "words_of",
]

# Who is signed in, refused unless the role may do this: every handler takes exactly one of them.
Viewing = Annotated[Me, Depends(signed_in(Permission.VIEW))]
Operating = Annotated[Me, Depends(signed_in(Permission.OPERATE))]
Administering = Annotated[Me, Depends(signed_in(Permission.ADMINISTER))]
Owning = Annotated[Me, Depends(signed_in(Permission.OWN))]


async def show(
    request: Request,
    session: ReadSession,
    template: str,
    page: Page,
    *,
    status: int = HTTPStatus.OK,
    **context: object,
) -> HTMLResponse:
    """A whole page, with what waits beside the entries of the navigation and the notice of a held look."""
    waiting = await home.waiting(session)
    held = await home.held_look(session)
    again = await typed(request)
    return framing.show(request, template, page, status=status, waiting=waiting, held=held, again=again, **context)


async def show_or_block(
    request: Request,
    session: ReadSession,
    template: str,
    block: str,
    page: Page,
    *,
    status: int = HTTPStatus.OK,
    **context: object,
) -> HTMLResponse:
    """One block where htmx asked for a part, else the whole page: what makes a link work with and without scripts."""
    if frame_of(request).partial:
        return framing.show_block(request, template, block, page, status=status, **context)
    return await show(request, session, template, page, status=status, **context)


def words_of(request: Request) -> Words:
    """The reader's language, for titles and for what is told after a POST."""
    return frame_of(request).words


def refusal(request: Request, error: SiyuError) -> Flash:
    """What the domain refused, told on the page that the form came from."""
    sentence = words_of(request).gettext(error.sentence)
    return Flash(sentence % error.values if error.values else sentence, "bad")
