"""Programs read segments, change thresholds, send broadcasts, and use coupons."""

from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from siyu import preferences
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.tables import Coupon, Fan
from tests.admin.visitors import program
from tests.people import given_fan, given_interactions

OFFER = {
    "title": "Ten off",
    "kind": "amount",
    "value": 1000,
    "stock": 2,
    "per_fan": 1,
    "ends_at": "2026-12-31T00:00:00",
}


async def _community(app: App, shop: httpx.AsyncClient) -> None:
    """Two fans, one of whom interacts often; recomputed."""
    await given_interactions(app, await given_fan(app, 1, name="Busy"), 25)
    await given_fan(app, 2, name="Quiet")
    answer = await shop.post("/api/v1/recompute", json={"full": True})
    assert set(answer.json()) == {"run_id", "mode", "fans", "changed", "ms", "computed_at"}


async def test_segments_have_sizes_members_history_and_reasons(app: App) -> None:
    async with program(app) as shop:
        await _community(app, shop)
        listed = (await shop.get("/api/v1/segments")).json()["items"]
        one = (await shop.get("/api/v1/segments/interaction_frequency.high")).json()
        members = (await shop.get("/api/v1/segments/interaction_frequency.high/members")).json()
        history = (await shop.get("/api/v1/segments/interaction_frequency.high/history")).json()["items"]
        why = (await shop.get("/api/v1/segments/interaction_frequency.high/explain/1")).json()
        why_not = (await shop.get("/api/v1/segments/interaction_frequency.high/explain/2")).json()
        through = (await shop.get("/api/v1/fans", params={"segment": "interaction_frequency.none"})).json()

    assert one in listed
    assert one["size"] == one["reachable"] == 1
    assert one["rule"] == {"dimension": "interaction_frequency", "in": ["high"]}
    assert [member["telegram_id"] for member in members["items"]] == [1]
    assert members["next"] is None
    assert set(history[-1]) == {"day", "entered", "left"}
    assert why["holds"] is True
    assert why_not["holds"] is False
    assert [(leaf["fact"], leaf["threshold"], leaf["holds"]) for leaf in _leaves(why["rule"])] == [(25, 20, True)]
    assert [fan["telegram_id"] for fan in through["items"]] == [2]


def _leaves(node: dict[str, Any]) -> list[dict[str, Any]]:  # Any: a tree of JSON
    if "metric" in node:
        return [node]
    return [leaf for kind in ("all", "any", "none") for part in node.get(kind, []) for leaf in _leaves(part)]


