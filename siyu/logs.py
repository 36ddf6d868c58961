"""The log: JSON for machines, colours for a terminal, and never a token in it."""

import logging
import re
import sys
from collections.abc import Iterable
from typing import Any

import structlog
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from structlog.typing import EventDict, Processor, WrappedLogger

from siyu.settings import LogFormat, Settings

HIDDEN = "[hidden]"
# Bot tokens, our own keys, and what stands behind Bearer: also those that are not in our settings.
SECRETS = re.compile(r"\d{6,}:[\w-]{30,}|siyu_[\w-]{30,}|(?<=Bearer )\S+")


def set_up(settings: Settings, *, quiet: bool = False) -> None:
    """Send structlog and the libraries' own logging to stderr; `quiet` keeps only warnings."""
    as_json = settings.log_format is LogFormat.JSON or (
        settings.log_format is LogFormat.AUTO and not sys.stderr.isatty()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(_formatter(shared, settings, as_json=as_json))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING if quiet else logging.INFO)
    for chatty in ("uvicorn.access", "httpx", "aiogram.event", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of every tick that waits for the one before: that is what ticks are for.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _formatter(shared: list[Processor], settings: Settings, *, as_json: bool) -> logging.Formatter:
    processors: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        # The pretty traceback prints local variables, and with them what fans wrote.
        plain = structlog.dev.plain_traceback
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain))
    # Last, on the finished line: whatever path a secret took to get there, it ends here.
    processors.append(Redactor(settings))
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors)


class Redactor:
    """Takes secrets out of a finished line."""

    def __init__(self, settings: Settings) -> None:
        known = [re.escape(secret) for secret in _secrets_of(settings)]
        self._known = re.compile("|".join(known) or r"(?!)")  # (?!) never matches

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict | str) -> Any:  # Any: structlog's own
        return SECRETS.sub(HIDDEN, self._known.sub(HIDDEN, str(line)))


def _secrets_of(settings: Settings) -> Iterable[str]:
    for value in (getattr(settings, name) for name in Settings.model_fields):
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
    if password := make_url(settings.database_url).password:
        yield str(password)
