"""The front door: greeting, help, inviting a friend, and whatever else a fan writes."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlmodel import col

from bot.routers import invite, points, questions, settings, shop, staff, wallet
from bot.routers.menu import menu
from bot.routers.scene import Answer, Scene
from bot.wording import COMMANDS, STAFF_COMMANDS
from siyu import consents, coupons, referrals
from siyu.kit.clock import local_day
from siyu.kit.errors import SiyuError
from siyu.tables import Interaction

# `+`: beside the message instead of in its place, so that a receipt stays a receipt.
SHAPE = r"\+?(?:shop|wallet|points|checkin|invite|settings|help)"

# After a hint we stay quiet for a while: nobody wants the same lines under every word they write.
QUIET = timedelta(minutes=30)
LONGEST_SOURCE = 64  # what Telegram lets a start payload carry


async def start(scene: Scene, payload: str) -> Answer:
    """The first hello, or another one; a payload may claim an offer or show staff a coupon."""
    payload = payload[:LONGEST_SOURCE]
    if payload.startswith("o_"):
        return await _claim(scene, payload.removeprefix("o_"))
    if payload.startswith("r_") and (card := await staff.card_for_staff(scene, payload.removeprefix("r_"))):
        return card
    friend = await referrals.referrer_of(scene.session, scene.fan.id or 0) if scene.newcomer else None
    agreed = [text.sentence for text in consents.TEXTS.values()]
    told = scene.voice.tell("welcome", fan=scene.fan, friend=friend, newcomer=scene.newcomer, agreed=agreed)
    hello = scene.say(told, menu(scene))
    if scene.newcomer:
        await consents.agree_at_first(scene.session, scene.fan, language=scene.words.locale, now=scene.now)
    return [hello, *await questions.greet(scene)] if scene.newcomer else hello


async def help_(scene: Scene, _rest: str = "") -> Answer:
    """What can be done here; staff see their own commands, too."""
    listed = COMMANDS + (STAFF_COMMANDS if await staff.colleague(scene) else ())
    return scene.show(scene.voice.tell("help", commands=[(name, scene._(text)) for name, text in listed]), menu(scene))


async def chat(scene: Scene, hint: str = "hint") -> Answer:
    """Plain words: one short hint, then silence, so that talking is not answered by a wall."""
    recent = select(func.count()).where(
        col(Interaction.fan_id) == scene.fan.id,
        col(Interaction.day) >= local_day(scene.now - QUIET, scene.app.settings.zone),
        col(Interaction.at) > scene.now - QUIET,
        col(Interaction.kind) == "message",
    )
    # The word just written is a fact already.
    if await scene.session.one(recent) > 1:
        return None
    return scene.say(scene.voice.tell(hint), menu(scene))


async def pressed(scene: Scene, what: str) -> Answer:
    """A button of the menu."""
    verbs = {
        "shop": shop.shop, "wallet": wallet.wallet, "points": points.points, "checkin": points.checkin,
        "invite": invite.invite, "settings": settings.settings,
    }  # fmt: skip
    where = scene.aside() if what.startswith("+") else scene
    return await verbs.get(what.lstrip("+"), help_)(where, "")


async def _claim(scene: Scene, code: str) -> Answer:
    """The coupon of a link: one link is one claim, however often it is opened."""
    try:
        offer = await coupons.get_offer_by_code(scene.session, code)
        claimed = await coupons.claim(
            scene.session, offer, scene.fan, claim_key="link", zone=scene.app.settings.zone, now=scene.now
        )
    except SiyuError as no:
        return scene.say(scene.voice.tell("refusal", said=scene.voice.refusal(no)), menu(scene))
    return wallet.card(scene, coupons.Carried(claimed.coupon, offer), fresh=claimed.is_new)
