"""Inviting in chat: the fan's own link, how far their friends are, and the board of those who bring most."""

from urllib.parse import urlencode

from aiogram.enums import ParseMode
from aiogram.methods import SendPhoto
from aiogram.types import BufferedInputFile

from bot.keyboards import copy, keyboard, link, press
from bot.routers.scene import Answer, Scene
from siyu import referrals
from siyu.kit import qr

SHAPE = r"home|qr|board|join|leave"


async def invite(scene: Scene, _rest: str = "") -> Answer:
    """The link and what came of it."""
    url, _ = _link(scene), scene._
    seen = await referrals.progress(scene.session, scene.fan.id or 0)
    terms = await referrals.programme(scene.session)
    share = "https://t.me/share/url?" + urlencode({"url": url, "text": _("Come and have a look")})
    buttons = keyboard(
        [link(_("📣 Send to a friend"), share)],
        [copy(_("📋 Copy the link"), url), press(_("🔳 QR code"), "i", "qr")],
        [press(_("🏆 Who brings most"), "i", "board")],
    )
    return scene.show(scene.voice.tell("invite", url=url, seen=seen, terms=terms), buttons)


async def pressed(scene: Scene, what: str) -> Answer:
    """The code to show a friend, or the board, on which nobody stands who does not want to."""
    if what == "qr":
        return _picture(scene)
    if what == "join":
        await referrals.join_board(scene.session, scene.fan, now=scene.now)
    if what == "leave":
        await referrals.leave_board(scene.session, scene.fan)
    return await (invite(scene) if what == "home" else _board(scene))


def _picture(scene: Scene) -> Answer:
    drawn = BufferedInputFile(qr.png(_link(scene)), "invite.png")
    told = scene.voice.tell("invite_qr")
    return SendPhoto(chat_id=scene.fan.telegram_id, photo=drawn, caption=told, parse_mode=ParseMode.HTML)


async def _board(scene: Scene) -> Answer:
    places = await referrals.board(scene.session, scene.fan.id or 0)
    seen = await referrals.progress(scene.session, scene.fan.id or 0)
    _ = scene._
    mine = press(_("Take me off"), "i", "leave") if seen.on_board else press(_("Put me on, masked"), "i", "join")
    text = scene.voice.tell("invite_board", places=places, on_board=seen.on_board)
    return scene.show(text, keyboard([mine], [press(_("‹ My link"), "i", "home")]))


def _link(scene: Scene) -> str:
    return scene.link(f"i_{scene.fan.referral_code}")
