"""Programs tell fans, purchases, refunds and interactions."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import select

from siyu import attributes, audit, tags
from siyu.app import App
from siyu.attributes import NewAttribute
from siyu.audit import COMMAND_LINE
from siyu.operators import Scope
from siyu.tables import Fan, FanAttribute, Interaction, Purchase, Reach
from siyu.tags import NewTag
from tests.admin.visitors import program
from tests.people import given_fan


def _purchase(**changes: Any) -> dict[str, Any]:  # Any: JSON
    usual = {
        "source": "shop", "external_id": "A1", "telegram_id": 7, "amount_minor": 1990, "currency": "CNY",
        "purchased_at": "2026-03-01T12:00:00+08:00",
        "items": [{"sku": "T1", "name": "Tea", "category": "tea", "quantity": 2, "amount_minor": 1990}],
    }  # fmt: skip
    return {**usual, **changes}


async def _all(app: App, table: Any) -> list[Any]:  # Any: one of our tables
    async with app.database.reading() as session:
        return list(await session.all(select(table)))


async def test_fans_are_created_then_updated_and_a_bad_one_does_not_hold_up_the_others(app: App) -> None:
    rows = [
        {"telegram_id": 1, "name": "Mei", "username": "@mei", "tags": ["vip"], "city": "Hangzhou"},
        {"telegram_id": "seven", "name": "Bad"},
        {"telegram_id": 2, "name": ""},
        {"telegram_id": 3, "name": "Lin", "referred_by": 1, "joined_at": "2026-01-02"},
        "not a row",
    ]

    async with program(app) as shop:
        first = await shop.post("/api/v1/fans", json={"fans": rows})
        again = await shop.post("/api/v1/fans", json={"fans": rows})
        lin = await shop.get("/api/v1/fans/3")

    statuses = [result["status"] for result in first.json()["results"]]
    assert statuses == ["created", "rejected", "rejected", "created", "rejected"]
    assert [result["telegram_id"] for result in first.json()["results"]] == [1, None, 2, 3, None]
    assert "telegram_id" in first.json()["results"][1]["reason"]
    assert first.json()["results"][2]["reason"] == "name: is empty"
    assert [result["status"] for result in again.json()["results"]][::3] == ["updated", "updated"]
    assert lin.json()["referred_by"] == 1
    assert lin.json()["joined_at"] == "2026-01-01T16:00:00Z"
    assert [(known.name, known.value) for known in await _all(app, FanAttribute)] == [("city", "Hangzhou")]
    assert {fan.reach for fan in await _all(app, Fan)} == {Reach.IMPORTED}


async def test_one_fan_is_told_in_the_shape_of_the_contract(app: App) -> None:
    await given_fan(app, 7, name="Mei", username="mei")

    async with program(app, Scope.READ) as reader:
        found = await reader.get("/api/v1/fans/7")
        missing = await reader.get("/api/v1/fans/8")

    assert set(found.json()) == {
        "telegram_id", "name", "username", "language", "joined_at", "reachable", "source", "referred_by",
        "attributes", "tags", "metrics", "levels", "segments", "points", "computed_at",
    }  # fmt: skip
    assert found.json()["reachable"] is True
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(missing.json())


async def test_tags_and_values_that_do_not_fit_are_refused_with_their_row_and_the_last_of_a_group_wins(
    app: App,
) -> None:
    async with app.database.writing() as session:
        grades = await tags.create_group(session, COMMAND_LINE, "Grade", exclusive=True, now=app.clock())
        for word in ("gold", "silver"):
            await tags.create_tag(session, COMMAND_LINE, NewTag(word, group_id=grades.id), now=app.clock())
        await attributes.define_attribute(session, COMMAND_LINE, NewAttribute("member", "flag"), now=app.clock())

    async with program(app) as shop:
        rows = [
            {"telegram_id": 1, "name": "A", "member": "perhaps"},
            {"telegram_id": 2, "name": "B", "tags": ["a;b"]},
            {"telegram_id": 3, "name": "C", "tags": ["gold"], "member": True},
            {"telegram_id": 3, "name": "C", "tags": ["silver", "tea"]},
        ]
        answer = await shop.post("/api/v1/fans", json={"fans": rows})
        portrait = (await shop.get("/api/v1/fans/3")).json()

    assert [(result["status"], result["reason"]) for result in answer.json()["results"]] == [
        ("rejected", "member: “perhaps” is neither yes nor no"),
        ("rejected", "tags: a tag has 1 to 40 characters and no semicolon"),
        ("created", None),
        ("updated", None),
    ]
    assert (portrait["tags"], portrait["attributes"]) == (["silver", "tea"], {"member": "yes"})
    assert [fan.telegram_id for fan in await _all(app, Fan)] == [3]
    async with app.database.reading() as session:
        [line] = (await audit.entries(session, subject=("fan", "3"))).items
    assert (line.actor, line.details) == ("token:shop", {"tag": "gold", "instead": "silver"})


async def test_fans_are_listed_page_by_page_and_found_by_name(app: App) -> None:
    for number, name in enumerate(["雨桐", "Mei", "Lin"], start=1):
        await given_fan(app, number, name=name)

    async with program(app, Scope.READ) as reader:
        first = (await reader.get("/api/v1/fans", params={"limit": 2})).json()
        second = (await reader.get("/api/v1/fans", params={"limit": 2, "cursor": first["next"]})).json()
        found = (await reader.get("/api/v1/fans", params={"q": "雨桐"})).json()
        broken = await reader.get("/api/v1/fans", params={"cursor": "!!"})

    assert [fan["name"] for fan in first["items"] + second["items"]] == ["Lin", "Mei", "雨桐"]
    assert second["next"] is None
    assert [fan["telegram_id"] for fan in found["items"]] == [1]
    assert broken.status_code == 422
    assert broken.json()["errors"][0]["loc"] == ["cursor"]


async def test_a_purchase_counts_once_and_the_same_key_with_another_body_is_a_conflict(app: App) -> None:
    async with program(app) as shop:
        created = await shop.post("/api/v1/purchases", json={"purchases": [_purchase()]})
        again = await shop.post("/api/v1/purchases", json={"purchases": [_purchase()]})
        other = await shop.post("/api/v1/purchases", json={"purchases": [_purchase(amount_minor=1)]})

    statuses = [answer.json()["results"][0]["status"] for answer in (created, again, other)]
    assert statuses == ["created", "duplicate", "conflict"]
    [purchase] = await _all(app, Purchase)
    assert (purchase.amount_minor, purchase.currency) == (1990, "CNY")
    [fan] = await _all(app, Fan)
    assert (fan.telegram_id, fan.reach) == (7, Reach.IMPORTED)
    assert fan.joined_at == purchase.paid_at


BAD_PURCHASES = [
    ({"amount_minor": 19.5}, "amount_minor"),
    ({"amount_minor": -1}, "amount_minor"),
    ({"amount_minor": 10**15}, "amount_minor"),
    ({"currency": "YUAN"}, "currency"),
    ({"purchased_at": "yesterday"}, "purchased_at"),
    ({"purchased_at": 1772337600}, "purchased_at"),
    ({"telegram_id": 2**60}, "telegram_id"),
    ({"external_id": ""}, "external_id"),
    ({"external_id": "A\u0000"}, "external_id"),
    ({"source": "telegram"}, "source"),
    ({"items": [{"quantity": 0, "amount_minor": 1}]}, "items.0.quantity"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("change", "place"), BAD_PURCHASES)
async def test_a_bad_purchase_is_rejected_with_its_place_and_the_good_one_is_taken(
    app: App, change: dict[str, Any], place: str
) -> None:
    async with program(app) as shop:
        bad, good = _purchase(**change), _purchase(external_id="A2")
        answer = await shop.post("/api/v1/purchases", json={"purchases": [bad, good]})

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["rejected", "created"]
    assert place in results[0]["reason"]
    assert [purchase.external_id for purchase in await _all(app, Purchase)] == ["A2"]


async def test_the_same_purchase_twice_in_one_batch_is_booked_once(app: App) -> None:
    async with program(app) as shop:
        answer = await shop.post("/api/v1/purchases", json={"purchases": [_purchase(), _purchase()]})

    assert [result["status"] for result in answer.json()["results"]] == ["created", "duplicate"]


async def test_refunds_are_booked_once_and_never_beyond_what_was_paid(app: App) -> None:
    refund = {
        "source": "shop", "external_id": "A1", "refund_id": "R1", "amount_minor": 990,
        "refunded_at": "2026-03-02T12:00:00Z",
    }  # fmt: skip

    async with program(app) as shop:
        await shop.post("/api/v1/purchases", json={"purchases": [_purchase()]})
        statuses = [
            (await shop.post("/api/v1/refunds", json=body)).json()["status"]
            for body in (
                refund,
                refund,
                {**refund, "refund_id": "R2", "amount_minor": 1001},
                {**refund, "refund_id": "R3", "external_id": "nobody's"},
                {**refund, "refund_id": "R4", "amount_minor": 1000},
            )
        ]

    assert statuses == ["created", "duplicate", "rejected", "rejected", "created"]
    [purchase] = await _all(app, Purchase)
    assert purchase.refunded_minor == 1990


async def test_interactions_are_written_once_and_conflicts_are_told(app: App) -> None:
    did = {
        "source": "site", "external_id": "V1", "telegram_id": 7, "kind": "view", "at": "2026-03-01T12:00:00",
        "detail": "T1",
    }  # fmt: skip
    batch = [did, {**did, "kind": "Bad Kind", "external_id": "V2"}, did, {**did, "detail": "T2"}]

    async with program(app) as site:
        first = (await site.post("/api/v1/interactions", json={"interactions": batch})).json()["results"]
        again = (await site.post("/api/v1/interactions", json={"interactions": batch})).json()["results"]

    assert [result["status"] for result in first] == ["created", "rejected", "duplicate", "conflict"]
    assert [result["status"] for result in again] == ["duplicate", "rejected", "duplicate", "conflict"]
    [written] = await _all(app, Interaction)
    assert (written.kind, written.detail, written.at.isoformat()) == ("view", "T1", "2026-03-01T04:00:00+00:00")


SHAPES = [
    ("/api/v1/fans", {"fans": "many"}, ["body", "fans"]),
    ("/api/v1/fans", {}, ["body", "fans"]),
    ("/api/v1/purchases", [], ["body"]),
    ("/api/v1/refunds", {"source": "shop"}, ["body", "external_id"]),
]


@pytest.mark.parametrize(("path", "body", "place"), SHAPES)
async def test_json_of_the_wrong_shape_is_a_problem_with_its_place(
    app: App, path: str, body: Any, place: list[str]
) -> None:
    async with program(app) as shop:
        answer = await shop.post(path, json=body)

    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == 422
    assert place in [error["loc"] for error in problem["errors"]]
    assert all(error["msg"] for error in problem["errors"])


async def test_what_is_not_json_is_a_problem(app: App) -> None:
    async with program(app) as shop:
        headers = {"Content-Type": "application/json"}
        answer = await shop.post("/api/v1/fans", content=b'{"fans": [', headers=headers)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": ["body"], "msg": "this is not JSON"}]


async def test_more_than_a_thousand_rows_are_refused_as_a_whole(app: App) -> None:
    async with program(app) as shop:
        rows = [{"telegram_id": number, "name": "x"} for number in range(1, 1002)]
        answer = await shop.post("/api/v1/fans", json={"fans": rows})
        exactly = await shop.post("/api/v1/fans", json={"fans": rows[:1000]})

    assert answer.status_code == 422
    assert {result["status"] for result in exactly.json()["results"]} == {"created"}


async def test_a_body_beyond_the_limit_is_refused_before_it_is_read(app: App) -> None:
    async with program(app) as shop:
        headers = {"Content-Type": "application/json"}
        answer = await shop.post("/api/v1/fans", content=b" " * (9 * 1024 * 1024), headers=headers)
        below = await shop.post("/api/v1/fans", content=b" " * (7 * 1024 * 1024) + b'{"fans":[]}', headers=headers)

        slipped = await shop.post("/api/v1/fans", content=_in_pieces(9), headers=headers)

    assert [answer.status_code, slipped.status_code] == [413, 413]
    assert answer.headers["content-type"] == slipped.headers["content-type"] == "application/problem+json"
    assert below.status_code == 200


async def _in_pieces(megabytes: int) -> AsyncIterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(megabytes):
        yield b" " * 1024 * 1024
