"""What surrounds every page: the reader's language and theme, who is signed in, what is told once after a redirect."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from admin.redrawing import is_only_drawn, rehearsing
from admin.rendering import THEMES, Flash, Page, Renderer
from siyu.app import App
from siyu.kit.wording import LOCALES, Words, choose_locale, words

LOCALE_COOKIE = "locale"
THEME_COOKIE = "theme"
FLASH_COOKIE = "flash"


@dataclass(frozen=True)
class Frame:
    """One reader's view of one request."""

    renderer: Renderer
    timezone: ZoneInfo
    now: datetime
    locale: str
    theme: str
    path: str
    partial: bool  # htmx asked for a part of a page: never answer with a whole one

    @property
    def words(self) -> Words:
        return words(self.locale)

    def render(self, template: str, **context: object) -> str:
        told = {"theme": self.theme, "path": self.path, **context}
        return self.renderer.render(template, locale=self.locale, timezone=self.timezone, now=self.now, **told)

    def render_block(self, template: str, block: str, **context: object) -> str:
        told = {"theme": self.theme, "path": self.path, **context}
        return self.renderer.render_block(
            template, block, locale=self.locale, timezone=self.timezone, now=self.now, **told
        )


def frame_of(request: Request) -> Frame:
    app = app_of(request)
    return Frame(
        renderer=request.app.state.renderer,
        timezone=app.settings.zone,
        now=app.clock(),
        locale=_locale(request),
        theme=_one_of(request.cookies.get(THEME_COOKIE), THEMES, "system"),
        path=str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
        partial=request.headers.get("HX-Request-Type") == "partial",
    )


def app_of(request: Request) -> App:
    """The app this web side was made for; one that writes nothing where a page is only drawn once more."""
    return rehearsing(house_of(request)) if is_only_drawn(request) else house_of(request)


def house_of(request: Request) -> App:
    """The app itself, for what goes on around every page: who comes, and when they were seen."""
    app: App = request.app.state.house
    return app


def show(
    request: Request, template: str, page: Page, *, status: int = HTTPStatus.OK, **context: object
) -> HTMLResponse:
    """A whole page for whoever is signed in; what was to be told once is told now."""
    state = request.state
    flashes = _flashes(request)
    body = frame_of(request).render(
        template, page=page, me=state.me, recomputed_at=state.recomputed_at, flashes=flashes, **context
    )
    response = HTMLResponse(body, status)
    if flashes:
        response.delete_cookie(FLASH_COOKIE)
    return response


def show_block(
    request: Request, template: str, block: str, page: Page, *, status: int = HTTPStatus.OK, **context: object
) -> HTMLResponse:
    """One block of a page, for a request that swaps it into the page that stands already."""
    body = frame_of(request).render_block(template, block, page=page, me=request.state.me, **context)
    return HTMLResponse(body, status)


def go(path: str, flash: Flash | None = None) -> Response:
    """After a POST: look at this page, and read this once."""
    response = RedirectResponse(path, HTTPStatus.SEE_OTHER)
    if flash:
        told = base64.urlsafe_b64encode(json.dumps([flash.text, flash.kind]).encode()).decode()
        response.set_cookie(FLASH_COOKIE, told, max_age=60, httponly=True, samesite="lax")
    return response


def inside(path: str) -> str:
    """A path of ours to go on to; anything that could lead to another site is the home page."""
    leads_out = not path.startswith("/") or path.startswith(("//", "/\\")) or any(ord(sign) < 32 for sign in path)
    return "/" if leads_out else path


def _locale(request: Request) -> str:
    """What was clicked, else what the operator's Telegram speaks, else what the browser asks for."""
    me = getattr(request.state, "me", None)
    language = me.language if me else None
    chosen = request.cookies.get(LOCALE_COOKIE)
    return chosen if chosen in LOCALES else choose_locale(language or request.headers.get("Accept-Language"))


def _flashes(request: Request) -> tuple[Flash, ...]:
    try:
        text, kind = json.loads(base64.urlsafe_b64decode(request.cookies[FLASH_COOKIE]))
    except (KeyError, ValueError, TypeError):
        return ()
    return (Flash(str(text), kind),) if kind in {"good", "info", "warn", "bad"} else ()


def _one_of(value: str | None, choices: tuple[str, ...], otherwise: str) -> str:
    return value if value in choices else otherwise
