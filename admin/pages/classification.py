"""The pages of the classification: every dimension, what is adjustable in it, what a change would do, and who did."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from admin.forms import Errors
from admin.forms.classification import (
    Form,
    Typed,
    filled,
    filled_custom,
    filled_grid,
    mistakes_at,
    read_change,
    read_custom,
    rows_of,
)
from admin.framing import show_block
from admin.pages.deeds import RowId
from admin.pages.frame import (
    Administering,
    Flash,
    Me,
    Page,
    Viewing,
    app_of,
    frame_of,
    go,
    refusal,
    show,
    words_of,
)
from siyu import expectations, segments
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.wording import Words, phrase
from siyu.segments import Dimension, Foreseen, Own, SegmentView, Sentence, custom, thresholds
from siyu.segments.shipped import GRID_25, GRID_27

router = APIRouter()

INDEX, SHOWN, CUSTOM, MATRIX, GONE = (
    f"admin/classification/{name}.html" for name in ("index", "show", "custom", "matrix", "gone")
)
MODELLED = frozenset({"churn_risk", "predicted_value"})
DECIDED = frozenset({"source_channel", "decision_speed"})
LATELY = 8

Context = dict[str, Any]  # Any: whatever the template shows
Verb = Callable[[WriteSession], Awaitable[object]]


@dataclass(frozen=True)
class Look:
    """What a form asks for, as far as it can be told: its mistakes, and what it would do."""

    form: Form
    errors: Errors = field(default_factory=dict)
    foreseen: Sequence[Foreseen] | None = None  # None: nothing was asked for yet


@router.get("/classification")
async def index(request: Request, me: Viewing) -> Response:
    async with app_of(request).database.reading() as session:
        whole = await segments.classification_in_force(session)
        views = await segments.list_segments(session)
        page = Page(words_of(request).gettext("Classification"), "classification")
        return await show(
            request,
            session,
            INDEX,
            page,
            dimensions=whole.dimensions,
            thresholds=whole.thresholds,
            adjusted=await thresholds.adjusted(session),
            views={view.key: view for view in views},
            interests=[view for view in views if view.dimension.startswith(f"{segments.INTERESTS}.")],
            outlook=await expectations.outlook(session),
            modelled=MODELLED,
            changes=await segments.changes_of(session, limit=LATELY),
        )


@router.get("/classification/new")
async def new(request: Request, me: Administering) -> Response:
    async with app_of(request).database.reading() as session:
        return await _custom_form(request, session, Look({}))


@router.post("/classification/preview")
async def preview_new(request: Request, me: Administering) -> Response:
    return await _preview_custom(request)


@router.post("/classification")
async def create(request: Request, me: Administering) -> Response:
    return await _keep_custom(request, me)


@router.get("/classification/rfm/matrix")
async def matrix(request: Request, me: Viewing) -> Response:
    async with app_of(request).database.reading() as session:
        page = _page(request, words_of(request).gettext("RFM matrix"))
        found = await segments.matrix(session)
        currency = app_of(request).settings.currency
        return await show(request, session, MATRIX, page, matrix=found, currency=currency)


@router.post("/classification/changes/{change_id}/undo")
async def undo(request: Request, me: Administering, change_id: RowId) -> Response:
    """The dimension as it was before that change; that is a change as well."""
    app = app_of(request)
    verb = partial(segments.take_back, actor=me.actor, change_id=change_id, now=app.clock())
    async with app.database.reading() as session:
        key = await segments.dimension_of_change(session, change_id)
    return await _do(request, f"/classification/{key}", phrase("It is as it was before."), verb)


@router.get("/classification/{key}")
async def dimension(request: Request, me: Viewing, key: str, grid: int | None = None) -> Response:
    """`grid` is the number of cells of another RFM grid, to be filled in."""
    async with app_of(request).database.reading() as session:
        whole = await segments.classification_in_force(session)
        found = whole.by_key.get(key)
        if found is None or found.sparse:
            return await _gone(request, session, key)
        if found.custom:
            row = await custom.get_custom(session, key)
            form = filled_custom(row.label, row.levels, await _choices(session), key=key)
            return await _custom_form(request, session, Look(form), found)
        return await _form(request, session, found, Look(await _filled(session, found, grid)))


@router.post("/classification/{key}/preview")
async def preview(request: Request, me: Administering, key: str) -> Response:
    """What the form would do, while it is filled in; without scripts the whole page."""
    form = await _read(request)
    async with app_of(request).database.reading() as session:
        found = (await segments.classification_in_force(session)).dimension(key)
        if found.custom:
            return await _preview_custom(request, found)
        look = await _foreseen(request, session, found, form)
        if frame_of(request).partial:
            return show_block(request, SHOWN, "foreseen", _page(request, ""), dimension=found, look=look)
        return await _form(request, session, found, look)


@router.post("/classification/{key}")
async def change(request: Request, me: Administering, key: str) -> Response:
    app, words = app_of(request), words_of(request)
    form = await _read(request)
    async with app.database.reading() as session:
        found = (await segments.classification_in_force(session)).dimension(key)
        if found.custom:
            return await _keep_custom(request, me, found)
        typed = read_change(form, found)
    try:
        _must_be_read(typed.mistakes)
        async with app.database.writing() as session:
            await thresholds.change(
                session, me.actor, key, thresholds=typed.thresholds, own=typed.own, now=app.clock()
            )  # fmt: skip
    except (Conflict, Invalid) as mistake:
        errors = mistakes_at(typed.mistakes or [mistake], words)
        async with app.database.reading() as session:
            return await _form(request, session, found, Look(form, errors), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return await _settled(request, f"/classification/{key}", phrase("Saved."))


@router.post("/classification/{key}/shipped")
async def back_to_shipped(request: Request, me: Administering, key: str) -> Response:
    verb = partial(thresholds.restore, actor=me.actor, key=key, decided={}, now=app_of(request).clock())
    return await _do(request, f"/classification/{key}", phrase("It is as it was shipped."), verb)


@router.post("/classification/{key}/deletion")
async def delete(request: Request, me: Administering, key: str) -> Response:
    verb = partial(custom.delete, actor=me.actor, key=key, now=app_of(request).clock())
    return await _do(request, "/classification", phrase("Deleted."), verb, refused=f"/classification/{key}")


async def _form(
    request: Request, session: ReadSession, found: Dimension, look: Look, *, status: int = HTTPStatus.OK
) -> Response:
    views = [view for view in await segments.list_segments(session) if view.dimension == found.key]
    context: Context = {
        "dimension": found,
        "shipped": thresholds.shipped(found.key),
        "numbers": await segments.thresholds_of(session, found.key),
        "views": {view.level: view for view in views},
        "look": look,
        "cells": [name.removeprefix(f"{Own.GRID}-") for name in look.form if name.startswith(f"{Own.GRID}-")],
        "category_rows": range(sum(name.endswith("-key") for name in look.form if name.startswith(Own.CATEGORIES))),
        **await _around(session, found.key),
    }
    return await show(request, session, SHOWN, _page(request, _name(request, found)), status=status, **context)


async def _around(session: ReadSession, key: str) -> Context:
    """What stands beside a dimension's form."""
    return {
        "changes": await segments.changes_of(session, key),
        "adjusted": key in await thresholds.adjusted(session),
        "outlook": await expectations.outlook(session) if key in MODELLED else None,
        "deciding": await expectations.time_to_decide(session, "source_channel") if key in DECIDED else None,
        "channels": (await segments.whole(session)).dimension("source_channel") if key in DECIDED else None,
    }


