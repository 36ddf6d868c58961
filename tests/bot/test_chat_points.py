"""Points as a fan sees them: what there is, the daily hello, and what can be had for them."""

import pytest

from siyu import jobs
from siyu.app import App
from siyu.tables import OfferKind
from tests.bot.chatting import Phone, of, presses
from tests.clocks import FakeClock
from tests.pointing import balance_of, earns, given_programme, given_reward, given_tiers
from tests.trading import an_offer, breaches, reread


async def test_a_fan_without_points_is_told_how_to_get_some(app: App) -> None:
    await given_programme(app)

    told = of(await Phone(app).write("/points"), "sendMessage")

    assert "0 points" in told["text"]
    assert "say hello every day" in told["text"]
    assert presses(told) == ["pt:c", "pt:r:0", "pt:h:0"]


async def test_while_no_points_are_given_that_is_said(app: App) -> None:
    mei = Phone(app)

    told, hello = of(await mei.write("/points"), "sendMessage"), of(await mei.write("/checkin"), "sendMessage")

    assert "We do not give points at the moment." in told["text"]
    assert "1 day in a row" in hello["text"]


async def test_a_second_check_in_of_a_day_says_so_kindly(app: App, clock: FakeClock) -> None:
    await given_programme(app)
    mei = Phone(app)

    first, again = of(await mei.write("/checkin"), "sendMessage"), of(await mei.press("pt:c"), "editMessageText")
    clock.pass_(days=1)
    next_day = of(await mei.press("m:checkin"), "editMessageText")

    assert "1 point for you." in first["text"]
    assert "You were here today already." in again["text"]
    assert "2 days in a row" in next_day["text"]
    assert [kind for kind, _ in await mei.deeds()].count("checkin") == 2
    assert await balance_of(app, await mei.fan()) == 2


async def test_the_overview_shows_what_runs_out_the_tier_and_the_next_one(app: App) -> None:
    await given_programme(app)
    await given_tiers(app, 10, 100)
    mei = Phone(app)
    await mei.write("/start")
    await earns(app, await mei.fan(), "survey", "s1")
    await jobs.run_if_due(app, jobs.get_job("tiers"))

    told = of(await mei.write("/points"), "sendMessage")["text"]

    assert "20 points" in told
    assert "20 of them run out on" in told
    assert "Step 1" in told
    assert "Tea" in told
    assert "80 more points earned make you Step 2." in told


async def test_in_chinese_the_tier_has_its_chinese_name(app: App) -> None:
    await given_programme(app)
    await given_tiers(app, 10)
    mei = Phone(app, language="zh-hans")

    told = of(await mei.write("/points"), "sendMessage")["text"]

    assert "0 积分" in told
    assert "第1级" in told


async def test_a_coupon_for_points_in_three_taps_and_a_double_tap_is_one(app: App) -> None:
    await given_programme(app)
    offer = await given_reward(app, 15, title="Free tea", kind=OfferKind.GIFT, value=0, per_fan=5)
    mei = Phone(app)
    await mei.write("/start")
    await earns(app, await mei.fan(), "survey", "s1")

    shelf = of(await mei.press("pt:r:0"), "editMessageText")
    card = of(await mei.press(presses(shelf)[0]), "editMessageText")
    taken = of(await mei.press(presses(card)[0]), "editMessageText")
    await mei.press(presses(card)[0])

    assert "✓ <b>Free tea</b> · a gift · 15 points" in shelf["text"]
    assert "You will have 5 points left." in card["text"]
    assert "This one is yours!" in taken["text"]
    assert (await reread(app, offer)).claimed == 1
    assert await balance_of(app, await mei.fan()) == 5
    assert await breaches(app) == []


async def test_too_dear_a_reward_has_no_button_and_a_forged_one_is_refused(app: App) -> None:
    await given_programme(app)
    offer = await given_reward(app, 15)
    mei = Phone(app)
    await mei.write("/checkin")

    card = of(await mei.press(f"pt:o:{offer.id}"), "editMessageText")
    forged = of(await mei.press(f"pt:x:{offer.id}:1:15"), "answerCallbackQuery")

    assert "14 more points, and it is yours." in card["text"]
    assert not any(data.startswith("pt:x") for data in presses(card))
    assert "That takes 15 points, and there is 1" in forged["text"] or "15 points" in forged["text"]
    assert forged["show_alert"]
    assert (await reread(app, offer)).claimed == 0


@pytest.mark.parametrize("data", ["pt:o:999", "pt:x:999:1:1", "pt:x:1:1:5", "pt:q", "pt:h:-1", "pt:x:1:1"])
async def test_a_press_that_leads_nowhere_is_answered_and_changes_nothing(app: App, data: str) -> None:
    await given_programme(app)
    await an_offer(app)
    mei = Phone(app)
    await mei.write("/checkin")

    calls = await mei.press(data)

    assert [call["method"] for call in calls] == ["answerCallbackQuery"]
    assert await balance_of(app, await mei.fan()) == 1


async def test_the_history_tells_every_movement_and_turns_its_pages(app: App) -> None:
    await given_programme(app)
    mei = Phone(app)
    await mei.write("/checkin")
    fan = await mei.fan()
    for n in range(9):
        await earns(app, fan, "referral_referrer", f"friend {n}")

    first = of(await mei.press("pt:h:0"), "editMessageText")
    second = of(await mei.press(presses(first)[0]), "editMessageText")

    assert first["text"].count("A friend brought") == 8
    assert second["text"].count("A friend brought") == 1
    assert "<b>+1</b> · A check-in" in second["text"]
    assert "pt:h:0" in presses(second)
