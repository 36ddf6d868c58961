"""The page of topics: what fans can take off in /settings, and how many did."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response

from admin.forms import Errors, at_fields, sentence
from admin.pages.deeds import do
from admin.pages.frame import Flash, Operating, Page, Viewing, app_of, go, show, words_of
from siyu import topics
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import phrase
from siyu.tables import Topic

router = APIRouter()

Key = Annotated[str, Path(max_length=64)]


@router.get("/topics")
async def index(request: Request, me: Viewing) -> Response:
    async with app_of(request).database.reading() as session:
        return await _index(request, session)


@router.post("/topics")
async def create(
    request: Request, me: Operating, key: Annotated[str, Form()] = "", label: Annotated[str, Form()] = ""
) -> Response:
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            made = await topics.create_topic(session, me.actor, key, label, now=app.clock())
    except (Conflict, Invalid) as error:
        wrong = at_fields([error], words) if isinstance(error, Invalid) else {"key": sentence(error, words)}
        async with app.database.reading() as session:
            return await _index(request, session, wrong, key=key, label=label)
    return go("/topics", Flash(words.gettext("Saved: %(title)s") % {"title": made.label}))


@router.get("/topics/{key}")
async def topic(request: Request, me: Operating, key: Key) -> Response:
    async with app_of(request).database.reading() as session:
        found = await topics.get_topic(session, key)
        return await _form(request, session, found, found.label)


@router.post("/topics/{key}")
async def rename(request: Request, me: Operating, key: Key, label: Annotated[str, Form()] = "") -> Response:
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            await topics.rename_topic(session, me.actor, key, label, now=app.clock())
    except Invalid as mistake:
        async with app.database.reading() as session:
            found = await topics.get_topic(session, key)
            return await _form(request, session, found, label, at_fields([mistake], words))
    return go("/topics", Flash(words.gettext("Saved: %(title)s") % {"title": label.strip()}))


@router.post("/topics/{key}/archival")
async def archive(request: Request, me: Operating, key: Key) -> Response:
    verb = partial(topics.archive_topic, actor=me.actor, key=key, now=app_of(request).clock())
    return await do(request, "/topics", phrase("It is not offered to fans any more."), verb)


@router.post("/topics/{key}/return")
async def restore(request: Request, me: Operating, key: Key) -> Response:
    verb = partial(topics.restore_topic, actor=me.actor, key=key, now=app_of(request).clock())
    return await do(request, "/topics", phrase("It is offered to fans again."), verb)


async def _index(
    request: Request, session: ReadSession, errors: Errors | None = None, *, key: str = "", label: str = ""
) -> Response:
    return await show(
        request,
        session,
        "admin/topics/index.html",
        Page(words_of(request).gettext("Topics"), "topics"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        listed=await topics.list_topics(session),
        errors=errors or {},
        key=key,
        label=label,
        longest=topics.LONGEST_LABEL,
    )


async def _form(
    request: Request, session: ReadSession, topic: Topic, label: str, errors: Errors | None = None
) -> Response:
    page = Page(topic.label, "topics", ((words_of(request).gettext("Topics"), "/topics"),))
    return await show(
        request,
        session,
        "admin/topics/form.html",
        page,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        topic=topic,
        label=label,
        errors=errors or {},
        longest=topics.LONGEST_LABEL,
    )
