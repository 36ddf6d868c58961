"""The menu under a message: the ways on from anywhere, also for whoever took a wrong turn."""

from aiogram.types import InlineKeyboardMarkup

from bot.keyboards import keyboard, press
from bot.routers.scene import Answer, Scene


def menu(scene: Scene) -> InlineKeyboardMarkup:
    """Every button leads somewhere."""
    _ = scene._
    return keyboard(
        [press(_("🛍 Shop"), "m", "shop", style="primary"), press(_("🎟 My coupons"), "m", "wallet")],
        [press(_("⭐ My points"), "m", "points"), press(_("✅ Check in"), "m", "checkin")],
        [press(_("🤝 Invite a friend"), "m", "invite"), press(_("⚙️ Settings"), "m", "settings")],
    )


async def unknown(scene: Scene, _rest: str = "") -> Answer:
    """A command that is none of ours."""
    return scene.say(scene.voice.tell("unknown"), menu(scene))
