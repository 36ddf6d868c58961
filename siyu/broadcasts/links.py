"""Tracked links: `/r/<token>` under a button says which fan pressed which button, to us and to nobody else.

A token needs no table. It is 21 bytes: who, what and where, enciphered under a 72-bit code over them that is both
what keeps anybody from making one and what the cipher starts from. Where it leads stands in the broadcast; a token
carries no address, so there is none to be forged.
"""

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from siyu import interactions
from siyu.broadcasts import presses
from siyu.broadcasts.buttons import Button, check_buttons
from siyu.broadcasts.editions import Edition, pieces_of
from siyu.interactions import Interacted
from siyu.kit.database import ReadSession, WriteSession
from siyu.settings import Settings
from siyu.tables import Broadcast, BroadcastClick, BroadcastRevision, Delivery, Preference

SECRET = "link_secret"
SOURCE = "link"
LENGTH = 28
PATH = "/r/"

_TAG_BYTES, _ID_BYTES, _BUTTON_BYTES = 9, 5, 2
# Telegram opens its own links inside the app; through the browser they would only flicker.
_TELEGRAMS_OWN = frozenset({"t.me", "telegram.me", "telegram.dog", "www.t.me"})
# Whoever looks at a link without a person behind it. A CUBOT is a telephone.
_MACHINE = re.compile(
    r"(?<!cu)bot\b|bot/|crawl|spider|preview|facebookexternalhit|whatsapp|embedly|headless|lighthouse|monitor|scanner"
    r"|curl/|wget/|python-|aiohttp|httpx|okhttp|go-http-client|java/|axios|libwww|scrapy|^$",
    re.IGNORECASE,
)
_AHEAD_OF_TIME = re.compile(r"prefetch|preview|prerender", re.IGNORECASE)


@dataclass(frozen=True)
class Aim:
    """What a token says: this fan, this button of this broadcast, by its number."""

    broadcast_id: int
    fan_id: int
    button: int


@dataclass(frozen=True)
class Tracking:
    """Makes tracked addresses; where there is none, buttons carry the links themselves."""

    site: str
    secret: bytes

    def address(self, broadcast_id: int, fan_id: int, button: int, url: str) -> str:
        """The link through us; Telegram's own links stay as they are."""
        if not is_tracked(url):
            return url
        return self.site + PATH + token(self.secret, broadcast_id, fan_id, button)


@dataclass(frozen=True)
class Visit:
    """How somebody came: a person, or a program that looks ahead."""

    method: str
    browser: str = ""
    purpose: str = ""

    @property
    def counts(self) -> bool:
        by_a_person = not _MACHINE.search(self.browser) and not _AHEAD_OF_TIME.search(self.purpose)
        return self.method == "GET" and by_a_person


async def tracking(session: WriteSession, settings: Settings, *, now: datetime) -> Tracking | None:
    """For whoever sends; None where fans could not reach us: then links are not tracked, but work."""
    if not is_public(settings):
        return None
    return Tracking(settings.site, await make_secret(session, now=now))


def is_public(settings: Settings) -> bool:
    """Somebody said under which address we are reached, and Telegram takes it for a link."""
    return "." in (urlsplit(settings.public_url).hostname or "")


def is_tracked(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme.lower() in ("http", "https") and (parts.hostname or "") not in _TELEGRAMS_OWN


async def make_secret(session: WriteSession, *, now: datetime) -> bytes:
    """Made once: with another one, every link that was sent would be dead."""
    row = {"key": SECRET, "value": secrets.token_hex(32), "changed_at": now, "changed_by": "siyu"}
    await session.run(session.insert(Preference).values(row).on_conflict_do_nothing())
    return await find_secret(session) or b""


async def find_secret(session: ReadSession) -> bytes | None:
    value = await session.first(select(col(Preference.value)).where(col(Preference.key) == SECRET))
    return bytes.fromhex(str(value)) if value else None


def token(secret: bytes, broadcast_id: int, fan_id: int, button: int) -> str:
    """28 signs of `A-Za-z0-9_-`; the same for the same press."""
    plain = b"".join(
        number.to_bytes(size, "big")
        for number, size in ((broadcast_id, _ID_BYTES), (fan_id, _ID_BYTES), (button, _BUTTON_BYTES))
    )
    tag = _tag(secret, plain)
    return base64.urlsafe_b64encode(tag + _ciphered(secret, tag, plain)).decode()


def read_token(secret: bytes, text: str) -> Aim | None:
    """What we wrote into it; None for anything that we did not make."""
    if len(text) != LENGTH or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    tag, plain = raw[:_TAG_BYTES], _ciphered(secret, raw[:_TAG_BYTES], raw[_TAG_BYTES:])
    if not hmac.compare_digest(tag, _tag(secret, plain)):
        return None
    parts = plain[:_ID_BYTES], plain[_ID_BYTES : 2 * _ID_BYTES], plain[2 * _ID_BYTES :]
    return Aim(*(int.from_bytes(part, "big") for part in parts))


async def destination(session: ReadSession, aim: Aim) -> tuple[str, str] | None:
    """The button's place and the link it was written with; None where there is none any more."""
    broadcast = await session.get(Broadcast, aim.broadcast_id)
    if broadcast is None:
        return None
    buttons = await numbered(session, broadcast)
    place, button = buttons[aim.button] if aim.button < len(buttons) else ("", None)
    return (place, button.url) if button and button.url else None


async def numbered(session: ReadSession, broadcast: Broadcast) -> Sequence[tuple[str, Button]]:
    """Every button this broadcast ever had, those of its revisions behind its own."""
    revisions = select(BroadcastRevision).where(col(BroadcastRevision.broadcast_id) == broadcast.id)
    later = await session.all(revisions.order_by(col(BroadcastRevision.id)))
    added = [placed for one in later for placed in Edition((), "", check_buttons(one.buttons)[0]).buttons()]
    return [*pieces_of(broadcast).numbered, *added]


async def is_new(session: ReadSession, aim: Aim, place: str) -> bool:
    """Whether this would be the fan's first press on this button; of somebody it was never sent to, none counts."""
    delivery = await session.get(Delivery, (aim.broadcast_id, aim.fan_id))
    if delivery is None or delivery.attempts == 0:
        return False
    return await session.get(BroadcastClick, (aim.broadcast_id, aim.fan_id, place)) is None


async def count(session: WriteSession, aim: Aim, place: str, *, zone: ZoneInfo, now: datetime) -> None:
    """Write the press down, once; what nobody could know before has arrived, then."""
    delivery = await session.get(Delivery, (aim.broadcast_id, aim.fan_id))
    if delivery is None or delivery.attempts == 0:
        return
    if not await presses.clicked(session, delivery, place, now=now):
        return
    deed = Interacted(
        source=SOURCE,
        external_id=f"{aim.broadcast_id}:{aim.fan_id}:{place}",
        fan_id=aim.fan_id,
        at=now,
        kind="click",
        detail=place,
        broadcast_id=aim.broadcast_id,
    )
    await interactions.record(session, [deed], zone=zone)


def _tag(secret: bytes, plain: bytes) -> bytes:
    return hmac.digest(secret, b"siyu link tag" + plain, sha256)[:_TAG_BYTES]


def _ciphered(secret: bytes, tag: bytes, text: bytes) -> bytes:
    """The same both ways; no two tokens share a stream unless they share a tag, and then they are the same."""
    stream = hmac.digest(secret, b"siyu link stream" + tag, sha256)
    return bytes(one ^ other for one, other in zip(text, stream, strict=False))
