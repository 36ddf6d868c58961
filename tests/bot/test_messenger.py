"""What Telegram's answers mean: the whole table, on a real connection where it matters."""

import json
from base64 import b64encode

import pytest

from bot.messenger import CALL_SECONDS, Me, Messenger, outcome_of, redact
from bot.sandbox import Sandbox
from bot.sandbox.faults import Fault, FaultKind
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

TOKEN = "42:SANDBOX"


def refused(code: int, description: str, **parameters: object) -> bytes:
    body = {"ok": False, "error_code": code, "description": description}
    return json.dumps({**body, **({"parameters": parameters} if parameters else {})}).encode()


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"ok":true,"result":{"message_id":7}}', Sent(7)),
        (200, b'{"ok":true,"result":true}', Sent()),
        (429, refused(429, "Too Many Requests: retry after 9", retry_after=9), SlowDown(9)),
        (429, refused(429, "Too Many Requests"), SlowDown(1)),
        (403, refused(403, "Forbidden: bot was blocked by the user"), Blocked()),
        (403, refused(403, "Forbidden: user is deactivated"), Gone()),
        (403, refused(403, "Forbidden: bot can't initiate conversation with a user"), Unreachable()),
        (400, refused(400, "Bad Request: chat not found"), Unreachable()),
        (400, refused(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1007), Migrated(-1007)),
        (400, refused(400, "Bad Request: can't parse entities"), Rejected("Bad Request: can't parse entities")),
        (400, refused(400, "Bad Request: message is not modified: the same"), Sent()),
        (401, refused(401, "Unauthorized"), Unauthorized()),
        (409, refused(409, "Conflict: terminated"), Rejected("Conflict: terminated")),
        (500, refused(500, "Internal Server Error"), ServerError("Internal Server Error")),
        (502, b"<html>Bad Gateway</html>", Unknown("HTTP 502 without JSON")),
        (200, b'{"ok":true,"result":{"mess', Unknown("HTTP 200 without JSON")),
        (200, b"[]", Unknown("HTTP 200 without JSON")),
    ],
)
def test_every_answer_has_one_meaning(status: int, body: bytes, outcome: Outcome) -> None:
    assert outcome_of(status, body) == outcome


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (FaultKind.DROP_BEFORE, Unknown),
        (FaultKind.DROP_AFTER, Unknown),
        (FaultKind.HANG, Unknown),
        (FaultKind.BAD_GATEWAY, Unknown),
        (FaultKind.SERVER_ERROR, ServerError),
        (FaultKind.TOO_MANY, SlowDown),
        (FaultKind.BLOCKED, Blocked),
        (FaultKind.BAD_CONTENT, Rejected),
    ],
)
async def test_whatever_befalls_a_call_is_an_outcome(sandbox: Sandbox, kind: FaultKind, outcome: type[Outcome]) -> None:
    mei = sandbox.add_person(name="Mei", known=True)
    sandbox.faults.set(Fault(kind=kind, next=1))
    seconds = 0.5 if kind is FaultKind.HANG else CALL_SECONDS

    async with Messenger(Settings(bot_token=TOKEN, telegram_api_url=sandbox.url)) as messenger:
        seen = await messenger.call("sendMessage", {"chat_id": mei.telegram_id, "text": "hello"}, seconds=seconds)

    assert isinstance(seen, outcome)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid"])
async def test_what_never_left_is_not_sent(url: str) -> None:
    async with Messenger(Settings(bot_token=TOKEN, telegram_api_url=url)) as messenger:
        seen = await messenger.call("sendMessage", {"chat_id": 1, "text": "hello"})

    assert isinstance(seen, NotSent)
    assert "SANDBOX" not in seen.description


async def test_a_file_of_our_own_arrives_whole(sandbox: Sandbox) -> None:
    mei = sandbox.add_person(name="Mei", known=True)
    file = {"file": "mei.json", "base64": b64encode('{"name": "小梅"}'.encode()).decode()}
    buttons = {"inline_keyboard": [[{"text": "Back", "callback_data": "m:help"}]]}
    payload = {"chat_id": mei.telegram_id, "document": file, "caption": "Yours", "reply_markup": buttons}

    async with Messenger(Settings(bot_token=TOKEN, telegram_api_url=sandbox.url)) as messenger:
        seen = await messenger.call("sendDocument", payload)

    (message,) = sandbox.sent_to(mei.telegram_id)
    document = message.body["document"]
    assert isinstance(seen, Sent)
    assert (message.body["caption"], document["file_name"], document["file_size"]) == ("Yours", "mei.json", 18)
    assert message.body["reply_markup"] == buttons


async def test_the_bot_knows_who_it_is(sandbox: Sandbox) -> None:
    async with Messenger(Settings(bot_token=TOKEN, telegram_api_url=sandbox.url)) as messenger:
        assert await messenger.me() == Me(42, "siyu_sandbox_bot", "Sandbox bot")


async def test_a_token_that_is_nobodys_is_told_apart(sandbox: Sandbox) -> None:
    async with Messenger(Settings(bot_token="43:OTHER", telegram_api_url=sandbox.url)) as messenger:
        assert await messenger.me() == Unauthorized()


def test_no_token_gets_into_a_text() -> None:
    told = redact(
        "Cannot connect to https://api.telegram.org/bot8123456789:AAF-x_Zq0123456789abcdefghijklmnopqrs/sendMessage"
    )

    assert told == "Cannot connect to https://api.telegram.org/bot<token>/sendMessage"
