"""What is done with a saved segment as a whole: frozen, put away, brought back, deleted."""

from functools import partial

from fastapi import APIRouter, Request, Response

from admin.pages.deeds import Verb, do
from admin.pages.frame import Operating, Page, Viewing, app_of, show, words_of
from admin.pages.rules import work_out
from siyu.kit.wording import phrase
from siyu.segments import saved

router = APIRouter()


@router.get("/segments/archived")
async def archived(request: Request, me: Viewing) -> Response:
    words = words_of(request)
    page = Page(words.gettext("Archived segments"), "segments", ((words.gettext("Segments"), "/segments"),))
    async with app_of(request).database.reading() as session:
        rows = await saved.list_saved(session, archived=True)
        return await show(request, session, "admin/segments/archived.html", page, rows=rows)


@router.post("/segments/{key}/freeze")
async def freeze(request: Request, me: Operating, key: str) -> Response:
    verb = partial(saved.freeze, actor=me.actor, key=key, frozen=True, now=app_of(request).clock())
    return await _do(request, f"/segments/{key}", phrase("Frozen: nobody enters or leaves from now on."), verb)


@router.post("/segments/{key}/thaw")
async def thaw(request: Request, me: Operating, key: str) -> Response:
    verb = partial(saved.freeze, actor=me.actor, key=key, frozen=False, now=app_of(request).clock())
    return await _do(request, f"/segments/{key}", phrase("It lives again: whoever the rule fits is in it."), verb)


@router.post("/segments/{key}/archive")
async def archive(request: Request, me: Operating, key: str) -> Response:
    verb = partial(saved.archive, actor=me.actor, key=key, archived=True, now=app_of(request).clock())
    return await _do(request, "/segments", phrase("Archived. It can be brought back at any time."), verb)


@router.post("/segments/{key}/restore")
async def restore(request: Request, me: Operating, key: str) -> Response:
    verb = partial(saved.archive, actor=me.actor, key=key, archived=False, now=app_of(request).clock())
    return await _do(request, "/segments", phrase("It is back."), verb)


@router.post("/segments/{key}/delete")
async def delete(request: Request, me: Operating, key: str) -> Response:
    """Refused while something needs it."""
    verb = partial(saved.delete, actor=me.actor, key=key, now=app_of(request).clock())
    return await _do(request, "/segments", phrase("The segment is deleted."), verb)


async def _do(request: Request, back: str, told: str, verb: Verb) -> Response:
    answer = await do(request, back, told, verb)
    await work_out(app_of(request))
    return answer