async def _filled(session: ReadSession, found: Dimension, grid: int | None) -> dict[str, str]:
    own = await segments.own_of(session, found.key)
    form = filled(found, await segments.thresholds_of(session, found.key), own)
    if Own.GRID not in found.own:
        return form
    given: Mapping[str, str] = own.get(Own.GRID) or thresholds.cells_of(GRID_25)
    if grid in {25, 27} and grid != len(given):
        given = thresholds.cells_of(GRID_27 if grid == 27 else GRID_25)
    return form | filled_grid(given)


async def _foreseen(request: Request, session: ReadSession, found: Dimension, form: Form) -> Look:
    typed: Typed = read_change(form, found)
    try:
        _must_be_read(typed.mistakes)
        planned = await thresholds.plan(session, found.key, thresholds=typed.thresholds, own=typed.own)
    except (Conflict, Invalid) as mistake:
        return Look(form, mistakes_at(typed.mistakes or [mistake], words_of(request)))
    return Look(form, foreseen=await segments.foresee(session, planned.before_text, planned.after_text))


async def _custom_form(
    request: Request,
    session: ReadSession,
    look: Look,
    found: Dimension | None = None,
    *,
    status: int = HTTPStatus.OK,
) -> Response:
    title = _name(request, found) if found else words_of(request).gettext("New dimension")
    views = await segments.list_segments(session)
    context: Context = {
        "dimension": found,
        "look": look,
        "rows": rows_of(look.form),
        "choices": _groups([view for view in views if not found or view.dimension != found.key], words_of(request)),
        "views": {view.level: view for view in views if found and view.dimension == found.key},
        "changes": await segments.changes_of(session, found.key) if found else [],
    }
    return await show(request, session, CUSTOM, _page(request, title), status=status, **context)


