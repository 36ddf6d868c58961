"""Settings in chat: broadcasts on or off, Chinese or English."""

from dataclasses import replace

from bot.keyboards import keyboard, press
from bot.routers.scene import Answer, Method, Scene
from siyu import fans
from siyu.kit.wording import CHINESE, ENGLISH, words

SHAPE = rf"mute|unmute|{CHINESE}|{ENGLISH}"

# Each in its own language, so that whoever landed in the wrong one finds the way.
LANGUAGES = ((CHINESE, "中文"), (ENGLISH, "English"))


async def settings(scene: Scene, _rest: str = "") -> Answer:
    return _page(scene)


async def pressed(scene: Scene, what: str) -> Answer:
    """Turn the switch, and show where it stands now."""
    match what:
        case "mute":
            await fans.mute(scene.session, scene.fan, now=scene.now)
            return [scene.toast(scene._("Done: no more broadcasts.")), _page(scene)]
        case "unmute":
            await fans.unmute(scene.session, scene.fan, now=scene.now)
            return [scene.toast(scene._("Welcome back! You will hear from us again.")), _page(scene)]
        case language:
            await fans.set_language(scene.session, scene.fan, language)
            return _page(replace(scene, words=words(language)))


def _page(scene: Scene) -> Method:
    muted = scene.fan.muted_at is not None
    switch = (
        press(scene._("🔔 Send me broadcasts again"), "t", "unmute")
        if muted
        else press(scene._("🔕 No more broadcasts"), "t", "mute")
    )
    languages = [
        press(f"✓ {name}" if locale == scene.words.locale else name, "t", locale) for locale, name in LANGUAGES
    ]
    return scene.show(scene.voice.tell("settings", muted=muted), keyboard([switch], languages))
