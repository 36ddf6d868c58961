"""The intake: how updates come into the inbox, by asking for them or by having them brought.

A request with a higher offset is the only confirmation Telegram knows, so it is made only after what
lies below it has been committed. A kill at any moment costs nothing: what was not confirmed comes
again, and what is in the inbox already is recognised.
"""

import asyncio

import structlog

from bot.loops import Backoff, keep, rest, unless_stopped
from bot.messenger import Messenger
from bot.recorder import KINDS
from siyu import mailroom
from siyu.app import App
from siyu.kit.errors import SiyuError
from siyu.mailroom import Update
from siyu.outcomes import Outcome, Rejected, Sent, SlowDown, Unauthorized
from siyu.settings import BotMode

log = structlog.get_logger("bot.intake")

POLL_SECONDS = 30
LIMIT = 100
WEBHOOK_PATH = "/telegram/webhook"
# Beyond the poll's own time: the answer's way back.
GRACE_SECONDS = 10


class Intake:
    """Fills the inbox."""

    def __init__(self, app: App, messenger: Messenger) -> None:
        self._app = app
        self._messenger = messenger
        self._backoff = Backoff()
        # None at the start, and after every quiet poll: after a silent week Telegram numbers anew at
        # random, and an old offset above the new numbers would confirm them unread.
        self._offset: int | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. Raises SiyuError when Telegram does not accept the token."""
        match self._app.settings.bot_mode:
            case BotMode.POLLING:
                await self._poll_until(stop)
            case BotMode.WEBHOOK:
                await self._register(stop)

    async def _poll_until(self, stop: asyncio.Event) -> None:
        async def step() -> bool:
            outcome = await unless_stopped(stop, self._ask())
            if outcome is not None:
                await self._take(outcome, stop)
            return True

        await keep("intake", step, bell=asyncio.Event(), stop=stop)

    async def _ask(self) -> Outcome:
        return await self._messenger.call(
            "getUpdates",
            {
                "limit": LIMIT,
                "timeout": POLL_SECONDS,
                "allowed_updates": KINDS,
                **({} if self._offset is None else {"offset": self._offset}),
            },
            seconds=POLL_SECONDS + GRACE_SECONDS,
        )

    async def _take(self, outcome: Outcome, stop: asyncio.Event) -> None:
        match outcome:
            case Sent(result=list(updates)):
                await self._keep(updates)
                self._backoff.reset()
            case Unauthorized():
                raise SiyuError("Telegram does not accept the bot's token; check SIYU_BOT_TOKEN")
            case SlowDown(seconds):
                await rest(stop, seconds)
            case Rejected(description) if "webhook is active" in description:
                log.warning("webhook.removed", reason="SIYU_BOT_MODE is polling")
                await self._messenger.call("deleteWebhook", {"drop_pending_updates": False})
            case Rejected(description) if description.startswith("Conflict"):
                log.error("polling.conflict", hint="another program polls with this token; only one can")
                await rest(stop, self._backoff.pause())
            case _:
                log.warning("polling.failed", outcome=type(outcome).__name__, why=getattr(outcome, "description", ""))
                await rest(stop, self._backoff.pause())

    async def _keep(self, updates: list[Update]) -> None:
        """In one durable commit: the updates, and the offset that the next request will confirm."""
        if not updates:
            self._offset = None
            return
        bot_id, now = self._app.settings.bot_id, self._app.clock()
        offset = int(updates[-1]["update_id"]) + 1
        async with self._app.database.writing() as session:
            await mailroom.put_in_inbox(session, bot_id, updates, now=now)
            await mailroom.confirm_up_to(session, bot_id, offset, now=now)
        self._offset = offset
        self._app.bells.inbox.set()

    async def _register(self, stop: asyncio.Event) -> None:
        """Tell Telegram where our door is, until it has heard it."""
        settings = self._app.settings
        secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
        door = {"url": settings.site + WEBHOOK_PATH, "secret_token": secret, "allowed_updates": KINDS}
        while not stop.is_set():
            match await self._messenger.call("setWebhook", {**door, "drop_pending_updates": False}):
                case Sent():
                    log.info("webhook.registered", url=settings.site + WEBHOOK_PATH)
                    await stop.wait()
                case Unauthorized():
                    raise SiyuError("Telegram does not accept the bot's token; check SIYU_BOT_TOKEN")
                case Rejected(description):
                    raise SiyuError("Telegram does not accept the webhook: %(why)s", why=description)
                case outcome:
                    log.warning("webhook.failed", outcome=type(outcome).__name__)
                    await rest(stop, self._backoff.pause())
