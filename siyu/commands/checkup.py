"""The doctor: one line per thing that must be well, and what to do where it is not."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from sqlalchemy import create_engine, delete, false
from sqlalchemy.pool import NullPool

from siyu import schema
from siyu.commands.failures import readable
from siyu.kit.database import prepare_sqlite, sync_url
from siyu.kit.errors import SiyuError
from siyu.outcomes import NotSent, Outcome, Rejected, Sent, ServerError, Unauthorized, Unknown
from siyu.settings import BotMode, Settings, read_settings
from siyu.tables import Lease

LEAST_FREE = 512 * 1024 * 1024
MANY_PENDING = 10_000


@dataclass(frozen=True)
class Finding:
    """`well` None: worth saying, nothing to do."""

    well: bool | None
    sentence: str

    def __str__(self) -> str:
        return f"{'·' if self.well is None else '✓' if self.well else '✗'} {self.sentence}"


def examine() -> bool:
    """Print every finding; whether all is well."""
    all_well = True
    for finding in _findings():
        typer.echo(str(finding))
        all_well &= finding.well is not False
    return all_well


def _findings() -> Iterator[Finding]:
    try:
        settings = read_settings()
    except SiyuError as error:
        yield from (Finding(False, line) for line in str(error).splitlines())
        return
    yield Finding(True, f"settings: time zone {settings.timezone}, currency {settings.currency}, web {settings.site}")
    yield from _of_database(settings)
    yield from _of_disk(settings)
    yield from _of_bot(settings)


def _of_database(settings: Settings) -> Iterator[Finding]:
    url = settings.database_url
    shown = sync_url(url).render_as_string(hide_password=True)
    if _is_missing(url):
        yield Finding(False, f"database: {shown} does not exist yet; run `siyu db upgrade`")
        return
    try:
        current, newest = schema.current(url), schema.newest(url)
        if current == newest:
            _try_to_write(url)
    except Exception as error:
        lines = readable(error)
        if lines is None:
            raise
        yield Finding(False, f"database: {shown}: {'; '.join(lines)}")
        return
    yield Finding(True, f"database: {shown} can be read and written")
    stands = f"stands at {current or 'nothing'}, this version brings {newest}"
    yield Finding(current == newest, f"schema: {stands}" + ("" if current == newest else "; run `siyu db upgrade`"))


def _of_disk(settings: Settings) -> Iterator[Finding]:
    path = sync_url(settings.database_url).database
    if not settings.database_url.startswith("sqlite") or path in (None, "", ":memory:"):
        return
    folder = Path(path or ".").resolve().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    yield Finding(free >= LEAST_FREE, f"disk: {free / 1024**3:.1f} GiB free" + _advice(free >= LEAST_FREE, "make room"))
    yield Finding(None, "the database file holds personal data: keep it and its backups on an encrypted volume")


def _of_bot(settings: Settings) -> Iterator[Finding]:
    if settings.bot_token is None:
        yield Finding(None, "bot: SIYU_BOT_TOKEN is not set; only demo, sandbox, web and offline commands run")
        return
    from bot.messenger import Messenger

    async def ask() -> list[Outcome]:
        async with Messenger(settings) as messenger:
            return [await messenger.call("getMe", {}), await messenger.call("getWebhookInfo", {})]

    me, webhook = asyncio.run(ask())
    yield _who(me, settings)
    if isinstance(webhook, Sent):
        yield from _waiting(webhook, settings)


def _who(me: Outcome, settings: Settings) -> Finding:
    match me:
        case Sent(result={"username": str(username)}):
            return Finding(True, f"bot: @{username} answers at {settings.telegram_api_url}")
        case Unauthorized() | Rejected("Not Found"):
            return Finding(False, "bot: Telegram does not know this token; ask @BotFather for the right one")
        case NotSent() | Unknown() | ServerError():
            return Finding(False, f"bot: {settings.telegram_api_url} cannot be reached; check the network, or a proxy")
        case _:
            return Finding(False, f"bot: Telegram answered {type(me).__name__}; try again in a minute")


def _waiting(webhook: Sent, settings: Settings) -> Iterator[Finding]:
    told = webhook.result if isinstance(webhook.result, dict) else {}
    pending, address = int(told.get("pending_update_count") or 0), str(told.get("url") or "")
    few = pending < MANY_PENDING
    yield Finding(few, f"bot: {pending:,} updates wait at Telegram" + _advice(few, "start the bot, they live 24 hours"))
    if settings.bot_mode is BotMode.POLLING and address:
        yield Finding(None, f"bot: Telegram still delivers to {address}; `siyu run` takes that back and polls")


def _is_missing(url: str) -> bool:
    """Looking must not create the file."""
    path = sync_url(url).database
    return url.startswith("sqlite") and path not in (None, "", ":memory:") and not Path(path or "").exists()


def _try_to_write(url: str) -> None:
    """A statement that changes nothing but needs the right to change something."""
    engine = create_engine(sync_url(url), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine)
    with engine.connect() as connection:
        connection.execute(delete(Lease).where(false()))
        connection.rollback()


def _advice(well: bool, advice: str) -> str:
    return "" if well else f"; {advice}"
