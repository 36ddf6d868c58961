"""The bot as one thing to run: intake, drain and courier, until told to stop."""

import asyncio
from collections.abc import Callable

import structlog
from aiogram import Router

from bot import routers, wording
from bot.courier import Courier
from bot.dispatcher import Desk
from bot.drain import Drain
from bot.intake import Intake
from bot.loops import Backoff, rest
from bot.messenger import Me, Messenger
from bot.recorder import KindOf
from siyu import mailroom
from siyu.app import App
from siyu.kit.errors import SiyuError
from siyu.outcomes import Sent, Unauthorized

log = structlog.get_logger("bot")


async def run_bot(
    app: App, stop: asyncio.Event, *, root: Callable[[], Router] = routers.root, kind_of: KindOf = routers.kind_of
) -> None:
    """Until `stop` is set: then the batch and the calls under way are finished, all else stays in its table.

    Raises SiyuError when Telegram does not accept the token.
    """
    async with Messenger(app.settings) as messenger:
        me = await _introduce(app, messenger, stop)
        if me is None:
            return
        await _list_commands(messenger)
        desk = Desk(app, me, root(), kind_of)
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(Intake(app, messenger).run(stop))
                parts.create_task(Drain(app, desk).run(stop))
                parts.create_task(Courier(app, messenger).run(stop))
                parts.create_task(_ring_out(app, stop))
        except* SiyuError as errors:
            # One sentence, not a tree of tracebacks.
            raise _first(errors) from None


async def _introduce(app: App, messenger: Messenger, stop: asyncio.Event) -> Me | None:
    """Who we are, asked until Telegram answers; None when stopped before."""
    backoff = Backoff()
    while not stop.is_set():
        answer = await messenger.me()
        if isinstance(answer, Me):
            async with app.database.writing() as session:
                await mailroom.remember_bot(session, answer.id, answer.username, answer.name, now=app.clock())
            log.info("bot.ready", username=answer.username)
            return answer
        if isinstance(answer, Unauthorized):
            raise SiyuError("Telegram does not know this bot token; check SIYU_BOT_TOKEN")
        log.warning("telegram.away", outcome=type(answer).__name__, why=getattr(answer, "description", ""))
        await rest(stop, backoff.pause())
    return None


async def _list_commands(messenger: Messenger) -> None:
    """What the menu offers, in each language, and a button that opens it beside every typing box.

    Should Telegram not take it, all else works the same.
    """
    calls = [("setMyCommands", listed.model_dump(exclude_none=True)) for listed in wording.command_lists()]
    for method, payload in [*calls, ("setChatMenuButton", {"menu_button": {"type": "commands"}})]:
        outcome = await messenger.call(method, payload)
        if not isinstance(outcome, Sent):
            log.warning("commands.not_listed", method=method, outcome=type(outcome).__name__)


async def _ring_out(app: App, stop: asyncio.Event) -> None:
    """Whoever rests hears at once that it is over."""
    await stop.wait()
    app.bells.inbox.set()
    app.bells.outbox.set()


def _first(errors: BaseExceptionGroup[SiyuError]) -> SiyuError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SiyuError)
    return error
