"""What the bot does with an update: one table from commands, one from the first word of a button's data.

No filters: aiogram runs every `F.…` in a thread at 130-200 µs, a look into a dict costs nothing.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiogram import Router
from aiogram.enums import ChatType
from aiogram.types import CallbackQuery, Message, PreCheckoutQuery

from bot.routers import (
    campaign,
    conversation,
    home,
    invite,
    payments,
    points,
    posts,
    privacy,
    questions,
    rating,
    selling,
    settings,
    shop,
    staff,
    support,
    wallet,
)
from bot.routers.menu import unknown
from bot.routers.scene import Answer, Method, Scene, Verb
from siyu.broadcasts import Action, Press, parse_press
from siyu.kit.errors import SiyuError

COMMANDS: Mapping[str, Verb] = {
    "start": home.start,
    "help": home.help_,
    "shop": shop.shop,
    "wallet": wallet.wallet,
    "points": points.points,
    "checkin": points.checkin,
    "invite": invite.invite,
    "feedback": rating.rate_us,
    "settings": settings.settings,
    "mydata": privacy.my_data,
    "forgetme": privacy.forget_me,
    "privacy": privacy.explained,
    "paysupport": support.paysupport,
    "admin": staff.admin,
    "redeem": staff.redeem,
    "sell": selling.sell,
}
PRESSES: Mapping[str, Verb] = {
    "b": campaign.pressed,
    "d": posts.pressed,
    "m": home.pressed,
    "i": invite.pressed,
    "n": rating.pressed,
    "q": questions.pressed,
    "s": shop.pressed,
    "w": wallet.pressed,
    "pt": points.pressed,
    "t": settings.pressed,
    "p": support.pressed,
    "e": privacy.pressed,
    "f": support.answered,
    "r": staff.pressed,
    "u": staff.undone,
    "k": selling.pressed,
}


# What our buttons carry after the first word; anything else is forged, counts as nothing and changes nothing.
SHAPES: Mapping[str, re.Pattern[str]] = {
    prefix: re.compile(shape)
    for prefix, shape in {
        "b": campaign.SHAPE,
        "d": posts.SHAPE,
        "m": home.SHAPE,
        "i": invite.SHAPE,
        "n": rating.SHAPE,
        "q": questions.SHAPE,
        "s": shop.SHAPE,
        "w": wallet.SHAPE,
        "pt": points.SHAPE,
        "t": settings.SHAPE,
        "p": support.SHAPE,
        "e": privacy.SHAPE,
        "f": support.ANSWER_SHAPE,
        "r": staff.SHAPE,
        "u": staff.UNDO_SHAPE,
        "k": selling.SHAPE,
    }.items()
}


class Did(NamedTuple):
    """What a press counts as: an interaction's kind and detail, and the broadcast it belongs to."""

    kind: str
    detail: str | None = None
    broadcast_id: int | None = None


def root() -> Router:
    """The one router: three kinds of updates, each through its own table."""
    router = Router(name="siyu")
    router.message.register(on_message)
    router.callback_query.register(on_press)
    router.pre_checkout_query.register(on_pre_checkout)
    return router


def kind_of(data: str) -> Did | None:
    """What a button's data says the fan did; None for data that no button of ours carries.

    The broadcast is what the data claims: hold it against the ledger before believing it.
    """
    verb, rest = _verb(data)
    if verb is None:
        return None
    if verb is campaign.pressed:
        return _pressed(parse_press(data))
    if _answers(verb, rest):
        return None  # what was answered is written down when it is taken: an old button answers nothing
    viewed = shop.viewed(rest) if verb is shop.pressed else None
    return Did("view", viewed.sku) if viewed else Did("press", data)


def _answers(verb: Verb, rest: str) -> bool:
    return (verb is questions.pressed and questions.is_answer(rest)) or (
        verb is rating.pressed and rating.is_answer(rest)
    )


def _pressed(press: Press | None) -> Did | None:
    """An answer is what the fan said; a press on a test copy is nothing."""
    if press is None or press.test:
        return None
    if press.action is Action.ANSWER:
        return Did("answer", press.word, press.broadcast_id)
    return Did("press", press.action.value, press.broadcast_id)


async def on_message(message: Message, **handed: Any) -> Answer:  # Any: what the dispatcher hands down, by name
    """A command, a payment's message, or just words."""
    if message.chat.type != ChatType.PRIVATE:
        return None
    cause = f"{message.chat.id}:{message.message_id}"
    scene = _scene(handed, cause=cause, replied=message.reply_to_message)
    try:
        if message.successful_payment:
            return await payments.paid(scene, message.successful_payment, at=message.date)
        if message.refunded_payment:
            return await payments.refunded(scene, message.refunded_payment)
        if message.text and message.text.startswith("/"):
            return await _command(scene, message.text)
        return await _said(scene, message)
    except SiyuError as no:
        return scene.say(scene.voice.tell("refusal", said=scene.voice.refusal(no)))


async def _said(scene: Scene, message: Message) -> Answer:
    """An answer to a question of ours, a search, a sale, an operator's post, a code, or plain talk."""
    # A reply may be an operator's to a notice: an answer to a fan, not to us.
    if not message.reply_to_message and (answer := await questions.taken(scene, message)):
        return answer
    if found := await shop.looked_for(scene, message):
        return found
    if sale := await selling.answered(scene, message) or await selling.handed(scene, message):
        return sale
    if offer := await posts.offered(scene, message):
        return offer
    if coupon := await wallet.typed(scene, message.text):
        return coupon
    return await conversation.said(scene, message) if conversation.is_talk(message) else None


async def on_press(query: CallbackQuery, **handed: Any) -> Answer:  # Any: as above
    """A press on one of our buttons, or forged data; each is answered."""
    scene = _scene(handed, cause=f"press:{query.id}", pressed=query)
    verb, rest = _verb(query.data or "")
    try:
        answers = _listed(await verb(scene, rest)) if verb else [campaign.refuse(scene)]
    except SiyuError as no:
        return scene.toast(scene.voice.refusal(no), alert=True)
    is_answered = any(method.__api_method__ == "answerCallbackQuery" for method in answers)
    return answers if is_answered else [scene.toast(), *answers]


async def on_pre_checkout(query: PreCheckoutQuery, **handed: Any) -> Answer:  # Any: as above
    """Telegram asks whether the money may be taken; it waits ten seconds."""
    return await payments.may_be_paid(_scene(handed, cause=f"checkout:{query.id}"), query)


def _verb(data: str) -> tuple[Verb | None, str]:
    """What a button's data asks for, and with what; None when no button of ours carries it."""
    prefix, _, rest = data.partition(":")
    shape = SHAPES.get(prefix)
    return (PRESSES[prefix] if shape and shape.fullmatch(rest) else None), rest


async def _command(scene: Scene, text: str) -> Answer:
    word, _, rest = text.partition(" ")
    name = word[1:].partition("@")[0].lower()
    return await COMMANDS.get(name, unknown)(scene, rest.strip())


def _scene(
    handed: Mapping[str, Any],  # Any: as above
    *,
    cause: str,
    pressed: CallbackQuery | None = None,
    replied: Message | None = None,
) -> Scene:
    names = ("session", "fan", "now", "app", "words", "newcomer", "me")
    return Scene(**{name: handed[name] for name in names}, cause=cause, pressed=pressed, replied=replied)


def _listed(answer: Answer) -> list[Method]:
    if answer is None:
        return []
    return list(answer) if isinstance(answer, Sequence) else [answer]
