"""The chat page in the browser."""

from pathlib import Path

import jinja2
from aiohttp import web

from bot.sandbox.wording import LANGUAGES, choose_language, words_in
from bot.sandbox.world import World

_STATIC = Path(__file__).parent / "static"
_COOKIE = "sandbox_language"
_SAFE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
        "object-src 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class ChatPage:
    """The page at the root, what it is made of, and the pictures in the chats."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(world.options.template_home / "sandbox"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def add_routes(self, app: web.Application) -> None:
        """Take over the root, the static files and the pictures."""
        app.router.add_get("/", self.show)
        app.router.add_get("/sandbox/files/{id}", self.show_picture)
        app.router.add_static("/sandbox/static/", _STATIC)

    async def show(self, request: web.Request) -> web.Response:
        """The page; ?person=ID opens a chat at once, ?lang= changes the language."""
        asked = request.query.get("lang", "")
        language = choose_language(
            asked or request.cookies.get(_COOKIE, ""), request.headers.get("Accept-Language", "")
        )
        page = self._templates.get_template("chat.html").render(
            bot=self._world.bot,
            language=language,
            languages=LANGUAGES,
            words=words_in(language),
            person=request.query.get("person", ""),
        )
        response = web.Response(text=page, content_type="text/html", headers=_SAFE_HEADERS)
        if asked in LANGUAGES:
            response.set_cookie(_COOKIE, asked, max_age=31_536_000, samesite="Lax", httponly=True)
        return response

    async def show_picture(self, request: web.Request) -> web.Response:
        """A picture of a chat; other files are offered for download."""
        file = self._world.files.find(request.match_info["id"])
        if file is None or not file.content:
            raise web.HTTPNotFound
        shown = file.content_type in _SHOWN_TYPES
        headers = _SAFE_HEADERS | ({} if shown else {"Content-Disposition": "attachment"})
        kind = file.content_type if shown else "application/octet-stream"
        return web.Response(body=file.content, content_type=kind, headers=headers)
