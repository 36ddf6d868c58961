"""How the browser's and programs' face says no: problem details for programs, a page or a fragment for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, assert_never

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from admin import framing
from admin.protection import PROTECTION
from admin.redrawing import Withheld
from siyu.kit.errors import Conflict, Forbidden, Invalid, NotFound, SiyuError
from siyu.kit.wording import Words, phrase

MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger()


@dataclass(frozen=True)
class Place:
    """One field that is wrong, and why."""

    loc: tuple[str | int, ...]
    msg: str


@dataclass(frozen=True)
class Problem:
    """What went wrong, in the terms of RFC 9457. `sentence` is a message id, filled in with `values`."""

    status: HTTPStatus
    reason: str
    sentence: str
    values: tuple[tuple[str, object], ...] = ()
    errors: Sequence[Place] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def detail(self, words: Words | None = None) -> str:
        sentence = words.gettext(self.sentence) if words else self.sentence
        return sentence % dict(self.values) if self.values else sentence


def answer_errors(web: FastAPI) -> None:
    """Every error that can leave a handler becomes one clear answer."""

    @web.exception_handler(SiyuError)
    async def said_no(request: Request, error: SiyuError) -> Response:
        return answer(request, of_refusal(error))

    @web.exception_handler(RequestValidationError)
    async def badly_formed(request: Request, error: RequestValidationError) -> Response:
        return answer(request, _of_validation(error))

    @web.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return answer(request, _of_http(error))

    @web.exception_handler(DBAPIError)
    @web.exception_handler(PoolTimeout)
    async def database_failed(request: Request, error: DBAPIError | PoolTimeout) -> Response:
        return answer(request, _of_database(error))

    @web.exception_handler(Withheld)
    async def withheld(request: Request, error: Withheld) -> Response:
        # Never seen by anybody: whoever asked for the page once more reads it as "it would go through".
        return Response(status_code=HTTPStatus.SEE_OTHER)

    @web.exception_handler(Exception)
    async def broke(request: Request, error: Exception) -> Response:
        # The server logs the traceback itself; people get no details of our inside. This answer is made outside of
        # every middleware, so it brings the headers with it.
        response = answer(request, BROKEN)
        response.headers.update(PROTECTION)
        return response


def answer(request: Request, problem: Problem) -> Response:
    """A problem in the form its reader understands."""
    if is_program(request.url.path):
        return _as_json(problem)
    return _as_page(request, problem)


def is_program(path: str) -> bool:
    return path.startswith(("/api/", "/telegram/", "/healthz", "/readyz", "/metrics"))


def of_refusal(error: SiyuError) -> Problem:
    """What the domain refused; a bare SiyuError is a setting or a service of ours that is missing."""
    match error:
        case Invalid():
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        case NotFound():
            status = HTTPStatus.NOT_FOUND
        case Conflict():
            status = HTTPStatus.CONFLICT
        case Forbidden():
            status = HTTPStatus.FORBIDDEN
        case SiyuError():
            status = HTTPStatus.SERVICE_UNAVAILABLE
        case _ as never:
            assert_never(never)
    places = (Place(error.where, str(error)),) if isinstance(error, Invalid) else ()
    return Problem(status, error.reason, error.sentence, tuple(error.values.items()), places)


BROKEN = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "broken", phrase("something broke on our side; nothing was changed"))
TOO_LARGE = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", phrase("this is more than we take at once"))
_SENTENCES = {
    HTTPStatus.NOT_FOUND: ("not_found", phrase("there is nothing at this address")),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method", phrase("this address does not take this method")),
    TOO_LARGE.status: (TOO_LARGE.reason, TOO_LARGE.sentence),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("media_type", phrase("send JSON, and say so in Content-Type")),
}


def _of_http(error: HTTPException) -> Problem:
    status = HTTPStatus(error.status_code)
    reason, sentence = _SENTENCES.get(status, (status.name.lower(), error.detail or status.phrase))
    return Problem(status, reason, sentence, headers=tuple((error.headers or {}).items()))


def _of_validation(error: RequestValidationError) -> Problem:
    places = [_place(mistake) for mistake in error.errors()]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", phrase("what was sent is not well formed"), errors=places
    )


def _place(mistake: dict[str, Any]) -> Place:  # Any: pydantic's ErrorDetails
    if mistake["type"] == "json_invalid":
        return Place(("body",), "this is not JSON")
    return Place(tuple(mistake["loc"]), mistake["msg"].removeprefix("Value error, "))


def _of_database(error: DBAPIError | PoolTimeout) -> Problem:
    text = str(getattr(error, "orig", error))
    if isinstance(error, DataError):  # a NUL, a number too large: what was sent is wrong, not the house
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", phrase("what was sent is not well formed"))
    log.error("database failed", error=text)
    if "readonly" in text or "read-only" in text:
        sentence = phrase("the database can only be read at the moment; nothing was changed")
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "database_readonly", sentence)
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        sentence = phrase("the database does not answer; try again in a moment")
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "database_down", sentence)
    return BROKEN


def _as_json(problem: Problem) -> Response:
    body: dict[str, object] = {
        "type": f"urn:siyu:problem:{problem.reason}",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail(),
        "reason": problem.reason,
    }
    if problem.errors:
        body["errors"] = [{"loc": place.loc, "msg": place.msg} for place in problem.errors]
    return JSONResponse(body, problem.status, media_type=MEDIA_TYPE, headers=dict(problem.headers))


def _as_page(request: Request, problem: Problem) -> Response:
    """A whole page, or only the sentence where a part of a page was asked for."""
    frame = framing.frame_of(request)
    context = {"status": problem.status.value, "sentence": problem.detail(frame.words)}
    template = "admin/entrance/_error.html" if frame.partial else "admin/entrance/error.html"
    title = frame.words.gettext(_TITLES.get(problem.status, "Something is wrong"))
    page = frame.render(template, title=title, path="/", **context)
    return HTMLResponse(page, problem.status, headers=dict(problem.headers))


_TITLES = {
    HTTPStatus.UNAUTHORIZED: phrase("Please sign in"),
    HTTPStatus.FORBIDDEN: phrase("Not for you"),
    HTTPStatus.NOT_FOUND: phrase("Nothing here"),
    HTTPStatus.SERVICE_UNAVAILABLE: phrase("Not just now"),
}
