"""The pages of offers: drafted, opened, handed out, redeemed at the counter, and checked against their books."""

import secrets
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from admin.forms import Errors, at_fields, sentence
from admin.forms import number as read_number
from admin.forms.offers import OfferForm, filled, imagined, read_amount, read_offer
from admin.framing import show_block
from admin.pages.deeds import RowId, do
from admin.pages.frame import (
    Flash,
    Me,
    Operating,
    Page,
    Viewing,
    app_of,
    frame_of,
    go,
    refusal,
    show,
    show_or_block,
    words_of,
)
from siyu import coupons, home, purchases, segments
from siyu.broadcasts.comparing import Uplift, uplift
from siyu.coupons import Carried, Compared, Use
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.wording import phrase
from siyu.operators import Permission
from siyu.tables import Offer, OfferState

router = APIRouter()

HOLDERS = 25
LARGEST_FILE = 5_000_000
FORM, SHOWN = "admin/offers/form.html", "admin/offers/show.html"

Context = dict[str, Any]  # Any: whatever the template shows


@router.get("/offers")
async def index(request: Request, me: Viewing, state: OfferState | None = None, cursor: str | None = None) -> Response:
    async with app_of(request).database.reading() as session:
        found = await coupons.list_offers(session, state=state, cursor=cursor)
        page = Page(words_of(request).gettext("Offers"), "offers")
        context: Context = {"offers": found, "state": state, "cursor": cursor}
        return await show_or_block(request, session, "admin/offers/index.html", "rows", page, **context)


@router.get("/offers/new")
async def new(request: Request, me: Operating, segment: str = "") -> Response:
    """`segment` is remembered: whom it will be handed out to."""
    async with app_of(request).database.reading() as session:
        return await _form(request, session, OfferForm(segment=segment))


@router.post("/offers/preview")
async def preview(request: Request, me: Operating, form: Annotated[OfferForm, Form()]) -> Response:
    """The offer in a sentence, while it is written."""
    context = _imagined(request, form)
    return show_block(request, FORM, "preview", _page(request, form.title), **context)


@router.post("/offers")
async def create(request: Request, me: Operating, form: Annotated[OfferForm, Form()]) -> Response:
    return await _keep(request, me, form)


@router.post("/offers/pause")
async def pause_all(request: Request, me: Operating) -> Response:
    """The kill switch: no offer can be claimed until somebody opens it again."""
    verb = partial(coupons.pause_all, actor=me.actor, now=app_of(request).clock())
    return await do(request, "/offers", phrase("Every open offer is paused."), verb)


@router.get("/offers/books")
async def books(request: Request, me: Viewing) -> Response:
    """All that `siyu books` checks, not of offers alone: what is wrong in one room shows in another."""
    async with app_of(request).database.reading() as session:
        page = _page(request, words_of(request).gettext("The books"))
        return await show(
            request,
            session,
            "admin/offers/books.html",
            page,
            breaches=await purchases.books(session),
            rules=purchases.RULES,
        )


@router.get("/offers/redeem")
async def counter(request: Request, me: Operating, code: str = "", amount: str = "") -> Response:
    """With a code, what it is worth and whose it is, before anything is taken."""
    async with app_of(request).database.reading() as session:
        return await _counter(request, session, me, code=code, amount=amount)


@router.post("/offers/redeem")
async def redeem(
    request: Request,
    me: Operating,
    code: Annotated[str, Form()] = "",
    amount: Annotated[str, Form()] = "",
    key: Annotated[str, Form()] = "",
) -> Response:
    """`key` came with the form: a form that is sent twice takes one coupon."""
    app, words = app_of(request), words_of(request)
    try:
        use = Use(read_amount(amount, app.settings.currency, "amount"), "staff", f"page:{key}", staff=me.name)
        async with app.database.writing() as session:
            await coupons.redeem(session, code, use, now=app.clock())
    except (Conflict, Invalid) as error:
        field = "amount" if isinstance(error, Invalid) or error.reason in {"min_spend", "currency"} else "code"
        async with app.database.reading() as session:
            return await _counter(
                request, session, me, code=code, amount=amount, errors={field: sentence(error, words)}
            )
    return go(f"/offers/redeem?{urlencode({'code': code})}", Flash(words.gettext("Redeemed.")))


