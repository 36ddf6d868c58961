"""The pages of tags: which there are, how they look, who may have two of them."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response

from admin.forms import Errors, at_fields, sentence
from admin.forms.tags import GroupForm, TagForm, filled_group, filled_tag, read_tag
from admin.pages.deeds import RowId, do
from admin.pages.frame import Flash, Operating, Page, Viewing, app_of, go, refusal, show, words_of
from siyu import segments, tags
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import phrase
from siyu.segments import tagging
from siyu.tables import Colour, Tag, TagGroup
from siyu.tags import Shelf

router = APIRouter()


@router.get("/tags")
async def index(request: Request, me: Viewing) -> Response:
    async with app_of(request).database.reading() as session:
        page = Page(words_of(request).gettext("Tags"), "tags")
        return await show(request, session, "admin/tags/index.html", page, shelves=await tags.list_tags(session))


@router.get("/tags/new")
async def new(request: Request, me: Operating) -> Response:
    async with app_of(request).database.reading() as session:
        return await _form(request, session, TagForm())


@router.post("/tags")
async def create(request: Request, me: Operating, form: Annotated[TagForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    draft, wrong = read_tag(form)
    try:
        if wrong:
            return await _again(request, form, at_fields(wrong, words))
        async with app.database.writing() as session:
            made = await tags.create_tag(session, me.actor, draft, now=app.clock())
    except Invalid as mistake:
        return await _again(request, form, at_fields([mistake], words))
    except Conflict as error:
        return await _again(request, form, {"word": sentence(error, words)})
    return go("/tags", Flash(words.gettext("Saved: %(title)s") % {"title": made.word}))


@router.get("/tags/change")
async def tag(request: Request, me: Operating, word: str) -> Response:
    async with app_of(request).database.reading() as session:
        found = await tags.get_tag(session, word)
        return await _form(request, session, filled_tag(found), tag=found)


@router.post("/tags/change")
async def change(request: Request, me: Operating, word: str, form: Annotated[TagForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    form.word = word
    draft, wrong = read_tag(form)
    try:
        if wrong:
            return await _again(request, form, at_fields(wrong, words), word)
        async with app.database.writing() as session:
            await tags.change_tag(session, me.actor, draft, now=app.clock())
    except Invalid as mistake:
        return await _again(request, form, at_fields([mistake], words), word)
    return go("/tags", Flash(words.gettext("Saved: %(title)s") % {"title": word}))


@router.post("/tags/renaming")
async def rename(request: Request, me: Operating, form: Annotated[TagForm, Form()]) -> Response:
    """Onto a word that is there already it is refused, and the merge that would be is ready to press."""
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            await tagging.must_not_be_needed(session, form.word)
            await tags.rename_tag(session, me.actor, form.word, form.new, now=app.clock())
    except Invalid as mistake:
        return await _again_with_looks(request, form, at_fields([mistake], words))
    except Conflict as error:
        form.into = form.new.strip()
        return await _again_with_looks(request, form, {"new": sentence(error, words)})
    return go("/tags", Flash(words.gettext("Saved: %(title)s") % {"title": form.new.strip()}))


@router.post("/tags/merging")
async def merge(request: Request, me: Operating, form: Annotated[TagForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            await tagging.must_not_be_needed(session, form.word)
            number = await tags.merge_tags(session, me.actor, form.word, form.into, now=app.clock())
    except Invalid as mistake:
        return await _again_with_looks(request, form, at_fields([mistake], words))
    except Conflict as error:
        return await _again_with_looks(request, form, {"into": sentence(error, words)})
    told = words.ngettext("Merged: %(num)d fan had it.", "Merged: %(num)d fans had it.", number)
    return go("/tags", Flash(told % {"num": number}))


@router.post("/tags/removal")
async def remove(request: Request, me: Operating, word: Annotated[str, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            await tagging.must_not_be_needed(session, word)
            number = await tags.delete_tag(session, me.actor, word, now=app.clock())
    except Conflict as error:
        return go("/tags/change?" + urlencode({"word": word}), refusal(request, error))
    told = words.ngettext("Deleted: %(num)d fan had it.", "Deleted: %(num)d fans had it.", number)
    return go("/tags", Flash(told % {"num": number}))


@router.post("/tags/rule")
async def rule(request: Request, me: Operating, form: Annotated[TagForm, Form()]) -> Response:
    """Everybody in a segment has the tag by itself; or, with none chosen, only who was given it."""
    app, words = app_of(request), words_of(request)
    given = {"segment": form.segment} if form.segment else None
    try:
        async with app.database.writing() as session:
            await tagging.hang_by_rule(session, me.actor, form.word, given, now=app.clock())
    except Invalid as mistake:
        return await _again_with_looks(request, form, {"segment": sentence(mistake, words)})
    return go("/tags/change?" + urlencode({"word": form.word}), Flash(words.gettext("Saved.")))


# ---- groups ----------------------------------------------------------------------------------------------------------


@router.get("/tags/groups/new")
async def new_group(request: Request, me: Operating) -> Response:
    async with app_of(request).database.reading() as session:
        return await _group_form(request, session, GroupForm())


@router.post("/tags/groups")
async def create_group(request: Request, me: Operating, form: Annotated[GroupForm, Form()]) -> Response:
    return await _keep_group(request, me, form)


@router.get("/tags/groups/{group_id}")
async def group(request: Request, me: Operating, group_id: RowId) -> Response:
    async with app_of(request).database.reading() as session:
        found = await tags.get_group(session, group_id)
        return await _group_form(request, session, filled_group(found), group=found)


@router.post("/tags/groups/{group_id}")
async def change_group(
    request: Request, me: Operating, group_id: RowId, form: Annotated[GroupForm, Form()]
) -> Response:
    return await _keep_group(request, me, form, group_id)


@router.post("/tags/groups/{group_id}/removal")
async def remove_group(request: Request, me: Operating, group_id: RowId) -> Response:
    verb = partial(tags.delete_group, actor=me.actor, group_id=group_id, now=app_of(request).clock())
    return await do(request, "/tags", phrase("The group is gone; its tags are not."), verb)


async def _keep_group(request: Request, me: Operating, form: GroupForm, group_id: int | None = None) -> Response:
    app, words = app_of(request), words_of(request)
    keep = partial(tags.change_group, group_id=group_id) if group_id else tags.create_group
    try:
        async with app.database.writing() as session:
            await keep(session, me.actor, name=form.name, exclusive=bool(form.exclusive), now=app.clock())
    except Invalid as mistake:
        return await _group_again(request, form, group_id, at_fields([mistake], words))
    except Conflict as error:
        return await _group_again(request, form, group_id, {"name": sentence(error, words)})
    return go("/tags", Flash(words.gettext("Saved: %(title)s") % {"title": form.name.strip()}))


async def _group_again(request: Request, form: GroupForm, group_id: int | None, errors: Errors) -> Response:
    async with app_of(request).database.reading() as session:
        found = await tags.get_group(session, group_id) if group_id else None
        return await _group_form(request, session, form, group=found, errors=errors)


async def _group_form(
    request: Request,
    session: ReadSession,
    form: GroupForm,
    *,
    group: TagGroup | None = None,
    errors: Errors | None = None,
) -> Response:
    say = words_of(request).gettext
    page = Page(group.name if group else say("New group"), "tags", ((say("Tags"), "/tags"),))
    told = {"form": form, "group": group, "errors": errors or {}, "limits": tags}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return await show(request, session, "admin/tags/group.html", page, status=status, **told)


# ---- the form of a tag -----------------------------------------------------------------------------------------------


async def _again(request: Request, form: TagForm, errors: Errors, word: str = "") -> Response:
    async with app_of(request).database.reading() as session:
        found = await tags.get_tag(session, word) if word else None
        return await _form(request, session, form, tag=found, errors=errors)


async def _again_with_looks(request: Request, form: TagForm, errors: Errors) -> Response:
    """After a renaming or a merge that was refused: beside it stands the tag as it is."""
    async with app_of(request).database.reading() as session:
        found = await tags.get_tag(session, form.word)
        looks = filled_tag(found).model_copy(update={"new": form.new, "into": form.into})
        return await _form(request, session, looks, tag=found, errors=errors)


async def _form(
    request: Request,
    session: ReadSession,
    form: TagForm,
    *,
    tag: Tag | None = None,
    errors: Errors | None = None,
) -> Response:
    say = words_of(request).gettext
    page = Page(tag.label or tag.word if tag else say("New tag"), "tags", ((say("Tags"), "/tags"),))
    shelves = await tags.list_tags(session) if tag else []
    return await show(
        request,
        session,
        "admin/tags/form.html",
        page,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        form=form,
        tag=tag,
        fans=await tags.size_of(session, tag.word) if tag else 0,
        groups=await tags.list_groups(session),
        others=_others(shelves, tag.word) if tag else [],
        colours=[colour.value for colour in Colour],
        segments=await _segments(request, session) if tag else [],
        errors=errors or {},
        limits=tags,
    )


async def _segments(request: Request, session: ReadSession) -> list[tuple[str, str]]:
    """Whom it could be hung on by itself, as options; saved segments first."""
    words = words_of(request)
    views = [view for _, group in segments.grouped(await segments.list_segments(session)) for view in group]
    by_hand = [("", words.gettext("Nobody: only by hand"))]
    return by_hand + [(view.key, view.name.said(words)) for view in views if not view.key.startswith("tag:")]


def _others(shelves: Sequence[Shelf], word: str) -> list[tuple[str, str]]:
    """What it could be merged into, as options."""
    found = [tag for shelf in shelves for tag, _ in shelf.tags if tag.word != word]
    return [(tag.word, f"{tag.label} ({tag.word})" if tag.label else tag.word) for tag in found]
