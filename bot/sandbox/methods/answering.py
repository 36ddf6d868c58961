"""The methods that answer what a person just did."""

import time

from bot.sandbox.parameters import Parameters
from bot.sandbox.refusals import bad_request
from bot.sandbox.world import World

_ANSWER_LIMIT = 200
_ACTIONS = frozenset(
    {
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)
_ACTION_SECONDS = 5.0


def answer_callback_query(world: World, parameters: Parameters) -> bool:
    """Stop the button's spinning and, if there are words, show them."""
    text = parameters.text("text")
    if len(text) > _ANSWER_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    world.answer_press(
        parameters.text("callback_query_id"),
        text=text,
        alert=parameters.flag("show_alert"),
        url=parameters.text("url") or None,
    )
    return True


def answer_pre_checkout_query(world: World, parameters: Parameters) -> bool:
    """Let a payment through, or say why not."""
    ok, error = parameters.flag("ok"), parameters.text("error_message")
    if not ok and not error:
        raise bad_request("can't get error_message: it must be non-empty")
    world.till.answer_checkout(parameters.text("pre_checkout_query_id"), ok=ok, error=error)
    return True


def send_chat_action(world: World, parameters: Parameters) -> bool:
    """Show for five seconds what the bot is doing."""
    person = world.reachable(parameters.text("chat_id"))
    action = parameters.text("action")
    if action not in _ACTIONS:
        raise bad_request("wrong parameter action in request")
    person.bot_is_doing = (action, time.monotonic() + _ACTION_SECONDS)
    world.changed(person)
    return True
