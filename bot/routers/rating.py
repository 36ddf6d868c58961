"""Ratings in chat: one tap, then a few words if the fan likes; who is unhappy is heard by a person."""

from aiogram.types import InlineKeyboardMarkup, Message

from bot.keyboards import keyboard, press
from bot.routers.menu import menu
from bot.routers.scene import Answer, Scene
from siyu import conversations, feedback
from siyu.conversations import Heard
from siyu.tables import Feedback, Scale

SHAPE = r"[1-9][0-9]{0,17}:(?:[0-9]|10|no)"


def is_answer(data: str) -> bool:
    """Whether pressing it rates something: then the rating is written down, and not that it was pressed."""
    return not data.endswith(":no")


async def rate_us(scene: Scene, text: str = "") -> Answer:
    """`/feedback` asks for a rating; words behind it are heard as if they stood alone."""
    if text:
        line = Heard(f"command:{scene.cause}", scene.fan.id or 0, scene.now, text)
        await conversations.hear(scene.session, [line])
    asked = await feedback.ask(scene.session, scene.fan, cause=scene.cause, now=scene.now)
    return scene.show(scene.voice.tell("rate_us", scale=asked.scale), _marks(scene, asked))


async def pressed(scene: Scene, data: str) -> Answer:
    """One tap is the rating."""
    feedback_id, _, told = data.partition(":")
    if told == "no":
        return scene.show(scene.voice.tell("not_now"), menu(scene))
    rated = await feedback.rate(
        scene.session, scene.fan, int(feedback_id), int(told), zone=scene.app.settings.zone, now=scene.now
    )
    given = rated.feedback
    return scene.show(scene.voice.tell("rated", rated=given, stars=given.scale is Scale.STARS, thanks=rated))


async def taken(scene: Scene, message: Message) -> bool:
    """Whether these words are about the fan's rating; then they are kept beside it, and a person reads them too."""
    if not message.text or not await feedback.listens(scene.session, scene.fan, now=scene.now):
        return False
    about = await feedback.words_wanted(scene.session, scene.fan, zone=scene.app.settings.zone, now=scene.now)
    if about is None:
        return False
    await feedback.add_words(scene.session, about, message.text)
    return True


def _marks(scene: Scene, asked: Feedback) -> InlineKeyboardMarkup:
    rows = [
        [press(label, *data.split(":")) for label, data in row] for row in feedback.keys(asked.id or 0, asked.scale)
    ]
    return keyboard(*rows, [press(scene._("Not now"), "n", asked.id, "no")])