async def test_thresholds_change_and_a_wrong_one_is_refused_with_its_place(app: App) -> None:
    async with program(app) as shop:
        await _community(app, shop)
        changed = await shop.patch("/api/v1/dimensions/interaction_frequency", json={"thresholds": {"high": 26}})
        wrong = await shop.patch("/api/v1/dimensions/interaction_frequency", json={"thresholds": {"huge": 1}})
        unknown = await shop.patch("/api/v1/dimensions/shoe_size", json={"thresholds": {"high": 1}})
        await shop.post("/api/v1/recompute")
        listed = (await shop.get("/api/v1/dimensions")).json()["items"]

    assert changed.json()["thresholds"]["high"] == 26
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["loc"] == ["thresholds", "huge"]
    assert unknown.status_code == 404
    [frequency] = [dimension for dimension in listed if dimension["key"] == "interaction_frequency"]
    assert frequency["sizes"] == {"high": 0, "mid": 1, "low": 0, "none": 1}
    assert "26" in frequency["rule"]["high"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/v1/segments", 422),
        ("POST", "/api/v1/segments/preview", 422),
        ("PUT", "/api/v1/segments/nonsense", 422),
        ("DELETE", "/api/v1/segments/nonsense", 404),
        ("DELETE", "/api/v1/segments/loyalty.lost", 404),
        ("PATCH", "/api/v1/segments/loyalty.lost", 405),
        ("GET", "/api/v1/segments/loyalty.nonsense", 404),
        ("GET", "/api/v1/segments/loyalty.lost/explain/404", 404),
        ("GET", "/api/v1/fans?segment=nonsense", 404),
        ("GET", "/api/v1/broadcasts/77", 404),
        ("GET", "/api/v1/offers/77", 404),
        ("GET", "/api/v1/offers/99999999999999999999", 422),
        ("GET", "/api/v1/nothing", 404),
    ],
)
async def test_what_is_not_there_is_a_problem_and_never_a_crash(app: App, method: str, path: str, status: int) -> None:
    async with program(app) as shop:
        answer = await shop.request(method, path, json={} if method != "GET" else None)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_a_broadcast_runs_its_course_and_its_counts_add_up(app: App) -> None:
    draft = {
        "title": "Hello", "segment": "interaction_frequency.none", "text": "<b>Hi</b>",
        "buttons": [[{"text": "Shop", "action": "shop"}]],
    }  # fmt: skip

    async with program(app) as shop:
        await _community(app, shop)
        made = (await shop.post("/api/v1/broadcasts", json=draft)).json()
        address = f"/api/v1/broadcasts/{made['id']}"
        states = [(await shop.post(f"{address}/{verb}")).json()["state"] for verb in ("start", "pause", "resume")]
        again = await shop.post(f"{address}/start")
        cancelled = await shop.post(f"{address}/cancel")
        shown = (await shop.get(address)).json()
        ledger = (await shop.get(f"{address}/deliveries", params={"state": "skipped"})).json()["items"]

    assert made == {"id": made["id"], "state": "draft"}
    assert states == ["running", "paused", "running"]
    assert again.status_code == 409
    assert again.json()["reason"] == "already_running"
    assert cancelled.json()["state"] == "cancelled"
    assert sum(shown["counts"].values()) == shown["audience"] == 1
    assert set(shown["counts"]) == {
        "pending", "sending", "sent", "failed", "blocked", "unknown", "skipped", "holdout",
    }  # fmt: skip
    assert [(line["telegram_id"], line["reason"]) for line in ledger] == [(2, "cancelled")]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"text": ""}, "text"),
        ({"segment": "nobody"}, "segment"),
        ({"rule": {"tag": "vip"}}, "rule"),
        ({"rule": {"tag": "vip"}, "segment": None}, "tag"),
        ({"segment": None}, "segment"),
        ({"scheduled_at": "2026-03-04T11:59:59"}, "scheduled_at"),
        ({"scheduled_at": "soon"}, "scheduled_at"),
        ({"holdout_percent": 91}, "holdout_percent"),
        ({"variants": [{"text": "Or so", "share": 100}]}, "variants"),
        ({"offer": 77}, "offer"),
        ({"on_unknown": "shrug"}, "on_unknown"),
        ({"buttons": [[{"text": "x"}]]}, "buttons"),
    ],
)
async def test_a_draft_that_cannot_be_sent_is_refused_with_its_place(
    app: App, change: dict[str, Any], place: str
) -> None:
    draft = {"title": "Hello", "segment": "loyalty.none", "text": "Hi"}

    async with program(app) as shop:
        answer = await shop.post("/api/v1/broadcasts", json={**draft, **change})

    assert answer.status_code == 422
    assert place in [part for error in answer.json()["errors"] for part in error["loc"]]


async def test_a_program_addresses_a_rule_and_a_time_in_the_communitys_zone(app: App) -> None:
    draft = {
        "title": "Later", "rule": {"dimension": "interaction_frequency", "in": ["high", "none"]}, "text": "Hi",
        "scheduled_at": "2026-03-04T18:00:00",
    }  # fmt: skip

    async with program(app) as shop:
        await _community(app, shop)
        address = f"/api/v1/broadcasts/{(await shop.post('/api/v1/broadcasts', json=draft)).json()['id']}"
        states = [(await shop.post(f"{address}/{verb}")).json()["state"] for verb in ("start", "pause", "resume")]
        again = await shop.post(f"{address}/start")
        shown = (await shop.get(address)).json()

    assert states == ["scheduled", "paused", "scheduled"]
    assert (again.status_code, again.json()["reason"]) == (409, "already_scheduled")
    assert (shown["segment"], shown["rule"]) == (None, draft["rule"])
    assert shown["scheduled_at"] == "2026-03-04T10:00:00Z"
    assert sum(shown["counts"].values()) == shown["audience"] == 0


