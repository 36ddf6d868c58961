"""The messenger: the only caller of the Bot API, and what each of its answers means.

It speaks bare aiohttp and JSON rather than through aiogram's Bot: a send costs half the CPU (0.25 ms
against 0.5 ms), the outbox already holds the fields as Telegram spells them, and aiogram raises one
exception for "never left" and for "reply lost", which must not be confused here.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from siyu.outcomes import (
    Blocked,
    Gone,
    Migrated,
    NotSent,
    Outcome,
    Rejected,
    Sent,
    ServerError,
    SlowDown,
    Unauthorized,
    Unknown,
    Unreachable,
)
from siyu.settings import Settings

Payload = Mapping[str, Any]  # Any: the method's own fields
Answer = dict[str, Any]  # Any: JSON from outside, read with care

CONNECT_SECONDS = 10
CALL_SECONDS = 30

_TOKEN = re.compile(r"\d{5,}:[\w-]{30,}")
# Descriptions are for people and change; these words have been stable for years.
_GONE = ("user is deactivated",)
_NEVER_MET = ("can't initiate conversation", "chat not found", "peer_id_invalid")
_NOTHING_TO_DO = "message is not modified"


@dataclass(frozen=True)
class Me:
    """The bot as Telegram knows it."""

    id: int
    username: str
    name: str


class Messenger:
    """Calls Telegram; every answer comes back as an Outcome, none as an exception."""

    def __init__(self, settings: Settings) -> None:
        # The token is part of every address: it must not get into a log, a repr or an error.
        self._token = settings.token
        self._address = f"{settings.telegram_api_url}/bot{self._token}/"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # As many connections as calls: each caller bounds how many it has under way.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=CONNECT_SECONDS),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, payload: Payload, *, seconds: float = CALL_SECONDS) -> Outcome:
        """Make one call and tell what became of it; `seconds` until the answer is given up.

        A file of our own is `{"file": its name, "base64": its content}` in the payload.
        """
        assert self._session is not None, "use `async with Messenger(…)`"
        files = {name: value for name, value in payload.items() if _is_file(value)}
        try:
            async with self._session.post(
                self._address + method,
                data=_form(payload, files) if files else orjson.dumps(payload),
                headers=None if files else _JSON,
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS),
            ) as response:
                return outcome_of(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return NotSent(self._told(error))
        except (aiohttp.ClientError, TimeoutError) as error:
            return Unknown(self._told(error))

    async def me(self) -> Me | Outcome:
        """Who we are; anything else than a Me says why we do not know."""
        outcome = await self.call("getMe", {})
        match outcome:
            case Sent(result={"id": int(number), "username": str(username), "first_name": str(name)}):
                return Me(number, username, name)
            case Rejected("Not Found"):
                # What a token of a wrong shape gets; of other methods it says that the server is too old.
                return Unauthorized()
        return outcome

    def _told(self, error: Exception) -> str:
        return redact(f"{type(error).__name__} {error}".strip().replace(self._token, "<token>"))


_JSON = {"Content-Type": "application/json"}


def _is_file(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"file", "base64"}


def _form(payload: Payload, files: Payload) -> aiohttp.FormData:
    """Files travel in a form, all else beside them as it would stand in JSON."""
    form = aiohttp.FormData()
    for name, value in payload.items():
        if name in files:
            form.add_field(name, b64decode(value["base64"]), filename=value["file"])
        else:
            form.add_field(name, value if isinstance(value, str) else orjson.dumps(value).decode())
    return form


def redact(text: str) -> str:
    """The text without any bot's token."""
    return _TOKEN.sub("<token>", text)


def outcome_of(status: int, body: bytes) -> Outcome:
    """What an HTTP answer means; the table of telegram.md, top to bottom."""
    answer = _read(body)
    if answer is None:
        return Unknown(f"HTTP {status} without JSON")
    if answer.get("ok") is True:
        return _done(answer.get("result"))
    return _refusal(_code(answer, status), str(answer.get("description", "")), answer)


def _read(body: bytes) -> Answer | None:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return answer if isinstance(answer, dict) and isinstance(answer.get("ok"), bool) else None


def _done(result: object) -> Sent:
    # Of an album we are told every message; the first stands for it.
    message = result[0] if isinstance(result, list) and result else result
    message_id = message.get("message_id") if isinstance(message, dict) else None
    return Sent(message_id if isinstance(message_id, int) else None, result)


def _code(answer: Answer, status: int) -> int:
    code = answer.get("error_code")
    return code if isinstance(code, int) else status


def _refusal(code: int, description: str, answer: Answer) -> Outcome:
    parameters = answer.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    said = description.lower()
    if code == 429:
        return SlowDown(_seconds(parameters.get("retry_after")))
    if code == 401:
        return Unauthorized()
    if isinstance(parameters.get("migrate_to_chat_id"), int):
        return Migrated(parameters["migrate_to_chat_id"])
    if code >= 500:
        return ServerError(description)
    if any(words in said for words in _GONE):
        return Gone()
    if any(words in said for words in _NEVER_MET):
        return Unreachable()
    if code == 403:
        return Blocked()
    if _NOTHING_TO_DO in said:
        return Sent()
    return Rejected(description)


def _seconds(retry_after: object) -> float:
    return float(retry_after) if isinstance(retry_after, int | float) and retry_after > 0 else 1.0
