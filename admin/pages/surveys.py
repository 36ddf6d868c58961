"""The pages of questionnaires: written question by question, seen as chat shows them, published, read."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import StreamingResponse

from admin.forms import Errors, at_fields, sentence
from admin.forms.surveys import (
    QuestionForm,
    done_to_rows,
    filled_question,
    read_question,
    read_texts,
    typed_question,
    with_levels,
)
from admin.pages.deeds import RowId, do
from admin.pages.frame import Flash, Operating, Page, Viewing, app_of, go, refusal, show, words_of
from siyu import attributes, segments, surveys
from siyu.app import App
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.wording import LOCALES, phrase, words
from siyu.segments import Dimension
from siyu.surveys import Content, Kind, Question, Texts, Vocabulary, results
from siyu.tables import Survey
from siyu.transfer import exporting

router = APIRouter()

Key = Annotated[str, Path(max_length=20)]


@dataclass(frozen=True)
class Shown:
    """A question as chat shows it."""

    question: Question
    text: str
    hint: str
    rows: Sequence[Sequence[str]]


@router.get("/surveys")
async def index(request: Request, me: Viewing) -> Response:
    async with app_of(request).database.reading() as session:
        return await _index(request, session)


@router.post("/surveys")
async def create(request: Request, me: Operating) -> Response:
    app, fields = app_of(request), await _fields(request)
    key, title = fields.get("key", "").strip(), read_texts(fields, "title")
    try:
        async with app.database.writing() as session:
            made = await surveys.create_survey(session, me.actor, key, title, now=app.clock())
    except (Conflict, Invalid) as error:
        say = words_of(request)
        wrong = at_fields([error], say) if isinstance(error, Invalid) else {"key": sentence(error, say)}
        async with app.database.reading() as session:
            return await _index(request, session, wrong, key=key, title=title)
    return go(f"/surveys/{made.id}")


@router.get("/surveys/{survey_id}")
async def survey(request: Request, me: Viewing, survey_id: RowId) -> Response:
    async with app_of(request).database.reading() as session:
        return await _show(request, session, await surveys.get_survey(session, survey_id))


@router.post("/surveys/{survey_id}")
async def rename(request: Request, me: Operating, survey_id: RowId) -> Response:
    app, fields = app_of(request), await _fields(request)
    title, thanks = read_texts(fields, "title"), read_texts(fields, "thanks")
    try:
        async with app.database.writing() as session:
            await surveys.name_survey(session, me.actor, survey_id, title, thanks, now=app.clock())
    except Invalid as mistake:
        wrong = at_fields([mistake], words_of(request))
        async with app.database.reading() as session:
            found = await surveys.get_survey(session, survey_id)
            return await _show(request, session, found, wrong, title=title, thanks=thanks)
    return go(f"/surveys/{survey_id}", Flash(words_of(request).gettext("Saved.")))


@router.post("/surveys/{survey_id}/questions")
async def add(request: Request, me: Operating, survey_id: RowId, kind: Annotated[str, Form()] = "") -> Response:
    app = app_of(request)
    if kind not in set(Kind):
        return go(f"/surveys/{survey_id}", Flash(words_of(request).gettext("choose one of these"), "bad"))
    try:
        async with app.database.writing() as session:
            made = await surveys.add_question(session, me.actor, survey_id, Kind(kind), now=app.clock())
    except Conflict as error:
        return go(f"/surveys/{survey_id}", refusal(request, error))
    return go(f"/surveys/{survey_id}/questions/{made.key}")


@router.get("/surveys/{survey_id}/questions/{key}")
async def question(request: Request, me: Operating, survey_id: RowId, key: Key) -> Response:
    async with app_of(request).database.reading() as session:
        found = await surveys.get_survey(session, survey_id)
        one = _question(found, key)
        return await _form(request, session, found, one, filled_question(one))


@router.post("/surveys/{survey_id}/questions/{key}")
async def change(request: Request, me: Operating, survey_id: RowId, key: Key) -> Response:
    """Saved; or, where a button for the rows was pressed, shown once more with what was typed."""
    app, say, fields = app_of(request), words_of(request), await _fields(request)
    typed, deed = typed_question(fields), fields.get("deed", "")
    async with app.database.reading() as session:
        found = await surveys.get_survey(session, survey_id)
        before = _question(found, key)
        if deed:
            return await _form(request, session, found, before, await _done(session, typed, deed))
        known = await vocabulary(session)
    asked, unread = read_question(typed, before)
    async with app.database.writing() as session:
        wrong = unread or await surveys.change_question(session, me.actor, survey_id, asked, known, now=app.clock())
    if wrong:
        async with app.database.reading() as session:
            return await _form(request, session, found, before, typed, _at_its_fields(wrong, request))
    return go(f"/surveys/{survey_id}#{key}", Flash(say.gettext("Saved.")))


@router.post("/surveys/{survey_id}/questions/{key}/move")
async def move(
    request: Request, me: Operating, survey_id: RowId, key: Key, by: Annotated[str, Form()] = ""
) -> Response:
    app = app_of(request)
    async with app.database.writing() as session:
        step = -1 if by == "up" else 1
        await surveys.move_question(session, me.actor, survey_id, key, by=step, now=app.clock())
    return go(f"/surveys/{survey_id}#{key}")


@router.post("/surveys/{survey_id}/questions/{key}/removal")
async def remove(request: Request, me: Operating, survey_id: RowId, key: Key) -> Response:
    now = app_of(request).clock()
    verb = partial(surveys.remove_question, actor=me.actor, survey_id=survey_id, key=key, now=now)
    return await do(request, f"/surveys/{survey_id}", phrase("The question is gone; its answers stay."), verb)


@router.post("/surveys/{survey_id}/publication")
async def publish(request: Request, me: Operating, survey_id: RowId) -> Response:
    app = app_of(request)
    async with app.database.reading() as session:
        known = await vocabulary(session)
    async with app.database.writing() as session:
        wrong = await surveys.publish(session, me.actor, survey_id, known, now=app.clock())
    if wrong:
        async with app.database.reading() as session:
            found = await surveys.get_survey(session, survey_id)
            return await _show(request, session, found, at_fields(wrong, words_of(request)))
    say = words_of(request)
    return go(f"/surveys/{survey_id}", Flash(say.gettext("Published. Who is under way ends with what they began.")))


@router.post("/surveys/{survey_id}/greeting")
async def greet(request: Request, me: Operating, survey_id: RowId, on: Annotated[str, Form()] = "") -> Response:
    chosen = survey_id if on else None
    verb = partial(surveys.greet_with, actor=me.actor, survey_id=chosen, now=app_of(request).clock())
    told = phrase("Newcomers are asked this after the greeting.") if on else phrase("Newcomers are asked nothing.")
    return await do(request, f"/surveys/{survey_id}", told, verb)


@router.post("/surveys/{survey_id}/archival")
async def archive(request: Request, me: Operating, survey_id: RowId) -> Response:
    verb = partial(surveys.archive, actor=me.actor, survey_id=survey_id, now=app_of(request).clock())
    return await do(request, f"/surveys/{survey_id}", phrase("Nobody is asked it any more."), verb)


@router.get("/surveys/{survey_id}/results")
async def read(request: Request, me: Viewing, survey_id: RowId) -> Response:
    say = words_of(request)
    async with app_of(request).database.reading() as session:
        found = await surveys.get_survey(session, survey_id)
        title = surveys.said(surveys.draft_of(found).title, say)
        page = Page(
            say.gettext("Results"), "surveys", ((say.gettext("Questionnaires"), "/surveys"), (title, _at(found)))
        )
        told = await results.outcomes(session, found)
        reached = (await results.progress(session, [survey_id]))[survey_id]
        return await show(
            request, session, "admin/surveys/results.html", page, survey=found, outcomes=told, reached=reached,
            said=partial(surveys.said, words=say),
        )  # fmt: skip


@router.get("/surveys/{survey_id}/answers.csv")
async def as_csv(request: Request, me: Operating, survey_id: RowId) -> Response:
    async with app_of(request).database.reading() as session:
        found = await surveys.get_survey(session, survey_id)
    name = {"Content-Disposition": f'attachment; filename="answers-{found.key}.csv"'}
    return StreamingResponse(_csv(app_of(request), found), media_type="text/csv", headers=name)


async def vocabulary(session: ReadSession) -> Vocabulary:
    """What answers can be kept as: what an admin defined, and what dimensions ask for."""
    asked = await _asked(session)
    levels = {one.asked or "": [] if _is_open(one) else _levels(one) for one in asked}
    return Vocabulary(await attributes.definitions(session), {**levels, "country": [], "region": []})


async def _asked(session: ReadSession) -> list[Dimension]:
    return [one for one in (await segments.whole(session)).dimensions if one.asked]


def _levels(dimension: Dimension) -> list[str]:
    return [level.key for level in dimension.levels if level.key != "unknown"]


def _is_open(dimension: Dimension) -> bool:
    """An operator names its levels: any word is taken."""
    return segments.Own.CATEGORIES in dimension.own


async def _csv(app: App, found: Survey) -> AsyncIterator[str]:
    # A spreadsheet reads Chinese only behind a byte order mark.
    yield "\ufeff"
    async with app.database.reading() as session:
        async for page in results.table(session, found):
            yield exporting.text_of(page)


async def _fields(request: Request) -> dict[str, str]:
    return {name: text for name, text in (await request.form()).items() if isinstance(text, str)}


def _at(survey: Survey) -> str:
    return f"/surveys/{survey.id}"


def _question(survey: Survey, key: str) -> Question:
    found = surveys.draft_of(survey).find(key)
    if found is None:
        raise NotFound("this question is not there any more")
    return found


async def _done(session: ReadSession, typed: QuestionForm, deed: str) -> QuestionForm:
    """What a button beside the rows does to what was typed."""
    if deed != "fill":
        return done_to_rows(typed, deed)
    chosen = next((one for one in await _asked(session) if one.asked == typed.attribute), None)
    if chosen is None:
        return typed
    told = [level for level in chosen.levels if level.key != "unknown"]
    return with_levels(typed, [(level.key, _in_all(level.label)) for level in told])


def _in_all(label: str) -> Texts:
    return {locale: words(locale).gettext(label) for locale in LOCALES}


def _at_its_fields(wrong: Sequence[Invalid], request: Request) -> Errors:
    """A question's mistakes name the question first, then the field."""
    told: Errors = {}
    for mistake in wrong:
        told.setdefault(str(mistake.where[-1]) if mistake.where else "", sentence(mistake, words_of(request)))
    return told


