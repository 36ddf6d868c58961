"""Settings in chat: which broadcasts, when, in which zone and language, or none at all; one living message."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from aiogram.types import InlineKeyboardButton
from babel.dates import get_timezone_location

from bot.keyboards import in_rows, keyboard, press
from bot.routers import staff
from bot.routers.scene import Answer, Method, Scene
from siyu import consents, fans, topics
from siyu.kit.clock import find_zone
from siyu.kit.wording import CHINESE, ENGLISH, words
from siyu.tables import Fan, Purpose, Topic, Way

REST = timedelta(days=30)
ON_A_PAGE = 4  # two rows of two above the row that leads on
HOURS: Mapping[str, tuple[int, int]] = {
    "21-8": (21 * 60, 8 * 60),
    "22-8": (22 * 60, 8 * 60),
    "23-9": (23 * 60, 9 * 60),
    "0-12": (0, 12 * 60),
}
# From east to west, so that neighbours share a page; any other can be typed.
ZONES = (
    "Pacific/Auckland", "Australia/Sydney", "Asia/Tokyo", "Asia/Seoul", "Asia/Shanghai", "Asia/Hong_Kong",
    "Asia/Taipei", "Asia/Singapore", "Asia/Bangkok", "Asia/Jakarta", "Asia/Kolkata", "Asia/Dubai", "Europe/Moscow",
    "Europe/Istanbul", "Africa/Johannesburg", "Europe/Berlin", "Europe/Paris", "Europe/London", "Africa/Lagos",
    "America/Sao_Paulo", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
)  # fmt: skip

_ZONE = "|".join(map(re.escape, ZONES))
SHAPE = (
    rf"mute|unmute|general|chosen|rest|wake|all|topics:[0-9]{{1,3}}|(?:want|decline):{topics.KEY}"
    rf"|quiet|quiet:(?:none|{'|'.join(HOURS)})|zones:[0-9]{{1,2}}|zone:(?:none|{_ZONE})|{CHINESE}|{ENGLISH}"
)

# Each in its own language, so that whoever landed in the wrong one finds the way.
LANGUAGES = ((CHINESE, "中文"), (ENGLISH, "English"))


async def settings(scene: Scene, rest: str = "") -> Answer:
    """`/settings` shows everything; `/settings Europe/Rome` sets a time zone that has no button."""
    if not rest:
        return await _page(scene)
    await fans.set_zone(scene.session, scene.fan, rest)
    return _quiet(scene)


async def pressed(scene: Scene, data: str) -> Answer:
    """Turn the switch, and show where it stands now."""
    what, _, value = data.partition(":")
    match what:
        case "mute" | "unmute" | "general" | "chosen" | "rest" | "wake":
            return await _switch(scene, what)
        case "topics":
            return await _topics(scene, int(value))
        case "want" | "decline":
            return await _choose(scene, what, value)
        case "quiet":
            return await _set_quiet(scene, value)
        case "zones":
            return _zones(scene, int(value))
        case "zone":
            await fans.set_zone(scene.session, scene.fan, None if value == "none" else value)
            return _quiet(scene)
        case "all":
            return await _page(scene)
        case language:
            await fans.set_language(scene.session, scene.fan, language)
            spoken = replace(scene, words=words(language))
            return [await _page(spoken), *await staff.own_menu(spoken)]


# ---- everything at a glance ------------------------------------------------------------------------------------------


async def _page(scene: Scene) -> Method:
    offered = await topics.offered(scene.session)
    declined = await topics.declined_by(scene.session, scene.fan.id or 0) if offered else set()
    agreed = await consents.standing(scene.session, scene.fan)
    text = scene.voice.tell(
        "settings",
        muted=scene.fan.muted_at is not None,
        general=not agreed[Purpose.PROFILING],
        resting=scene.fan.rests_until if _rests(scene) else None,
        declined=[topic.label for topic in offered if topic.key in declined],
        hours=_hours(scene.fan),
        zone=_zone_of(scene),
    )
    what = [press(scene._("🗂 Topics"), "t", "topics", 0)] if offered else []
    when = press(scene._("🌙 Quiet hours"), "t", "quiet")
    languages = [
        press(f"✓ {name}" if locale == scene.words.locale else name, "t", locale) for locale, name in LANGUAGES
    ]
    return scene.show(text, keyboard([*what, when, *_chosen(scene, agreed)], _switches(scene), languages))


def _chosen(scene: Scene, agreed: Mapping[Purpose, bool]) -> list[InlineKeyboardButton]:
    """Whether what is sent may be chosen for them; no question to whoever hears nothing at all."""
    if scene.fan.muted_at is not None:
        return []
    if agreed[Purpose.PROFILING]:
        return [press(scene._("📢 Essentials only"), "t", "general")]
    return [press(scene._("📬 All news"), "t", "chosen")]


def _switches(scene: Scene) -> list[InlineKeyboardButton]:
    _ = scene._
    if scene.fan.muted_at is not None:
        return [press(_("🔔 Send me broadcasts again"), "t", "unmute")]
    pause = press(_("▶️ End the break"), "t", "wake") if _rests(scene) else press(_("⏸ 30 days’ rest"), "t", "rest")
    return [pause, press(_("🔕 No more broadcasts"), "t", "mute")]


async def _switch(scene: Scene, what: str) -> Answer:
    session, fan, now, _ = scene.session, scene.fan, scene.now, scene._
    match what:
        case "mute":
            await _say(scene, Purpose.MESSAGES, granted=False)
            told = _("Done: no more broadcasts.")
        case "unmute":
            await _say(scene, Purpose.MESSAGES, granted=True)
            told = _("Welcome back! You will hear from us again.")
        case "general":
            await _say(scene, Purpose.PROFILING, granted=False)
            told = _("Done: only what everybody must know.")
        case "chosen":
            await _say(scene, Purpose.PROFILING, granted=True)
            told = _("Done: you hear all that may interest you.")
        case "rest":
            await _say(scene, Purpose.MESSAGES, granted=True)
            await fans.rest(session, fan, until=now + REST, now=now)
            told = _("Done: no broadcasts for 30 days.")
        case _other:
            await fans.end_rest(session, fan)
            told = _("Welcome back! You will hear from us again.")
    return [scene.toast(told), await _page(scene)]


async def _say(scene: Scene, purpose: Purpose, *, granted: bool) -> None:
    locale = scene.words.locale
    await consents.change(scene.session, scene.fan, purpose, granted, way=Way.SETTINGS, language=locale, now=scene.now)


def _rests(scene: Scene) -> bool:
    return scene.fan.rests_until is not None and scene.fan.rests_until > scene.now


# ---- topics ----------------------------------------------------------------------------------------------------------


async def _topics(scene: Scene, page: int) -> Method:
    offered = await topics.offered(scene.session)
    declined = await topics.declined_by(scene.session, scene.fan.id or 0)
    last = max(0, (len(offered) - 1) // ON_A_PAGE)
    page = min(page, last)
    buttons = [_topic(topic, topic.key in declined) for topic in offered[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]]
    rows = in_rows(buttons, width=2)
    return scene.show(scene.voice.tell("topics"), keyboard(*rows, _turn(scene, "topics", page, last, back="all")))


def _topic(topic: Topic, declined: bool) -> InlineKeyboardButton:
    """What a press would make of it, not a switch: two taps on one button are one choice."""
    if declined:
        return press(f"▫️ {topic.label}", "t", "want", topic.key)
    return press(f"✅ {topic.label}", "t", "decline", topic.key)


async def _choose(scene: Scene, what: str, key: str) -> Answer:
    if what == "want":
        await topics.want(scene.session, scene.fan, key)
    else:
        await topics.decline(scene.session, scene.fan, key, now=scene.now)
    keys = [topic.key for topic in await topics.offered(scene.session)]
    return await _topics(scene, keys.index(key) // ON_A_PAGE)


# ---- quiet hours and the zone they are in ----------------------------------------------------------------------------


async def _set_quiet(scene: Scene, value: str) -> Answer:
    if value:
        await fans.set_quiet_hours(scene.session, scene.fan, HOURS.get(value))
    return _quiet(scene)


def _quiet(scene: Scene) -> Method:
    chosen = (scene.fan.quiet_from, scene.fan.quiet_to)
    hours = [_marked(clock(*times), times == chosen, "quiet", key) for key, times in HOURS.items()]
    none = _marked(scene._("None"), chosen == (None, None), "quiet", "none")
    zone = press(scene._("🌍 Time zone"), "t", "zones", _page_of(scene.fan.zone))
    text = scene.voice.tell("quiet", hours=_hours(scene.fan), zone=_zone_of(scene), now=_local(scene))
    return scene.show(text, keyboard(*in_rows(hours, width=2), [none, zone, _back(scene, "all")]))


def _zones(scene: Scene, page: int) -> Method:
    last = (len(ZONES) - 1) // ON_A_PAGE
    page = min(page, last)
    shown = ZONES[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
    cities = [_marked(_city(scene, name), name == scene.fan.zone, "zone", name) for name in shown]
    turn = _turn(scene, "zones", page, last, back="quiet")
    return scene.show(scene.voice.tell("zones", zone=_zone_of(scene)), keyboard(*in_rows(cities, width=2), turn))


def clock(start: int, end: int) -> str:
    """22:00–08:00."""
    return f"{start // 60:02}:{start % 60:02}–{end // 60:02}:{end % 60:02}"


def _hours(fan: Fan) -> str:
    return clock(fan.quiet_from, fan.quiet_to) if fan.quiet_from is not None and fan.quiet_to is not None else ""


def _zone_of(scene: Scene) -> str:
    return _city(scene, _clock_of(scene).key)


def _city(scene: Scene, name: str) -> str:
    return str(get_timezone_location(ZoneInfo(name), locale=scene.words.locale, return_city=True))


def _local(scene: Scene) -> str:
    return f"{scene.now.astimezone(_clock_of(scene)):%H:%M}"


def _clock_of(scene: Scene) -> ZoneInfo:
    return find_zone(scene.fan.zone) or scene.app.settings.zone


def _page_of(zone: str | None) -> int:
    return ZONES.index(zone) // ON_A_PAGE if zone in ZONES else 0


# ---- what several views share ----------------------------------------------------------------------------------------


def _marked(label: str, chosen: bool, *data: str) -> InlineKeyboardButton:
    return press(f"✓ {label}" if chosen else label, "t", *data)


def _turn(scene: Scene, what: str, page: int, last: int, *, back: str) -> Sequence[InlineKeyboardButton]:
    before = [press("‹", "t", what, page - 1)] if page > 0 else []
    after = [press("›", "t", what, page + 1)] if page < last else []
    return [*before, _back(scene, back), *after]


def _back(scene: Scene, to: str) -> InlineKeyboardButton:
    return press(scene._("Back"), "t", to)
