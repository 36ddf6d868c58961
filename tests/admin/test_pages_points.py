"""The pages of points: the programme, its rules, rewards and tiers, and a fan's ledger."""

import pytest

from siyu import points
from siyu.app import App
from siyu.tables import PointsKind, Role
from tests.admin.seen import seen
from tests.admin.visitors import browser
from tests.people import given_fan
from tests.pointing import balance_of, earns, given_programme, given_reward, given_tiers
from tests.trading import an_offer, breaches

STEPS = {
    "window_days": "365", "grace_days": "30",
    "0.name.en": "Silver", "0.name.zh_CN": "白银", "0.minimum": "100", "0.multiplier": "100",
    "0.benefits.en": "A tea <b>a year</b>", "0.benefits.zh_CN": "每年一杯茶",
    "1.name.en": "Gold", "1.name.zh_CN": "黄金", "1.minimum": "500", "1.multiplier": "150",
}  # fmt: skip


async def test_the_programme_is_switched_on_and_off(app: App) -> None:
    mei = await given_fan(app)

    async with browser(app, Role.ADMIN) as admin:
        before = await admin.get("/points")
        await admin.post("/points/programme")
        given = await earns(app, mei, "survey", "s1")
        page = await admin.get("/points")
        await admin.post("/points/programme/end")

    assert "No points are given yet" in seen(before.text)
    assert "Points are given Since" in seen(page.text)
    assert "1 point for each ¥1.00" in seen(page.text)
    assert (given, await earns(app, mei, "survey", "s2")) == (20, 0)


async def test_a_rule_is_changed_and_a_wrong_number_comes_back(app: App) -> None:
    await given_programme(app)
    form = {"amount": "2", "per": "10", "daily_cap": "", "valid_days": "", "streak_days": "7", "streak_bonus": "0"}

    async with browser(app, Role.ADMIN) as admin:
        shown = await admin.get("/points/rules/purchase")
        wrong = await admin.post("/points/rules/purchase", data={**form, "amount": "-2", "valid_days": "0"})
        await admin.post("/points/rules/purchase", data={**form, "is_on": "1"})
        nowhere = await admin.get("/points/rules/spent")

    assert 'name="amount" type="text" value="1"' in shown.text
    assert wrong.status_code == 422
    assert "write a whole number" in seen(wrong.text)
    assert nowhere.status_code == 404
    async with app.database.reading() as session:
        rule = (await points.rules(session))[PointsKind.PURCHASE]
    assert (rule.amount, rule.per, rule.valid_days, rule.is_on) == (2, 10, None, True)


async def test_an_offer_is_put_on_the_shelf_and_taken_off(app: App) -> None:
    offer = await an_offer(app, title="Free tea")

    async with browser(app, Role.OPERATOR) as operator:
        wrong = await operator.post("/points/rewards", data={"offer_id": str(offer.id), "cost": "0"})
        await operator.post("/points/rewards", data={"offer_id": str(offer.id), "cost": "150"})
        page = await operator.get("/points")
        await operator.post(f"/points/rewards/{offer.id}/removal")
        after = await operator.get("/points")

    assert wrong.status_code == 422
    assert "Free tea 150 100" in seen(page.text)
    assert "Nothing to have for points yet" in seen(after.text)


async def test_tiers_are_made_and_an_order_that_is_none_is_told_at_its_field(app: App) -> None:
    async with browser(app, Role.ADMIN) as admin:
        wrong = await admin.post("/points/tiers", data={**STEPS, "1.minimum": "100", "0.multiplier": "x"})
        unordered = await admin.post("/points/tiers", data={**STEPS, "1.minimum": "100"})
        await admin.post("/points/tiers", data=STEPS)
        page = await admin.get("/points")

    assert (wrong.status_code, unordered.status_code) == (422, 422)
    assert "write a whole number" in seen(wrong.text)
    assert "more than the tier below, which takes 100" in seen(unordered.text)
    assert 'href="#1.minimum"' in unordered.text
    assert "Gold 500 150% 0 Silver A tea <b>a year</b> 100 100% 0" in seen(page.text)


async def test_points_by_hand_need_a_reason_and_a_form_sent_twice_gives_once(app: App) -> None:
    mei = await given_fan(app, 7001)
    address = "/fans/7001/points"

    async with browser(app, Role.OPERATOR) as operator:
        key = _key((await operator.get(address)).text)
        for _ in range(2):
            await operator.post(address, data={"amount": "+50", "reason": "<b>sorry</b>", "key": key})
        silent = await operator.post(address, data={"amount": "5", "reason": " ", "key": "other"})
        too_much = await operator.post(address, data={"amount": "-51", "reason": "oops", "key": "third"})
        await operator.post(address, data={"amount": "−20", "reason": "counted twice", "key": "fourth"})
        page = await operator.get(address)

    assert (silent.status_code, too_much.status_code) == (422, 422)
    assert "say why" in seen(silent.text)
    assert "that takes 51 points, and there are 50" in seen(too_much.text)
    assert "<b>sorry</b> –" in seen(page.text)
    assert "<b>sorry</b>" not in page.text
    assert await balance_of(app, mei) == 30
    assert await breaches(app) == []


async def test_the_fans_page_shows_what_there_is_and_the_way_on(app: App) -> None:
    await given_programme(app)
    await given_tiers(app, 100)
    await earns(app, await given_fan(app, 7001), "survey", "s1")

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get("/fans/7001")
        ledger = await viewer.get("/fans/7001/points")

    assert "80 more to Step 1" in seen(page.text)
    assert "A survey" in seen(ledger.text)
    assert "Points to give" not in seen(ledger.text)


@pytest.mark.parametrize(
    "address", ["/points/programme", "/points/programme/end", "/points/rules/purchase", "/points/tiers"]
)
async def test_only_admins_change_the_terms(app: App, address: str) -> None:
    await given_reward(app, 10)

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post(address)

    assert answer.status_code == 403


def _key(page: str) -> str:
    """What makes one form one deed."""
    return page.split('name="key" value="')[1].split('"')[0]