def _preview(content: Content, request: Request) -> list[Shown]:
    say = words_of(request)
    return [
        Shown(
            one,
            surveys.said(one.text, say),
            surveys.hint(one, say),
            [[button.text for button in row] for row in surveys.rows(one, say)],
        )
        for one in content.questions
    ]


async def _index(
    request: Request, session: ReadSession, errors: Errors | None = None, *, key: str = "", title: Texts | None = None
) -> Response:
    listed, say = await surveys.list_surveys(session), words_of(request)
    return await show(
        request,
        session,
        "admin/surveys/index.html",
        Page(say.gettext("Questionnaires"), "surveys"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        listed=[(one, surveys.said(surveys.draft_of(one).title, say)) for one in listed],
        progress=await results.progress(session, [one.id or 0 for one in listed]),
        errors=errors or {},
        key=key,
        title=title or {},
        limits=surveys,
    )


async def _show(
    request: Request,
    session: ReadSession,
    found: Survey,
    errors: Errors | None = None,
    *,
    title: Texts | None = None,
    thanks: Texts | None = None,
) -> Response:
    draft, say = surveys.draft_of(found), words_of(request)
    latest = await surveys.content_of(session, found.id or 0, found.version) if found.version else None
    return await show(
        request,
        session,
        "admin/surveys/show.html",
        Page(surveys.said(draft.title, say), "surveys", ((say.gettext("Questionnaires"), "/surveys"),)),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        survey=found,
        draft=draft,
        shown=_preview(draft, request),
        is_changed=latest is None or latest != draft,
        kinds=list(Kind),
        errors=errors or {},
        title=title if title is not None else draft.title,
        thanks=thanks if thanks is not None else draft.thanks,
        limits=surveys,
    )


async def _form(
    request: Request,
    session: ReadSession,
    survey: Survey,
    asked: Question,
    form: QuestionForm,
    errors: Errors | None = None,
) -> Response:
    say, draft = words_of(request), surveys.draft_of(survey)
    title = surveys.said(draft.title, say)
    place = say.gettext("Question %(number)d") % {"number": draft.place(asked.key) + 1}
    dimensions = await _asked(session)
    known = await attributes.definitions(session)
    return await show(
        request,
        session,
        "admin/surveys/question.html",
        Page(place, "surveys", ((say.gettext("Questionnaires"), "/surveys"), (title, _at(survey)))),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        survey=survey,
        asked=asked,
        form=form,
        others=[(one.key, surveys.said(one.text, say)) for one in draft.questions if one.key != asked.key],
        dimensions=[(one.asked, say.gettext(one.label)) for one in dimensions],
        attributes=[(name, one.label or name) for name, one in known.items()],
        errors=errors or {},
        limits=surveys,
    )
