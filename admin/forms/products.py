"""The product form."""

from pydantic import BaseModel

from admin.forms import Reading, amount_or_none, number_or_none
from siyu.catalogue import NewProduct
from siyu.kit.errors import Invalid
from siyu.kit.money import Money
from siyu.tables import Product, ProductKind


class ProductForm(BaseModel):
    """The form as it came: all text; an unticked box does not come at all."""

    sku: str = ""
    title: str = ""
    description: str = ""
    category: str = ""
    kind: str = "digital"
    stars_price: str = ""
    price: str = ""
    photo: str = ""
    stock: str = ""
    active: str = ""


def read_product(form: ProductForm, currency: str) -> tuple[NewProduct, list[Invalid]]:
    """The product, and everything in it that could not be read; its price is in this currency."""
    reading = Reading()
    product = NewProduct(
        sku=form.sku,
        title=form.title,
        description=form.description.replace("\r\n", "\n"),
        category=form.category,
        kind=ProductKind.PHYSICAL if form.kind == "physical" else ProductKind.DIGITAL,
        stars_price=reading.take(lambda: number_or_none(form.stars_price, "stars_price"), None),
        price_minor=reading.take(lambda: amount_or_none(form.price, currency, "price_minor"), None),
        currency=currency,
        photo=form.photo,
        stock=reading.take(lambda: number_or_none(form.stock, "stock"), None),
        active=bool(form.active),
    )
    return product, reading.mistakes


def filled(product: Product) -> ProductForm:
    """A product as its form shows it."""
    return ProductForm(
        sku=product.sku,
        title=product.title,
        description=product.description,
        category=product.category,
        kind=product.kind.value,
        stars_price="" if product.stars_price is None else str(product.stars_price),
        price="" if product.price_minor is None else str(Money(product.price_minor, product.currency).major),
        photo=product.photo,
        stock="" if product.stock is None else str(product.stock),
        active="1" if product.active else "",
    )
