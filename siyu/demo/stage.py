"""Sets the demo up and runs it: a fresh database, ninety days of life, a pretend Telegram, the whole product."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from time import perf_counter

from pydantic import SecretStr
from sqlmodel import select

from bot.sandbox import Person as SandboxPerson
from bot.sandbox import Sandbox, SandboxOptions
from siyu import logs, operators, schema
from siyu.app import App, open_app
from siyu.audit import Actor
from siyu.demo import history
from siyu.demo.asked import ask
from siyu.demo.campaigns import live_ninety_days
from siyu.demo.community import Person, invent
from siyu.demo.plans import plan
from siyu.demo.rewards import reward
from siyu.demo.storefront import connect
from siyu.demo.talks import choose, talk
from siyu.demo.watched import watch
from siyu.serving import PARTS, bind, on_signals, parts_of, run_together
from siyu.settings import Settings, read_settings
from siyu.tables import Fan, Role

DATABASE = "sqlite:///var/demo.db"
TOKEN = "5100000000:SANDBOX"  # the sandbox's own; opens nothing anywhere else
OWNER_ID, OPERATOR_ID, VIEWER_ID = 5_000_000_001, 5_000_000_002, 5_000_000_003
PEOPLE = (
    (OWNER_ID, history.OWNER, Role.OWNER),
    (OPERATOR_ID, "小满 · Mani", Role.OPERATOR),
    (VIEWER_ID, "Ann", Role.VIEWER),
)


@dataclass(frozen=True)
class Links:
    """What somebody who just started the demo wants to click on."""

    admin: str
    chat: str
    newcomer: str


def run(*, fans: int, port: int) -> None:
    """Everything until Ctrl-C. The demo's own file starts anew each time; another database is filled once."""
    settings = _settings(port)
    _start_afresh(settings)
    logs.set_up(settings, quiet=True)
    schema.upgrade(settings.database_url)
    asyncio.run(_run(settings, fans))


async def _run(settings: Settings, count: int) -> None:
    options = SandboxOptions(token=TOKEN, port=_port_beside(settings.web_port), bot_name="山野茶社 · Wildhill Tea")
    async with Sandbox(options) as sandbox:
        app = open_app(settings.model_copy(update={"telegram_api_url": sandbox.url}))
        try:
            with bind(settings) as sock:
                people = await _prepare(app, count)
                _populate(sandbox, people)
                # Loaded before the links are there to click on.
                parts, stop = parts_of(PARTS, sock), asyncio.Event()
                on_signals(stop)
                _say(await _links(app, sandbox, sock.getsockname()[1]))
                await run_together(app, parts, stop)
        finally:
            await app.close()


async def _prepare(app: App, count: int) -> list[Person]:
    """The invented people; their ninety days are written unless this database has fans already."""
    now = app.clock()
    people = invent(count, now=now, zone=app.settings.zone)
    async with app.database.reading() as session:
        lived_already = await session.first(select(Fan.telegram_id))
    if not lived_already:
        with _timed(f"inventing {count} fans and their last ninety days"):
            writer = await _take_in_operators(app, now)
            await history.write(app, people)
            await watch(app, now=now - timedelta(days=91))
            await choose(app, now=now - timedelta(days=60), dice=Random(5))
            await ask(app, now=now, dice=Random(6))
            await live_ninety_days(app, now=now)
            await reward(app, now=now, dice=Random(7))
            await connect(app, people, now=now)
            await plan(app, writer, now=now)
            await talk(app, now=now)
    return people


async def _take_in_operators(app: App, now: datetime) -> Actor:
    """Everybody who works there; the one who writes broadcasts that another approves."""
    async with app.database.writing() as session:
        known = {
            role: await operators.add(
                session, history.TEA_HOUSE, telegram_id=telegram_id, role=role, name=name, now=now
            )
            for telegram_id, name, role in PEOPLE
        }
    return operators.actor_of(known[Role.OPERATOR])


def _populate(sandbox: Sandbox, people: Sequence[Person]) -> None:
    """Everybody the bot knows exists in the pretend Telegram too, and those who blocked it still do."""
    for telegram_id, name, _role in PEOPLE:
        sandbox.add_person(telegram_id=telegram_id, name=name, username=None, language="zh-hans", known=True)
    for person in people:
        chat = sandbox.add_person(
            telegram_id=person.telegram_id,
            name=person.name,
            username=person.username,
            language=person.language,
            known=True,
        )
        if person.blocked_at:
            _leave_quietly(chat)


def _leave_quietly(person: SandboxPerson) -> None:
    """They blocked the bot long ago: no news of it now."""
    person.blocked = True


async def _links(app: App, sandbox: Sandbox, port: int) -> Links:
    async with app.database.writing() as session:
        owner = await operators.find_operator(session, OWNER_ID)
        if owner is None:  # a database of one's own, filled before by somebody else's demo
            owner = await operators.add(
                session, history.TEA_HOUSE, telegram_id=OWNER_ID, role=Role.OWNER, name=PEOPLE[0][1], now=app.clock()
            )
        ticket = await operators.issue_ticket(session, owner, now=app.clock())
    newcomer = sandbox.add_person(name="你 · You", username="you", language="zh-hans")
    site = app.settings.public_url or f"http://{app.settings.web_host}:{port}"
    return Links(
        admin=f"{site}/login?t={ticket}",
        chat=f"{sandbox.url}/?person={newcomer.telegram_id}",
        newcomer=newcomer.name,
    )


def _say(links: Links) -> None:
    sys.stdout.write(
        f"\n  Siyu 私域 is running with an invented community.\n\n"
        f"  Admin   {links.admin}\n"
        f"          (signs you in once, within ten minutes; for another, write /admin as 林掌柜 in the chat)\n"
        f"  Chat    {links.chat}\n"
        f"          (a pretend Telegram: you are {links.newcomer}; everybody else is there too)\n\n"
        f"  Ctrl-C stops it.\n\n"
    )
    sys.stdout.flush()


def _settings(port: int) -> Settings:
    """The environment's settings, but a file, a token and a port of the demo's own."""
    settings = read_settings(dotenv=None)
    own_database = {} if "SIYU_DATABASE_URL" in os.environ else {"database_url": DATABASE}
    # The pretend Telegram runs here, too: a link through us leads somewhere.
    own_site = {} if settings.public_url or not port else {"public_url": f"http://{settings.web_host}:{port}"}
    return settings.model_copy(update={"bot_token": SecretStr(TOKEN), "web_port": port, **own_database, **own_site})


def _start_afresh(settings: Settings) -> None:
    if settings.database_url == DATABASE:
        for suffix in ("", "-wal", "-shm"):
            Path(DATABASE.removeprefix("sqlite:///") + suffix).unlink(missing_ok=True)


def _port_beside(port: int) -> int:
    return port + 1 if 0 < port < 65_535 else 0


@contextmanager
def _timed(what: str) -> Iterator[None]:
    sys.stdout.write(f"  {what} … ")
    sys.stdout.flush()
    began = perf_counter()
    yield
    sys.stdout.write(f"{perf_counter() - began:.1f} s\n")
