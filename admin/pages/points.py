"""The pages of points: what gives them, what they give, the tiers, and a fan's ledger."""

import secrets
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response

from admin.forms import Errors, at_fields, number, sentence
from admin.forms.points import (
    LANGUAGES,
    RuleForm,
    TiersForm,
    at_rows,
    came_tiers,
    filled_rule,
    filled_tiers,
    read_rule,
    read_tiers,
    signed,
)
from admin.pages.deeds import RowId, do
from admin.pages.frame import Administering, Flash, Operating, Page, Viewing, app_of, go, show, words_of
from siyu import attributes, coupons, fans, points
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.wording import phrase
from siyu.points import Rule
from siyu.tables import Fan, Offer, OfferState, PointsKind

router = APIRouter()

Word = Annotated[str, Path(max_length=32)]
TelegramId = Annotated[int, Path(ge=1, le=2**52)]
LINES = 50


@router.get("/points")
async def index(request: Request, me: Viewing) -> Response:
    async with app_of(request).database.reading() as session:
        return await _index(request, session)


@router.post("/points/programme")
async def switch_on(request: Request, me: Administering) -> Response:
    app = app_of(request)
    verb = partial(points.switch_on, actor=me.actor, currency=app.settings.currency, now=app.clock())
    return await do(request, "/points", phrase("On: from now on fans get points."), verb)


@router.post("/points/programme/end")
async def switch_off(request: Request, me: Administering) -> Response:
    verb = partial(points.switch_off, actor=me.actor, now=app_of(request).clock())
    return await do(request, "/points", phrase("Off: nobody gets new points. What fans have stays theirs."), verb)


@router.get("/points/rules/{kind}")
async def rule(request: Request, me: Administering, kind: Word) -> Response:
    async with app_of(request).database.reading() as session:
        found = await _rule(session, kind)
        return await _rule_form(request, session, found, filled_rule(found))


@router.post("/points/rules/{kind}")
async def change_rule(request: Request, me: Administering, kind: Word, form: Annotated[RuleForm, Form()]) -> Response:
    app, words = app_of(request), words_of(request)
    async with app.database.reading() as session:
        found = await _rule(session, kind)
    draft, wrong = read_rule(form, found)
    try:
        if not wrong:
            async with app.database.writing() as session:
                await points.change_rule(session, me.actor, draft, now=app.clock())
            return go("/points", Flash(words.gettext("Saved.")))
    except Invalid as mistake:
        wrong = [mistake]
    async with app.database.reading() as session:
        return await _rule_form(request, session, found, form, at_fields(wrong, words))


@router.post("/points/rewards")
async def set_cost(
    request: Request, me: Operating, offer_id: Annotated[str, Form()] = "", cost: Annotated[str, Form()] = ""
) -> Response:
    app, words = app_of(request), words_of(request)
    try:
        wanted, price = number(offer_id, "offer_id"), number(cost, "cost")
        async with app.database.writing() as session:
            await coupons.set_cost(session, me.actor, wanted, price, now=app.clock())
    except Invalid as mistake:
        async with app.database.reading() as session:
            wrong = at_fields([mistake], words)
            return await _index(request, session, wrong, offer_id=offer_id, cost=cost)
    return go("/points#rewards", Flash(words.gettext("Fans can have it for points now.")))


@router.post("/points/rewards/{offer_id}/removal")
async def remove_reward(request: Request, me: Operating, offer_id: RowId) -> Response:
    now = app_of(request).clock()
    verb = partial(coupons.set_cost, actor=me.actor, offer_id=offer_id, cost=None, now=now)
    return await do(request, "/points#rewards", phrase("It cannot be had for points any more."), verb)


@router.get("/points/tiers")
async def tiers(request: Request, me: Administering) -> Response:
    async with app_of(request).database.reading() as session:
        terms, steps = await points.programme(session), await points.tiers(session)
        return await _tiers_form(request, session, filled_tiers(steps, terms.window_days, terms.grace_days))


@router.post("/points/tiers")
async def change_tiers(request: Request, me: Administering) -> Response:
    app, words = app_of(request), words_of(request)
    form = came_tiers(await request.form())
    drafts, window, grace, wrong = read_tiers(form)
    try:
        if not wrong:
            async with app.database.writing() as session:
                await points.change_tiers(
                    session, me.actor, drafts, window_days=window, grace_days=grace, now=app.clock()
                )
            return go("/points#tiers", Flash(words.gettext("Saved. Everybody’s tier is looked at again now.")))
    except Invalid as mistake:
        wrong = [mistake]
    async with app.database.reading() as session:
        return await _tiers_form(request, session, form, at_rows(wrong, form, words))