async def test_above_the_houses_limit_a_program_waits_for_a_person(app: App) -> None:
    async with app.database.writing() as session:
        await preferences.change(session, COMMAND_LINE, now=app.clock(), approve_above=0)

    async with program(app) as shop:
        await _community(app, shop)
        draft = {"title": "Hello", "segment": "interaction_frequency.none", "text": "Hi"}
        made = (await shop.post("/api/v1/broadcasts", json=draft)).json()
        asked = await shop.post(f"/api/v1/broadcasts/{made['id']}/start")
        again = await shop.post(f"/api/v1/broadcasts/{made['id']}/start")

    assert asked.json()["state"] == "awaiting_approval"
    assert (again.status_code, again.json()["reason"]) == (409, "awaiting_approval")


async def test_an_offer_is_issued_once_and_its_coupon_redeemed_once(app: App) -> None:
    async with program(app) as shop:
        await _community(app, shop)
        offer = (await shop.post("/api/v1/offers", json=OFFER)).json()
        address = f"/api/v1/offers/{offer['id']}"
        await shop.post(f"{address}/activate")
        order = {"telegram_ids": [1, 2, 404], "idempotency_key": "march"}
        issued = (await shop.post(f"{address}/issue", json=order)).json()
        again = (await shop.post(f"{address}/issue", json=order)).json()
        code = await _code_of(app, 1)
        redemption = {"code": code.lower(), "amount_minor": 3000, "currency": "CNY", "idempotency_key": "bill 1"}
        redeemed = await shop.post("/api/v1/coupons/redeem", json=redemption)
        repeated = await shop.post("/api/v1/coupons/redeem", json=redemption)
        twice = await shop.post("/api/v1/coupons/redeem", json={**redemption, "idempotency_key": "bill 2"})
        shown = (await shop.get(address)).json()

    assert issued == {"issued": 2, "already": 0, "refused": 1}
    assert again == {"issued": 0, "already": 2, "refused": 1}
    assert redeemed.json() == repeated.json() == {"status": "redeemed", "discount_minor": 1000, "coupon": code}
    assert (twice.status_code, twice.json()["reason"]) == (409, "used")
    assert (shown["claimed"], shown["redeemed"], shown["spent_minor"]) == (2, 1, 1000)


async def _code_of(app: App, telegram_id: int) -> str:
    async with app.database.reading() as session:
        mine = select(Coupon.code).join(Fan, col(Fan.id) == col(Coupon.fan_id))
        return await session.one(mine.where(Fan.telegram_id == telegram_id))


async def test_an_offer_goes_to_a_segment_as_far_as_the_stock_reaches(app: App) -> None:
    async with program(app) as shop:
        await _community(app, shop)
        offer = (await shop.post("/api/v1/offers", json={**OFFER, "stock": 1})).json()
        await shop.post(f"/api/v1/offers/{offer['id']}/activate")
        order = {"segment": "referral.none", "idempotency_key": "all"}
        issued = await shop.post(f"/api/v1/offers/{offer['id']}/issue", json=order)

    assert issued.json() == {"issued": 1, "already": 0, "refused": 1}


REFUSED = [
    ({"code": "NOSUCHCODE"}, 409, "unknown"),
    ({"currency": "YUAN"}, 422, "unknown_currency"),
    ({"amount_minor": -1}, 422, "invalid"),
]


@pytest.mark.parametrize(("change", "status", "reason"), REFUSED)
async def test_a_refused_redemption_says_why(app: App, change: dict[str, Any], status: int, reason: str) -> None:
    order = {"code": "0123456789", "amount_minor": 100, "currency": "CNY", "idempotency_key": "k"}

    async with program(app) as shop:
        answer = await shop.post("/api/v1/coupons/redeem", json={**order, **change})

    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


async def test_issuing_needs_somebody_and_an_open_offer(app: App) -> None:
    async with program(app) as shop:
        offer = (await shop.post("/api/v1/offers", json=OFFER)).json()
        address = f"/api/v1/offers/{offer['id']}/issue"
        nobody = await shop.post(address, json={"idempotency_key": "k"})
        await given_fan(app, 1)
        draft = await shop.post(address, json={"idempotency_key": "k", "telegram_ids": [1]})
        missing = await shop.post("/api/v1/offers/77/issue", json={"idempotency_key": "k", "telegram_ids": [404]})

    assert [nobody.status_code, draft.status_code, missing.status_code] == [422, 409, 404]


