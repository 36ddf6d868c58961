"""The community report as a page, as files, and for programs; a fan's page with what was before and why."""

import csv
import json
from datetime import timedelta
from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest

from siyu import catalogue, fans, segments
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.catalogue import NewProduct
from siyu.operators import Scope
from siyu.segments import Draft, saved
from siyu.tables import LevelChange, Role
from tests.admin.community import given_many, given_purchase, given_regular, recomputed
from tests.admin.seen import links, seen
from tests.admin.visitors import browser, program
from tests.clocks import FakeClock
from tests.people import given_fan, given_interactions

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


async def test_before_the_first_run_the_page_says_so(app: App) -> None:
    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get("/report")

    assert page.status_code == 200
    assert "Nothing to report yet" in seen(page.text)


async def test_the_report_tells_sizes_moves_what_they_invite_and_who_went_where(app: App, clock: FakeClock) -> None:
    await _given_a_month(app, clock)

    async with browser(app, Role.VIEWER) as visitor:
        words = seen((await visitor.get("/report?days=30")).text)
        assert "/report" in (await visitor.get("/")).text

    assert "The community has 13 fans, 1 more. 3 fans became “Loyal”." in words
    assert "Loyalty: Loyal" in words
    assert "0 → 3" in words
    assert "Exclusive interaction and benefits" in words
    assert "Who went where: Loyalty" in words
    assert "Never bought 3 25% – – – – 9 75% 12" in words
    assert "because of something they did" in words


async def test_cells_lead_operators_to_their_people_as_a_rule(app: App, clock: FakeClock) -> None:
    await _given_a_month(app, clock)
    address = "/report?rows=loyalty&columns=referral"

    async with browser(app, Role.OPERATOR) as operator, browser(app, Role.VIEWER) as viewer:
        cells = [one for one in links((await operator.get(address)).text) if one.startswith("/segments/new")]
        none = [one for one in links((await viewer.get(address)).text) if one.startswith("/segments/new")]

    rules = [json.loads(parse_qs(urlsplit(one).query)["rule"][0]) for one in cells]
    assert {"all": [{"dimension": "loyalty", "in": ["loyal"]}, {"dimension": "referral", "in": ["none"]}]} in rules
    async with app.database.reading() as session:
        counts = [(await segments.preview(session, await saved.checked(session, rule))).count for rule in rules]
    assert sum(counts) == 13
    assert none == []


async def test_another_cross_or_matrix_is_answered_alone_with_its_address(app: App, clock: FakeClock) -> None:
    await _given_a_month(app, clock)

    async with browser(app, Role.VIEWER) as visitor:
        cross = await visitor.get("/report?part=cross&rows=rfm&columns=watched", headers=PARTIAL)
        moves = await visitor.get("/report?part=migration&of=watched", headers=PARTIAL)
        unknown = await visitor.get("/report?rows=nonsense")

    assert cross.text.strip().startswith('<section id="cross"')
    assert "RFM and Watched 100 %" in seen(cross.text)
    assert "rows=rfm&columns=watched" in cross.headers["HX-Push-Url"]
    assert moves.text.strip().startswith('<section id="migration"')
    assert "Who went where: Watched 100 %" in seen(moves.text)
    assert unknown.status_code == 404


@pytest.mark.parametrize("query", ["from=2026-03-04&to=2026-03-01", "from=2027-01-01", "days=0", "days=x", "from=x"])
async def test_days_that_make_no_period_are_told_or_passed_over(app: App, clock: FakeClock, query: str) -> None:
    await _given_a_month(app, clock)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/report?{query}")

    assert page.status_code == 200
    assert ("the first day must be before" in seen(page.text)) == ("2026" in query or "2027" in query)


async def test_files_hold_every_level_safe_for_spreadsheets(app: App, clock: FakeClock) -> None:
    await _given_a_month(app, clock)

    async with browser(app, Role.VIEWER) as visitor:
        levels = await visitor.get("/report.csv")
        cross = await visitor.get("/report.csv?part=cross&rows=watched&columns=loyalty")
        moves = await visitor.get("/report.csv?part=migration&of=loyalty")
        told = (await visitor.get("/report.json?days=30")).json()
        wrong = await visitor.get("/report.csv?part=other")

    rows = {row["segment"]: row for row in csv.DictReader(StringIO(levels.text.removeprefix("\ufeff")))}
    assert (rows["loyalty.loyal"]["fans"], rows["loyalty.loyal"]["fans_before"]) == ("3", "0")
    assert rows["formula"]["level"] == "'=1+1"
    assert [row[0] for row in csv.reader(StringIO(cross.text.removeprefix("\ufeff")))][1:] == [
        "Watched 100 %",
        "All others",
    ]
    matrix = list(csv.reader(StringIO(moves.text.removeprefix("\ufeff"))))
    assert sum(int(count) for row in matrix[1:] for count in row[1:-1]) == 13
    assert told["segments"][-1]["label"] == "Watched 100 %"
    assert wrong.status_code == 422


