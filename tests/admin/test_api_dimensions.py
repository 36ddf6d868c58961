"""Dimensions for programs: adjusted, made, replaced and deleted; every refusal names the place."""

from typing import Any

import pytest

from siyu.app import App
from siyu.operators import Scope
from siyu.segments import thresholds
from siyu.segments.shipped import GRID_27
from tests.admin.community import given_regular, recomputed
from tests.admin.visitors import program
from tests.people import given_fan

KEEN = {"metric": "interactions_30d", "op": ">=", "value": 5}
MOOD: dict[str, Any] = {
    "key": "mood",
    "label": "Mood 100 %",
    "levels": [
        {"key": "keen", "label": "Keen", "rule": KEEN, "invites": "Call"},
        {"key": "calm", "label": "Calm", "note": "all the others"},
    ],
}


async def test_a_dimension_is_made_replaced_and_deleted(app: App) -> None:
    await given_regular(app)
    await given_fan(app)
    await recomputed(app)

    async with program(app) as shop:
        made = await shop.post("/api/v1/dimensions", json=MOOD)
        levels = [{**MOOD["levels"][0], "rule": {"tag": "vip"}}, MOOD["levels"][1]]
        untagged = await shop.put("/api/v1/dimensions/mood", json={"label": "Mood", "levels": levels})
        rule = {"none": [MOOD["levels"][0]["rule"]]}
        changed = await shop.put(
            "/api/v1/dimensions/mood", json={"label": "Mood", "levels": [{**levels[0], "rule": rule}, levels[1]]}
        )  # fmt: skip
        explained = await shop.get("/api/v1/segments/mood.keen")
        gone = await shop.delete("/api/v1/dimensions/mood")
        listed = (await shop.get("/api/v1/dimensions")).json()["items"]

    answer = made.json()
    assert made.status_code == 201
    assert (answer["label"], answer["custom"], answer["sizes"]) == ("Mood 100 %", True, {"keen": 1, "calm": 1})
    assert answer["levels"][0]["invites"] == "Call"
    assert answer["rule"] == {"keen": "Keen", "calm": "all the others"}
    assert untagged.json()["errors"][0]["loc"] == ["levels", 0, "rule", "tag"]
    assert (changed.json()["label"], changed.json()["sizes"]) == ("Mood", {"keen": 1, "calm": 1})
    assert explained.json()["rule"] == {"dimension": "mood", "in": ["keen"]}
    assert gone.status_code == 204
    assert "mood" not in {dimension["key"] for dimension in listed}


async def test_all_that_is_adjustable_is_adjusted_and_takes_effect_at_once(app: App) -> None:
    await given_regular(app)
    await recomputed(app)

    async with program(app) as shop:
        frequency = await shop.patch(
            "/api/v1/dimensions/interaction_frequency",
            json={"thresholds": {"high": 30}, "names": {"mid": "So-so"}, "invites": {"mid": "Say hello"}},
        )
        industry = await shop.patch(
            "/api/v1/dimensions/industry", json={"categories": [{"key": "tea", "label": "Tea"}]}
        )  # fmt: skip
        grid = await shop.patch("/api/v1/dimensions/rfm", json={"grid": thresholds.cells_of(GRID_27)})
        home = await shop.patch("/api/v1/dimensions/geography", json={"home": {"country": "CN"}})

    answer = frequency.json()
    assert answer["sizes"] == {"high": 0, "mid": 1, "low": 0, "none": 0}
    assert answer["thresholds"] == {"high": 30, "mid": 5}
    assert (answer["levels"][1]["label"], answer["levels"][1]["invites"]) == ("So-so", "Say hello")
    assert list(industry.json()["sizes"]) == ["tea", "unknown"]
    assert len(grid.json()["own"]["grid"]) == 27
    assert home.json()["own"] == {"home": {"country": "CN"}}


@pytest.mark.parametrize(
    ("key", "body", "place"),
    [
        ("loyalty", {}, ["body"]),
        ("loyalty", {"thresholds": {"lost_days": True}}, ["body", "thresholds", "lost_days"]),
        ("loyalty", {"thresholds": {"lost_days": 90}}, ["thresholds", "lost_days"]),
        ("loyalty", {"names": {"luck": "Luck"}}, ["names", "luck"]),
        ("loyalty", {"grid": {"11": "loyal"}}, ["grid"]),
        ("loyalty", {"colour": "red"}, ["body", "colour"]),
        ("rfm", {"grid": {**thresholds.cells_of(GRID_27), "333": "gold"}}, ["grid", "333"]),
        ("rfm", {"grid": {cell: level for cell, level in thresholds.cells_of(GRID_27).items() if cell != "222"}},
         ["grid", "222"]),
        ("industry", {"categories": [{"key": "unknown", "label": "?"}]}, ["categories", 0, "key"]),
    ],
)  # fmt: skip
async def test_a_wrong_change_is_refused_with_its_place(
    app: App, key: str, body: dict[str, Any], place: list[str | int]
) -> None:
    async with program(app) as shop:
        before = (await shop.get("/api/v1/dimensions")).json()
        answer = await shop.patch(f"/api/v1/dimensions/{key}", json=body)
        after = (await shop.get("/api/v1/dimensions")).json()

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == place
    assert after == before


async def test_what_must_not_be_is_refused(app: App) -> None:
    async with program(app) as shop:
        await shop.post("/api/v1/dimensions", json=MOOD)
        await shop.post("/api/v1/segments", json={"key": "keen", "label": "Keen", "rule": {"segment": "mood.keen"}})
        answers = {
            "twice": await shop.post("/api/v1/dimensions", json=MOOD),
            "used": await shop.delete("/api/v1/dimensions/mood"),
            "shipped": await shop.delete("/api/v1/dimensions/loyalty"),
            "replaced": await shop.put("/api/v1/dimensions/loyalty", json={"label": "L", "levels": MOOD["levels"]}),
            "unknown": await shop.delete("/api/v1/dimensions/luck"),
            "one level": await shop.put("/api/v1/dimensions/mood", json={"label": "M", "levels": MOOD["levels"][1:]}),
        }
    async with program(app, Scope.READ) as reader:
        answers["reader"] = await reader.post("/api/v1/dimensions", json=MOOD)

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "twice": 409, "used": 409, "shipped": 409, "replaced": 409, "unknown": 404, "one level": 422, "reader": 403,
    }  # fmt: skip
    assert answers["used"].json()["detail"] == "this is needed by: segment keen"
