"""Telegram's knock at the door: only with the secret, only so large, and never a reason to knock for ever."""

import json

import pytest
from sqlmodel import select

from siyu import mailroom
from siyu.app import App
from siyu.mailroom.webhook import LARGEST_BODY
from siyu.settings import Settings
from siyu.tables import Inbox, InboxState
from tests.people import person

SECRET = "s3cret-Word_1"
MEI = person()


def settings(app: App) -> Settings:
    return app.settings.model_copy(
        update={"webhook_secret": Settings(webhook_secret=SECRET).webhook_secret, "bot_token": app.settings.bot_token}
    )


async def knock(app: App, body: bytes, secret: str | None = SECRET) -> int:
    return await mailroom.accept_webhook(app.database, settings(app), secret, body, now=app.clock())


async def inbox(app: App) -> list[Inbox]:
    async with app.database.reading() as session:
        return list(await session.all(select(Inbox)))


async def test_an_update_with_the_secret_is_in_the_inbox_when_telegram_hears_200(app: App) -> None:
    hello = MEI.says("hello")

    assert await knock(app, json.dumps(hello).encode()) == 200

    assert [row.update_id for row in await inbox(app)] == [hello["update_id"]]


async def test_telegram_may_bring_it_again(app: App) -> None:
    body = json.dumps(MEI.says("hello")).encode()

    assert [await knock(app, body), await knock(app, body)] == [200, 200]

    assert len(await inbox(app)) == 1


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", SECRET[:-1], "sécret", "\udcff", SECRET.upper()])
async def test_without_the_secret_nothing_is_written(app: App, secret: str | None) -> None:
    assert await knock(app, json.dumps(MEI.says("hello")).encode(), secret) == 401

    assert await inbox(app) == []


async def test_nobody_enters_where_no_secret_is_set(app: App) -> None:
    body = json.dumps(MEI.says("hello")).encode()

    assert await mailroom.accept_webhook(app.database, app.settings, "", body, now=app.clock()) == 401


async def test_a_megabyte_is_enough(app: App) -> None:
    fits = json.dumps(MEI.says("x")).encode().ljust(LARGEST_BODY)

    assert await knock(app, fits) == 200
    assert await knock(app, fits + b" ") == 413

    assert len(await inbox(app)) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"message":{}}', b'{"update_id":"7"}', b'{"update_id":true}', b"\x00\xff"]
)
async def test_what_is_no_update_is_set_aside_once_instead_of_blocking_the_chat(app: App, body: bytes) -> None:
    assert [await knock(app, body), await knock(app, body)] == [200, 200]

    (row,) = await inbox(app)
    assert row.state is InboxState.QUARANTINED
    assert row.update_id < 0
