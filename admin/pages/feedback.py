"""The page of feedback: how fans rate us, what they say about it, and when they are asked."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel

from admin.forms import Errors, Reading, at_fields, number
from admin.pages.frame import Administering, Flash, Page, Viewing, app_of, go, show, words_of
from siyu import feedback, preferences
from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid
from siyu.preferences import Preferences

router = APIRouter()

SPAN = timedelta(days=90)


class AskingForm(BaseModel):
    """The form as it came: all text."""

    rating_after_hours: str = ""
    rating_every_days: str = ""
    rating_nps: str = ""
    followup_hours: str = ""


@router.get("/feedback")
async def index(request: Request, me: Viewing, cursor: str | None = None) -> Response:
    async with app_of(request).database.reading() as session:
        form = _filled(await preferences.read(session))
        return await _page(request, session, form, cursor=cursor)


@router.post("/feedback/asking")
async def change(request: Request, me: Administering, form: Annotated[AskingForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    values, wrong = _read(form)
    try:
        if not wrong:
            async with app.database.writing() as session:
                await preferences.change(session, me.actor, now=app.clock(), **values)
    except Invalid as mistake:
        wrong = [mistake]
    if wrong:
        async with app.database.reading() as session:
            return await _page(request, session, form, at_fields(wrong, words))
    return go("/feedback", Flash(words.gettext("Saved. It holds from now on.")))


def _read(form: AskingForm) -> tuple[dict[str, int | None], list[Invalid]]:
    reading = Reading()
    values: dict[str, int | None] = {
        "rating_after_hours": reading.take(lambda: number(form.rating_after_hours, "rating_after_hours"), 0),
        "rating_every_days": reading.take(lambda: number(form.rating_every_days, "rating_every_days"), 0),
        "rating_nps": 1 if form.rating_nps == "1" else 0,
        "followup_hours": reading.take(lambda: number(form.followup_hours, "followup_hours"), 0),
    }
    return values, reading.mistakes


def _filled(likes: Preferences) -> AskingForm:
    return AskingForm(
        rating_after_hours=str(likes.rating_after_hours),
        rating_every_days=str(likes.rating_every_days),
        rating_nps=str(likes.rating_nps),
        followup_hours=str(likes.followup_hours),
    )


async def _page(
    request: Request, session: ReadSession, form: AskingForm, errors: Errors | None = None, *, cursor: str | None = None
) -> Response:
    return await show(
        request,
        session,
        "admin/feedback/index.html",
        Page(words_of(request).gettext("Feedback"), "feedback"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        figures=await feedback.figures(session, since=app_of(request).clock() - SPAN),
        days=SPAN.days,
        latest=await feedback.latest(session, cursor=cursor),
        cursor=cursor,
        form=form,
        errors=errors or {},
    )