@router.post("/offers/redeem/{redemption_id}/undo")
async def undo(request: Request, me: Operating, redemption_id: RowId, code: Annotated[str, Form()] = "") -> Response:
    """What was redeemed by mistake; after ten minutes for admins only."""
    at_any_time, now = me.may(Permission.ADMINISTER), app_of(request).clock()
    verb = partial(coupons.undo, actor=me.actor, redemption_id=redemption_id, at_any_time=at_any_time, now=now)
    back = f"/offers/redeem?{urlencode({'code': code})}"
    return await do(request, back, phrase("Undone: the coupon can be used again."), verb)


@router.get("/offers/{offer_id}")
async def offer(
    request: Request, me: Viewing, offer_id: RowId, segment: str = "", cursor: str | None = None
) -> Response:
    """`segment` is whom it shall be handed out to, where somebody came from there."""
    async with app_of(request).database.reading() as session:
        found = await coupons.get_offer(session, offer_id)
        page = _page(request, found.title)
        context: Context = {"offer": found, "cursor": cursor}
        context["holders"] = await coupons.holders(session, offer_id, cursor=cursor, limit=HOLDERS)
        if frame_of(request).partial:
            return show_block(request, SHOWN, "rows", page, **context)
        return await show(request, session, SHOWN, page, **context, **await _around(request, session, found, segment))


@router.get("/offers/{offer_id}/edit")
async def change(request: Request, me: Operating, offer_id: RowId) -> Response:
    async with app_of(request).database.reading() as session:
        found = await coupons.get_offer(session, offer_id)
        return await _form(request, session, filled(found, app_of(request).settings.zone), offer=found)


@router.post("/offers/{offer_id}")
async def keep(request: Request, me: Operating, offer_id: RowId, form: Annotated[OfferForm, Form()]) -> Response:
    return await _keep(request, me, form, offer_id)


@router.post("/offers/{offer_id}/activate")
async def activate(request: Request, me: Operating, offer_id: RowId) -> Response:
    verb = partial(coupons.activate, actor=me.actor, offer_id=offer_id, now=app_of(request).clock())
    return await do(request, f"/offers/{offer_id}", phrase("It is open: fans can claim it now."), verb)


@router.post("/offers/{offer_id}/pause")
async def pause(request: Request, me: Operating, offer_id: RowId) -> Response:
    verb = partial(coupons.pause, actor=me.actor, offer_id=offer_id, now=app_of(request).clock())
    told = phrase("No new claims. Coupons that fans hold already stay good.")
    return await do(request, f"/offers/{offer_id}", told, verb)


@router.get("/offers/{offer_id}/issue")
async def foresee(request: Request, me: Operating, offer_id: RowId, segment: str = "") -> Response:
    """What handing out would do, before it is done; the key lets one look hand out once."""
    async with app_of(request).database.reading() as session:
        found, view = await coupons.get_offer(session, offer_id), await segments.get_segment(session, segment)
        foreseen = await coupons.foresee(session, found, await segments.audience(session, segment))
        page = _page(request, words_of(request).gettext("Hand out"), found)
        context: Context = {"offer": found, "segment": view, "foreseen": foreseen, "key": secrets.token_urlsafe(16)}
        return await show_or_block(request, session, "admin/offers/issue.html", "issue", page, **context)


@router.post("/offers/{offer_id}/issue")
async def issue(
    request: Request,
    me: Operating,
    offer_id: RowId,
    segment: Annotated[str, Form()] = "",
    key: Annotated[str, Form()] = "",
) -> Response:
    app, words = app_of(request), words_of(request)
    try:
        async with app.database.reading() as session:
            fans = await session.all(await segments.audience(session, segment))
        zone, clock = app.settings.zone, app.clock
        done = await coupons.hand_out(app.database, me.actor, offer_id, fans, key=key, zone=zone, clock=clock)
    except Conflict as error:
        return go(f"/offers/{offer_id}", refusal(request, error))
    told = words.gettext("%(issued)s handed out, %(already)s had theirs already, for %(refused)s there was none left.")
    return go(f"/offers/{offer_id}", Flash(told % asdict(done), "good" if done.issued else "info"))


