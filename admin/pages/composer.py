"""The composer: a broadcast is written, kept while it is written, looked at, tried out on oneself, and sent."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from admin.forms import Errors, sentence
from admin.forms.broadcasts import Fields, Written, draft_from, mistakes_at, read, shown, written
from admin.forms.drafting import LETTERS, done
from admin.forms.keyboards import KINDS
from admin.forms.placeholders import menu
from admin.forms.preview import Glance, preview
from admin.framing import show_block
from admin.pages.deeds import RowId
from admin.pages.frame import Flash, Me, Operating, Page, app_of, frame_of, go, refusal, show, words_of
from siyu import broadcasts, coupons, operators, preferences, segments, surveys, topics
from siyu.broadcasts import Draft, content, draft_of
from siyu.broadcasts.refusals import explained
from siyu.broadcasts.trial import tried
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, SiyuError
from siyu.kit.wording import Words, phrase
from siyu.tables import Broadcast, BroadcastState, Offer, OfferState, Outbox, OutboxState

router = APIRouter()

COMPOSER, TRIED = "admin/broadcasts/composer.html", "admin/broadcasts/_tried.html"
MOST_OFFERS = 200
OFFERED_TEMPLATES = 6
# A form with a hundred buttons in each of some editions.
MOST_FIELDS = 5000
# What I kept a moment ago may not have come back to my page yet: that is no other person's change.
OWN_ECHO = timedelta(seconds=30)
LONGEST_MADE_TITLE = 60

# Where a refusal to start is told.
PLACES = {"empty": "include", "offer_not_open": "offer"}
ON_ITS_WAY = phrase("It is on its way.")
TOLD = {
    BroadcastState.AWAITING: phrase("A second person is asked: nothing leaves before they approve."),
    BroadcastState.SCHEDULED: phrase("It is scheduled, and can still be taken back."),
}

Context = dict[str, Any]  # Any: whatever the template shows


@dataclass(frozen=True)
class Other:
    """Who saved meanwhile, and which version that made."""

    name: str
    version: int
    at: datetime


@router.get("/broadcasts/new")
async def new(request: Request, me: Operating, segment: str = "", offer: str = "") -> Response:
    async with app_of(request).database.reading() as session:
        likes = await preferences.read(session)
        begun = Written(
            include=(segment,) if segment else (), offer=offer, attribution_days=str(likes.attribution_days)
        )
        return await composer(request, session, begun)


@router.post("/broadcasts/part")
async def change_part(request: Request, me: Operating) -> Response:
    """One more row, picture, language or version, or one less: every button works with and without scripts."""
    told = await _fields(request)
    deed = done(read(told), dict(told).get("do", ""), dict(told), words_of(request))
    async with app_of(request).database.reading() as session:
        answer = await composer(request, session, deed.form, focus=deed.focus, block="parts")
    answer.headers["HX-Trigger"] = "composer-changed"
    return answer


@router.post("/broadcasts/preview")
async def look(request: Request, me: Operating) -> Response:
    """How it will look and who will get it; nothing is kept."""
    told = await _fields(request)
    async with app_of(request).database.reading() as session:
        return await composer(request, session, read(told), glance=_glance(told), block="preview")


@router.post("/broadcasts/draft")
async def keep_while_writing(request: Request, me: Operating) -> Response:
    """The same, and it is kept as it is: with its mistakes, but never over what somebody else saved."""
    told = await _fields(request)
    form, said = read(told), Context()
    try:
        form = await _kept_unfinished(request, me, form)
    except (Conflict, Invalid) as error:
        said = await _not_kept(request, form, error)
    async with app_of(request).database.reading() as session:
        return await composer(request, session, form, glance=_glance(told), block="preview", autosaved=True, **said)


@router.post("/broadcasts")
async def compose(request: Request, me: Operating) -> Response:
    kept = await _keep(request, me, await _fields(request))
    if isinstance(kept, Response):
        return kept
    told = words_of(request).gettext("The draft is saved. Try it out, then send it.")
    return go(f"/broadcasts/{kept.id}", Flash(told))


@router.post("/broadcasts/{broadcast_id}")
async def edit(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    kept = await _keep(request, me, await _fields(request), broadcast_id)
    if isinstance(kept, Response):
        return kept
    return go(f"/broadcasts/{broadcast_id}", Flash(words_of(request).gettext("The draft is saved.")))


@router.post("/broadcasts/{broadcast_id}/test")
async def test(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    """What is in the form is kept, then one copy goes to whoever asked."""
    told, app, words = await _fields(request), app_of(request), words_of(request)
    kept = await _keep(request, me, told, broadcast_id)
    if isinstance(kept, Response):
        return kept
    glance = _glance(told)
    choice = {"variant": glance.variant or None, "language": glance.language or None}
    async with app.database.writing() as session:
        await broadcasts.test_to(session, me.actor, kept, me.telegram_id, words=words, now=app.clock(), **choice)
    app.bells.outbox.set()
    return go(
        f"/broadcasts/{broadcast_id}", Flash(words.gettext("A copy is on its way to your own chat with the bot."))
    )


@router.get("/broadcasts/{broadcast_id}/test")
async def test_outcome(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    """What became of the last copy to me."""
    async with app_of(request).database.reading() as session:
        found = await broadcasts.get_broadcast(session, broadcast_id)
        copy, address = await _tried(session, request, found), f"/broadcasts/{broadcast_id}"
        why = _why(copy, words_of(request))
        return show_block(request, TRIED, "tried", _page(request, found.title), tried=copy, why=why, address=address)


@router.post("/broadcasts/{broadcast_id}/start")
async def start(request: Request, me: Operating, broadcast_id: RowId) -> Response:
    """What is in the form is kept, then it goes out: nobody sends another text than the one on the screen."""
    told, app = await _fields(request), app_of(request)
    kept = await _keep(request, me, told, broadcast_id)
    if isinstance(kept, Response):
        return kept
    try:
        async with app.database.writing() as session:
            begun = await broadcasts.start(session, broadcast_id, actor=me.actor, now=app.clock(), undo=True)
    except (Conflict, Invalid) as error:
        return await _refused(request, kept, error)
    app.bells.broadcasts.set()
    said = words_of(request).gettext(TOLD.get(begun.state, ON_ITS_WAY))
    return go(f"/broadcasts/{broadcast_id}", Flash(said))


async def drafted(request: Request, session: ReadSession, broadcast: Broadcast) -> Response:
    """The page of a draft that was kept."""
    return await composer(request, session, written(broadcast, app_of(request).settings.zone))


async def composer(
    request: Request,
    session: ReadSession,
    form: Written,
    errors: Errors | None = None,
    *,
    status: int = HTTPStatus.OK,
    glance: Glance = Glance(),  # noqa: B008  # frozen
    block: str = "",
    focus: str = "",
    **more: object,
) -> Response:
    """The whole page, or for htmx the block that changed."""
    app, words, part = app_of(request), words_of(request), frame_of(request).partial and bool(block)
    draft, unread = draft_from(form, app.settings.zone)
    row = await broadcasts.get_broadcast(session, form.broadcast_id) if form.broadcast_id else None
    context: Context = {
        "form": form,
        "row": row,
        "errors": errors or {},
        "glance": glance,
        "focus": focus,
        "partial": part,
        "likes": await preferences.read(session),
        "rate": draft.rate or app.settings.send_rate,
        "other": None,
        "not_kept": "",
        "autosaved": False,
        "longest": content.longest(draft),
    } | more
    if block != "parts" or not part:
        context["look"] = await preview(
            session, form, draft, unread,
            glance=glance, words=words, now=app.clock(), zone=app.settings.zone, broadcast_id=row.id if row else None,
        )  # fmt: skip
        context["tried"] = copy = await _tried(session, request, row)
        context["why"] = _why(copy, words)
        context["errors"] = _refused_since(copy, row, form, words) | context["errors"]
    if block != "preview" or not part:
        context |= await _choices(request, session, form)
    page = _page(request, row.title if row else "")
    if part:
        return show_block(request, COMPOSER, block, page, status=status, **context)
    return await show(request, session, COMPOSER, page, status=status, **context)


async def _keep(request: Request, me: Me, told: Fields, broadcast_id: int | None = None) -> Broadcast | Response:
    """The draft as it was kept; or the form again, with every mistake at its field."""
    app, words, form = app_of(request), words_of(request), read(told)
    if broadcast_id is not None:
        form = replace(form, id=str(broadcast_id))
    draft, unread = draft_from(form, app.settings.zone)
    draft = _titled(draft)
    async with app.database.reading() as session:
        wrong = mistakes_at([*unread, *await broadcasts.mistakes(session, draft, now=app.clock())], form, words)
        if wrong:
            return await composer(request, session, form, wrong, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        async with app.database.writing() as session:
            return await _write(session, me, form, draft, now=app.clock())
    except Conflict as conflict:
        if conflict.reason != "edited":
            return go(f"/broadcasts/{form.id}", refusal(request, conflict))
        said = await _not_kept(request, form, conflict)
        async with app.database.reading() as session:
            return await composer(request, session, form, status=HTTPStatus.CONFLICT, **said)


async def _kept_unfinished(request: Request, me: Me, form: Written) -> Written:
    """The form with the number and the version it was kept under; an empty one is not worth a draft."""
    app, words = app_of(request), words_of(request)
    draft, unread = draft_from(form, app.settings.zone)
    if form.broadcast_id is None and not (form.text.strip() or form.title.strip() or form.media):
        return form
    if unread:
        # It would be kept as nothing: a rule half typed widened the audience to everybody.
        raise unread[0]
    draft = _titled(draft, otherwise=words.gettext("Untitled"))
    async with app.database.writing() as session:
        row = await _write(session, me, form, draft, now=app.clock(), unfinished=True)
        return replace(form, id=str(row.id), version=str(row.version))


async def _write(
    session: WriteSession, me: Me, form: Written, draft: Draft, *, now: datetime, unfinished: bool = False
) -> Broadcast:
    if form.broadcast_id is None:
        return await broadcasts.compose(session, me.actor, draft, now=now, unfinished=unfinished)
    there = await broadcasts.get_broadcast(session, form.broadcast_id)
    if unfinished and draft_of(there) == draft:
        return there
    verb = partial(broadcasts.edit, session, me.actor, form.broadcast_id, draft, now=now, unfinished=unfinished)
    mine = there.edited_by == me.actor.key and there.edited_at is not None and now - there.edited_at < OWN_ECHO
    # Only this one's own save lies between, and nobody else's.
    echo = mine and form.seen_version == there.version - 1
    return await verb(seen_version=there.version if echo else form.seen_version)


def _titled(draft: Draft, otherwise: str = "") -> Draft:
    """What has no title is called by its first words."""
    if draft.title.strip():
        return replace(draft, title=draft.title.strip())
    try:
        words = content.readable(draft.text)
    except Invalid:
        words = shown(draft.text).striptags()
    first = next((line.strip() for line in words.splitlines() if line.strip()), "")
    return replace(draft, title=first[:LONGEST_MADE_TITLE] or otherwise)


async def _not_kept(request: Request, form: Written, error: SiyuError) -> Context:
    if error.reason != "edited" or form.broadcast_id is None:
        return {"not_kept": sentence(error, words_of(request))}
    async with app_of(request).database.reading() as session:
        there = await broadcasts.get_broadcast(session, form.broadcast_id)
        name = await operators.named(session, there.edited_by or there.created_by)
    return {"other": Other(name, there.version, there.edited_at or there.created_at)}


async def _refused(request: Request, kept: Broadcast, error: Conflict | Invalid) -> Response:
    """Why it does not go, at the field it is about."""
    app, words = app_of(request), words_of(request)
    form = written(kept, app.settings.zone)
    place = PLACES.get(error.reason)
    if isinstance(error, Invalid):
        told = mistakes_at([error], form, words)
    elif place:
        told = {place: sentence(error, words)}
    else:
        return go(f"/broadcasts/{kept.id}", refusal(request, error))
    async with app.database.reading() as session:
        return await composer(request, session, form, told, status=HTTPStatus.UNPROCESSABLE_ENTITY)


async def _choices(request: Request, session: ReadSession, form: Written) -> Context:
    """Whatever there is to choose from."""
    views = await segments.list_segments(session)
    known = await topics.offered(session)
    return {
        "dimensions": segments.grouped(views),
        "views": {view.key: view for view in views},
        "offers": await _offers(session, form, app_of(request).clock()),
        "topics": [(topic.key, topic.label) for topic in known],
        "kinds": KINDS,
        "asked": await _questionnaires(session, words_of(request)),
        "placeholders": await menu(session, words_of(request)),
        "more_variants": len(form.variants) < len(LETTERS),
        "templates": (await broadcasts.list_broadcasts(session, templates=True, limit=OFFERED_TEMPLATES)).items
        if not form.broadcast_id
        else [],
        "zone": app_of(request).settings.timezone,
    }


async def _offers(session: ReadSession, form: Written, now: datetime) -> list[Offer]:
    """What can be claimed now, and the one the draft has already."""
    found = await coupons.list_offers(session, limit=MOST_OFFERS)
    is_open = {offer.id for offer in found.items if offer.state is OfferState.ACTIVE and offer.ends_at > now}
    return [offer for offer in found.items if offer.id in is_open or str(offer.id) == form.offer]


async def _questionnaires(session: ReadSession, words: Words) -> list[tuple[str, str]]:
    """Key and title of each that a button can begin, as fans meet it: its published title, not its draft's."""
    active = [one for one in await surveys.list_surveys(session) if one.version and one.archived_at is None]
    told = {one.key: await surveys.content_of(session, one.id or 0, one.version) for one in active}
    return [(key, surveys.said(content.title, words)) for key, content in told.items()]


async def _tried(session: ReadSession, request: Request, row: Broadcast | None) -> Outbox | None:
    me: Me = request.state.me
    return await tried(session, row.id or 0, me.telegram_id) if row else None


def _why(copy: Outbox | None, words: Words) -> str:
    """What Telegram refused a copy with, in our words."""
    return sentence(explained(copy.error), words) if copy and copy.error else ""


def _refused_since(copy: Outbox | None, row: Broadcast | None, form: Written, words: Words) -> Errors:
    """The same at its field, until somebody changed the draft."""
    if copy is None or row is None or copy.state is not OutboxState.FAILED or not copy.error:
        return {}
    return (
        {} if row.edited_at and row.edited_at > copy.created_at else mistakes_at([explained(copy.error)], form, words)
    )


def _glance(told: Fields) -> Glance:
    said = dict(told)
    variant, _, language = said.get("glance", "").partition("|")
    return Glance(variant, language, said.get("reader", ""))


async def _fields(request: Request) -> Fields:
    form = await request.form(max_fields=MOST_FIELDS)
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def _page(request: Request, title: str) -> Page:
    say = words_of(request).gettext
    return Page(title or say("New broadcast"), "broadcasts", ((say("Broadcasts"), "/broadcasts"),))