async def _preview_custom(request: Request, found: Dimension | None = None) -> Response:
    form = await _read(request)
    async with app_of(request).database.reading() as session:
        draft, rows, mistakes = read_custom(form, key=found.key if found else "")
        try:
            _must_be_read(mistakes)
            planned = await custom.plan(session, draft, new=found is None)
            look = Look(form, foreseen=await segments.foresee(session, planned.before, planned.after))
        except (Conflict, Invalid) as mistake:
            look = Look(form, mistakes_at(mistakes or [mistake], words_of(request), rows))
        if frame_of(request).partial:
            return show_block(request, CUSTOM, "foreseen", _page(request, ""), dimension=found, look=look)
        return await _custom_form(request, session, look, found)


async def _keep_custom(request: Request, me: Me, found: Dimension | None = None) -> Response:
    app, form = app_of(request), await _read(request)
    draft, rows, mistakes = read_custom(form, key=found.key if found else "")
    try:
        _must_be_read(mistakes)
        async with app.database.writing() as session:
            verb = custom.change if found else custom.create
            await verb(session, me.actor, draft, now=app.clock())
    except (Conflict, Invalid) as mistake:
        errors = mistakes_at(mistakes or [mistake], words_of(request), rows)
        async with app.database.reading() as session:
            look = Look(form, errors)
            return await _custom_form(request, session, look, found, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return await _settled(request, f"/classification/{draft.key}", phrase("Saved."))


async def _gone(request: Request, session: ReadSession, key: str) -> Response:
    """One that was deleted shows how, and the way back. Raises NotFound where there never was one."""
    changes = await segments.changes_of(session, key)
    if not changes:
        raise NotFound("there is no dimension %(key)s", key=key)
    return await show(request, session, GONE, _page(request, key), key=key, changes=changes)


async def _do(request: Request, back: str, told: str, verb: Verb, *, refused: str = "") -> Response:
    try:
        async with app_of(request).database.writing() as session:
            await verb(session)
    except (Conflict, Invalid) as error:
        return go(refused or back, refusal(request, error))
    return await _settled(request, back, told)


async def _settled(request: Request, back: str, told: str) -> Response:
    """What was changed takes effect before the next look."""
    app, words = app_of(request), words_of(request)
    run = await segments.settle(
        app.database, zone=app.settings.zone, currency=app.settings.currency, now=app.clock()
    )  # fmt: skip
    said = words.gettext(told)
    if run is None:
        later = words.gettext("Levels follow when the look at another time, or the run under way, is over.")
        return go(back, Flash(f"{said} {later}", "warn"))
    moved = words.ngettext("%(num)d level changed.", "%(num)d levels changed.", run.changed) % {"num": run.changed}
    return go(back, Flash(f"{said} {moved}"))


async def _read(request: Request) -> Form:
    return {name: text for name, text in (await request.form()).items() if isinstance(text, str)}


async def _choices(session: ReadSession) -> set[str]:
    return {view.key for view in await segments.list_segments(session)}


def _groups(views: Sequence[SegmentView], words: Words) -> list[tuple[str, list[tuple[str, str]]]]:
    """Segments to choose from, as a select shows them."""
    return [
        (Sentence(label).said(words), [(view.key, Sentence(view.label).said(words)) for view in found])
        for label, found in segments.grouped(views)
    ]


def _must_be_read(mistakes: Sequence[Invalid]) -> None:
    if mistakes:
        raise mistakes[0]


def _name(request: Request, found: Dimension) -> str:
    return Sentence(found.label).said(words_of(request))


def _page(request: Request, title: str) -> Page:
    return Page(title, "classification", ((words_of(request).gettext("Classification"), "/classification"),))