@router.post("/offers/{offer_id}/revoke")
async def revoke(request: Request, me: Operating, offer_id: RowId) -> Response:
    verb = partial(coupons.revoke, actor=me.actor, offer_id=offer_id, now=app_of(request).clock())
    told = phrase("Unused coupons are taken back. One in a payment under way stays good.")
    return await do(request, f"/offers/{offer_id}", told, verb)


@router.post("/offers/{offer_id}/codes")
async def print_codes(
    request: Request, me: Operating, offer_id: RowId, number: Annotated[str, Form()] = ""
) -> Response:
    try:
        wanted = read_number(number, "number")
    except Invalid as mistake:
        return go(f"/offers/{offer_id}", refusal(request, mistake))
    verb = partial(coupons.print_codes, actor=me.actor, offer_id=offer_id, number=wanted, now=app_of(request).clock())
    return await do(request, f"/offers/{offer_id}", phrase("The codes are there: take them along as a file."), verb)


@router.post("/offers/{offer_id}/codes/import")
async def import_codes(
    request: Request, me: Operating, offer_id: RowId, file: Annotated[UploadFile | None, File()] = None
) -> Response:
    """A file with a column `code`; the same again adds none, and what cannot be read is named by its line."""
    app, words = app_of(request), words_of(request)
    try:
        codes = await _codes_in(file)
        async with app.database.writing() as session:
            done = await coupons.import_codes(session, me.actor, offer_id, codes, now=app.clock())
    except (Conflict, Invalid) as error:
        return go(f"/offers/{offer_id}", refusal(request, error))
    told = words.gettext("%(added)s codes added, %(known)s were there already.")
    said = told % {"added": done.added, "known": done.known}
    if done.rejected:
        lines = ", ".join(str(line) for line, _code, _why in done.rejected[:10])
        said += " " + words.gettext("Not taken: lines %(lines)s.") % {"lines": lines}
    return go(f"/offers/{offer_id}", Flash(said, "info" if done.rejected else "good"))


@router.get("/offers/{offer_id}/codes.csv")
async def export_codes(request: Request, me: Operating, offer_id: RowId) -> Response:
    """Every printed code and whether it is taken."""
    async with app_of(request).database.reading() as session:
        await coupons.get_offer(session, offer_id)
        lines, cursor = ["code,taken_at"], None
        while True:
            page = await coupons.list_codes(session, offer_id, cursor=cursor)
            lines += [f"{one.code},{one.taken_at.isoformat() if one.taken_at else ''}" for one in page.items]
            if (cursor := page.next) is None:
                break
    name = {"Content-Disposition": f'attachment; filename="codes-{offer_id}.csv"'}
    return Response("\n".join(lines) + "\n", media_type="text/csv; charset=utf-8", headers=name)


