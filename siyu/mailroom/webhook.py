"""What Telegram brings to our door, without a word of any web framework."""

import hashlib
import hmac
import re
from datetime import datetime
from typing import Final

import orjson

from siyu.kit.database import Database, WriteSession
from siyu.mailroom.inbox import Update, put_in_inbox
from siyu.settings import Settings
from siyu.tables import Inbox, InboxState

LARGEST_BODY: Final = 1024 * 1024
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"

OK, UNAUTHORIZED, TOO_LARGE = 200, 401, 413


async def accept_webhook(
    database: Database, settings: Settings, secret: str | None, body: bytes, *, now: datetime
) -> int:
    """The status to answer with: 200 only after the commit, for Telegram forgets the update then."""
    if not _is_telegram(settings, secret):
        return UNAUTHORIZED
    if len(body) > LARGEST_BODY:
        return TOO_LARGE
    update = _read(body)
    async with database.writing() as session:
        if update is None:
            await _set_aside(session, settings.bot_id, body, now=now)
        else:
            await put_in_inbox(session, settings.bot_id, [update], now=now)
    return OK


def _is_telegram(settings: Settings, secret: str | None) -> bool:
    expected = settings.webhook_secret
    if expected is None or secret is None:
        return False
    # Bytes: compare_digest refuses text beyond ASCII by raising, which would be a 500.
    return hmac.compare_digest(expected.get_secret_value().encode(), secret.encode("utf-8", "surrogatepass"))


def _read(body: bytes) -> Update | None:
    try:
        update = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(update, dict) or not _is_id(update.get("update_id")):
        return None
    return update


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


async def _set_aside(session: WriteSession, bot_id: int, body: bytes, *, now: datetime) -> None:
    """Keep what is no update for a person to look at, and take it off Telegram's hands.

    Anything but a 2xx is repeated for a day and holds up that chat meanwhile; what was cut short
    on its way once would be so again. The same body has the same number, so repeats are one row.
    """
    number = int.from_bytes(hashlib.sha256(body).digest()[:7])
    statement = session.insert(Inbox).values(
        bot_id=bot_id,
        update_id=-1 - number,
        payload=_text(body),
        received_at=now,
        state=InboxState.QUARANTINED,
        error="not an update: no JSON object with an update_id",
    )
    await session.run(statement.on_conflict_do_nothing())


def _text(body: bytes) -> str:
    """PostgreSQL takes no zero character in a text."""
    return re.sub("\x00", "\N{REPLACEMENT CHARACTER}", body.decode("utf-8", "replace"))