async def test_the_api_is_described_for_programs(app: App) -> None:
    async with program(app, None) as stranger:
        described = (await stranger.get("/api/openapi.json")).json()

    assert all(path.startswith("/api/v1/") for path in described["paths"])
    calls = [call for path in described["paths"].values() for call in path.values()]
    assert all(call["summary"] and call["tags"] for call in calls)
    assert "HTTPBearer" in described["components"]["securitySchemes"]
    assert "FanRow" in described["components"]["schemas"]


async def test_a_program_is_told_the_ceiling_and_may_open_an_offer_without_one(app: App) -> None:
    """As the contract has it: a budget can be left out."""
    async with program(app) as shop:
        draft = {**OFFER, "kind": "percent", "value": 20}
        boundless = (await shop.post("/api/v1/offers", json=draft)).json()
        capped = (await shop.post("/api/v1/offers", json={**draft, "budget_minor": 5_000})).json()
        opened = [await shop.post(f"/api/v1/offers/{one['id']}/activate") for one in (boundless, capped)]

    assert (boundless["ceiling_minor"], capped["ceiling_minor"]) == (None, 5_000)
    assert [(answer.status_code, answer.json()["state"]) for answer in opened] == [(200, "active")] * 2


async def test_a_finer_percentage_stands_beside_the_whole_one(app: App) -> None:
    async with program(app) as shop:
        draft = {**OFFER, "kind": "percent", "value": 0, "basis_points": 1250, "budget_minor": 1}
        fine = (await shop.post("/api/v1/offers", json=draft)).json()
        both = await shop.post("/api/v1/offers", json={**draft, "value": 12})

    assert (fine["value"], fine["basis_points"]) == (12, 1250)
    assert both.status_code == 422


async def test_codes_come_and_go_by_the_api_and_everything_can_be_stopped(app: App) -> None:
    async with program(app) as shop:
        offer = (await shop.post("/api/v1/offers", json=OFFER)).json()
        address = f"/api/v1/offers/{offer['id']}"
        await shop.post(f"{address}/activate")
        added = (await shop.post(f"{address}/codes", json={"codes": ["PARTNER01", "no!"]})).json()
        again = (await shop.post(f"{address}/codes", json={"codes": ["partner-01"]})).json()
        fresh = (await shop.post(f"{address}/codes", json={"print": 1})).json()
        listed = (await shop.get(f"{address}/codes")).json()
        early = await shop.post(f"{address}/revoke")
        paused = (await shop.post("/api/v1/offers/pause")).json()
        revoked = (await shop.post(f"{address}/revoke")).json()

    assert (added["added"], again["known"], fresh["added"]) == (1, 1, 1)
    assert added["rejected"] == [{"place": 2, "code": "NO!", "reason": "malformed"}]
    assert len(listed["items"]) == 2
    assert listed["next"] is None
    assert (early.status_code, early.json()["reason"]) == (409, "active")
    assert paused == {"paused": 1}
    assert revoked == {"revoked": 0, "held": 0}


async def test_what_an_offer_brought_is_told_by_channel(app: App) -> None:
    async with program(app) as shop:
        await _community(app, shop)
        offer = (await shop.post("/api/v1/offers", json=OFFER)).json()
        address = f"/api/v1/offers/{offer['id']}"
        await shop.post(f"{address}/activate")
        await shop.post(f"{address}/issue", json={"telegram_ids": [1, 2], "idempotency_key": "march"})
        code = await _code_of(app, 1)
        sale = {"code": code, "amount_minor": 3000, "currency": "CNY", "idempotency_key": "bill 1"}
        redeemed = (await shop.post("/api/v1/coupons/redeem", json=sale)).json()
        found = (await shop.get(f"{address}/results")).json()

    assert found["ways"] == [{"way": "issue", "claimed": 2, "redeemed": 1}]
    (till,) = found["channels"]
    assert (till["channel"], till["revenue_minor"]) == ("api", 3000 - redeemed["discount_minor"])
    assert found["uplift"] is None
