"""The product form."""

from pydantic import BaseModel

from admin.forms import Reading, number, number_or_none
from siyu.catalogue import NewProduct
from siyu.kit.errors import Invalid
from siyu.tables import Product


class ProductForm(BaseModel):
    """The form as it came: all text; an unticked box does not come at all."""

    sku: str = ""
    title: str = ""
    description: str = ""
    category: str = ""
    stars_price: str = ""
    stock: str = ""
    active: str = ""


def read_product(form: ProductForm) -> tuple[NewProduct, list[Invalid]]:
    """The product, and everything in it that could not be read."""
    reading = Reading()
    product = NewProduct(
        sku=form.sku,
        title=form.title,
        description=form.description.replace("\r\n", "\n"),
        category=form.category,
        stars_price=reading.take(lambda: number(form.stars_price, "stars_price"), 0),
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
        stars_price=str(product.stars_price),
        stock="" if product.stock is None else str(product.stock),
        active="1" if product.active else "",
    )
