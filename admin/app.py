"""The web side: pages for operators, the API for programs, the door for Telegram, and how it all is doing."""

import asyncio
from importlib.util import find_spec

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from admin import api, entrance, health, hooks, problems, redirects, webhook
from admin.protection import Protection
from admin.rendering import STATIC_ROOT, Renderer
from admin.security import Doorframe, ForgeryWall, is_https, undeclared
from siyu import shops
from siyu.app import App
from siyu.mailroom.webhook import LARGEST_BODY as LARGEST_UPDATE

# A form of ours with a long text in it.
LARGEST_FORM = 1024 * 1024

DESCRIPTION = """
Tell Siyu what fans do and buy, read what it worked out, and act on it.

* Every call carries a key: `Authorization: Bearer KEY`, made by `siyu token create NAME --scope read|write`.
* Amounts are whole numbers of the currency's smallest unit (`1990` `CNY` is ¥19.90).
* Times are ISO 8601; without an offset they are in the community's time zone. Answers are in UTC.
* Batches take up to 1,000 rows. A bad row is `rejected` with a reason; the others are taken.
* Telling the same fact again changes nothing: its key is `(source, external_id)`.
* Lists answer `items` and `next`; give `next` back as `cursor` for the following page, until it is null.
* Errors are problem details (RFC 9457): `type`, `title`, `status`, `detail`, a stable word in `reason`,
  and for 422 `errors` with the place of each.
"""


def make_web(app: App) -> FastAPI:
    """Everything behind one port. Raises if a route does not say who may use it."""
    web = FastAPI(
        title="Siyu",
        version="1",
        description=DESCRIPTION,
        openapi_url="/api/openapi.json",
        # Both of FastAPI's own pages load their scripts from other people's hosts.
        docs_url=None,
        redoc_url=None,
    )
    web.state.house = app
    web.state.renderer = Renderer()
    # Set when the process is told to stop: whoever streams says goodbye at once.
    web.state.closing = asyncio.Event()
    web.add_middleware(ForgeryWall, site=app.settings.site)
    limits = {"/api/": api.LARGEST_BODY, webhook.PATH: LARGEST_UPDATE, shops.PATH: shops.LARGEST_BODY}
    web.add_middleware(Doorframe, limits=limits, otherwise=LARGEST_FORM)
    web.add_middleware(Protection, https=is_https(app.settings))
    problems.answer_errors(web)
    _furnish(web)
    if silent := undeclared(web):
        raise RuntimeError(f"these routes do not say who may use them: {', '.join(silent)}")
    return web


def _furnish(web: FastAPI) -> None:
    web.mount("/static", ForeverFiles(directory=STATIC_ROOT))
    web.include_router(health.router)
    web.include_router(webhook.router)
    web.include_router(hooks.router)
    web.include_router(redirects.router)
    web.include_router(api.router())
    web.include_router(entrance.router)
    if find_spec("admin.pages"):
        from admin import pages

        for router in pages.routers():
            web.include_router(router, include_in_schema=False)


class ForeverFiles(StaticFiles):
    """Addresses carry the content's hash, so a browser may keep what it got for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = b"v=" in scope["query_string"]
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
        return response