@router.get("/fans/{telegram_id}/points")
async def ledger(request: Request, me: Viewing, telegram_id: TelegramId, cursor: str | None = None) -> Response:
    async with app_of(request).database.reading() as session:
        return await _ledger(request, session, await fans.get_fan(session, telegram_id), cursor=cursor)


@router.post("/fans/{telegram_id}/points")
async def adjust(
    request: Request,
    me: Operating,
    telegram_id: TelegramId,
    amount: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
    key: Annotated[str, Form()] = "",
) -> Response:
    """`key` came with the form: a form that is sent twice gives once."""
    app, words = app_of(request), words_of(request)
    async with app.database.reading() as session:
        found = await fans.get_fan(session, telegram_id)
    try:
        moved = signed(amount, "amount")
        async with app.database.writing() as session:
            await points.adjust(session, me.actor, found, moved, reason, key=f"page:{key}", now=app.clock())
    except (Conflict, Invalid) as error:
        wrong = at_fields([error], words) if isinstance(error, Invalid) else {"amount": sentence(error, words)}
        async with app.database.reading() as session:
            return await _ledger(request, session, found, wrong, amount=amount, reason=reason, key=key)
    return go(f"/fans/{telegram_id}/points", Flash(words.gettext("Done.")))


async def _index(
    request: Request, session: ReadSession, errors: Errors | None = None, *, offer_id: str = "", cost: str = ""
) -> Response:
    rewards = await coupons.rewards(session)
    taken = {reward.offer.id for reward in rewards}
    now, currency = app_of(request).clock(), app_of(request).settings.currency
    return await show(
        request,
        session,
        "admin/points/index.html",
        Page(words_of(request).gettext("Points"), "points"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        programme=await points.programme(session),
        rules=[(rule, rule.unit(currency)) for rule in (await points.rules(session)).values()],
        movements=points.MOVEMENTS,
        rewards=[(reward, reward.is_open(now)) for reward in rewards],
        offers=[(offer.id, offer.title) for offer in await _offers(session, request) if offer.id not in taken],
        tiers=await points.tiers(session),
        members=await points.members_by_tier(session),
        errors=errors or {},
        offer_id=offer_id,
        cost=cost,
    )


async def _offers(session: ReadSession, request: Request) -> list[Offer]:
    """What could be had for points: open offers, and those that are being prepared."""
    now = app_of(request).clock()
    listed = await coupons.list_offers(session, limit=200)
    return [offer for offer in listed.items if offer.ends_at > now and offer.state is not OfferState.PAUSED]


async def _rule(session: ReadSession, kind: str) -> Rule:
    known = {one.value: rule for one, rule in (await points.rules(session)).items()}
    if kind not in known:
        raise NotFound("there is no such rule")
    return known[kind]


async def _rule_form(
    request: Request, session: ReadSession, rule: Rule, form: RuleForm, errors: Errors | None = None
) -> Response:
    say = words_of(request).gettext
    page = Page(say(points.MOVEMENTS[rule.kind]), "points", ((say("Points"), "/points"),))
    return await show(
        request,
        session,
        "admin/points/rule.html",
        page,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        rule=rule,
        form=form,
        by_money=rule.kind in points.BY_MONEY,
        attributes=[(one.name, one.label or one.name) for one in (await attributes.definitions(session)).values()]
        if rule.kind is PointsKind.BIRTHDAY
        else [],
        currency=app_of(request).settings.currency,
        errors=errors or {},
    )


async def _tiers_form(
    request: Request, session: ReadSession, form: TiersForm, errors: Errors | None = None
) -> Response:
    say = words_of(request).gettext
    return await show(
        request,
        session,
        "admin/points/tiers.html",
        Page(say("Tiers"), "points", ((say("Points"), "/points"),)),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        form=form,
        languages=LANGUAGES,
        errors=errors or {},
    )


async def _ledger(
    request: Request,
    session: ReadSession,
    fan: Fan,
    errors: Errors | None = None,
    *,
    cursor: str | None = None,
    amount: str = "",
    reason: str = "",
    key: str = "",
) -> Response:
    say, fan_id, now = words_of(request).gettext, fan.id or 0, app_of(request).clock()
    above = ((say("Fans"), "/fans"), (fan.name, f"/fans/{fan.telegram_id}"))
    return await show(
        request,
        session,
        "admin/points/ledger.html",
        Page(say("Points"), "fans", above),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        fan=fan,
        stands=await points.standing(session, fan_id, now=now),
        movements=points.MOVEMENTS,
        changes=await points.changes_of(session, fan_id),
        steps={step.rank: step for step in await points.tiers(session)},
        page_of=await points.movements(session, fan_id, cursor=cursor, limit=LINES),
        cursor=cursor,
        errors=errors or {},
        amount=amount,
        reason=reason,
        key=key or secrets.token_urlsafe(16),
    )
