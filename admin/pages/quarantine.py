"""The page of the quarantine: updates that failed three times, until somebody lets them be tried again."""

from dataclasses import dataclass

import orjson
from fastapi import APIRouter, Request, Response

from admin.pages.deeds import RowId, do
from admin.pages.frame import Flash, Operating, Page, app_of, go, show_or_block, words_of
from siyu import audit, mailroom
from siyu.kit.database import WriteSession
from siyu.kit.wording import phrase
from siyu.tables import Inbox

router = APIRouter()


@dataclass(frozen=True)
class Opened:
    """A letter that could not be handled, with what is in it."""

    letter: Inbox
    kind: str  # as Telegram calls it: message, callback_query, …
    name: str
    payload: str


@router.get("/quarantine")
async def index(request: Request, me: Operating, cursor: str | None = None) -> Response:
    async with app_of(request).database.reading() as session:
        found = await mailroom.quarantined(session, cursor=cursor)
        return await show_or_block(
            request,
            session,
            "admin/quarantine/index.html",
            "rows",
            Page(words_of(request).gettext("Quarantine"), "quarantine"),
            letters=[_open(letter) for letter in found.items],
            next=found.next,
            cursor=cursor,
        )


@router.post("/quarantine/{inbox_id}/replay")
async def replay(request: Request, me: Operating, inbox_id: RowId) -> Response:
    app = app_of(request)

    async def put_back(session: WriteSession) -> None:
        await mailroom.replay(session, inbox_id, now=app.clock())
        await audit.note(session, me.actor, "update.replayed", "update", inbox_id, now=app.clock())

    answer = await do(request, "/quarantine", phrase("It is tried again now, up to three times."), put_back)
    app.bells.inbox.set()
    return answer


@router.post("/quarantine/replay")
async def replay_all(request: Request, me: Operating) -> Response:
    app = app_of(request)
    async with app.database.writing() as session:
        number = await mailroom.replay_all(session)
        await audit.note(session, me.actor, "update.all_replayed", "update", "all", now=app.clock(), updates=number)
    app.bells.inbox.set()
    told = words_of(request).ngettext(
        "%(num)d update is tried again now.", "%(num)d updates are tried again now.", number
    )
    return go("/quarantine", Flash(told % {"num": number}))


def _open(letter: Inbox) -> Opened:
    update = orjson.loads(letter.payload)
    kind = next((key for key in update if key != "update_id"), "")
    body = update.get(kind) if isinstance(update.get(kind), dict) else {}
    person = body.get("from") or body.get("user") or body.get("chat") or {}
    name = person.get("first_name") or person.get("title") or str(letter.person_id or "")
    return Opened(letter, kind, name, orjson.dumps(update, option=orjson.OPT_INDENT_2).decode())
