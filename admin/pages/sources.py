"""The pages of source links: handed out, printed, paid for, and held against what they brought."""

import secrets
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response

from admin.forms import Errors, at_fields
from admin.forms.sources import SourceForm, read_cost
from admin.framing import frame_of
from admin.pages.deeds import RowId, do
from admin.pages.frame import Flash, Me, Operating, Page, Viewing, app_of, go, show, words_of
from siyu import home, sources
from siyu.kit import qr
from siyu.kit.clock import local_day
from siyu.kit.codes import new_code
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.wording import phrase
from siyu.tables import Source

router = APIRouter()

Code = Annotated[str, Path(max_length=sources.LONGEST_CODE)]
USUAL = 90

Context = dict[str, Any]  # Any: whatever the template shows


@router.get("/sources")
async def index(request: Request, me: Viewing, days: str = "") -> Response:
    app, span = app_of(request), _span(days)
    async with app.database.reading() as session:
        today = local_day(app.clock(), app.settings.zone)
        seen = await sources.overview(session, days=span, currency=app.settings.currency, today=today)
        page = Page(words_of(request).gettext("Sources"), "sources")
        told: Context = {"seen": seen, "periods": sources.PERIODS, "currency": app.settings.currency}
        return await show(request, session, "admin/sources/index.html", page, **told)


@router.get("/sources/new")
async def new(request: Request, me: Operating) -> Response:
    async with app_of(request).database.reading() as session:
        return await _form(request, session, SourceForm(currency=app_of(request).settings.currency))


@router.post("/sources")
async def create(request: Request, me: Operating, form: Annotated[SourceForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            made = await _made(request, session, me, form)
    except Invalid as mistake:
        async with app.database.reading() as session:
            return await _form(request, session, form, at_fields([mistake], words))
    except Conflict:
        return go(f"/sources/{form.key}")  # pressed twice: it is there already
    return go(f"/sources/{made.code}", Flash(words.gettext("Saved: %(title)s") % {"title": made.title}))


@router.get("/sources/{code}")
async def source(request: Request, me: Viewing, code: Code, days: str = "") -> Response:
    async with app_of(request).database.reading() as session:
        return await _source(request, session, code, days)


@router.post("/sources/{code}/costs")
async def book(request: Request, me: Operating, code: Code, form: Annotated[SourceForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.writing() as session:
            await _booked(request, session, me, code, form)
    except Invalid as mistake:
        async with app.database.reading() as session:
            return await _source(request, session, code, "", form, at_fields([mistake], words))
    return go(f"/sources/{code}", Flash(words.gettext("Saved.")))


@router.post("/sources/{code}/costs/{cost_id}/removal")
async def unbook(request: Request, me: Operating, code: Code, cost_id: RowId) -> Response:
    verb = partial(sources.delete_cost, actor=me.actor, code=code, cost_id=cost_id, now=app_of(request).clock())
    return await do(request, f"/sources/{code}", phrase("The cost is gone."), verb)


@router.post("/sources/{code}/retirement")
async def retire(request: Request, me: Operating, code: Code) -> Response:
    verb = partial(sources.retire, actor=me.actor, code=code, now=app_of(request).clock())
    return await do(request, f"/sources/{code}", phrase("Retired. Whoever still comes by it is counted."), verb)


@router.post("/sources/{code}/return")
async def revive(request: Request, me: Operating, code: Code) -> Response:
    verb = partial(sources.revive, actor=me.actor, code=code, now=app_of(request).clock())
    return await do(request, f"/sources/{code}", phrase("In use again."), verb)


@router.get("/sources/{code}/qr.png")
async def picture(request: Request, me: Viewing, code: Code) -> Response:
    """To save and to place on a poster of one's own."""
    async with app_of(request).database.reading() as session:
        link = await _link(session, await sources.get_source(session, code))
    if not link:
        raise NotFound("the bot has not been started yet: there is no link to it")
    headers = {"Content-Disposition": f'inline; filename="{code}.png"', "Cache-Control": "private, max-age=3600"}
    return Response(qr.png(link), media_type="image/png", headers=headers)


@router.get("/sources/{code}/poster")
async def poster(request: Request, me: Viewing, code: Code) -> Response:
    """One sheet of paper, ready to print."""
    async with app_of(request).database.reading() as session:
        found, account = await sources.get_source(session, code), await home.bot_account(session)
        told: Context = {"source": found, "bot": account, "link": await _link(session, found), "title": found.title}
        return Response(frame_of(request).render("admin/sources/poster.html", **told), media_type="text/html")


async def _made(request: Request, session: WriteSession, me: Me, form: SourceForm) -> Source:
    told = {"title": form.title, "channel": form.channel, "campaign": form.campaign}
    now = app_of(request).clock()
    made = await sources.create_source(session, me.actor, **told, code=form.key or None, now=now)
    if form.cost.strip():
        await _booked(request, session, me, made.code, form)
    return made


async def _booked(request: Request, session: WriteSession, me: Me, code: str, form: SourceForm) -> None:
    app, money = app_of(request), read_cost(form)
    if money is None:
        raise Invalid("write what it cost, above 0 and at most 10,000,000", where=("cost",))
    key, zone = f"form:{form.key or secrets.token_urlsafe(16)}", app.settings.zone
    await sources.book_cost(session, me.actor, code, money, key=key, zone=zone, now=app.clock())


async def _source(
    request: Request,
    session: ReadSession,
    code: str,
    days: str,
    form: SourceForm | None = None,
    errors: Errors | None = None,
) -> Response:
    app, found = app_of(request), await sources.get_source(session, code)
    today, currency = local_day(app.clock(), app.settings.zone), app.settings.currency
    one = await sources.result_of(session, found, days=_span(days), currency=currency, today=today)
    return await show(
        request,
        session,
        "admin/sources/show.html",
        Page(found.title, "sources", ((words_of(request).gettext("Sources"), "/sources"),)),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        one=one,
        days=_span(days),
        periods=sources.PERIODS,
        currency=currency,
        costs=await sources.costs_of(session, code),
        link=await _link(session, found),
        form=form or SourceForm(currency=currency, key=secrets.token_urlsafe(16)),
        errors=errors or {},
    )


async def _form(request: Request, session: ReadSession, form: SourceForm, errors: Errors | None = None) -> Response:
    say = words_of(request).gettext
    page = Page(say("New source link"), "sources", ((say("Sources"), "/sources"),))
    form.key = form.key or new_code()
    told: Context = {
        "form": form,
        "channels": sources.CHANNELS,
        "longest": sources.LONGEST_TITLE,
        "errors": errors or {},
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return await show(request, session, "admin/sources/form.html", page, status=status, **told)


async def _link(session: ReadSession, source: Source) -> str:
    """Empty before the bot's first start: only then is its name known."""
    account = await home.bot_account(session)
    return f"https://t.me/{account.username}?start=s_{source.code}" if account else ""


def _span(days: str) -> int | None:
    """What cannot be read is as if it were not told: the address is a person's. `0` is everything."""
    known = {str(one): one for one in sources.PERIODS}
    return None if days == "0" else known.get(days, USUAL)
