"""What is kept of a fan: told, handed over as a file, and forgotten at their wish."""

from datetime import timedelta

import orjson
from aiogram.enums import ParseMode
from aiogram.methods import SendDocument
from aiogram.types import BufferedInputFile

from bot.keyboards import keyboard, press
from bot.routers.scene import Answer, Scene
from siyu import consents, privacy
from siyu.audit import Actor
from siyu.kit.errors import Conflict

SHAPE = r"copy|ask|no|yes:[0-9]{1,11}"

# Whoever leaves the question open and finds it a day later is asked anew.
ANSWER_WITHIN = timedelta(minutes=10)


async def explained(scene: Scene, _rest: str = "") -> Answer:
    """What we know and why, with the ways to see it and to have it forgotten."""
    purposes = await consents.overview(scene.session, scene.fan)
    see = press(scene._("📄 See my data"), "e", "copy")
    return scene.say(
        scene.voice.tell("privacy", purposes=purposes), keyboard([see, press(scene._("Forget me"), "e", "ask")])
    )


async def my_data(scene: Scene, _rest: str = "") -> Answer:
    """A summary to read, and a file with every row."""
    summary = await privacy.summary_of(scene.session, scene.fan)
    rows = await privacy.copy_of(scene.session, scene.fan)
    file = BufferedInputFile(orjson.dumps(rows, option=orjson.OPT_INDENT_2), "my-data.json")
    told = scene.voice.tell("my_data", summary=summary)
    return SendDocument(chat_id=scene.fan.telegram_id, document=file, caption=told, parse_mode=ParseMode.HTML)


async def forget_me(scene: Scene, _rest: str = "") -> Answer:
    """What would go and what would stay, and the question."""
    await privacy.must_be_free_to_go(scene.session, scene.fan, now=scene.now)
    asked = int(scene.now.timestamp())
    yes = press(scene._("Yes, forget me"), "e", "yes", asked, style="danger")
    return scene.show(scene.voice.tell("forget_me"), keyboard([yes], [press(scene._("No, stay"), "e", "no")]))


async def pressed(scene: Scene, data: str) -> Answer:
    """A button under one of these."""
    what, _, asked = data.partition(":")
    match what:
        case "copy":
            return await my_data(scene)
        case "ask":
            return await forget_me(scene.aside())
        case "no":
            return scene.show(scene.voice.tell("stayed"))
        case _yes:
            return await _forget(scene, int(asked))


async def _forget(scene: Scene, asked: int) -> Answer:
    if not 0 <= scene.now.timestamp() - asked <= ANSWER_WITHIN.total_seconds():
        raise Conflict("this question is too old: send /forgetme again", reason="too_old")
    answer = scene.show(scene.voice.tell("forgotten"))
    await privacy.forget(scene.session, Actor("fan", "a fan"), scene.fan, now=scene.now)
    return answer
