"""The page of preferences: how this house likes its broadcasts done."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from admin.forms import Errors, at_fields
from admin.forms.preferences import PreferencesForm, filled_preferences, read_preferences
from admin.pages.frame import Administering, Flash, Page, app_of, go, show, words_of
from siyu import preferences
from siyu.kit.database import ReadSession

router = APIRouter()

PLACE = "/preferences"


@router.get("/preferences")
async def index(request: Request, me: Administering) -> Response:
    async with app_of(request).database.reading() as session:
        return await _form(request, session, filled_preferences(await preferences.read(session)))


# Theme and language are posted to /preferences by everybody, signed in or not.
@router.post("/preferences/house")
async def change(request: Request, me: Administering, form: Annotated[PreferencesForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    values, unread = read_preferences(form)
    async with app.database.reading() as session:
        wrong = [*unread, *preferences.mistakes(await preferences.read(session), values)]
        if wrong:
            return await _form(request, session, form, at_fields(wrong, words))
    async with app.database.writing() as session:
        await preferences.change(session, me.actor, now=app.clock(), **values)
    return go(PLACE, Flash(words.gettext("Saved. It holds from now on.")))


async def _form(
    request: Request, session: ReadSession, form: PreferencesForm, errors: Errors | None = None
) -> Response:
    return await show(
        request,
        session,
        "admin/preferences/index.html",
        Page(words_of(request).gettext("Preferences"), "preferences"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        form=form,
        errors=errors or {},
        zone=app_of(request).settings.timezone,
    )
