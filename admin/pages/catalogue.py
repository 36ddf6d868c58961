"""The pages of the catalogue: what fans can buy in chat."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from admin.forms import Errors, at_fields, sentence
from admin.forms.products import ProductForm, filled, read_product
from admin.pages.deeds import RowId
from admin.pages.frame import Administering, Flash, Page, Viewing, app_of, go, show, words_of
from admin.security import Me
from siyu import catalogue
from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid
from siyu.tables import Product

router = APIRouter()


@router.get("/catalogue")
async def index(request: Request, me: Viewing) -> Response:
    async with app_of(request).database.reading() as session:
        page = Page(words_of(request).gettext("Catalogue"), "catalogue")
        products = await catalogue.list_products(session)
        return await show(request, session, "admin/catalogue/index.html", page, products=products)


@router.get("/catalogue/new")
async def new(request: Request, me: Administering) -> Response:
    async with app_of(request).database.reading() as session:
        return await _form(request, session, ProductForm(active="1"))


@router.post("/catalogue")
async def create(request: Request, me: Administering, form: Annotated[ProductForm, Form()]) -> Response:
    return await _keep(request, me, form)


@router.get("/catalogue/{product_id}")
async def product(request: Request, me: Administering, product_id: RowId) -> Response:
    async with app_of(request).database.reading() as session:
        found = await catalogue.get_product(session, product_id)
        return await _form(request, session, filled(found), product=found)


@router.post("/catalogue/{product_id}")
async def change(
    request: Request, me: Administering, product_id: RowId, form: Annotated[ProductForm, Form()]
) -> Response:
    return await _keep(request, me, form, product_id)


async def _keep(request: Request, me: Me, form: ProductForm, product_id: int | None = None) -> Response:
    """The product is kept; or the form again, with every mistake at its field."""
    app, words = app_of(request), words_of(request)
    draft, wrong = read_product(form, app.settings.currency)
    change = partial(catalogue.change_product, product_id=product_id) if product_id else catalogue.create_product
    try:
        if wrong:
            return await _again(request, form, product_id, at_fields(wrong, words))
        async with app.database.writing() as session:
            await change(session, me.actor, draft=draft, now=app.clock())
    except Invalid as mistake:
        return await _again(request, form, product_id, at_fields([mistake], words))
    except Conflict as error:
        return await _again(request, form, product_id, {"sku": sentence(error, words)})
    return go("/catalogue", Flash(words.gettext("Saved: %(title)s") % {"title": draft.title}))


async def _again(request: Request, form: ProductForm, product_id: int | None, errors: Errors) -> Response:
    async with app_of(request).database.reading() as session:
        found = await catalogue.get_product(session, product_id) if product_id else None
        return await _form(request, session, form, product=found, errors=errors)


async def _form(
    request: Request,
    session: ReadSession,
    form: ProductForm,
    *,
    product: Product | None = None,
    errors: Errors | None = None,
) -> Response:
    say = words_of(request).gettext
    page = Page(product.title if product else say("New product"), "catalogue", ((say("Catalogue"), "/catalogue"),))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return await show(
        request,
        session,
        "admin/catalogue/form.html",
        page,
        status=status,
        form=form,
        product=product,
        errors=errors or {},
        limits=catalogue,
        currency=app_of(request).settings.currency,
    )
