"""Where a tracked button leads: to the link it was written with, and nowhere else."""

from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from admin.framing import app_of
from admin.security import everybody
from siyu.broadcasts import links
from siyu.broadcasts.links import Aim, Visit
from siyu.kit.errors import NotFound

# Fans are nobody who signs in; the token is what they bring.
router = APIRouter(include_in_schema=False, dependencies=[Depends(everybody)])


@router.api_route(links.PATH + "{token}", methods=["GET", "HEAD"])
async def follow(request: Request, token: str) -> Response:
    aim, place, url = await _find(request, token)
    if aim is not None and _visit(request).counts:
        await _count(request, aim, place)
    return RedirectResponse(url, HTTPStatus.FOUND, {"X-Robots-Tag": "noindex, nofollow"})


async def _find(request: Request, token: str) -> tuple[Aim | None, str, str]:
    """Whose press, on which button, and where to; no press of theirs that was counted before. Raises NotFound."""
    async with app_of(request).database.reading() as session:
        secret = await links.find_secret(session)
        aim = links.read_token(secret, token) if secret else None
        found = await links.destination(session, aim) if aim else None
        if aim is None or found is None:
            raise NotFound("this link does not lead anywhere")
        place, url = found
        return aim if await links.is_new(session, aim, place) else None, place, url


async def _count(request: Request, aim: Aim, place: str) -> None:
    app = app_of(request)
    async with app.database.writing() as session:
        await links.count(session, aim, place, zone=app.settings.zone, now=app.clock())


def _visit(request: Request) -> Visit:
    asked = request.headers
    purpose = " ".join(asked.get(name, "") for name in ("purpose", "sec-purpose", "x-purpose", "x-moz"))
    return Visit(request.method, asked.get("user-agent", ""), purpose)
