"""The methods that change or take back messages."""

import time

from bot.sandbox import keyboards
from bot.sandbox.formatted_text import read_caption, read_text
from bot.sandbox.messages import ChatMessage
from bot.sandbox.parameters import Parameters
from bot.sandbox.people import Person
from bot.sandbox.refusals import bad_request
from bot.sandbox.shapes import Payload
from bot.sandbox.world import World

_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup "
    "are exactly the same as a current content and reply markup of the message"
)
_TEXT = ("text", "entities")
_CAPTION = ("caption", "caption_entities")


def edit_message_text(world: World, parameters: Parameters) -> Payload:
    """Other words in the same place."""
    person, message = _to_edit(world, parameters)
    if "text" not in message.body:
        raise bad_request("there is no text in the message to edit")
    return _edited(world, person, message, parameters, drop=_TEXT, content=read_text(parameters))


def edit_message_caption(world: World, parameters: Parameters) -> Payload:
    """Other words under a picture or file."""
    person, message = _to_edit(world, parameters)
    if not {"photo", "video", "document"} & message.body.keys():
        raise bad_request("there is no caption in the message to edit")
    return _edited(world, person, message, parameters, drop=_CAPTION, content=read_caption(parameters))


def edit_message_reply_markup(world: World, parameters: Parameters) -> Payload:
    """Other buttons, or none."""
    person, message = _to_edit(world, parameters)
    return _edited(world, person, message, parameters)


def delete_message(world: World, parameters: Parameters) -> bool:
    """Take a message out of the chat."""
    person = world.find_person(parameters.text("chat_id"))
    message = person.find(parameters.number("message_id"))
    if message is None:
        raise bad_request("message to delete not found")
    _delete(world, person, message)
    return True


def delete_messages(world: World, parameters: Parameters) -> bool:
    """Take several messages out; those that are not there are passed over."""
    person = world.find_person(parameters.text("chat_id"))
    numbers = parameters.rows("message_ids")
    if not 1 <= len(numbers) <= 100:
        raise bad_request(f"too {'many' if numbers else 'few'} message identifiers specified")
    for number in numbers:
        if (message := person.find(number)) is not None:
            _delete(world, person, message)
    return True


def _to_edit(world: World, parameters: Parameters) -> tuple[Person, ChatMessage]:
    person = world.reachable(parameters.text("chat_id"))
    message = person.find(parameters.number("message_id"))
    if message is None:
        raise bad_request("message to edit not found")
    if not message.from_bot:
        raise bad_request("message can't be edited")
    return person, message


def _edited(
    world: World,
    person: Person,
    message: ChatMessage,
    parameters: Parameters,
    *,
    drop: tuple[str, ...] = (),
    content: Payload | None = None,
) -> Payload:
    markup = keyboards.inline_part(keyboards.read_markup(parameters))
    gone = (*drop, "reply_markup", "edit_date")
    body = {name: value for name, value in message.body.items() if name not in gone}
    body |= (content or {}) | markup
    if body == {name: value for name, value in message.body.items() if name != "edit_date"}:
        raise bad_request(_NOT_MODIFIED)
    if content is not None or message.edited:
        body["edit_date"] = int(time.time())
    message.body = body
    world.changed(person, message)
    return body


def _delete(world: World, person: Person, message: ChatMessage) -> None:
    message.deleted = True
    world.changed(person, message)
