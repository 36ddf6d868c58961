"""Presses under a broadcast: claim, shop, wallet, and the way out."""

from typing import assert_never

from aiogram.methods import AnswerCallbackQuery

from bot.keyboards import keyboard, press
from bot.routers import questions, shop, wallet
from bot.routers.scene import Answer, Scene
from siyu import broadcasts, consents, coupons
from siyu.broadcasts import Action, Press
from siyu.broadcasts.buttons import SHAPE as SHAPE
from siyu.kit.errors import NotFound
from siyu.tables import Purpose, Way


async def pressed(scene: Scene, data: str) -> Answer:
    """What the fan asks for. The broadcast stays as it is; the answer is a new message."""
    asked = await broadcasts.press(scene.session, scene.fan, f"b:{data}", now=scene.now)
    if asked.test:
        return scene.toast(scene._("This was a test: the button works, and nothing was changed."), alert=True)
    aside = scene.aside()
    match asked.action:
        case Action.MUTE:
            return await _mute(scene)
        case Action.CLAIM:
            return await _claim(scene, asked)
        case Action.SHOP:
            return await shop.shop(aside)
        case Action.WALLET:
            return await wallet.wallet(aside)
        case Action.ANSWER:
            return scene.toast(scene._("Thank you, we have your answer."))
        case Action.SURVEY:
            return await questions.begin(aside, asked.word or "", cause=f"broadcast:{asked.broadcast_id}")
        case Action.COPY | Action.SHARE:
            return refuse(scene)  # Telegram keeps these presses to itself: this one is forged
        case _ as never:
            assert_never(never)


def refuse(scene: Scene) -> AnswerCallbackQuery:
    """Data that no button of ours carries."""
    return scene.toast(scene._("This button does not work any more. /help shows what does."), alert=True)


async def _mute(scene: Scene) -> Answer:
    """Out in one tap; undoing it is one tap, too."""
    session, fan, language = scene.session, scene.fan, scene.words.locale
    await consents.change(session, fan, Purpose.MESSAGES, False, way=Way.BROADCAST, language=language, now=scene.now)
    undo = keyboard([press(scene._("🔔 Send me broadcasts again"), "t", "unmute")])
    return [scene.toast(scene._("Done: no more broadcasts.")), scene.say(scene.voice.tell("muted"), undo)]


async def _claim(scene: Scene, asked: Press) -> Answer:
    """One broadcast is one coupon, however often it is tapped."""
    offer_id = await broadcasts.offer_of(scene.session, asked)
    if offer_id is None:
        raise NotFound("there is no coupon here any more")
    offer = await coupons.get_offer(scene.session, offer_id)
    claimed = await coupons.claim(
        scene.session,
        offer,
        scene.fan,
        claim_key=f"broadcast:{asked.broadcast_id}",
        zone=scene.app.settings.zone,
        now=scene.now,
    )
    until = scene.voice.moment(claimed.coupon.valid_until)
    if not claimed.is_new:
        return scene.toast(scene._("You have it already: it is good until %(until)s.") % {"until": until}, alert=True)
    toast = scene.toast(scene._("🎁 Yours, good until %(until)s.") % {"until": until}, alert=True)
    return [toast, wallet.card(scene.aside(), coupons.Carried(claimed.coupon, offer), fresh=True)]
