"""Settings: read once, refused in readable lines."""

from pathlib import Path

import pytest

from siyu.kit.errors import SiyuError
from siyu.settings import BotMode, read_settings


def _refusal(**environment: str) -> list[str]:
    with pytest.raises(SiyuError) as refused:
        read_settings(environment, dotenv=None)
    return str(refused.value).splitlines()


MALFORMED = [
    ("SIYU_BOT_TOCKEN", "1:x", "SIYU_BOT_TOCKEN is not a setting of Siyu"),
    ("SIYU_BOT_TOKEN", "abc", "SIYU_BOT_TOKEN: does not look like a bot token"),
    ("SIYU_WEB_PORT", "eighty", "SIYU_WEB_PORT: "),
    ("SIYU_WEB_PORT", "70000", "SIYU_WEB_PORT: "),
    ("SIYU_TIMEZONE", "Mars/Base", "SIYU_TIMEZONE: is not an IANA time zone"),
    ("SIYU_CURRENCY", "YUAN", "SIYU_CURRENCY: YUAN is not a currency"),
    ("SIYU_DATABASE_URL", "mysql://x", "SIYU_DATABASE_URL: must start with sqlite:/// or postgresql://"),
    ("SIYU_DATABASE_URL", "nonsense", "SIYU_DATABASE_URL: must start with sqlite:/// or postgresql://"),
    ("SIYU_SEND_RATE", "0", "SIYU_SEND_RATE: "),
    ("SIYU_SEND_RATE", "nan", "SIYU_SEND_RATE: "),
    ("SIYU_RECOMPUTE_SECONDS", "soon", "SIYU_RECOMPUTE_SECONDS: "),
    ("SIYU_BOT_MODE", "carrier-pigeon", "SIYU_BOT_MODE: "),
    ("SIYU_BOT_MODE", "webhook", "SIYU: BOT_MODE=webhook needs PUBLIC_URL and WEBHOOK_SECRET"),
    ("SIYU_WEBHOOK_SECRET", "not allowed!", "SIYU: WEBHOOK_SECRET takes"),
    ("SIYU_PUBLIC_URL", "fans.example.org", "SIYU_PUBLIC_URL: must start with http:// or https://"),
    ("SIYU_LOG_FORMAT", "xml", "SIYU_LOG_FORMAT: "),
]


@pytest.mark.parametrize(("name", "value", "line"), MALFORMED)
def test_a_malformed_setting_is_refused_in_one_line_that_names_it(name: str, value: str, line: str) -> None:
    lines = _refusal(**{name: value})

    assert len(lines) == 1
    assert lines[0].startswith(line)


def test_every_mistake_gets_its_own_line() -> None:
    lines = _refusal(SIYU_WEB_PORT="x", SIYU_NONSENSE="1", SIYU_CURRENCY="Q")

    assert len(lines) == 3


def test_no_refusal_repeats_a_secret() -> None:
    lines = _refusal(SIYU_BOT_TOKEN="5123456789 AAHsecretsecretsecretsecretsecret")

    assert "secret" not in lines[0]


def test_defaults_are_those_of_the_contract() -> None:
    settings = read_settings({}, dotenv=None)

    assert settings.database_url == "sqlite:///var/siyu.db"
    assert settings.bot_mode is BotMode.POLLING
    assert (settings.timezone, settings.currency) == ("Asia/Shanghai", "CNY")
    assert (settings.send_rate, settings.recompute_seconds) == (28, 1)
    assert settings.site == "http://127.0.0.1:8000"


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("42:SECRETSECRET\n")

    settings = read_settings({"SIYU_BOT_TOKEN_FILE": str(secret)}, dotenv=None)

    assert settings.token == "42:SECRETSECRET"
    assert "SECRET" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_named() -> None:
    [line] = _refusal(SIYU_BOT_TOKEN_FILE="/nowhere/token")

    assert line.startswith("SIYU_BOT_TOKEN_FILE: /nowhere/token cannot be read")


def test_the_environment_outweighs_the_dotenv_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("SIYU_CURRENCY=EUR\nSIYU_WEB_PORT=9000\nOTHER=1\n")

    settings = read_settings({"SIYU_WEB_PORT": "9001"}, dotenv=dotenv)

    assert (settings.currency, settings.web_port) == ("EUR", 9001)


def test_an_empty_value_means_the_default() -> None:
    assert read_settings({"SIYU_PUBLIC_URL": "", "SIYU_CURRENCY": ""}, dotenv=None).currency == "CNY"


def test_a_bot_that_is_asked_for_without_a_token_says_where_to_get_one() -> None:
    with pytest.raises(SiyuError, match="BotFather"):
        _ = read_settings({}, dotenv=None).token
