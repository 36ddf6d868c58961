"""The rule builder: a segment is begun, changed part by part, looked at while it is written, and kept."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from admin.forms import Errors, sentence
from admin.forms.moves import done
from admin.forms.rules import ROOT, Group, errors_at, numbered, tree_of
from admin.forms.segments import Written, as_rule, draft, look, of_composite, of_saved, overlaps, read
from admin.forms.vocabulary import vocabulary
from admin.framing import show_block
from admin.pages.frame import Flash, Operating, Page, Viewing, app_of, frame_of, go, show, words_of
from siyu import segments
from siyu.app import App
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import Words, phrase
from siyu.segments import saved
from siyu.segments.rules import MOST_LEAVES
from siyu.segments.saved import COLOURS
from siyu.segments.shipped.composites import COMPOSITES
from siyu.tables import SavedSegment

router = APIRouter()

BUILDER, OVERLAP = "admin/segments/builder.html", "admin/segments/overlap.html"
# Each condition has up to six fields, and a dimension as many more as it has levels.
MOST_FIELDS = MOST_LEAVES * 20

Context = dict[str, Any]  # Any: whatever the template shows

KEPT = phrase("The segment is saved.")
WAITS = phrase("The segment is saved. Its people are found when the look at another time ends.")


@router.get("/segments/new")
async def new(
    request: Request,
    me: Operating,
    like: str = "",
    copy: str = "",
    within: Annotated[str, Query(alias="in")] = "",
) -> Response:
    """Empty; or `like` a shipped one, a `copy` of a saved one, or `in` a segment to make it narrower."""
    app, words = app_of(request), words_of(request)
    async with app.database.reading() as session:
        form = await _begun(session, like, copy, within, app.settings.currency, words)
        return await _builder(request, session, form)


@router.post("/segments/new")
async def create(request: Request, me: Operating) -> Response:
    return await _keep(request, me, await _form(request))


@router.get("/segments/overlap")
async def overlap(
    request: Request, me: Viewing, keys: Annotated[tuple[str, ...], Query(alias="with", max_length=8)] = ()
) -> Response:
    """Who is in two or three segments at once."""
    words, chosen = words_of(request), tuple(dict.fromkeys(key for key in keys if key))[:3]
    async with app_of(request).database.reading() as session:
        say = await vocabulary(session, words=words, currency=app_of(request).settings.currency)
        parts = await overlaps(session, chosen, words) if len(chosen) > 1 else []
        page = Page(words.gettext("Overlap"), "segments", ((words.gettext("Segments"), "/segments"),))
        return await show(request, session, OVERLAP, page, parts=parts, chosen=chosen, groups=say.segments)


@router.post("/segments/rule")
async def change_part(request: Request, me: Operating) -> Response:
    """One deed on the tree: every button works with and without scripts. Nothing is kept."""
    fields = await _fields(request)
    form, said = read(fields), dict(fields)
    tree, focus, errors = form.tree, "", {}
    if said.get("do"):
        deed = said["do"]
        try:
            changed = done(tree, deed, said.get(f"{deed.partition(' ')[2]}.new", ""))
            tree, focus = changed.tree, changed.focus
        except Invalid as mistake:
            errors = errors_at([mistake], words_of(request))
    async with app_of(request).database.reading() as session:
        answer = await _builder(request, session, replace(form, tree=tree), errors=errors, focus=focus, block="tree")
    answer.headers["HX-Trigger"] = "rule-changed"
    return answer


@router.post("/segments/look")
async def look_at(request: Request, me: Operating) -> Response:
    """How many it fits and why; with the mistakes at their fields where the whole page is shown."""
    form = read(await _fields(request))
    async with app_of(request).database.reading() as session:
        return await _builder(request, session, form, block="look", checked=True)


@router.get("/segments/{key}/edit")
async def edit(request: Request, me: Operating, key: str) -> Response:
    app = app_of(request)
    async with app.database.reading() as session:
        row = await saved.get_saved(session, key)
        return await _builder(request, session, of_saved(row, app.settings.currency))


@router.post("/segments/{key}/edit")
async def change(request: Request, me: Operating, key: str) -> Response:
    return await _keep(request, me, await _form(request), key)


async def work_out(app: App) -> bool:
    """Everybody's place by the rules of this moment; not while a look at another time is held."""
    now = app.clock()
    async with app.database.reading() as session:
        free = await segments.may_move(session, now=now)
    if free:
        await segments.recompute(app.database, zone=app.settings.zone, currency=app.settings.currency, now=now)
    return free


