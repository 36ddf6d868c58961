"""The door of a shop: where it knocks, what it signs with, and whether it is open."""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select

from siyu.audit import Actor, note
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.shops.signatures import new_secret
from siyu.tables import Shop, ShopKind

PATH = "/hooks"
LONGEST_TITLE = 80
LONGEST_SECRET = 256
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SECRET = re.compile(rf"[!-~]{{8,{LONGEST_SECRET}}}")


def source_of(shop_key: str) -> str:
    """What the purchases of a shop are filed under."""
    return f"shop:{shop_key}"


async def list_shops(session: ReadSession) -> Sequence[Shop]:
    return await session.all(select(Shop).order_by(col(Shop.closed_at).is_not(None), col(Shop.title), col(Shop.key)))


async def get_shop(session: ReadSession, key: str) -> Shop:
    """Raises NotFound."""
    found = await session.get(Shop, key)
    if found is None:
        raise NotFound("there is no such shop")
    return found


async def open_shop(
    session: WriteSession, actor: Actor, *, key: str, title: str, kind: ShopKind, secret: str = "", now: datetime
) -> Shop:
    """A new door. Our own kind gets a secret from us; of the others it is what the shop shows.

    Raises Invalid with its place, and Conflict for a key that is taken.
    """
    if not _KEY.fullmatch(key.strip()):
        raise Invalid("a short name has up to 32 of a-z, 0-9, - and _", where=("key",))
    if not 0 < len(title.strip()) <= LONGEST_TITLE:
        raise Invalid("a shop needs a title of at most %(longest)s characters", longest=LONGEST_TITLE, where=("title",))
    shop = Shop(
        key=key.strip(), title=title.strip(), kind=kind, secret=_secret(kind, secret), created_at=now, old_secret=None
    )
    insert = session.insert(Shop).values(shop.model_dump()).on_conflict_do_nothing().returning(col(Shop.key))
    if not await session.returning(insert):
        raise Conflict("there is a shop %(key)s already", reason="key_taken", key=shop.key)
    await note(session, actor, "shop.opened", "shop", shop.key, now=now, title=shop.title, kind=kind.value)
    return shop


async def change_secret(session: WriteSession, actor: Actor, key: str, secret: str = "", *, now: datetime) -> Shop:
    """A new secret; the old one stays good beside it until it is taken away."""
    shop = await get_shop(session, key)
    shop.old_secret, shop.secret = shop.secret, _secret(shop.kind, secret)
    session.add(shop)
    await note(session, actor, "shop.secret_changed", "shop", key, now=now)
    return shop


async def forget_old_secret(session: WriteSession, actor: Actor, key: str, *, now: datetime) -> None:
    """Who still signs with it is refused from now on."""
    await _change(session, actor, key, "shop.old_secret_gone", now=now, old_secret=None)


async def close(session: WriteSession, actor: Actor, key: str, *, now: datetime) -> None:
    """Nothing is heard at this door; what was booked stays."""
    await _change(session, actor, key, "shop.closed", now=now, closed_at=now)


async def reopen(session: WriteSession, actor: Actor, key: str, *, now: datetime) -> None:
    await _change(session, actor, key, "shop.reopened", now=now, closed_at=None)


async def _change(session: WriteSession, actor: Actor, key: str, verb: str, *, now: datetime, **values: object) -> None:
    if not await session.run(update(Shop).where(col(Shop.key) == key).values(values)):
        raise NotFound("there is no such shop")
    await note(session, actor, verb, "shop", key, now=now)


def _secret(kind: ShopKind, given: str) -> str:
    if kind is ShopKind.STANDARD:
        return new_secret()
    if not _SECRET.fullmatch(given.strip()):
        raise Invalid("paste the secret that the shop shows: 8 to 256 characters without a blank", where=("secret",))
    return given.strip()
