"""What follows a broadcast: tried again, followed up, decided, written anew or taken back, put away, used again."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from admin.forms.broadcasts import shown
from admin.framing import show_block
from admin.pages.deeds import RowId, do
from admin.pages.frame import Flash, Operating, Page, Viewing, app_of, frame_of, go, refusal, show, words_of
from siyu import broadcasts, operators
from siyu.broadcasts import revising
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import phrase
from siyu.tables import Broadcast

router = APIRouter()

REVISIONS = "admin/broadcasts/revisions.html"
SHOWN_REASONS = 10

Maker = Callable[[WriteSession], Awaitable[Broadcast]]
Context = dict[str, Any]  # Any: whatever the template shows


@router.post("/broadcasts/{broadcast_id}/retry")
async def retry(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    app = app_of(request)
    verb = partial(broadcasts.retry_failed, broadcast_id=broadcast_id, actor=me.actor, now=app.clock())
    told = phrase("They are tried again; whoever blocked the bot or is gone is not.")
    answer = await do(request, f"/broadcasts/{broadcast_id}", told, verb)
    app.bells.broadcasts.set()
    return answer


@router.post("/broadcasts/{broadcast_id}/rest")
async def rest(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    """For those who did not get it."""
    verb = partial(
        broadcasts.send_to_not_reached, broadcast_id=broadcast_id, actor=me.actor, now=app_of(request).clock()
    )
    return await _open(request, broadcast_id, phrase("A draft for those who did not get it."), verb)


@router.post("/broadcasts/{broadcast_id}/follow-up")
async def follow_up(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    """For those who pressed nothing."""
    now = app_of(request).clock()
    verb = partial(broadcasts.follow_up_not_pressed, broadcast_id=broadcast_id, actor=me.actor, now=now)
    told = phrase("A draft for those who got it and pressed nothing: write it anew.")
    return await _open(request, broadcast_id, told, verb)


@router.post("/broadcasts/{broadcast_id}/copy")
async def copy(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    verb = partial(broadcasts.duplicate, actor=me.actor, broadcast_id=broadcast_id, now=app_of(request).clock())
    return await _open(request, broadcast_id, phrase("A draft with the same words and people."), verb)


@router.post("/broadcasts/{broadcast_id}/template")
async def template(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    verb = partial(broadcasts.save_as_template, actor=me.actor, broadcast_id=broadcast_id, now=app_of(request).clock())
    return await do(request, f"/broadcasts/{broadcast_id}", phrase("Kept as a template."), verb)


@router.post("/broadcasts/{broadcast_id}/archival")
async def archive(
    request: Request, me: Operating, broadcast_id: RowId, archived: Annotated[bool, Form()] = True
) -> Response:
    now = app_of(request).clock()
    verb = partial(broadcasts.archive, actor=me.actor, broadcast_id=broadcast_id, now=now, archived=archived)
    told = phrase("Put away; it is in the archive.") if archived else phrase("Back in the list.")
    return await do(request, f"/broadcasts/{broadcast_id}", told, verb)


@router.post("/broadcasts/{broadcast_id}/winner")
async def choose(request: Request, me: Operating, broadcast_id: RowId, key: Annotated[str, Form()] = "") -> Response:
    app = app_of(request)
    verb = partial(broadcasts.choose_winner, broadcast_id=broadcast_id, key=key, actor=me.actor, now=app.clock())
    answer = await do(request, f"/broadcasts/{broadcast_id}", phrase("Chosen: the others get this version."), verb)
    app.bells.broadcasts.set()
    return answer


@router.get("/broadcasts/{broadcast_id}/revisions")
async def revisions(request: Request, me: Viewing, broadcast_id: RowId) -> Response:
    async with app_of(request).database.reading() as session:
        return await _revisions(request, session, broadcast_id)


@router.post("/broadcasts/{broadcast_id}/revisions")
async def revise(
    request: Request,
    me: Operating,
    broadcast_id: RowId,
    text: Annotated[str, Form()] = "",
    buttons: Annotated[str, Form()] = "",
) -> Response:
    """Written anew for everyone who got it; `buttons` says whether those it has stay."""
    app, back = app_of(request), f"/broadcasts/{broadcast_id}/revisions"
    words = text.replace("\r\n", "\n")
    try:
        async with app.database.writing() as session:
            kept = (await broadcasts.get_broadcast(session, broadcast_id)).buttons if buttons else ()
            await revising.start_edit(session, broadcast_id, words, kept, actor=me.actor, now=app.clock())
    except Invalid as error:
        async with app.database.reading() as session:
            told = refusal(request, error).text
            return await _revisions(request, session, broadcast_id, text=words, error=told)
    except Conflict as error:
        return go(back, refusal(request, error))
    return go(back, Flash(words_of(request).gettext("It is being changed for everyone who got it.")))


@router.post("/broadcasts/{broadcast_id}/deletion")
async def take_back(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    verb = partial(revising.start_delete, broadcast_id=broadcast_id, actor=me.actor, now=app_of(request).clock())
    told = phrase("It is being taken back from everyone who got it.")
    return await do(request, f"/broadcasts/{broadcast_id}/revisions", told, verb)


@router.post("/broadcasts/{broadcast_id}/revisions/{revision_id}/stop")
async def stop(request: Request, me: Operating, broadcast_id: RowId, revision_id: RowId) -> Response:
    verb = partial(revising.stop, revision_id=revision_id, actor=me.actor, now=app_of(request).clock())
    return await do(
        request, f"/broadcasts/{broadcast_id}/revisions", phrase("Stopped. What was changed stays so."), verb
    )


async def _open(request: Request, broadcast_id: int, told: str, verb: Maker) -> Response:
    """A new draft, opened to be written on."""
    try:
        async with app_of(request).database.writing() as session:
            draft = await verb(session)
    except (Conflict, Invalid) as error:
        return go(f"/broadcasts/{broadcast_id}", refusal(request, error))
    return go(f"/broadcasts/{draft.id}", Flash(words_of(request).gettext(told)))


async def _revisions(
    request: Request, session: ReadSession, broadcast_id: int, *, text: str | None = None, error: str = ""
) -> Response:
    found = await broadcasts.get_broadcast(session, broadcast_id)
    progress = await revising.revisions_of(session, broadcast_id)
    say = words_of(request).gettext
    trail = ((say("Broadcasts"), "/broadcasts"), (found.title, f"/broadcasts/{broadcast_id}"))
    page = Page(say("Change what was sent"), "broadcasts", trail)
    context: Context = {
        "broadcast": found,
        "revisions": progress,
        "reasons": {one.revision.id: await revising.reasons(session, one.revision.id or 0) for one in progress},
        "names": {one.revision.created_by: await operators.named(session, one.revision.created_by) for one in progress},
    }
    if frame_of(request).partial:
        return show_block(request, REVISIONS, "list", page, **context)
    latest = next((one.revision.text for one in progress if one.revision.kind == revising.EDIT), None)
    as_sent = latest if latest is not None else found.text
    context |= {"text": as_sent if text is None else text, "error": error, "markup": shown(as_sent)}
    return await show(request, session, REVISIONS, page, status=422 if error else 200, **context)
