"""The page of people: who works here and as what, and the keys of programs."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from admin.forms import Errors, number, sentence
from admin.pages.deeds import RowId, do
from admin.pages.frame import Administering, Flash, Owning, Page, app_of, go, refusal, show, words_of
from siyu import operators
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import phrase
from siyu.operators import Scope
from siyu.tables import Operator, Role

router = APIRouter()

PLACE = "/people"


@router.get("/people")
async def index(request: Request, me: Administering) -> Response:
    async with app_of(request).database.reading() as session:
        return await _people(request, session)


@router.post("/people")
async def add(
    request: Request,
    me: Administering,
    telegram_id: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    role: Annotated[Role, Form()] = Role.VIEWER,
) -> Response:
    """Somebody new; somebody who is here gets this role, which is as much as changing it."""
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            wanted = number(telegram_id, "telegram_id")
            known = await operators.find_operator(session, wanted)
            operators.must_appoint(me.role, role, *([known.role] if known else []))
            added = await operators.add(
                session, me.actor, telegram_id=wanted, role=role, name=name.strip(), now=app.clock()
            )
    except Conflict as error:
        return go(PLACE, refusal(request, error))
    except Invalid as error:
        wrong = {"telegram_id": sentence(error, words)}
        async with app.database.reading() as session:
            return await _people(request, session, wrong, telegram_id=telegram_id, name=name, role=role)
    told = words.gettext("%(name)s may come in now: send /admin to the bot, or make a sign-in link here.")
    return go(PLACE, Flash(told % {"name": added.name or added.telegram_id}))


@router.post("/people/{operator_id}/role")
async def change_role(
    request: Request, me: Administering, operator_id: RowId, role: Annotated[Role, Form()]
) -> Response:
    async def verb(session: WriteSession) -> None:
        person = await operators.get_operator(session, operator_id)
        operators.must_appoint(me.role, person.role, role)
        await operators.change_role(session, me.actor, person, role, now=app_of(request).clock())

    return await do(request, PLACE, phrase("The role was changed; they sign in anew."), verb)


@router.post("/people/{operator_id}/disabling")
async def disable(request: Request, me: Administering, operator_id: RowId) -> Response:
    async def verb(session: WriteSession) -> None:
        person = await operators.get_operator(session, operator_id)
        operators.must_appoint(me.role, person.role)
        await operators.disable(session, me.actor, person, now=app_of(request).clock())

    return await do(request, PLACE, phrase("They may not sign in any more, and were signed out everywhere."), verb)


@router.post("/people/{operator_id}/return")
async def enable(request: Request, me: Administering, operator_id: RowId) -> Response:
    async def verb(session: WriteSession) -> None:
        person = await operators.get_operator(session, operator_id)
        operators.must_appoint(me.role, person.role)
        await operators.enable(session, me.actor, person, now=app_of(request).clock())

    return await do(request, PLACE, phrase("They may sign in again."), verb)


@router.post("/people/{operator_id}/invitation")
async def invite(request: Request, me: Administering, operator_id: RowId) -> Response:
    """Answers with the link itself: it is kept nowhere, so no redirect could show it."""
    app, words = app_of(request), words_of(request)
    async with app.database.writing() as session:
        person = await operators.get_operator(session, operator_id)
        if person.id != me.id:
            operators.must_appoint(me.role, person.role)
        word = await operators.invite(session, me.actor, person, now=app.clock())
    async with app.database.reading() as session:
        page = _page(request, words.gettext("A sign-in link"))
        link = f"{app.settings.site}/login?t={word}"
        return await show(request, session, "admin/people/invitation.html", page, person=person, link=link)


@router.post("/people/keys")
async def create_key(
    request: Request, me: Owning, key_name: Annotated[str, Form()] = "", scope: Annotated[Scope, Form()] = Scope.READ
) -> Response:
    """Answers with the key itself: only its hash is kept, so no redirect could show it."""
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            key = await operators.create_token(session, me.actor, name=key_name, scope=scope, now=app.clock())
    except Invalid as error:
        async with app.database.reading() as session:
            return await _people(request, session, {"key_name": sentence(error, words)})
    async with app.database.reading() as session:
        page = _page(request, words.gettext("A new key"))
        return await show(request, session, "admin/people/key.html", page, name=key_name.strip(), key=key, scope=scope)


@router.post("/people/keys/{token_id}/revocation")
async def revoke_key(request: Request, me: Owning, token_id: RowId) -> Response:
    verb = partial(operators.revoke_token, actor=me.actor, token_id=token_id, now=app_of(request).clock())
    return await do(request, PLACE, phrase("The key opens nothing any more."), verb)


async def _people(request: Request, session: ReadSession, errors: Errors | None = None, **typed: str) -> Response:
    return await show(
        request,
        session,
        "admin/people/index.html",
        Page(words_of(request).gettext("People"), "people"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        operators=await operators.list_operators(session),
        last_seen=await operators.last_seen(session),
        keys=await operators.list_tokens(session),
        may_appoint=_may_appoint,
        errors=errors or {},
        typed={"telegram_id": "", "name": "", "role": Role.VIEWER, **typed},
    )


def _may_appoint(role: Role, person: Operator) -> bool:
    return operators.may_appoint(role, person.role)


def _page(request: Request, title: str) -> Page:
    return Page(title, "people", ((words_of(request).gettext("People"), PLACE),))
