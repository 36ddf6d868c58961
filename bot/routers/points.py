"""Points in chat: what there is, where it came from, what can be had for it, and the daily hello."""

from collections.abc import Sequence

from aiogram.types import InlineKeyboardButton

from bot.keyboards import in_rows, keyboard, press
from bot.routers import wallet
from bot.routers.scene import Answer, Method, Scene
from siyu import coupons
from siyu import points as ledger
from siyu.coupons import Carried, Reward
from siyu.kit.errors import Conflict, NotFound
from siyu.kit.paging import cursor_of

_ID = r"[1-9][0-9]{0,17}"
SHAPE = rf"m|c|h:(?:0|{_ID})|r:[0-9]{{1,4}}|o:{_ID}|x:{_ID}:[0-9]{{1,6}}:[1-9][0-9]{{0,6}}"

LINES = 8
ON_A_PAGE = 4


async def points(scene: Scene, _rest: str = "") -> Answer:
    """The balance, what runs out next, the tier and the way to the next one."""
    return await _overview(scene)


async def checkin(scene: Scene, _rest: str = "") -> Answer:
    """Once a day; a second time tells of the first, kindly."""
    told = await ledger.check_in(scene.session, scene.fan.id or 0, zone=scene.app.settings.zone, now=scene.now)
    stands = await ledger.standing(scene.session, scene.fan.id or 0, now=scene.now)
    text = scene.voice.tell("checkin", told=told, stands=stands)
    return scene.show(text, keyboard([_home(scene), _shelf(scene)]))


async def pressed(scene: Scene, data: str) -> Answer:
    """Go around, check in, or take something for points."""
    what, _, rest = data.partition(":")
    match what:
        case "c":
            return await checkin(scene)
        case "h":
            return await _history(scene, int(rest))
        case "r":
            return await _rewards(scene, int(rest))
        case "o":
            return await _reward(scene, int(rest))
        case "x":
            return await _exchange(scene, *map(int, rest.split(":")))
        case _:
            return await _overview(scene)


async def _overview(scene: Scene) -> Method:
    fan_id = scene.fan.id or 0
    stands = await ledger.standing(scene.session, fan_id, now=scene.now)
    terms = await ledger.programme(scene.session)
    greeted = await ledger.checked_in_today(scene.session, fan_id, zone=scene.app.settings.zone, now=scene.now)
    text = scene.voice.tell("points", stands=stands, is_on=terms.is_on)
    hello = [] if greeted else [press(scene._("✅ Check in"), "pt", "c", style="primary")]
    return scene.show(text, keyboard(hello, [_shelf(scene), press(scene._("🧾 History"), "pt", "h", 0)]))


async def _history(scene: Scene, before: int) -> Method:
    page = await ledger.movements(
        scene.session, scene.fan.id or 0, cursor=cursor_of((before,)) if before else None, limit=LINES
    )
    newest = [press(scene._("« Newest"), "pt", "h", 0)] if before else []
    older = [press(scene._("Older ›"), "pt", "h", page.items[-1].id)] if page.next else []
    return scene.show(scene.voice.tell("points_history", lines=page.items), keyboard([*newest, *older], [_home(scene)]))


async def _rewards(scene: Scene, page: int) -> Method:
    found = await coupons.open_rewards(scene.session, now=scene.now)
    there = await ledger.balance(scene.session, scene.fan.id or 0, now=scene.now)
    last = max(0, (len(found) - 1) // ON_A_PAGE)
    page = min(page, last)
    shown = found[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
    told = [(reward, scene.voice.worth(reward.offer)) for reward in shown]
    text = scene.voice.tell("points_rewards", told=told, there=there, page=page + 1, pages=last + 1)
    return scene.show(text, keyboard(*in_rows(_buttons(shown), width=2), _turn(scene, page, last)))


async def _reward(scene: Scene, offer_id: int) -> Method:
    reward = await _on_offer(scene, offer_id)
    there = await ledger.balance(scene.session, scene.fan.id or 0, now=scene.now)
    turn = await coupons.had_for_points(scene.session, scene.fan, offer_id) + 1
    text = scene.voice.tell("points_reward", reward=reward, there=there, worth=scene.voice.worth(reward.offer))
    take = scene._("🎁 Get it for %(points)s points") % {"points": reward.cost}
    wanted = [press(take, "pt", "x", offer_id, turn, reward.cost, style="success")] if there >= reward.cost else []
    return scene.show(text, keyboard(wanted, [press(scene._("‹ Back"), "pt", "r", 0), _home(scene)]))


async def _exchange(scene: Scene, offer_id: int, turn: int, cost: int) -> Answer:
    """One button is one coupon, however often it is tapped: it carries which turn it is."""
    claimed = await coupons.exchange(
        scene.session, offer_id, scene.fan, turn=turn, cost=cost, zone=scene.app.settings.zone, now=scene.now
    )
    offer = await coupons.get_offer(scene.session, offer_id)
    return wallet.card(scene, Carried(claimed.coupon, offer), fresh=claimed.is_new)


async def _on_offer(scene: Scene, offer_id: int) -> Reward:
    found = await coupons.rewards(scene.session)
    reward = next((one for one in found if one.offer.id == offer_id), None)
    if reward is None:
        raise NotFound("this cannot be had for points any more")
    if not reward.is_open(scene.now):
        raise Conflict("sorry, all of them are gone", reason="gone")
    return reward


def _buttons(shown: Sequence[Reward]) -> list[InlineKeyboardButton]:
    return [press(f"{one.cost} · {one.offer.title}", "pt", "o", one.offer.id) for one in shown]


def _turn(scene: Scene, page: int, last: int) -> list[InlineKeyboardButton]:
    before = [press("‹", "pt", "r", page - 1)] if page > 0 else []
    after = [press("›", "pt", "r", page + 1)] if page < last else []
    return [*before, _home(scene), *after]


def _home(scene: Scene) -> InlineKeyboardButton:
    return press(scene._("⭐ My points"), "pt", "m")


def _shelf(scene: Scene) -> InlineKeyboardButton:
    return press(scene._("🎁 For my points"), "pt", "r", 0)