async def _codes_in(file: UploadFile | None) -> list[str]:
    content = await file.read(LARGEST_FILE + 1) if file else b""
    if not content or len(content) > LARGEST_FILE:
        raise Invalid("choose a file of at most 5 MB", where=("file",))
    try:
        return coupons.codes_of_csv(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Invalid("this file is not text in UTF-8", where=("file",)) from None


async def _keep(request: Request, me: Me, form: OfferForm, offer_id: int | None = None) -> Response:
    """The draft is kept; or the form again, with every mistake at its field."""
    app, words = app_of(request), words_of(request)
    draft, wrong = read_offer(form, currency=app.settings.currency, zone=app.settings.zone)
    if not wrong and coupons.ceiling(imagined(draft, now=app.clock())) is None:
        wrong = [Invalid(coupons.NO_CEILING, where=("budget",))]
    try:
        if wrong:
            return await _again(request, form, offer_id, at_fields(wrong, words))
        async with app.database.writing() as session:
            if offer_id is None:
                kept = await coupons.create(session, me.actor, draft, now=app.clock())
            else:
                kept = await coupons.change(session, me.actor, offer_id, draft, now=app.clock())
    except Invalid as mistake:
        return await _again(request, form, offer_id, at_fields([mistake], words))
    except Conflict as error:
        return go(f"/offers/{offer_id}", refusal(request, error))
    onward = f"?{urlencode({'segment': form.segment})}" if form.segment else ""
    told = words.gettext("The draft is saved. Look at it once more, then open it.")
    return go(f"/offers/{kept.id}{onward}", Flash(told))


async def _again(request: Request, form: OfferForm, offer_id: int | None, errors: Errors) -> Response:
    async with app_of(request).database.reading() as session:
        found = await coupons.get_offer(session, offer_id) if offer_id else None
        return await _form(request, session, form, offer=found, errors=errors)


async def _form(
    request: Request,
    session: ReadSession,
    form: OfferForm,
    *,
    offer: Offer | None = None,
    errors: Errors | None = None,
) -> Response:
    page = _page(request, words_of(request).gettext("Edit"), offer) if offer else _page(request, "")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    context: Context = {"offer": offer, "errors": errors or {}, **_imagined(request, form)}
    return await show(request, session, FORM, page, status=status, **context)


def _imagined(request: Request, form: OfferForm) -> Context:
    """The form, and the offer it would make where it can be read already."""
    settings, now = app_of(request).settings, app_of(request).clock()
    draft, wrong = read_offer(form, currency=settings.currency, zone=settings.zone)
    would_be = None if wrong else imagined(draft, now=now)
    ceiling = coupons.ceiling(would_be) if would_be else None
    basics = {"form": form, "currency": settings.currency, "zone": settings.timezone}
    in_stars = coupons.ceiling_in_stars(would_be) if would_be else None
    return {**basics, "would_be": would_be, "ceiling": ceiling, "in_stars": in_stars}


async def _counter(
    request: Request, session: ReadSession, me: Me, *, code: str, amount: str, errors: Errors | None = None
) -> Response:
    app, at_any_time = app_of(request), me.may(Permission.ADMINISTER)
    slip = await coupons.find_slip(session, code) if code else None
    if code and slip is None and not errors:
        errors = {"code": words_of(request).gettext("there is no coupon with this code")}
    return await show(
        request,
        session,
        "admin/offers/redeem.html",
        _page(request, words_of(request).gettext("Redeem a coupon")),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        slip=slip,
        standing=Carried(slip.coupon, slip.offer).standing(app.clock()) if slip else None,
        can_undo=bool(slip and slip.use and coupons.can_be_undone(slip.use, at_any_time=at_any_time, now=app.clock())),
        code=code,
        amount=amount,
        errors=errors or {},
        currency=app.settings.currency,
        zone=app.settings.timezone,
        key=secrets.token_urlsafe(16),
    )


async def _around(request: Request, session: ReadSession, found: Offer, segment: str) -> Context:
    """What stands around the list of holders."""
    views, account = await segments.list_segments(session), await home.bot_account(session)
    return {
        "ceiling": coupons.ceiling(found),
        "in_stars": coupons.ceiling_in_stars(found),
        "codes": await coupons.count_codes(session, found.id or 0),
        "effects": (found_effects := await coupons.effects(session, found.id or 0)),
        "uplift": _uplift(found_effects.compared),
        "unused": await coupons.could_be_revoked(session, found.id or 0),
        "dimensions": segments.grouped(views),
        "segment": segment,
        "zone": app_of(request).settings.timezone,
        "link": f"https://t.me/{account.username}?start=o_{found.code}" if account else "",
    }


def _uplift(compared: Compared | None) -> Uplift | None:
    return uplift(compared.treated, compared.bought, compared.held, compared.held_bought) if compared else None


def _page(request: Request, title: str, within: Offer | None = None) -> Page:
    say = words_of(request).gettext
    trail = [(say("Offers"), "/offers"), *([(within.title, f"/offers/{within.id}")] if within else [])]
    return Page(title or say("New offer"), "offers", tuple(trail))
