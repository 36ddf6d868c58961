"""The entrance: a one-time link becomes a session, a session ends, a reader chooses language and theme."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse

from admin.framing import LOCALE_COOKIE, THEME_COOKIE, app_of, frame_of, go, inside
from admin.redrawing import Withheld, drawn_again
from admin.rendering import THEMES, Flash
from admin.security import cookie_name, everybody, is_https
from siyu import operators
from siyu.kit.wording import LOCALES
from siyu.kit.wording import words as words_in
from siyu.operators import ABSOLUTE_LIMIT

router = APIRouter(include_in_schema=False, dependencies=[Depends(everybody)])

YEAR = 365 * 24 * 3600


@router.get("/login")
async def ask(request: Request, t: str = "") -> Response:
    """Shows who would come in; looking does not spend the link, because previews look too."""
    app, frame = app_of(request), frame_of(request)
    async with app.database.reading() as session:
        operator = await operators.peek_ticket(session, t, now=app.clock()) if t else None
    title = frame.words.gettext("Sign in")
    page = frame.render("admin/entrance/login.html", title=title, operator=operator, ticket=t, path="/login")
    return HTMLResponse(page, HTTPStatus.GONE if t and operator is None else HTTPStatus.OK)


@router.post("/login")
async def come_in(request: Request, t: Annotated[str, Form()]) -> Response:
    app = app_of(request)
    address = request.client.host if request.client else ""
    async with app.database.writing() as session:
        browser = request.headers.get("User-Agent", "")
        cookie = await operators.spend_ticket(session, t, now=app.clock(), address=address, browser=browser)
    response = go("/")
    response.set_cookie(
        cookie_name(app.settings),
        cookie,
        max_age=int(ABSOLUTE_LIMIT.total_seconds()),
        secure=is_https(app.settings),
        httponly=True,
        samesite="lax",
    )
    return response


@router.post("/session/end")
async def leave(request: Request) -> Response:
    app = app_of(request)
    name = cookie_name(app.settings)
    async with app.database.writing() as session:
        await operators.end_session(session, request.cookies.get(name, ""), now=app.clock())
    response = go("/login")
    response.delete_cookie(name, secure=is_https(app.settings), httponly=True, samesite="lax")
    return response


@router.post("/preferences")
async def prefer(
    request: Request,
    theme: Annotated[str, Form()] = "",
    locale: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002  # the form's own word
    again: Annotated[str, Form()] = "",
) -> Response:
    """Theme and language stay in the browser: signed-out pages have them too.

    A page that a form drew is drawn again from what was typed (`again`), or going back to it would empty it.
    """
    told = ((THEME_COOKIE, theme, THEMES), (LOCALE_COOKIE, locale, LOCALES))
    chosen = {name: value for name, value, known in told if value in known}
    response = await _again(request, inside(next), again, chosen) if again else go(inside(next))
    for name, value in chosen.items():
        secure = is_https(app_of(request).settings)
        response.set_cookie(name, value, max_age=YEAR, secure=secure, httponly=True, samesite="lax")
    return response


async def _again(request: Request, path: str, body: str, chosen: dict[str, str]) -> Response:
    try:
        return await drawn_again(request, path, body, chosen)
    except Withheld:  # what stood against it is gone meanwhile
        words = words_in(chosen.get(LOCALE_COOKIE) or frame_of(request).locale)
        return go("/", Flash(words.gettext("Nothing was sent: what you typed could be accepted now. Enter it again.")))
