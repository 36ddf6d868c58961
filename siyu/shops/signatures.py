"""Whether a shop's webhook is its own: signed over what came, byte by byte, and lately where the time is signed too."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from hashlib import sha256

from siyu.tables import ShopKind

WINDOW = timedelta(minutes=5)  # before and after: clocks go wrong both ways
PREFIX = "whsec_"
SIGNATURES = {ShopKind.WOOCOMMERCE: "x-wc-webhook-signature", ShopKind.SHOPIFY: "x-shopify-hmac-sha256"}
TOPICS = {ShopKind.WOOCOMMERCE: "x-wc-webhook-topic", ShopKind.SHOPIFY: "x-shopify-topic"}

Headers = Mapping[str, str]  # names in small letters


class Door(IntEnum):
    """How a webhook is answered, as HTTP has it."""

    OPEN = 200
    LATE = 400
    FORGED = 401
    UNKNOWN = 404


def new_secret() -> str:
    """Of 32 random bytes, as Standard Webhooks write them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def check(kind: ShopKind, keys: Iterable[str], headers: Headers, body: bytes, *, now: datetime) -> Door:
    """Signed with any of the keys; the signature first, so that nobody learns anything about our clock."""
    if kind is ShopKind.STANDARD:
        return _check_standard(keys, headers, body, now=now)
    told = headers.get(SIGNATURES[kind], "")
    good = any(_same(told, _signature(key.encode(), body)) for key in keys)
    return Door.OPEN if good else Door.FORGED


def sign_standard(key: str, event_id: str, moment: datetime, body: bytes) -> Headers:
    """The three headers of a webhook, for tests and for whoever wants to try the door."""
    seconds = str(int(moment.timestamp()))
    signature = _signature(_bytes_of(key), f"{event_id}.{seconds}.".encode() + body)
    return {"webhook-id": event_id, "webhook-timestamp": seconds, "webhook-signature": f"v1,{signature}"}


def sign_body(kind: ShopKind, key: str, body: bytes) -> Headers:
    """The header of a shop that signs the body alone."""
    return {SIGNATURES[kind]: _signature(key.encode(), body)}


def topic_of(kind: ShopKind, headers: Headers) -> str:
    return headers.get(TOPICS[kind], "") if kind in TOPICS else ""


def is_ping(kind: ShopKind, headers: Headers, body: bytes) -> bool:
    """What WooCommerce sends, unsigned, when a webhook is saved: refused, it would switch the webhook off."""
    is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return kind is ShopKind.WOOCOMMERCE and is_form and body.startswith(b"webhook_id=") and len(body) < 64


def _check_standard(keys: Iterable[str], headers: Headers, body: bytes, *, now: datetime) -> Door:
    event_id, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    told = [one.removeprefix("v1,") for one in headers.get("webhook-signature", "").split() if one.startswith("v1,")]
    signed = f"{event_id}.{seconds}.".encode("utf-8", "surrogateescape") + body
    good = any(_same(one, _signature(_bytes_of(key), signed)) for key in keys for one in told)
    if not good:
        return Door.FORGED
    is_number = seconds.isascii() and seconds.isdigit() and len(seconds) <= 12
    return Door.OPEN if is_number and abs(now.timestamp() - int(seconds)) <= WINDOW.total_seconds() else Door.LATE


def _signature(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, sha256)).decode()


def _same(told: str, expected: str) -> bool:
    # Bytes: compare_digest refuses text beyond ASCII by raising, which would be a 500.
    return hmac.compare_digest(told.encode("utf-8", "surrogateescape"), expected.encode())


def _bytes_of(key: str) -> bytes:
    try:
        return base64.b64decode(key.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return key.encode()
