"""What people decide about a broadcast's course: taken back in time, let go by a second person, or sent back."""

from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request, Response

from admin.pages.deeds import RowId, do
from admin.pages.frame import Operating, app_of, go, refusal
from siyu import broadcasts, operators
from siyu.broadcasts import course
from siyu.kit.database import ReadSession
from siyu.kit.errors import Forbidden, Invalid, NotFound
from siyu.kit.wording import phrase
from siyu.tables import Broadcast, BroadcastState, Timing

router = APIRouter()


@dataclass(frozen=True)
class Course:
    """Where a broadcast stands before its first message, for `broadcasts/_course.html`."""

    by: str  # who brought it here
    fans: int | None  # who would get it now; None where that cannot be told
    may_decide: bool  # whether the reader is a second person
    window: int = 0  # seconds between the click and the first message
    left: int = 0  # of these, still to come


@router.post("/broadcasts/{broadcast_id}/undo")
async def undo(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    verb = partial(broadcasts.unschedule, broadcast_id=broadcast_id, actor=me.actor, now=app_of(request).clock())
    told = phrase("Taken back: it is a draft again, and nobody got it.")
    return await do(request, f"/broadcasts/{broadcast_id}", told, verb)


@router.post("/broadcasts/{broadcast_id}/approve")
async def approve(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    app, back = app_of(request), f"/broadcasts/{broadcast_id}"
    verb = partial(broadcasts.approve, broadcast_id=broadcast_id, actor=me.actor, now=app.clock(), undo=True)
    try:
        answer = await do(request, back, phrase("Approved."), verb)
    except Forbidden as error:
        return go(back, refusal(request, error))
    app.bells.broadcasts.set()
    return answer


@router.post("/broadcasts/{broadcast_id}/decline")
async def decline(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    verb = partial(broadcasts.decline, broadcast_id=broadcast_id, actor=me.actor, now=app_of(request).clock())
    told = phrase("Declined: it is a draft again, for whoever wrote it.")
    return await do(request, f"/broadcasts/{broadcast_id}", told, verb)


async def course_of(request: Request, session: ReadSession, broadcast: Broadcast) -> Course | None:
    """What the banner needs; None once it was started, and for a draft."""
    waiting = broadcast.state is BroadcastState.AWAITING
    if not waiting and broadcast.state not in (BroadcastState.SCHEDULED, BroadcastState.PREPARING):
        return None
    me, now = request.state.me, app_of(request).clock()
    window = left = 0
    if broadcast.timing is Timing.NOW and broadcast.send_at and broadcast.state_at:
        window = round((broadcast.send_at - broadcast.state_at).total_seconds())
        left = max(0, round((broadcast.send_at - now).total_seconds()))
    return Course(
        by=await operators.named(session, broadcast.state_by or ""),
        fans=await _fans(session, broadcast),
        may_decide=waiting and me.may("operate") and not course.had_a_hand_in(broadcast, me.actor),
        window=window,
        left=left,
    )


async def _fans(session: ReadSession, broadcast: Broadcast) -> int | None:
    try:
        return (await broadcasts.funnel(session, broadcast)).will_get
    except (NotFound, Invalid):
        return None