async def _begun(session: ReadSession, like: str, copy: str, within: str, currency: str, words: Words) -> Written:
    composite = next((one for one in COMPOSITES if one.key == like), None)
    if composite:
        return of_composite(composite, currency, words)
    if copy:
        form = of_saved(await saved.get_saved(session, copy), currency)
        label = words.gettext("%(label)s (copy)") % {"label": form.label}
        return replace(form, within="", label=label, pinned=False)
    if within:
        whole = await segments.classification_in_force(session)
        dimension, level = whole.place(within)
        rule: dict[str, object] = {"dimension": dimension.key, "in": [level.key]}
        if dimension.sparse:
            rule = {"segment": within}
        return Written(tree_of(await saved.checked(session, rule), currency))
    return Written(Group("all"))


async def _keep(request: Request, me: Operating, form: Written, key: str = "") -> Response:
    app, words = app_of(request), words_of(request)
    form = replace(form, within=key)
    errors: Errors = {}
    try:
        async with app.database.writing() as session:
            typed, mistakes = await as_rule(session, form, app.settings.currency)
            errors = errors_at(mistakes, words)
            if not errors:
                written = draft(form, typed, await _taken(session))
                verb = saved.change if key else saved.create
                row = await verb(session, me.actor, written, now=app.clock())
    except Invalid as mistake:
        errors = errors_at([mistake], words)
    except Conflict as conflict:
        errors = {"key" if conflict.reason == "taken" else ROOT: sentence(conflict, words)}
    if errors:
        async with app.database.reading() as session:
            return await _builder(request, session, form, errors=errors, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    free = await work_out(app)
    return go(f"/segments/{row.key}" if free else "/segments", Flash(words.gettext(KEPT if free else WAITS)))


async def _taken(session: ReadSession) -> set[str]:
    rows = [*await saved.list_saved(session), *await saved.list_saved(session, archived=True)]
    return {row.key for row in rows} | set((await segments.classification_in_force(session)).by_key)


async def _builder(
    request: Request,
    session: ReadSession,
    form: Written,
    *,
    errors: Mapping[str, str] | None = None,
    focus: str = "",
    block: str = "",
    checked: bool = False,
    status: int = HTTPStatus.OK,
) -> Response:
    """The whole page, or for htmx the block that changed; `checked` shows what is not right at its field."""
    app, words, part = app_of(request), words_of(request), frame_of(request).partial and block
    currency = app.settings.currency
    row = await saved.find_saved(session, form.within) if form.within else None
    context: Context = {"form": form, "focus": focus, "errors": errors or {}, "row": row, "words": words}
    context["partial"] = bool(part)
    if part != "look":
        context["say"] = await vocabulary(session, words=words, currency=currency, without=form.within)
    if part != "tree":
        context["look"] = found = await look(session, form, words=words, currency=currency)
        if checked:
            context["errors"] = found.mistakes
    context["numbered"] = numbered(context["errors"], words)
    page = _page(words, row)
    if part:
        return show_block(request, BUILDER, part, page, **context)
    saved_rows = await saved.list_saved(session)
    folders = sorted({one.folder for one in saved_rows if one.folder})
    more = {"colours": COLOURS[1:], "composites": COMPOSITES, "folders": folders}
    return await show(request, session, BUILDER, page, status=status, **context, **more)


def _page(words: Words, row: SavedSegment | None) -> Page:
    above = ((words.gettext("Segments"), "/segments"),)
    if row is None:
        return Page(words.gettext("New segment"), "segments", above)
    return Page(words.gettext("Change the rule"), "segments", (*above, (row.label, f"/segments/{row.key}")))


async def _form(request: Request) -> Written:
    return read(await _fields(request))


async def _fields(request: Request) -> list[tuple[str, str]]:
    form = await request.form(max_fields=MOST_FIELDS)
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
