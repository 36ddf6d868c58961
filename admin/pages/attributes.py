"""The pages of attributes: what is known of fans beyond the columns, what it must look like, and one fan's values."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from admin.forms import Errors, at_fields, sentence
from admin.forms.attributes import (
    AttributeForm,
    Field,
    changed,
    fields_of,
    filled_attribute,
    mistakes_in,
    read_attribute,
    typed,
)
from admin.pages.fans import TelegramId
from admin.pages.frame import Administering, Flash, Operating, Page, Viewing, app_of, go, show, words_of
from siyu import attributes, fans
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.tables import Attribute, AttributeType, Fan

router = APIRouter()


@router.get("/attributes")
async def index(request: Request, me: Viewing) -> Response:
    async with app_of(request).database.reading() as session:
        page = Page(words_of(request).gettext("Attributes"), "attributes")
        known = await attributes.known_attributes(session)
        return await show(request, session, "admin/attributes/index.html", page, known=known)


@router.get("/attributes/new")
async def new(request: Request, me: Administering, name: str = "") -> Response:
    async with app_of(request).database.reading() as session:
        return await _form(request, session, AttributeForm(name=name))


@router.post("/attributes")
async def create(request: Request, me: Administering, form: Annotated[AttributeForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            await attributes.define_attribute(session, me.actor, read_attribute(form), now=app.clock())
    except Invalid as mistake:
        return await _again(request, form, at_fields([mistake], words))
    except Conflict as error:
        return await _again(request, form, {"name": sentence(error, words)})
    return go("/attributes", Flash(words.gettext("Saved: %(title)s") % {"title": form.label or form.name}))


@router.get("/attributes/change")
async def attribute(request: Request, me: Administering, name: str) -> Response:
    async with app_of(request).database.reading() as session:
        found = await attributes.get_attribute(session, name)
        return await _form(request, session, filled_attribute(found), attribute=found)


@router.post("/attributes/change")
async def change(request: Request, me: Administering, name: str, form: Annotated[AttributeForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    form.name = name
    try:
        async with app.database.writing() as session:
            await attributes.change_attribute(session, me.actor, read_attribute(form), now=app.clock())
    except Invalid as mistake:
        return await _again(request, form, at_fields([mistake], words), name)
    return go("/attributes", Flash(words.gettext("Saved: %(title)s") % {"title": form.label or name}))


@router.post("/attributes/removal")
async def remove(request: Request, me: Administering, name: Annotated[str, Form()]) -> Response:
    app = app_of(request)
    async with app.database.writing() as session:
        await attributes.undefine_attribute(session, me.actor, name, now=app.clock())
    return go("/attributes", Flash(words_of(request).gettext("The definition is gone; what fans have is not.")))


# ---- the values of a fan ---------------------------------------------------------------------------------------------


@router.get("/fans/{telegram_id}/attributes")
async def values(request: Request, me: Operating, telegram_id: TelegramId) -> Response:
    async with app_of(request).database.reading() as session:
        fan = await fans.get_fan(session, telegram_id)
        return await _values(request, session, fan, await _fields(session, fan))


@router.post("/fans/{telegram_id}/attributes")
async def set_values(request: Request, me: Operating, telegram_id: TelegramId) -> Response:
    app = app_of(request)
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    async with app.database.reading() as session:
        fan = await fans.get_fan(session, telegram_id)
        fields = typed(await _fields(session, fan), form)
        errors = mistakes_in(fields, await attributes.definitions(session), words_of(request))
        if errors:
            return await _values(request, session, fan, fields, errors)
    try:
        async with app.database.writing() as session:
            await attributes.set_values(session, me.actor, fan, changed(fields), now=app.clock())
    except Invalid as mistake:  # a definition that changed this very moment
        return go(f"/fans/{telegram_id}/attributes", Flash(sentence(mistake, words_of(request)), "bad"))
    return go(f"/fans/{telegram_id}")


async def _fields(session: ReadSession, fan: Fan) -> list[Field]:
    known = await attributes.definitions(session)
    return fields_of(known, await fans.attributes_of(session, fan.id or 0))


async def _values(
    request: Request, session: ReadSession, fan: Fan, fields: list[Field], errors: Errors | None = None
) -> Response:
    say = words_of(request).gettext
    page = Page(say("Attributes"), "fans", ((say("Fans"), "/fans"), (fan.name, f"/fans/{fan.telegram_id}")))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    told = {"fan": fan, "fields": fields, "errors": errors or {}}
    return await show(request, session, "admin/attributes/fan.html", page, status=status, **told)


# ---- the form of a definition ----------------------------------------------------------------------------------------


async def _again(request: Request, form: AttributeForm, errors: Errors, name: str = "") -> Response:
    async with app_of(request).database.reading() as session:
        found = await attributes.get_attribute(session, name) if name else None
        return await _form(request, session, form, attribute=found, errors=errors)


async def _form(
    request: Request,
    session: ReadSession,
    form: AttributeForm,
    *,
    attribute: Attribute | None = None,
    errors: Errors | None = None,
) -> Response:
    say = words_of(request).gettext
    title = attribute.label or attribute.name if attribute else say("New attribute")
    page = Page(title, "attributes", ((say("Attributes"), "/attributes"),))
    return await show(
        request,
        session,
        "admin/attributes/form.html",
        page,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        form=form,
        attribute=attribute,
        types=[type_.value for type_ in AttributeType],
        errors=errors or {},
        limits=attributes,
    )
