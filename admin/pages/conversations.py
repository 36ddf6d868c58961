"""The pages of conversations: who waits for an answer, what was said, and the answer."""

import re
import secrets
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request, Response

from admin.forms import Errors, sentence
from admin.pages.deeds import RowId, do
from admin.pages.frame import (
    Flash,
    Me,
    Operating,
    Page,
    Viewing,
    app_of,
    frame_of,
    go,
    show_or_block,
    words_of,
)
from siyu import broadcasts, conversations, fans, operators
from siyu.conversations import Box, Notice, Said
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import phrase
from siyu.operators import Permission
from siyu.tables import Fan, Operator

router = APIRouter()

# Above every Telegram id, below what a database integer holds.
TelegramId = Annotated[int, Path(ge=1, le=2**52)]
INDEX, SHOWN = "admin/conversations/index.html", "admin/conversations/show.html"
LINES = 50
_KEY = re.compile(r"[A-Za-z0-9_-]{8,32}")


@router.get("/conversations")
async def index(
    request: Request,
    me: Viewing,
    box: Box = Box.OPEN,
    broadcast: Annotated[int | None, Query(ge=1, le=2**52)] = None,
    cursor: str | None = None,
) -> Response:
    """`broadcast`: only fans who replied to that one."""
    async with app_of(request).database.reading() as session:
        found = await conversations.list_talks(session, box, operator_id=me.id, broadcast_id=broadcast, cursor=cursor)
        return await show_or_block(
            request,
            session,
            INDEX,
            "rows",
            Page(words_of(request).gettext("Inbox"), "conversations"),
            talks=found,
            box=box.value,
            sizes=await conversations.sizes(session, me.id),
            broadcast=await broadcasts.get_broadcast(session, broadcast) if broadcast else None,
            hears=(await operators.get_operator(session, me.id)).hears_fans,
            cursor=cursor,
        )


@router.post("/conversations/notices")
async def notices(request: Request, me: Operating, wanted: Annotated[str, Form()] = "") -> Response:
    """Whether I read in my own chat, too, what fans write."""
    told = phrase("You read in your own chat now what fans write, and answer by replying.")
    if not wanted:
        told = phrase("Nothing of this comes to your own chat any more.")
    verb = partial(
        conversations.want_notices, actor=me.actor, operator_id=me.id, wanted=bool(wanted), now=app_of(request).clock()
    )
    return await do(request, "/conversations", told, verb)


@router.get("/conversations/{telegram_id}")
async def conversation(request: Request, me: Viewing, telegram_id: TelegramId, cursor: str | None = None) -> Response:
    async with app_of(request).database.reading() as session:
        return await _conversation(request, session, telegram_id, cursor=cursor)


@router.post("/conversations/{telegram_id}/answer")
async def answer(
    request: Request,
    me: Operating,
    telegram_id: TelegramId,
    text: Annotated[str, Form()] = "",
    key: Annotated[str, Form()] = "",
    seen: Annotated[str, Form()] = "",
    then: Annotated[Literal["", "close"], Form()] = "",
) -> Response:
    """Sent once, however often the button was pressed; what cannot be sent comes back with what was typed."""
    app = app_of(request)
    said = Said(key if _KEY.fullmatch(key) else _new_key(), text, seen=_number(seen))
    try:
        async with app.database.writing() as session:
            await _answer(session, me, telegram_id, said, close=then == "close", now=app.clock())
    except (Conflict, Invalid) as error:
        async with app.database.reading() as session:
            errors = {"text": sentence(error, words_of(request))}
            return await _conversation(request, session, telegram_id, errors=errors, text=text)
    app.bells.outbox.set()
    return go("/conversations" if then else f"/conversations/{telegram_id}", Flash(_told(request, then)))


@router.post("/conversations/{telegram_id}/assignment")
async def assign(
    request: Request, me: Operating, telegram_id: TelegramId, operator_id: Annotated[str, Form()] = ""
) -> Response:
    """Somebody in charge; nobody, where none is chosen."""
    now = app_of(request).clock()

    async def verb(session: WriteSession) -> None:
        fan = await fans.get_fan(session, telegram_id)
        await conversations.assign(session, me.actor, fan, _number(operator_id), now=now)

    return await do(request, f"/conversations/{telegram_id}", phrase("Saved."), verb)


