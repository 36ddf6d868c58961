"""The sandbox as one object: a world with a server in front of it."""

from collections.abc import Mapping
from types import TracebackType

from aiohttp import web

from bot.sandbox.bot_api import BotApi
from bot.sandbox.calls import CallLog
from bot.sandbox.chat_page import ChatPage
from bot.sandbox.fan_api import FanApi
from bot.sandbox.faults import Faults
from bot.sandbox.messages import ChatMessage
from bot.sandbox.options import SandboxOptions
from bot.sandbox.people import Person
from bot.sandbox.shapes import Payload
from bot.sandbox.world import World

_UPLOAD_LIMIT = 50 * 2**20
_LAST_WORDS_SECONDS = 0.1


class Sandbox:
    """A pretend Telegram; `async with Sandbox() as sandbox` serves it while the block runs."""

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self.world = World(self.options)
        self._runner: web.AppRunner | None = None
        self._url = ""

    async def __aenter__(self) -> "Sandbox":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; afterwards `url` tells where."""
        # A bot that is killed in the middle of a long poll must not hold the queue: its handler ends.
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_LAST_WORDS_SECONDS,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.options.host, self.options.port, backlog=1024)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Hang up; the world stays as it is and can be started again."""
        await self.world.webhook.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        """The base address for `{url}/bot{token}/{method}`; the chat page is at its root."""
        if not self._url:
            raise RuntimeError("the sandbox has no address before it is started")
        return self._url

    @property
    def token(self) -> str:
        """The token the bot must use."""
        return self.options.token

    @property
    def people(self) -> Mapping[int, Person]:
        """Everybody, by Telegram id."""
        return self.world.people

    @property
    def calls(self) -> CallLog:
        """What the bot has called so far."""
        return self.world.calls

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose."""
        return self.world.faults

    def add_person(
        self,
        *,
        name: str,
        telegram_id: int | None = None,
        username: str | None = None,
        language: str | None = "en",
        known: bool = False,
    ) -> Person:
        """Bring somebody in; `known` if the bot may write to them already."""
        return self.world.add_person(
            name=name, telegram_id=telegram_id, username=username, language=language, known=known
        )

    def sent_to(self, telegram_id: int) -> list[ChatMessage]:
        """Every message the bot ever got through to a person, oldest first."""
        return self.world.sent_to(telegram_id)

    def push_update(self, update: Payload) -> int:
        """Queue an update as it is; returns its id, 0 if the bot does not want its kind."""
        return self.world.push_update(update)

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=_UPLOAD_LIMIT)
        BotApi(self.world).add_routes(app)
        FanApi(self.world).add_routes(app)
        ChatPage(self.world).add_routes(app)
        return app
