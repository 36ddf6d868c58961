"""The forms of shops: a new door, and a new secret for one."""

from pydantic import BaseModel

from siyu.tables import ShopKind


class ShopForm(BaseModel):
    """The form as it came: all text."""

    key: str = ""
    title: str = ""
    kind: ShopKind = ShopKind.STANDARD
    secret: str = ""