@router.post("/conversations/{telegram_id}/closing")
async def close(
    request: Request, me: Operating, telegram_id: TelegramId, seen: Annotated[str, Form()] = ""
) -> Response:
    now = app_of(request).clock()

    async def verb(session: WriteSession) -> None:
        fan = await fans.get_fan(session, telegram_id)
        await conversations.close(session, me.actor, fan, seen=_number(seen), now=now)

    told = phrase("Closed. It opens again when the fan writes.")
    return await do(request, f"/conversations/{telegram_id}", told, verb)


@router.post("/conversations/{telegram_id}/reopening")
async def reopen(request: Request, me: Operating, telegram_id: TelegramId) -> Response:
    now = app_of(request).clock()

    async def verb(session: WriteSession) -> None:
        await conversations.reopen(session, me.actor, await fans.get_fan(session, telegram_id), now=now)

    return await do(request, f"/conversations/{telegram_id}", phrase("It is open again."), verb)


@router.post("/conversations/{telegram_id}/lines/{line_id}/copy")
async def copy(request: Request, me: Operating, telegram_id: TelegramId, line_id: RowId) -> Response:
    """A photo or a voice is with Telegram: it is shown in the operator's own chat, where a reply answers, too."""
    app = app_of(request)

    async def verb(session: WriteSession) -> None:
        fan = await fans.get_fan(session, telegram_id)
        line = await conversations.get_line(session, fan.id or 0, line_id)
        payload = {"chat_id": me.telegram_id, "from_chat_id": telegram_id, "message_id": line.message_id}
        shown = Notice(me.telegram_id, f"notice:copy:{_new_key()}", "copyMessage", payload)
        await conversations.post_notices(session, fan, [shown], now=app.clock())

    answered = await do(request, f"/conversations/{telegram_id}", phrase("It comes to your own chat."), verb)
    app.bells.outbox.set()
    return answered


async def _answer(session: WriteSession, me: Me, telegram_id: int, said: Said, *, close: bool, now: datetime) -> None:
    fan = await fans.get_fan(session, telegram_id)
    is_new = await conversations.answer(session, me.actor, fan, said, operator_id=me.id, now=now)
    if close and is_new:
        await conversations.close(session, me.actor, fan, seen=said.seen, now=now)


async def _conversation(
    request: Request,
    session: ReadSession,
    telegram_id: int,
    *,
    cursor: str | None = None,
    errors: Errors | None = None,
    text: str = "",
) -> Response:
    fan, say = await fans.get_fan(session, telegram_id), words_of(request).gettext
    found = await conversations.find_conversation(session, fan.id or 0)
    page = Page(fan.name, "conversations", ((say("Inbox"), "/conversations"),))
    return await show_or_block(
        request,
        session,
        SHOWN,
        "lines",
        page,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        fan=fan,
        talk=found[0] if found else None,
        operator=found[1] if found else None,
        lines=await conversations.lines_of(session, fan.id or 0, cursor=cursor, limit=LINES),
        cursor=cursor,
        refused=_refused(request, fan),
        colleagues=[] if frame_of(request).partial else await _colleagues(session),
        errors=errors or {},
        text=text,
        key=_new_key(),
        longest=conversations.LONGEST_ANSWER,
    )


def _refused(request: Request, fan: Fan) -> str:
    """Why an answer could not arrive; empty where it would."""
    try:
        conversations.must_be_reachable(fan)
    except Conflict as error:
        return sentence(error, words_of(request))
    return ""


async def _colleagues(session: ReadSession) -> list[Operator]:
    """Who may be put in charge."""
    everybody = await operators.list_operators(session)
    return [one for one in everybody if one.disabled_at is None and operators.may(one.role, Permission.OPERATE)]


def _told(request: Request, then: str) -> str:
    say = words_of(request).gettext
    return say("Answered and closed.") if then else say("The answer is on its way.")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None


def _new_key() -> str:
    """Of one form as it was shown: sent twice, it is one answer."""
    return secrets.token_urlsafe(9)
