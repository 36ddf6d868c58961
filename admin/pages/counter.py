"""The pages of the counter: a purchase entered for a fan, undone, or paid back."""

import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from admin.forms import Errors, amount_or_none, at_fields, sentence
from admin.forms.counter import ReturnForm, SaleForm, read_sale
from admin.pages.deeds import RowId
from admin.pages.fans import TelegramId, buyers_page
from admin.pages.frame import Administering, Flash, Operating, Page, app_of, go, refusal, show, words_of
from siyu import catalogue, fans, purchases
from siyu.kit import figures
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.money import Money
from siyu.operators import Permission
from siyu.tables import Fan, Purchase

router = APIRouter()

# Where a refusal belongs that is about one field of the form.
FIELDS = {"sold_out": "sku", "key_reused": ""}


@router.get("/fans/{telegram_id}/purchases/new")
async def new(request: Request, me: Operating, telegram_id: TelegramId) -> Response:
    async with app_of(request).database.reading() as session:
        fan = await fans.get_fan(session, telegram_id)
        return await _form(request, session, fan, SaleForm(key=secrets.token_hex(16)))


@router.post("/fans/{telegram_id}/purchases")
async def sell(request: Request, me: Operating, telegram_id: TelegramId, form: Annotated[SaleForm, Form()]) -> Response:
    """Once for each form, however often it is sent."""
    app, words = app_of(request), words_of(request)
    currency = app.settings.currency
    sale, wrong = read_sale(form, currency)
    try:
        if wrong:
            return await _again(request, telegram_id, form, at_fields(wrong, words))
        async with app.database.writing() as session:
            fan = await fans.get_fan(session, telegram_id)
            sold, _ = await purchases.sell(
                session, me.actor, fan, sale, key=form.key, currency=currency, zone=app.settings.zone, now=app.clock()
            )
    except Invalid as mistake:
        return await _again(request, telegram_id, form, at_fields([mistake], words))
    except Conflict as error:
        return await _again(request, telegram_id, form, {FIELDS.get(error.reason, "coupon"): sentence(error, words)})
    paid = _told(request, Money(sold.amount_minor, sold.currency))
    return go(f"/fans/{telegram_id}#purchases", Flash(words.gettext("Entered: %(amount)s paid") % {"amount": paid}))


@router.post("/purchases/{purchase_id}/undo")
async def undo(request: Request, me: Operating, purchase_id: RowId) -> Response:
    """Within ten minutes by whoever may sell, later by whoever administers."""
    app, say = app_of(request), words_of(request).gettext
    always = me.may(Permission.ADMINISTER)
    async with app.database.reading() as session:
        back = f"{await buyers_page(session, purchase_id)}#purchases"
    try:
        async with app.database.writing() as session:
            await purchases.take_back(
                session, me.actor, purchase_id, at_any_time=always, zone=app.settings.zone, now=app.clock()
            )
    except Conflict as error:
        return go(back, refusal(request, error))
    return go(back, Flash(say("Undone: it counts as given back whole.")))


@router.get("/purchases/{purchase_id}/return")
async def returning(request: Request, me: Administering, purchase_id: RowId) -> Response:
    async with app_of(request).database.reading() as session:
        purchase = await purchases.get_purchase(session, purchase_id)
        return await _return_form(request, session, purchase, ReturnForm(key=secrets.token_hex(16)))


@router.post("/purchases/{purchase_id}/return")
async def give_back(
    request: Request, me: Administering, purchase_id: RowId, form: Annotated[ReturnForm, Form()]
) -> Response:
    """Money went back outside Telegram, in part or whole."""
    app, words = app_of(request), words_of(request)
    async with app.database.reading() as session:
        purchase = await purchases.get_purchase(session, purchase_id)
        back = f"{await buyers_page(session, purchase_id)}#purchases"
    try:
        amount = amount_or_none(form.amount, purchase.currency, "amount_minor")
        async with app.database.writing() as session:
            await purchases.give_back(
                session, me.actor, purchase_id, amount, key=form.key, zone=app.settings.zone, now=app.clock()
            )
    except (Invalid, Conflict) as error:
        async with app.database.reading() as session:
            return await _return_form(request, session, purchase, form, {"amount": sentence(error, words)})
    return go(back, Flash(words.gettext("Noted: the money went back.")))


async def _again(request: Request, telegram_id: int, form: SaleForm, errors: Errors) -> Response:
    async with app_of(request).database.reading() as session:
        return await _form(request, session, await fans.get_fan(session, telegram_id), form, errors)


async def _form(
    request: Request, session: ReadSession, fan: Fan, form: SaleForm, errors: Errors | None = None
) -> Response:
    say = words_of(request).gettext
    above = ((say("Fans"), "/fans"), (fan.name, f"/fans/{fan.telegram_id}"))
    return await show(
        request,
        session,
        "admin/fans/sale.html",
        Page(say("Enter a purchase"), "fans", above),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        fan=fan,
        form=form,
        errors=errors or {},
        products=await catalogue.list_products(session, active_only=True),
        currency=app_of(request).settings.currency,
    )


async def _return_form(
    request: Request, session: ReadSession, purchase: Purchase, form: ReturnForm, errors: Errors | None = None
) -> Response:
    say = words_of(request).gettext
    fan = await fans.get_fan_by_id(session, purchase.fan_id)
    above = ((say("Fans"), "/fans"), (fan.name, f"/fans/{fan.telegram_id}"))
    return await show(
        request,
        session,
        "admin/fans/return.html",
        Page(say("Money back"), "fans", above),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        fan=fan,
        purchase=purchase,
        lines=(await purchases.lines_of(session, [purchase.id or 0])).get(purchase.id or 0, []),
        form=form,
        errors=errors or {},
    )


def _told(request: Request, amount: Money) -> str:
    return figures.money(amount, words_of(request).locale)
