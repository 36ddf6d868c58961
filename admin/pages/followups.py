"""The pages of follow-ups: what is to be done about whom, until when, by whom; and what was done."""

from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response

from admin.forms import Errors, at_fields
from admin.pages.deeds import RowId, do
from admin.pages.frame import Flash, Operating, Page, Viewing, app_of, go, refusal, show, words_of
from siyu import fans, followups, operators
from siyu.followups import Pile
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import phrase
from siyu.operators import Permission

router = APIRouter()

TelegramId = Annotated[int, Path(ge=1, le=2**52)]
HOURS = (4, 24, 72, 168)  # from now until it is due


@router.get("/followups")
async def index(request: Request, me: Viewing, pile: str = Pile.OPEN.value, cursor: str | None = None) -> Response:
    chosen = Pile(pile) if pile in set(Pile) else Pile.OPEN
    async with app_of(request).database.reading() as session:
        return await show(
            request,
            session,
            "admin/followups/index.html",
            Page(words_of(request).gettext("Follow-ups"), "followups"),
            listed=await followups.list_followups(session, chosen, operator_id=me.id, cursor=cursor),
            sizes=await followups.sizes(session, me.id),
            pile=chosen.value,
            cursor=cursor,
            why=partial(followups.why_of, words=words_of(request)),
            moment=app_of(request).clock(),
        )


@router.get("/followups/{followup_id}")
async def followup(request: Request, me: Viewing, followup_id: RowId) -> Response:
    async with app_of(request).database.reading() as session:
        return await _show(request, session, followup_id)


@router.post("/followups/{followup_id}/assignment")
async def assign(
    request: Request, me: Operating, followup_id: RowId, operator_id: Annotated[str, Form()] = ""
) -> Response:
    whom = int(operator_id) if operator_id.isascii() and operator_id.isdecimal() and len(operator_id) < 16 else None
    now = app_of(request).clock()
    verb = partial(followups.assign, actor=me.actor, followup_id=followup_id, operator_id=whom, now=now)
    return await do(request, f"/followups/{followup_id}", phrase("Saved."), verb)


@router.post("/followups/{followup_id}/completion")
async def finish(request: Request, me: Operating, followup_id: RowId, note: Annotated[str, Form()] = "") -> Response:
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            await followups.finish(session, me.actor, followup_id, note, now=app.clock())
    except Invalid as mistake:
        async with app.database.reading() as session:
            return await _show(request, session, followup_id, at_fields([mistake], words), note)
    except Conflict as error:
        return go(f"/followups/{followup_id}", refusal(request, error))
    return go("/followups", Flash(words.gettext("Done, and written down.")))


@router.post("/fans/{telegram_id}/followups")
async def open_(
    request: Request,
    me: Operating,
    telegram_id: TelegramId,
    why: Annotated[str, Form()] = "",
    hours: Annotated[str, Form()] = "",
) -> Response:
    app, back = app_of(request), f"/fans/{telegram_id}#followups"
    due_at = app.clock() + timedelta(hours=int(hours) if hours in map(str, HOURS) else HOURS[1])
    try:
        async with app.database.writing() as session:
            fan = await fans.get_fan(session, telegram_id)
            await followups.open_followup(
                session, me.actor, fan, why, due_at=due_at, operator_id=me.id, now=app.clock()
            )
    except Invalid as mistake:
        return go(back, refusal(request, mistake))
    return go(back, Flash(words_of(request).gettext("It is on your list.")))


async def _colleagues(session: ReadSession) -> list[tuple[int, str]]:
    """Who can be put in charge, as options."""
    here = await operators.who_may(session, Permission.OPERATE)
    return [(one.id or 0, operators.actor_of(one).name) for one in here]


async def _show(
    request: Request, session: ReadSession, followup_id: int, errors: Errors | None = None, note: str = ""
) -> Response:
    say = words_of(request)
    found = await followups.get_followup(session, followup_id)
    fan = await fans.get_fan_by_id(session, found.fan_id)
    return await show(
        request,
        session,
        "admin/followups/show.html",
        Page(fan.name, "followups", ((say.gettext("Follow-ups"), "/followups"),)),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        followup=found,
        fan=fan,
        why=followups.why_of(found, say),
        colleagues=[("", say.gettext("Nobody yet")), *await _colleagues(session)],
        opened_by=await operators.named(session, found.opened_by),
        errors=errors or {},
        note=note,
        moment=app_of(request).clock(),
        longest=followups.LONGEST_NOTE,
    )
