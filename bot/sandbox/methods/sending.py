"""The methods that put a message into a chat."""

import secrets

from bot.sandbox import keyboards
from bot.sandbox.formatted_text import read_caption, read_text
from bot.sandbox.invoices import read_invoice
from bot.sandbox.messages import ChatMessage
from bot.sandbox.parameters import Parameters
from bot.sandbox.people import Person
from bot.sandbox.refusals import bad_request
from bot.sandbox.shapes import Payload
from bot.sandbox.world import World

_NOT_COPIED = frozenset(
    {"message_id", "from", "chat", "date", "edit_date", "reply_markup", "reply_to_message", "media_group_id"}
)
_SERVICE = frozenset({"invoice", "successful_payment", "refunded_payment"})
_MOST_IN_ALBUM = 10
_CAPTIONED = ("photo", "document", "video", "animation", "audio", "voice")


def send_message(world: World, parameters: Parameters) -> Payload:
    """A text."""
    person = world.reachable(parameters.text("chat_id"))
    return _sent(world, person, parameters, read_text(parameters)).body


def send_photo(world: World, parameters: Parameters) -> Payload:
    """A picture; the sandbox does not measure it, every size is the same."""
    person = world.reachable(parameters.text("chat_id"))
    caption = read_caption(parameters)
    photo = _pictured(world.files.take(parameters, "photo"))
    return _sent(world, person, parameters, {"photo": [photo], **caption}).body


def send_document(world: World, parameters: Parameters) -> Payload:
    """A file."""
    person = world.reachable(parameters.text("chat_id"))
    caption = read_caption(parameters)
    return _sent(world, person, parameters, {"document": world.files.take(parameters, "document"), **caption}).body


def send_video(world: World, parameters: Parameters) -> Payload:
    """A film."""
    person = world.reachable(parameters.text("chat_id"))
    caption = read_caption(parameters)
    return _sent(world, person, parameters, {"video": _film(world.files.take(parameters, "video")), **caption}).body


def send_media_group(world: World, parameters: Parameters) -> list[Payload]:
    """An album: several messages that belong together; there are no buttons under one."""
    person = world.reachable(parameters.text("chat_id"))
    media = [_member(world, parameters, one) for one in parameters.rows("media")]
    if not 2 <= len(media) <= _MOST_IN_ALBUM:
        raise bad_request("media group must include 2-10 items")
    if len({"document" in one for one in media}) > 1:
        raise bad_request("document can't be mixed with other media types")
    group = {"media_group_id": str(secrets.randbelow(10**17))}
    return [_sent(world, person, Parameters(_without_markup(parameters)), one | group).body for one in media]


def send_location(world: World, parameters: Parameters) -> Payload:
    """A place on the map."""
    person = world.reachable(parameters.text("chat_id"))
    try:
        place = {name: float(parameters.text(name)) for name in ("latitude", "longitude")}
    except ValueError:
        raise bad_request("location must be valid") from None
    return _sent(world, person, parameters, {"location": place}).body


def send_invoice(world: World, parameters: Parameters) -> Payload:
    """Something to be paid."""
    person = world.reachable(parameters.text("chat_id"))
    invoice = read_invoice(parameters)
    message = _sent(world, person, parameters, {"invoice": invoice})
    message.secret = parameters.text("payload")
    return message.body


def copy_message(world: World, parameters: Parameters) -> Payload:
    """A message again, without a mark of where it came from."""
    person = world.reachable(parameters.text("chat_id"))
    original = world.find_person(parameters.text("from_chat_id")).find(parameters.number("message_id"))
    if original is None:
        raise bad_request("message to copy not found")
    if _SERVICE & original.body.keys():
        raise bad_request("message can't be copied")
    content = {name: value for name, value in original.body.items() if name not in _NOT_COPIED}
    if "caption" in parameters and any(kind in content for kind in _CAPTIONED):
        content = {name: value for name, value in content.items() if not name.startswith("caption")}
        content |= read_caption(parameters)
    return {"message_id": _sent(world, person, parameters, content).message_id}


def _member(world: World, parameters: Parameters, one: object) -> Payload:
    if not isinstance(one, dict) or one.get("type") not in ("photo", "video", "document"):
        raise bad_request("can't parse media: type must be photo, video or document")
    kind = str(one["type"])
    given = Parameters({**one, kind: one.get("media")}, parameters.uploads)
    file = world.files.take(given, kind)
    content: dict[str, object] = {"photo": [_pictured(file)], "video": _film(file), "document": file}
    return {kind: content[kind], **read_caption(given)}


def _without_markup(parameters: Parameters) -> Payload:
    return {name: value for name, value in parameters.values.items() if name not in ("reply_markup", "media")}


def _pictured(file: Payload) -> Payload:
    return file | {"width": 1280, "height": 1280}


def _film(file: Payload) -> Payload:
    return file | {"width": 1280, "height": 720, "duration": 30}


def _sent(world: World, person: Person, parameters: Parameters, content: Payload) -> ChatMessage:
    markup = keyboards.read_markup(parameters)
    content |= _circumstances(person, parameters) | keyboards.inline_part(markup)
    if markup and keyboards.is_reply_keyboard(markup):
        person.reply_keyboard = markup if "keyboard" in markup else None
    person.bot_is_doing = ("", 0.0)
    return world.deliver(person, content, silent=parameters.flag("disable_notification"))


def _circumstances(person: Person, parameters: Parameters) -> Payload:
    circumstances: Payload = {}
    if parameters.flag("protect_content"):
        circumstances["has_protected_content"] = True
    if (options := parameters.data("link_preview_options")) is not None:
        circumstances["link_preview_options"] = options
    if effect := parameters.text("message_effect_id"):
        circumstances["effect_id"] = effect
    if (reply := parameters.data("reply_parameters")) is not None:
        circumstances |= _replied(person, reply)
    return circumstances


def _replied(person: Person, reply: object) -> Payload:
    if not isinstance(reply, dict) or not isinstance(reply.get("message_id"), int):
        raise bad_request("can't parse reply parameters: field message_id must be of type Number")
    original = person.find(reply["message_id"])
    if original is not None:
        bare = {name: value for name, value in original.body.items() if name != "reply_to_message"}
        return {"reply_to_message": bare}
    if reply.get("allow_sending_without_reply"):
        return {}
    raise bad_request("message to be replied not found")
