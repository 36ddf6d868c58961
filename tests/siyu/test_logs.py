"""The log: one line per event, and never a secret in it."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from siyu import logs
from siyu.settings import Settings

TOKEN = "5123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


@pytest.fixture
def as_json() -> Iterator[None]:
    """The log as JSON; afterwards it is as it was."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    settings = Settings(
        bot_token=TOKEN,
        webhook_secret="hook-secret",
        log_format="json",
        database_url="postgresql://siyu:pass-word@db/siyu",
    )
    logs.set_up(settings)
    yield
    root.handlers, root.level = before, level
    structlog.reset_defaults()


CANARIES = [TOKEN, "6000000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "hook-secret", "pass-word", "siyu_" + "k" * 43]


@pytest.mark.usefixtures("as_json")
@pytest.mark.parametrize("secret", CANARIES)
def test_no_secret_gets_into_a_line_on_any_way(capsys: pytest.CaptureFixture[str], secret: str) -> None:
    logging.getLogger().handlers[0].stream = sys.stderr  # type: ignore[attr-defined]  # the captured one
    log = structlog.get_logger("test")

    log.info("calling", address=f"https://api.telegram.org/bot{secret}/getMe")
    log.info(f"said {secret}", nested={"deep": [secret]})
    logging.getLogger("library").warning("failed at %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("broke")

    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 4
    assert secret not in printed
    assert printed.count(logs.HIDDEN) >= 4


@pytest.mark.usefixtures("as_json")
def test_every_line_is_json_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().handlers[0].stream = sys.stderr  # type: ignore[attr-defined]  # the captured one

    structlog.get_logger("test").info("fan admitted", fan=7, name="雨桐")
    logging.getLogger("library").warning("hm")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("fan admitted", "info"), ("hm", "warning")]
    assert (lines[0]["fan"], lines[0]["name"]) == (7, "雨桐")
