"""A fan talks with the bot through a pretend Telegram: everything in between is the product."""

from sqlmodel import select

from bot.sandbox import Sandbox
from siyu.app import App
from siyu.tables import Fan, Interaction, Reach
from tests.bot.running import echo, press, running, until


async def test_a_newcomer_is_welcomed_and_every_fact_is_written_down(house: App, sandbox: Sandbox) -> None:
    async with running(house, echo, press):
        mei = sandbox.add_person(name="梅", language="zh-hans", username="mei")
        mei.start("poster")
        await mei.hears("heard /start poster")
        mei.says("hello")
        await mei.hears("heard hello")

    async with house.database.reading() as session:
        (fan,) = await session.all(select(Fan))
        facts = await session.all(select(Interaction).order_by(Interaction.id))
    assert (fan.name, fan.username, fan.language, fan.source) == ("梅", "mei", "zh-hans", "poster")
    assert [(fact.kind, fact.detail, fact.fan_id) for fact in facts] == [
        ("command", "start", fan.id),
        ("message", "text", fan.id),
    ]


async def test_a_press_is_answered_and_counted(house: App, sandbox: Sandbox) -> None:
    async with running(house, echo, press):
        mei = sandbox.add_person(name="Mei")
        mei.says("hello")
        await mei.hears("heard hello")
        mei.presses("More")
        await until(lambda: mei.toast is not None)

    assert mei.toast.text == "pressed more"
    async with house.database.reading() as session:
        assert await session.all(select(Interaction.kind).order_by(Interaction.id)) == ["message", "press"]


async def test_blocking_and_coming_back_are_known_at_once(house: App, sandbox: Sandbox) -> None:
    async def reach() -> Reach | None:
        async with house.database.reading() as session:
            return await session.first(select(Fan.reach))

    async def is_(wanted: Reach) -> bool:
        return await reach() is wanted

    async with running(house, echo, press):
        mei = sandbox.add_person(name="Mei")
        mei.says("hello")
        await mei.hears("heard hello")
        mei.blocks()
        await until(lambda: is_(Reach.BLOCKED))
        mei.unblocks()
        await until(lambda: is_(Reach.REACHABLE))


async def test_the_product_itself_greets_a_newcomer(house: App, sandbox: Sandbox) -> None:
    async with running(house):
        mei = sandbox.add_person(name="Mei")
        mei.start()
        await mei.hears("Mei")

    async with house.database.reading() as session:
        assert await session.all(select(Fan.telegram_id)) == [mei.telegram_id]


async def test_the_button_beside_the_typing_box_opens_the_commands_in_the_fans_own_language(
    house: App, sandbox: Sandbox
) -> None:
    profile = sandbox.world.profile
    async with running(house):
        mei = sandbox.add_person(name="梅", language="zh-hans")
        mei.start("")
        await mei.hears("欢迎")
        usual = profile.commands_for(mei.telegram_id, "en")
        mei.says("/settings")
        await mei.hears("设置")
        mei.presses("English")
        await until(lambda: profile.commands_for(mei.telegram_id, "zh") == usual)

    assert profile.menu_button(mei.telegram_id) == {"type": "commands"}
    assert {"shop", "wallet", "settings", "privacy"} <= {one["command"] for one in usual}
    assert "admin" not in {one["command"] for one in usual}
