"""Words and media that are no command: a fan is heard and operators are told; an operator's reply answers."""

from collections.abc import Sequence
from typing import Any

from aiogram.enums import ContentType, ParseMode
from aiogram.types import Message

from bot.recorder import TALK
from bot.routers import home, rating, staff
from bot.routers.scene import Answer, Scene
from siyu import conversations, operators
from siyu.conversations import Notice, Said
from siyu.operators import Permission
from siyu.tables import Fan, Operator

LONGEST_SHOWN = 3000  # signs of a message in a notice: the rest of it must fit as well, at most 4,096

Json = dict[str, Any]  # Any: fields as Telegram spells them


def is_talk(message: Message) -> bool:
    """Whether somebody wrote or sent something, and Telegram does not only tell of it."""
    return _kind(message) in TALK


async def said(scene: Scene, message: Message) -> Answer:
    """Whatever somebody wrote or sent. That it is a line of the conversation is written down already."""
    # One look at the few who work here: asking for the writer and for who listens would be two, for every word.
    here = await operators.who_may(scene.session, Permission.OPERATE)
    colleague = next((one for one in here if one.telegram_id == scene.fan.telegram_id), None)
    if colleague is not None:
        return await _from_colleague(scene, colleague, message)
    await _tell(scene, await conversations.hearers(scene.session, scene.fan, here), message)
    if await rating.taken(scene, message):
        return scene.say(scene.voice.tell("told_why"))
    return await home.chat(scene, "heard")


async def _from_colleague(scene: Scene, operator: Operator, message: Message) -> Answer:
    """A reply to a notice is an answer to its fan; anything else gets the hint."""
    replied_to = message.reply_to_message
    if replied_to is None:
        return await home.chat(scene)
    fan = await conversations.fan_meant(scene.session, operator.telegram_id, replied_to.message_id)
    if fan is None:
        return scene.say(scene.voice.tell("nobody_meant"))
    return await _answer(scene, operator, fan, message)


async def _answer(scene: Scene, operator: Operator, fan: Fan, message: Message) -> Answer:
    actor = operators.actor_of(operator)
    copied = None if message.text else (message.chat.id, message.message_id)
    answer = Said(scene.cause, message.text or message.caption or "", _kind(message), copied)
    await conversations.answer(scene.session, actor, fan, answer, operator_id=operator.id, now=scene.now)
    return scene.say(scene.voice.tell("answered", fan=fan))


async def _tell(scene: Scene, told: Sequence[Operator], message: Message) -> None:
    notices = [notice for one in told for notice in await _notices(scene, one, message)]
    await conversations.post_notices(scene.session, scene.fan, notices, now=scene.now)


async def _notices(scene: Scene, operator: Operator, message: Message) -> list[Notice]:
    """The words, and after them whatever came with them, copied."""
    theirs = await staff.in_language_of(scene, operator)
    chat_id, cause = operator.telegram_id, f"notice:{scene.cause}:{operator.id}"
    text = (message.text or message.caption or "")[:LONGEST_SHOWN]
    words = theirs.voice.tell("notice", fan=scene.fan, text=text, kind=_kind(message))
    first = Notice(chat_id, cause, "sendMessage", _plain(chat_id, words))
    if message.text:
        return [first]
    copy = {"chat_id": chat_id, "from_chat_id": message.chat.id, "message_id": message.message_id}
    return [first, Notice(chat_id, f"{cause}:copy", "copyMessage", copy)]


def _kind(message: Message) -> str:
    """As the recorder names it; aiogram hands out a word that is not equal to its text in a set."""
    return ContentType(message.content_type).value


def _plain(chat_id: int, text: str) -> Json:
    return {
        "chat_id": chat_id,
        "text": text,
        "parse_mode": ParseMode.HTML.value,
        "link_preview_options": {"is_disabled": True},
    }
