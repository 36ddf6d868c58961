"""Settings: read once from the environment and `.env`, refused in readable lines when wrong."""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from siyu.kit.errors import Invalid, SiyuError
from siyu.kit.money import known_currency

PREFIX = "SIYU_"
TOKEN = re.compile(r"\d+:[\w-]{3,}")


class BotMode(StrEnum):
    POLLING = "polling"
    WEBHOOK = "webhook"


class LogFormat(StrEnum):
    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class Settings(BaseModel):
    """Every name of the contract, with its default and its check."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str = "sqlite:///var/siyu.db"
    bot_token: SecretStr | None = None
    telegram_api_url: str = "https://api.telegram.org"
    bot_mode: BotMode = BotMode.POLLING
    webhook_secret: SecretStr | None = None
    public_url: str = ""
    web_host: str = "127.0.0.1"
    web_port: int = Field(8000, ge=0, le=65535)
    timezone: str = "Asia/Shanghai"
    currency: str = "CNY"
    payment_provider_token: SecretStr | None = None
    send_rate: float = Field(28, gt=0, le=1000)
    recompute_seconds: float = Field(1, gt=0, le=3600)
    log_format: LogFormat = LogFormat.AUTO

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def site(self) -> str:
        """Where browsers and Telegram reach the web side, without a slash at the end."""
        return (self.public_url or f"http://{self.web_host}:{self.web_port}").rstrip("/")

    @property
    def bot_id(self) -> int:
        """The bot's own number: what stands before the colon of its token."""
        return int(self.token.split(":")[0])

    @property
    def token(self) -> str:
        """The bot's token; raises when the bot was asked for without one."""
        if self.bot_token is None:
            raise SiyuError("SIYU_BOT_TOKEN is not set; get one from @BotFather, or try `siyu demo`")
        return self.bot_token.get_secret_value()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("is not an IANA time zone such as Asia/Shanghai")
        return name

    @field_validator("currency")
    @classmethod
    def _iso_currency(cls, code: str) -> str:
        try:
            return known_currency(code)
        except Invalid as error:
            raise ValueError(f"{error}; use a code such as CNY") from None

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        try:
            backend = make_url(url).drivername.split("+")[0]
        except ArgumentError:
            backend = ""
        if backend not in {"sqlite", "postgresql", "postgres"}:
            raise ValueError("must start with sqlite:/// or postgresql://")
        return url

    @field_validator("bot_token")
    @classmethod
    def _token_shape(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("does not look like a bot token (digits, a colon, letters)")
        return token

    @field_validator("telegram_api_url", "public_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if url and not re.match(r"https?://[^\s/]+", url):
            raise ValueError("must start with http:// or https://")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _webhook_is_complete(self) -> "Settings":
        if self.bot_mode is BotMode.WEBHOOK and not (self.public_url and self.webhook_secret):
            raise ValueError("BOT_MODE=webhook needs PUBLIC_URL and WEBHOOK_SECRET")
        secret = self.webhook_secret.get_secret_value() if self.webhook_secret else "x"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise ValueError("WEBHOOK_SECRET takes 1 to 256 of A-Z a-z 0-9 _ -")
        return self


def read_settings(environment: Mapping[str, str] | None = None, *, dotenv: Path | None = Path(".env")) -> Settings:
    """Settings from `.env` and the environment (which wins). Raises SiyuError with a line per mistake."""
    found = {**_dotenv(dotenv), **(os.environ if environment is None else environment)}
    values = {name.removeprefix(PREFIX).lower(): text for name, text in found.items() if name.startswith(PREFIX)}
    try:
        return Settings(**_open_files(values))
    except ValidationError as error:
        raise SiyuError("\n".join(_line(mistake) for mistake in error.errors())) from None


def _dotenv(path: Path | None) -> dict[str, str]:
    return {k: v for k, v in dotenv_values(path).items() if v is not None} if path and path.exists() else {}


def _open_files(values: dict[str, str]) -> dict[str, Any]:  # Any: pydantic reads the text
    """`NAME_FILE` holds the path of a file with the value, as container secrets do."""
    opened: dict[str, Any] = {}
    for name, text in values.items():
        if name.endswith("_file") and name.removesuffix("_file") in Settings.model_fields:
            opened[name.removesuffix("_file")] = _content(name, Path(text))
        elif text != "" or name not in Settings.model_fields:
            opened[name] = text
    return opened


def _content(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SiyuError(f"{PREFIX}{name.upper()}: {path} cannot be read ({error.strerror})") from None


def _line(mistake: Any) -> str:  # Any: pydantic's ErrorDetails
    place = "".join(str(part) for part in mistake["loc"])
    name = f"{PREFIX}{place.upper()}" if place else PREFIX.rstrip("_")
    if mistake["type"] == "extra_forbidden":
        return f"{name} is not a setting of Siyu"
    return f"{name}: {mistake['msg'].removeprefix('Value error, ')}"
