"""Programs read a fan's points and give or take some, each key once."""

from siyu.app import App
from siyu.operators import Scope
from tests.admin.visitors import program
from tests.people import given_fan
from tests.pointing import earns, given_programme

ADDRESS = "/api/v1/fans/7001/points"


async def test_a_ledger_is_read_page_by_page(app: App) -> None:
    await given_programme(app)
    mei = await given_fan(app, 7001)
    for n in range(3):
        await earns(app, mei, "referral_referrer", f"friend {n}")

    async with program(app, Scope.READ) as shop:
        first = (await shop.get(ADDRESS, params={"limit": 2})).json()
        rest = (await shop.get(ADDRESS, params={"limit": 2, "cursor": first["next"]})).json()
        portrait = (await shop.get("/api/v1/fans/7001")).json()

    assert (first["balance"], first["owed"], first["tier"], first["earned"]) == (300, 0, 0, 300)
    assert [line["points"] for line in first["items"] + rest["items"]] == [100, 100, 100]
    assert (rest["next"], portrait["points"]) == (None, 300)


async def test_the_same_key_gives_once_and_stands_for_one_amount(app: App) -> None:
    await given_fan(app, 7001)
    order = {"points": 50, "reason": "a good idea", "idempotency_key": "k1"}

    async with program(app) as shop:
        answers = [(await shop.post(ADDRESS, json=order)).json() for _ in range(2)]
        other = await shop.post(ADDRESS, json={**order, "points": 60})
        too_much = await shop.post(ADDRESS, json={"points": -51, "reason": "oops", "idempotency_key": "k2"})

    assert answers == [{"status": "adjusted", "balance": 50}, {"status": "duplicate", "balance": 50}]
    assert (other.status_code, other.json()["reason"]) == (409, "key_reused")
    assert (too_much.status_code, too_much.json()["reason"]) == (409, "points")


async def test_a_reading_key_and_a_stranger_are_refused(app: App) -> None:
    await given_fan(app, 7001)
    order = {"points": 50, "reason": "a good idea", "idempotency_key": "k1"}

    async with program(app, Scope.READ) as shop:
        forbidden = await shop.post(ADDRESS, json=order)
        nobody = await shop.get("/api/v1/fans/7999/points")

    assert (forbidden.status_code, nobody.status_code) == (403, 404)
