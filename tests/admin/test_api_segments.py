"""Programs save segments: what fits is found before the answer comes; what is wrong is told with its place."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import col, func, select

from siyu import tags
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.segments import recompute
from siyu.tables import AuditEntry, CustomDimension, DimensionRule, SavedSegment
from tests.admin.visitors import program
from tests.clocks import FakeClock
from tests.people import given_fan, given_interactions

SEGMENTS = "/api/v1/segments"
OFTEN = {"metric": "interactions_30d", "op": ">=", "value": 5}
DEEP: dict[str, Any] = {"all": [OFTEN]}  # Any: the contract's RULE
for _ in range(10):
    DEEP = {"all": [DEEP]}


async def community(app: App) -> None:
    """A busy fan and a quiet one."""
    await given_interactions(app, await given_fan(app, 1, name="Busy"), 25)
    await given_fan(app, 2, name="Quiet")


async def saves(shop: httpx.AsyncClient, key: str, rule: object, **more: object) -> httpx.Response:
    return await shop.post(SEGMENTS, json={"key": key, "label": key.title(), "rule": rule, **more})


def place(answer: httpx.Response) -> list[str | int]:
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid"), answer.text
    [first] = answer.json()["errors"]
    return list(first["loc"])


async def test_a_segment_is_saved_read_changed_and_deleted(app: App, clock: FakeClock) -> None:
    await community(app)
    async with program(app) as shop:
        made = await saves(shop, "busy", OFTEN, note="n", colour="red", good="up", folder="f", pinned=True)
        shown = (await shop.get(f"{SEGMENTS}/busy")).json()
        listed = (await shop.get(SEGMENTS)).json()["items"]
        members = (await shop.get(f"{SEGMENTS}/busy/members")).json()["items"]
        clock.now += timedelta(days=1)
        put = await shop.put(f"{SEGMENTS}/busy", json={"label": "Calm", "rule": {"none": [OFTEN]}})
        moved = (await shop.get(f"{SEGMENTS}/busy/members")).json()["items"]
        history = (await shop.get(f"{SEGMENTS}/busy/history", params={"days": 2})).json()["items"]
        why = (await shop.get(f"{SEGMENTS}/busy/explain/1")).json()
        gone = await shop.delete(f"{SEGMENTS}/busy")
        again = await shop.delete(f"{SEGMENTS}/busy")
        await shop.post("/api/v1/recompute")
        after = await shop.get(f"{SEGMENTS}/busy")

    assert made.status_code == 201
    assert made.json() == shown
    assert shown in listed
    assert (shown["label"], shown["rule"], shown["size"], shown["reachable"]) == ("Busy", OFTEN, 1, 1)
    assert [member["telegram_id"] for member in members] == [1]
    assert (put.status_code, put.json()["label"], put.json()["size"]) == (200, "Calm", 1)
    assert [member["telegram_id"] for member in moved] == [2]
    assert [(day["entered"], day["left"]) for day in history] == [(1, 0), (1, 1)]
    assert (why["holds"], why["level"], why["rule"]["none"][0]["fact"]) == (False, "out", 25)
    assert (gone.status_code, again.status_code, after.status_code) == (204, 404, 404)


async def test_a_rule_nobody_saved_is_counted_exactly_and_leaves_nothing_behind(app: App) -> None:
    await community(app)
    async with program(app) as shop:
        await shop.post("/api/v1/recompute")
        found = (await shop.post(f"{SEGMENTS}/preview", json={"rule": {"none": [OFTEN]}})).json()

    assert found == {"count": 1, "reachable": 1, "sample": [2]}
    async with app.database.reading() as session:
        assert await session.first(select(SavedSegment)) is None


WRONG: list[tuple[object, list[str | int]]] = [
    ({"metric": "luck", "op": ">", "value": 1}, ["rule", "metric"]),
    ({"all": [OFTEN, {"metric": "luck", "op": ">", "value": 1}]}, ["rule", "all", 1, "metric"]),
    ({"metric": "spend_total", "op": "~", "value": 1}, ["rule", "op"]),
    ({"metric": "spend_total", "op": ">", "value": "much"}, ["rule", "value"]),
    ({"metric": "spend_total", "op": ">", "value": True}, ["rule", "value"]),
    ({"metric": "spend_total", "op": ">", "value": 1e16}, ["rule", "value"]),
    ({"metric": "spend_total", "op": ">"}, ["rule", "value"]),
    ({"metric": "last_purchase_at", "op": ">", "value": 5}, ["rule", "value"]),
    ({"metric": "last_purchase_at", "op": ">", "value": "2026-02-30"}, ["rule", "value"]),
    ({"metric": "last_purchase_at", "op": ">", "value": "2026-03-04T10:00:00"}, ["rule", "value"]),
    ({"metric": "last_purchase_at", "op": ">", "value": "0001-01-01T00:00:00+14:00"}, ["rule", "value"]),
    ({"dimension": "luck", "in": ["high"]}, ["rule", "dimension"]),
    ({"any": [{"dimension": "loyalty", "in": ["casual", "great"]}]}, ["rule", "any", 0, "in", 1]),
    ({"dimension": "loyalty", "in": []}, ["rule", "in"]),
    ({"dimension": "interests", "in": ["opera"]}, ["rule", "in", 0]),
    ({"tag": "nobody has it"}, ["rule", "tag"]),
    ({"tag": ""}, ["rule", "tag"]),
    ({"attribute": "shoe size", "op": "=", "value": "42"}, ["rule", "attribute"]),
    ({"attribute": "need", "op": "in", "value": "price"}, ["rule", "value"]),
    ({"attribute": "need", "op": "=", "value": ["price"]}, ["rule", "value"]),
    ({"did": "view", "days": 0}, ["rule", "days"]),
    ({"did": "VIEW", "days": 3}, ["rule", "did"]),
    ({"segment": "nobody"}, ["rule", "segment"]),
    ({"segment": "loyalty.great"}, ["rule", "segment"]),
    ({"was": "nobody", "on": "2026-03-04"}, ["rule", "was"]),
    ({"was": "loyalty.none", "on": "yesterday"}, ["rule", "on"]),
    ({"fans": []}, ["rule", "fans"]),
    ({"fans": ["Mei"]}, ["rule", "fans", 0]),
    ({"fans": [10**30]}, ["rule", "fans", 0]),
    ({"all": []}, ["rule", "all"]),
    ({"any": OFTEN}, ["rule", "any"]),
    ({"all": [OFTEN], "any": [OFTEN]}, ["rule"]),
    ({"none": [[]]}, ["rule", "none", 0]),
    ({}, ["rule"]),
    ({"stays": "busy"}, ["rule"]),
    ({"above": "spend_total", "share": 0.5}, ["rule"]),
    ({"all": [DEEP]}, ["rule", *("all", 0) * 12]),
    ({"any": [OFTEN] * 201}, ["rule"]),
]


@pytest.mark.parametrize(("rule", "where"), WRONG, ids=[str(rule)[:60] for rule, _ in WRONG])
async def test_a_wrong_rule_is_refused_with_its_place_and_nothing_is_kept(
    app: App, rule: object, where: list[str | int]
) -> None:
    async with program(app) as shop:
        saved = await saves(shop, "busy", rule)
        previewed = await shop.post(f"{SEGMENTS}/preview", json={"rule": rule})

    assert (place(saved), place(previewed)) == (where, where)
    async with app.database.reading() as session:
        assert await session.first(select(SavedSegment)) is None
        assert await session.first(select(AuditEntry).where(col(AuditEntry.action) == "segment.created")) is None


@pytest.mark.parametrize(
    "rule",
    [
        DEEP,
        {"any": [OFTEN] * 200},
        {
            "any": [
                {"metric": name, "op": "<", "value": 10**15} for name in ("rfm_r", "points", "days_silent", "spend_30d")
            ]
        },
        {"did": "view", "days": 3650, "at_least": 10**15},
        {"any": [{"fans": [*range(n * 10_000 + 1, n * 10_000 + 10_001)]} for n in range(5)]},
        {"metric": "last_purchase_at", "op": ">", "value": "0001-01-01"},
    ],
    ids=["12 deep", "200 conditions", "large numbers", "a billion deeds", "50,000 people", "the first of days"],
)
async def test_what_is_just_within_the_limits_is_worked_out(app: App, rule: dict[str, Any]) -> None:
    await community(app)
    async with program(app) as shop:
        await shop.post("/api/v1/recompute")
        previewed = await shop.post(f"{SEGMENTS}/preview", json={"rule": rule})
        made = await saves(shop, "busy", rule)

    assert (previewed.status_code, made.status_code) == (200, 201), previewed.text + made.text
    assert made.json()["size"] == previewed.json()["count"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"key": "Busy"}, "key"), ({"key": "1st"}, "key"), ({"key": "loyalty"}, "key"), ({"key": "a" * 41}, "key"),
        ({"label": " "}, "label"), ({"label": "x" * 81}, "label"), ({"note": "x" * 501}, "note"),
        ({"colour": "plaid"}, "colour"), ({"good": "sideways"}, "good"), ({"folder": "x" * 81}, "folder"),
        ({"mood": "x"}, "mood"),
    ],
)  # fmt: skip
async def test_wrong_words_about_a_segment_are_refused_with_their_place(
    app: App, change: dict[str, Any], where: str
) -> None:
    order = {"key": "busy", "label": "Busy", "rule": OFTEN, **change}
    async with program(app) as shop:
        answer = await shop.post(SEGMENTS, json=order)

    assert place(answer)[-1] == where


async def test_a_segment_that_leads_back_to_itself_is_refused_and_the_path_is_told(app: App) -> None:
    async with program(app) as shop:
        for key, needs in (("a", OFTEN), ("b", {"segment": "a"}), ("c", {"any": [OFTEN, {"segment": "b"}]})):
            assert (await saves(shop, key, needs)).status_code == 201
        direct = await shop.put(f"{SEGMENTS}/a", json={"label": "A", "rule": {"segment": "a"}})
        through = await shop.put(f"{SEGMENTS}/a", json={"label": "A", "rule": {"all": [OFTEN, {"segment": "c"}]}})
        shown = (await shop.get(f"{SEGMENTS}/a")).json()

    assert (place(direct), place(through)) == (["rule"], ["rule", "all", 1])
    assert "a → a" in direct.json()["errors"][0]["msg"]
    assert "a → c → b → a" in through.json()["errors"][0]["msg"]
    assert shown["rule"] == OFTEN


async def test_a_key_that_is_taken_and_a_segment_that_is_needed_are_conflicts(app: App) -> None:
    await community(app)
    async with program(app) as shop:
        await saves(shop, "busy", OFTEN)
        taken = await saves(shop, "busy", {"none": [OFTEN]})
        await saves(shop, "reader", {"was": "busy", "on": "2026-01-01"})
        await saves(shop, "user", {"any": [{"segment": "busy"}]})
        needed = await shop.delete(f"{SEGMENTS}/busy")
        shown = (await shop.get(f"{SEGMENTS}/busy")).json()
        freed = [(await shop.delete(f"{SEGMENTS}/{key}")).status_code for key in ("reader", "user", "busy")]

    assert (taken.status_code, taken.json()["reason"]) == (409, "taken")
    assert (needed.status_code, needed.json()["reason"]) == (409, "in_use")
    assert all(word in needed.json()["detail"] for word in ("segment reader", "segment user"))
    assert (shown["rule"], shown["size"]) == (OFTEN, 1)
    assert freed == [204, 204, 204]


async def test_a_broken_segment_keeps_its_members_and_is_told_with_the_time(app: App, clock: FakeClock) -> None:
    await community(app)
    async with app.database.writing() as session:
        rule = {"key": "x", "label": "X", "rule": OFTEN}
        session.add(
            CustomDimension(key="mood", label="Mood", levels=[rule, {"key": "rest", "label": "Rest"}],
                            created_at=clock(), changed_at=clock(), changed_by="")
        )  # fmt: skip
    async with program(app) as shop:
        await saves(shop, "busy", {"dimension": "mood", "in": ["x"]})
        async with app.database.writing() as session:
            mood = await session.get(CustomDimension, "mood")
            assert mood is not None
            await session.delete(mood)
        clock.now += timedelta(hours=1)
        broke_at = clock()
        await _recomputed(app)
        await given_interactions(app, await given_fan(app, 3), 25)
        clock.now += timedelta(hours=1)
        await _recomputed(app)
        members = (await shop.get(f"{SEGMENTS}/busy/members")).json()["items"]
        async with app.database.reading() as session:
            told = await session.get(SavedSegment, "busy")
        mended = await shop.put(f"{SEGMENTS}/busy", json={"label": "Busy", "rule": OFTEN})

    assert [member["telegram_id"] for member in members] == [1]
    assert told is not None
    assert (told.broken, told.broken_since) == ("there is no dimension mood", broke_at)
    assert mended.json()["size"] == 2
    async with app.database.reading() as session:
        healed = await session.get(SavedSegment, "busy")
    assert healed is not None
    assert (healed.broken, healed.broken_since) == (None, None)


async def _recomputed(app: App) -> None:
    await recompute(app.database, zone=app.settings.zone, currency=app.settings.currency, now=app.clock())


@pytest.mark.parametrize(
    ("dimension", "change", "where"),
    [
        ("interaction_frequency", {"thresholds": {"high": 4}}, ["thresholds", "high"]),
        ("lifecycle", {"thresholds": {"active_days": 180}}, ["thresholds", "dormant_days"]),
        ("purchase_amount", {"thresholds": {"mid": 80}}, ["thresholds", "high"]),
    ],
)  # fmt: skip
async def test_thresholds_out_of_order_are_refused_with_their_place(
    app: App, dimension: str, change: dict[str, Any], where: list[str]
) -> None:
    async with program(app) as shop:
        answer = await shop.patch(f"/api/v1/dimensions/{dimension}", json=change)

    assert place(answer) == where
    async with app.database.reading() as session:
        assert await session.one(select(func.count()).select_from(DimensionRule)) == 0


async def test_a_tag_that_somebody_has_may_be_asked_for(app: App, clock: FakeClock) -> None:
    fan = await given_fan(app, 1)
    async with app.database.writing() as session:
        await tags.tag(session, COMMAND_LINE, fan, "vip", now=clock())
    async with program(app) as shop:
        made = await saves(shop, "vips", {"tag": "vip"})

    assert (made.status_code, made.json()["size"]) == (201, 1)


async def test_a_day_that_is_not_over_cannot_be_asked_for(app: App, clock: FakeClock) -> None:
    await community(app)
    async with program(app) as shop:
        await shop.post("/api/v1/recompute")
        today = clock.now.date().isoformat()
        refused = await saves(shop, "were", {"was": "loyalty.none", "on": today})
        over = await saves(shop, "were", {"was": "loyalty.none", "on": "2020-01-01"})

    assert place(refused) == ["rule", "on"]
    assert over.status_code == 201


async def test_segments_that_name_each_other_often_do_not_grow_without_end(app: App) -> None:
    async with program(app) as shop:
        await saves(shop, "s0", OFTEN)
        answers = [await saves(shop, f"s{n}", {"any": [{"segment": f"s{n - 1}"}] * 6}) for n in range(1, 5)]

    # 12, 78, 474, 2,850 conditions when spelled out.
    assert [answer.status_code for answer in answers] == [201, 201, 201, 422]
