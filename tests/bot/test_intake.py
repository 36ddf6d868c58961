"""Updates on their way in: none is confirmed before it is written down, and no trouble ends the asking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from sqlmodel import select

from bot.intake import POLL_SECONDS, Intake
from bot.messenger import Messenger
from bot.recorder import KINDS
from bot.run import run_bot
from bot.sandbox import Sandbox
from bot.sandbox.faults import Fault, FaultKind
from siyu import mailroom
from siyu.app import App
from siyu.kit.errors import SiyuError
from siyu.mailroom.webhook import SECRET_HEADER
from siyu.settings import BotMode, Settings
from siyu.tables import Inbox, PollOffset
from tests.bot.running import until


@asynccontextmanager
async def taking_in(app: App) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with Messenger(app.settings) as messenger, asyncio.TaskGroup() as group:
        group.create_task(Intake(app, messenger).run(stop))
        try:
            yield
        finally:
            stop.set()


async def updates_of(app: App) -> list[int]:
    async with app.database.reading() as session:
        return list(await session.all(select(Inbox.update_id).order_by(Inbox.id)))


async def has(app: App, number: int) -> bool:
    return len(await updates_of(app)) == number


def changed(app: App, **settings: object) -> App:
    return App(settings=app.settings.model_copy(update=settings), database=app.database)


async def test_what_is_said_is_written_down_and_then_confirmed(house: App, sandbox: Sandbox) -> None:
    mei = sandbox.add_person(name="Mei")
    for number in range(250):
        mei.says(str(number))

    async with taking_in(house):
        await until(lambda: has(house, 250))
        await until(lambda: len(sandbox.world.queue) == 0)

    async with house.database.reading() as session:
        (offset,) = await session.all(select(PollOffset))
    assert offset.next_offset == (await updates_of(house))[-1] + 1


async def test_nothing_is_confirmed_that_could_not_be_written(house: App, sandbox: Sandbox) -> None:
    mei = sandbox.add_person(name="Mei")
    mei.says("hello")
    broken = App(settings=house.settings, database=_Broken(house.database))

    async with taking_in(broken):
        await until(lambda: len(sandbox.calls.find("getUpdates")) >= 2)

    assert len(sandbox.world.queue) == 1
    assert all("offset" not in call.params for call in sandbox.calls.find("getUpdates"))


async def test_after_a_start_and_after_silence_no_old_offset_is_sent(house: App, sandbox: Sandbox) -> None:
    """Telegram numbers anew at random after a quiet week: an old offset would confirm the new ones unread."""
    mei = sandbox.add_person(name="Mei")
    mei.says("before")
    async with taking_in(house):
        await until(lambda: has(house, 1))

    sandbox.world.queue._next_id -= 1_000_000
    mei.says("numbered anew")
    async with taking_in(house):
        await until(lambda: has(house, 2))

    assert len(await updates_of(house)) == 2


async def test_every_kind_is_asked_for_by_name(house: App, sandbox: Sandbox) -> None:
    mei = sandbox.add_person(name="Mei", known=True)

    async with taking_in(house):
        await until(lambda: sandbox.world.queue.allowed == set(KINDS))
        mei.reacts(mei.says("look").message_id, "👍")
        mei.blocks()
        await until(lambda: has(house, 3))


@pytest.mark.parametrize(
    "kind", [FaultKind.SERVER_ERROR, FaultKind.BAD_GATEWAY, FaultKind.DROP_AFTER, FaultKind.TOO_MANY]
)
async def test_trouble_on_the_line_loses_nothing(house: App, sandbox: Sandbox, kind: FaultKind) -> None:
    sandbox.faults.set(Fault(kind=kind, next=2, methods=("getUpdates",)))
    sandbox.add_person(name="Mei").says("hello")

    async with taking_in(house):
        await until(lambda: has(house, 1))


async def test_a_webhook_left_over_is_removed_and_polling_goes_on(house: App, sandbox: Sandbox) -> None:
    async with Messenger(house.settings) as messenger:
        await messenger.call("setWebhook", {"url": "http://127.0.0.1:9/old"})

    async with taking_in(house):
        sandbox.add_person(name="Mei").says("hello")
        await until(lambda: has(house, 1))


async def test_a_second_poller_is_told_and_neither_loses_an_update(house: App, sandbox: Sandbox) -> None:
    mei = sandbox.add_person(name="Mei")

    async with taking_in(house), taking_in(house):
        for number in range(5):
            mei.says(str(number))
            await asyncio.sleep(0.1)
        await until(lambda: has(house, 5))
        await until(lambda: sandbox.calls.by_code[409] >= 1)


async def test_stopping_does_not_wait_for_the_long_poll(house: App, sandbox: Sandbox) -> None:
    async with asyncio.timeout(POLL_SECONDS - 5):
        async with taking_in(house):
            await until(lambda: sandbox.world.queue.allowed != frozenset())


async def test_a_wrong_token_stops_the_bot_with_one_sentence(house: App) -> None:
    wrong = changed(house, bot_token=Settings(bot_token="43:WRONG").bot_token)

    with pytest.raises(SiyuError, match="SIYU_BOT_TOKEN"):
        await run_bot(wrong, asyncio.Event())


async def test_the_webhook_is_registered_with_its_secret_and_brings_updates(house: App, sandbox: Sandbox) -> None:
    secret = Settings(webhook_secret="s3cret").webhook_secret
    async with _door(changed(house, webhook_secret=secret)) as url:
        hooked = changed(house, bot_mode=BotMode.WEBHOOK, public_url=url, webhook_secret=secret)
        async with taking_in(hooked):
            await until(lambda: bool(sandbox.calls.find("setWebhook", code=200)))
            mei = sandbox.add_person(name="Mei", known=True)
            mei.reacts(mei.says("look").message_id, "👍")
            mei.says("hello")
            await until(lambda: has(house, 3))

    (call,) = sandbox.calls.find("setWebhook")
    assert (call.params["url"], call.params["secret_token"]) == (f"{url}/telegram/webhook", "s3cret")
    assert set(call.params["allowed_updates"]) == set(KINDS)


async def test_a_webhook_that_telegram_refuses_stops_the_start(house: App) -> None:
    secret = Settings(webhook_secret="s3cret").webhook_secret
    hooked = changed(house, bot_mode=BotMode.WEBHOOK, public_url="http://shop.example", webhook_secret=secret)

    with pytest.raises(SiyuError, match="HTTPS"):
        await run_bot(hooked, asyncio.Event())


async def test_pages_can_ask_who_the_bot_is(house: App) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_bot(house, stop))

        async def known() -> bool:
            async with house.database.reading() as session:
                return await mailroom.username_of(session, 42) == "siyu_sandbox_bot"

        await until(known)
        stop.set()


@asynccontextmanager
async def _door(app: App) -> AsyncIterator[str]:
    """A web server with nothing but the mailroom behind it."""

    async def take(request: web.Request) -> web.Response:
        knock = request.headers.get(SECRET_HEADER), await request.read()
        return web.Response(status=await mailroom.accept_webhook(app.database, app.settings, *knock, now=app.clock()))

    server = web.Application()
    server.router.add_post("/telegram/webhook", take)
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


class _Broken:
    """A database whose disk is full."""

    def __init__(self, database: object) -> None:
        self._database = database
        self.dialect = "sqlite"

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[object]:
        raise OSError("no space left on device")
        yield
