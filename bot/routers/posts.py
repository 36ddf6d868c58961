"""A post an operator sends to the bot, to be used as a broadcast."""

from aiogram.types import InlineKeyboardMarkup, Message

from bot.keyboards import keyboard, link, press
from bot.routers import selling, staff
from bot.routers.scene import Answer, Method, Scene
from siyu import operators
from siyu.broadcasts import posts
from siyu.kit.errors import NotFound
from siyu.operators import Permission

SHAPE = r"[1-9][0-9]{0,17}"

# What copyMessage copies; a poll would come without its votes, a place is no post.
_COPIED = ("text", "photo", "video", "animation", "document", "audio", "voice", "video_note")


async def offered(scene: Scene, message: Message) -> Method | None:
    """“Use it as a broadcast?” under a post of somebody who may send one; None for everything else."""
    if not _is_post(message) or not await staff.colleague(scene, Permission.OPERATE):
        return None
    use = press(scene._("📣 Use it as a broadcast"), "d", message.message_id, style="primary")
    sell = await selling.button_for_sender(scene, message)
    return scene.say(scene.voice.tell("post_offered"), keyboard([use], sell))


async def pressed(scene: Scene, message_id: str) -> Answer:
    """The draft; it goes to the operator alone until they choose whom else."""
    operator = await staff.must_be(scene, Permission.OPERATE)
    broadcast = await posts.draft_of(
        scene.session,
        operators.actor_of(operator),
        scene.fan.telegram_id,
        _of_theirs(scene, int(message_id)),
        scene._("A post of %(day)s") % {"day": scene.voice.moment(scene.now)},
        now=scene.now,
    )
    url = f"{scene.app.settings.site}/broadcasts/{broadcast.id}"
    is_public = url.startswith("https://")
    text = scene.voice.tell("post_drafted", url=None if is_public else url)
    return scene.show(text, _button(scene, url) if is_public else None)


def _is_post(message: Message) -> bool:
    """An album comes message by message, and its words with the first: one offer is enough. A reply is an answer."""
    if message.reply_to_message or (message.text or "").startswith("/"):
        return False
    if message.media_group_id and not message.caption:
        return False
    return any(getattr(message, kind) is not None for kind in _COPIED)


def _of_theirs(scene: Scene, message_id: int) -> int:
    """What came before our offer in this chat."""
    offer = scene.pressed.message if scene.pressed else None
    if offer is None or message_id >= offer.message_id:
        raise NotFound("this post is not there any more: send it again")
    return message_id


def _button(scene: Scene, url: str) -> InlineKeyboardMarkup:
    return keyboard([link(scene._("✏️ Open the draft"), url)])