async def test_programs_are_told_the_same(app: App, clock: FakeClock) -> None:
    await _given_a_month(app, clock)

    async with program(app, Scope.READ) as reader, program(app, None) as stranger:
        told = (await reader.get("/api/v1/report", params={"days": 30})).json()
        cross = (await reader.get("/api/v1/report/cross", params={"rows": "loyalty", "columns": "referral"})).json()
        moved = (await reader.get("/api/v1/report/migration", params={"dimension": "loyalty"})).json()
        wrong = await reader.get("/api/v1/report", params={"from": "2026-03-04", "to": "2026-03-01"})
        missing = await reader.get("/api/v1/report/migration", params={"dimension": "x"})
        described = (await reader.get("/api/openapi.json")).json()["paths"]
        refused = await stranger.get("/api/v1/report")

    loyal = next(
        level
        for one in told["dimensions"]
        if one["key"] == "loyalty"
        for level in one["levels"]
        if level["level"] == "loyal"
    )
    assert (loyal["size"], loyal["before"], loyal["entered"], loyal["left"]) == (3, 0, 3, 0)
    assert told["fans"] == 13
    assert told["told"][1] == "3 fans became “Loyal”."
    assert sum(cell["count"] for cell in cross["cells"]) == 13
    assert {"old": "none", "new": "loyal", "count": 3} in moved["moves"]
    assert {"old": None, "new": "none", "count": 1} in moved["moves"]
    assert (wrong.status_code, missing.status_code, refused.status_code) == (422, 404, 401)
    assert wrong.json()["errors"][0]["loc"] == ["from"]
    assert {"/api/v1/report", "/api/v1/report/cross", "/api/v1/report/migration"} <= set(described)


async def test_a_fan_s_page_tells_what_was_before_and_what_is_not_known(app: App, clock: FakeClock) -> None:
    await _given_a_month(app, clock)
    async with app.database.reading() as session:
        fan = (await fans.list_fans(session, q="Fan 001")).items[0]

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/fans/{fan.telegram_id}")
    async with program(app, Scope.READ) as reader:
        told = (await reader.get(f"/api/v1/fans/{fan.telegram_id}")).json()

    words = seen(page.text)
    assert "In these segments Watched 100 % since" in words
    assert "Loyalty Loyal since Mar 4, 2026 · before: Never bought" in words
    assert "Not known yet: Customer type , Company size" in words
    assert "Entered “Watched 100 %” just now because of something they did" in words
    assert f"/segments/watched/why/{fan.telegram_id}" in links(page.text)
    assert told["levels"]["loyalty"]["previous"] == "none"
    assert told["levels"]["gender"]["previous"] is None
    assert told["levels"]["interests"]["level"] == "none"
    assert "watched" in told["segments"]


async def test_a_timeline_outlives_dimensions_and_levels_that_are_no_more(app: App, clock: FakeClock) -> None:
    fan = await given_fan(app)
    async with app.database.writing() as session:
        for dimension, old, new, cause in (
            ("gone", "in", "out", "rule"),
            ("loyalty", "vanished", "loyal", "peers"),
            ("loyalty", "loyal", "vanished", "hand"),
        ):
            session.add(
                LevelChange(
                    fan_id=fan.id or 0, dimension=dimension, old_level=old, old_since=clock.now,
                    old_day=clock.now.date(), new_level=new, at=clock.now, day=clock.now.date(), cause=cause,
                )
            )  # fmt: skip
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/fans/{fan.telegram_id}")

    words = seen(page.text)
    assert "gone: in → out just now because the definition changed" in words
    assert "Loyalty: vanished → Loyal just now because others bought more or less" in words
    assert "Loyalty: Loyal → vanished just now by hand" in words


async def test_interests_are_told_as_a_list_with_reasons(app: App, clock: FakeClock) -> None:
    fan = await given_regular(app)
    await _given_a_category(app)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/fans/{fan.telegram_id}")
    async with program(app, Scope.READ) as reader:
        told = (await reader.get(f"/api/v1/fans/{fan.telegram_id}")).json()["levels"]["interests"]

    assert "Interests tea" in seen(page.text)
    assert f"/segments/interests.tea/why/{fan.telegram_id}" in links(page.text)
    assert (told["level"], told["why"]) == ("tea", "was interested in tea within 180 days")


async def _given_a_month(app: App, clock: FakeClock) -> None:
    """Twelve who never bought; a month later three of them are loyal, and one is new."""
    clock.pass_(days=-20)
    await given_many(app, 12)
    async with app.database.writing() as session:
        for key, label, value in (("formula", "=1+1", 99), ("watched", "Watched 100 %", 1)):
            rule = {"metric": "purchases_90d", "op": ">=", "value": value}
            await saved.create(session, COMMAND_LINE, Draft(key, label, rule), now=clock.now)
    clock.pass_(days=-20)
    await recomputed(app)
    clock.pass_(days=40)
    async with app.database.reading() as session:
        loyal = [fan for q in ("001", "002", "003") for fan in (await fans.list_fans(session, q=q)).items]
    for fan in loyal:
        await given_interactions(app, fan, 24, days_ago=1)
        for days_ago in (9, 6, 3):
            await given_purchase(app, fan, days_ago=days_ago)
    await given_fan(app, name="Newcomer")
    await recomputed(app)


async def _given_a_category(app: App) -> None:
    async with app.database.writing() as session:
        await catalogue.create_product(
            session, COMMAND_LINE, NewProduct("tea", "Tea", 5, "Green", "tea"), now=app.clock() - timedelta(days=1)
        )


def _read(text: str) -> list[list[str]]:
    return list(csv.reader(StringIO(text.removeprefix("\ufeff"))))
