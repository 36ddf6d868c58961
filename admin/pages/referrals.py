"""The pages of the referral programme: its terms, what it gave, and what waits for somebody's decision."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from sqlmodel import col, select

from admin.forms import Errors, Reading, at_fields, number
from admin.pages.deeds import RowId, do
from admin.pages.frame import Administering, Flash, Operating, Page, Viewing, app_of, go, show, words_of
from siyu import points, referrals, segments
from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid
from siyu.kit.wording import phrase
from siyu.referrals import Programme
from siyu.tables import Offer, OfferState, PointsKind

router = APIRouter()


class ProgrammeForm(BaseModel):
    """The form as it came: all text; milestones as `3: 100` line by line."""

    is_on: str = ""
    day_cap: str = ""
    month_cap: str = ""
    milestones: str = ""
    referrer_offer_id: str = ""
    newcomer_offer_id: str = ""


@router.get("/referrals")
async def index(request: Request, me: Viewing) -> Response:
    async with app_of(request).database.reading() as session:
        return await _page(request, session, _filled(await referrals.programme(session)))


@router.post("/referrals")
async def change(request: Request, me: Administering, form: Annotated[ProgrammeForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    wanted, wrong = _read(form)
    try:
        if wrong:
            raise wrong[0]
        async with app.database.writing() as session:
            await referrals.change_programme(session, me.actor, wanted, now=app.clock())
    except Invalid as mistake:
        async with app.database.reading() as session:
            return await _page(request, session, form, errors=at_fields([*wrong, mistake], words))
    return go("/referrals", Flash(words.gettext("Saved.")))


@router.post("/referrals/{grant_id}/release")
async def release(request: Request, me: Operating, grant_id: RowId) -> Response:
    verb = partial(referrals.release, actor=me.actor, grant_id=grant_id, now=app_of(request).clock())
    return await do(request, "/referrals", phrase("Released: it is given when its days are over."), verb)


@router.post("/referrals/{grant_id}/block")
async def block(request: Request, me: Operating, grant_id: RowId) -> Response:
    verb = partial(referrals.block, actor=me.actor, grant_id=grant_id, now=app_of(request).clock())
    return await do(request, "/referrals", phrase("Blocked: it is never given."), verb)


async def _page(
    request: Request, session: ReadSession, form: ProgrammeForm, *, errors: Errors | None = None
) -> Response:
    rules = await points.rules(session)
    offers = await session.all(select(Offer).where(col(Offer.state) == OfferState.ACTIVE).order_by(col(Offer.title)))
    return await show(
        request,
        session,
        "admin/referrals/index.html",
        Page(words_of(request).gettext("Referrals"), "referrals"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        form=form,
        errors=errors or {},
        is_on=(await referrals.programme(session)).is_on,
        offers=[(one.id, one.title) for one in offers],
        worth=(rules[PointsKind.REFERRER], rules[PointsKind.NEWCOMER]),
        gives_points=(await points.programme(session)).is_on,
        numbers=(await segments.classification_in_force(session)).qualifying,
        totals=await referrals.totals(session),
        doubts=await referrals.doubts(session),
    )


def _filled(terms: Programme) -> ProgrammeForm:
    return ProgrammeForm(
        is_on="1" if terms.is_on else "",
        day_cap=str(terms.day_cap),
        month_cap=str(terms.month_cap),
        milestones="\n".join(f"{friends}: {worth}" for friends, worth in terms.milestones.items()),
        referrer_offer_id=str(terms.referrer_offer_id or ""),
        newcomer_offer_id=str(terms.newcomer_offer_id or ""),
    )


def _read(form: ProgrammeForm) -> tuple[Programme, list[Invalid]]:
    reading = Reading()
    wanted = Programme(
        is_on=bool(form.is_on),
        day_cap=reading.take(lambda: number(form.day_cap, "day_cap"), 1),
        month_cap=reading.take(lambda: number(form.month_cap, "month_cap"), 1),
        milestones=reading.take(lambda: _milestones(form.milestones), {}),
        referrer_offer_id=reading.take(lambda: _offer(form.referrer_offer_id, "referrer_offer_id"), None),
        newcomer_offer_id=reading.take(lambda: _offer(form.newcomer_offer_id, "newcomer_offer_id"), None),
    )
    return wanted, reading.mistakes


def _milestones(text: str) -> dict[int, int]:
    lines = [line.replace("：", ":").partition(":") for line in text.splitlines() if line.strip()]
    return {number(friends, "milestones"): number(worth, "milestones") for friends, _, worth in lines}


def _offer(text: str, field: str) -> int | None:
    return number(text, field) if text else None
