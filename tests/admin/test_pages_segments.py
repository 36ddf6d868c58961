"""Segments: how big and why, who is in one, and why somebody is there or not."""

import csv
from io import StringIO

import pytest

from siyu import audit, fans
from siyu.app import App
from siyu.tables import Reach, Role
from tests.admin.community import given_many, given_purchase, given_regular, recomputed
from tests.admin.seen import forms, links, next_page, seen
from tests.admin.visitors import browser
from tests.people import given_fan, given_interactions

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


async def test_every_level_is_told_with_its_rule_its_size_and_what_to_do(app: App) -> None:
    await given_regular(app)
    await given_fan(app, name="Lin")
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.get("/segments")

    words = seen(page.text)
    assert "Interaction frequency" in words
    assert "High interacted at least 20 times in 30 days 50.0% of all fans" in words
    assert "Never bought never bought anything" in words
    assert {"/segments/loyalty.at_risk", "/broadcasts/new?segment=loyalty.at_risk"} <= set(links(page.text))
    assert "/offers/new?segment=loyalty.at_risk" in links(page.text)


async def test_before_the_first_recompute_the_page_stands_and_says_so(app: App) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.get("/segments")

    assert "Not computed yet" in seen(page.text)


async def test_recompute_now_looks_at_everybody_with_news_and_is_audited(app: App) -> None:
    await given_regular(app)

    async with browser(app, Role.OPERATOR) as visitor:
        asked = await visitor.post("/segments/recompute")
        page = await visitor.get(asked.headers["location"])

    assert asked.headers["location"] == "/segments"
    assert "1 fan looked at again." in seen(page.text)
    assert "Last computed just now" in seen(page.text)
    async with app.database.reading() as session:
        newest = (await audit.entries(session, limit=1)).items
    assert [line.action for line in newest] == ["job.run"]


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_recompute_leads_back_to_a_page_of_ours_only(app: App, elsewhere: str) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        asked = await visitor.post("/segments/recompute", data={"next": elsewhere})

    assert asked.headers["location"] == "/"


async def test_a_viewer_may_look_and_not_act(app: App) -> None:
    await given_regular(app)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        pages = [await visitor.get(path) for path in ("/segments", "/segments/loyalty.loyal")]
        refused = [await visitor.post("/segments/recompute"), await visitor.get("/segments/loyalty.loyal/members.csv")]

    assert [page.status_code for page in pages] == [200, 200]
    assert not [href for page in pages for href in links(page.text) if "/new" in href or "csv" in href]
    assert [answer.status_code for answer in refused] == [403, 403]


async def test_a_stranger_is_asked_to_sign_in(app: App) -> None:
    async with browser(app) as visitor:
        pages = [await visitor.get(path) for path in ("/", "/segments", "/segments/loyalty.loyal", "/fans", "/fans/1")]

    assert {page.status_code for page in pages} == {401}


async def test_a_segment_tells_who_can_be_reached_and_why_the_others_cannot(app: App) -> None:
    await given_fan(app)
    blocked, muted = await given_fan(app), await given_fan(app)
    await given_fan(app, talks=False)
    async with app.database.writing() as session:
        await fans.change_reach(session, blocked.telegram_id, Reach.BLOCKED, now=app.clock())
        await fans.mute(session, await fans.get_fan(session, muted.telegram_id), now=app.clock())
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        words = seen((await visitor.get("/segments/loyalty.none")).text)

    assert "Who is here Loyalty 4 never bought anything" in words
    assert "Can be reached 1 opted out of broadcasts -1 blocked the bot -1 never talked to the bot -1" in words
    assert "What helps: Guidance, and an offer for the first purchase" in words


async def test_members_come_page_by_page_each_once(app: App) -> None:
    await given_many(app, 120)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        here, found = "/segments/loyalty.none", list[str]()
        for _ in range(4):
            page = await visitor.get(here)
            found += _members(page.text)
            here = next_page(page.text, here) if len(found) < 120 else here

    assert sorted(found) == sorted(f"/fans/{8_000_000 + n}" for n in range(120))


async def test_search_finds_members_by_part_of_a_name(app: App) -> None:
    await given_fan(app, name="徐雨桐")
    await given_fan(app, name="Mina")
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get("/segments/loyalty.none", params={"q": "雨桐"})

    assert "徐雨桐" in seen(page.text)
    assert "Mina" not in seen(page.text)


async def test_search_while_typing_answers_with_the_table_alone(app: App) -> None:
    await given_fan(app, name="Mina")
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        part = await visitor.get("/segments/loyalty.none", params={"q": "min"}, headers=PARTIAL)

    assert part.text.strip().startswith('<div id="members">')
    assert "Mina" in part.text
    assert "<html" not in part.text


async def test_a_search_without_a_member_offers_to_tell_why(app: App) -> None:
    await given_regular(app, name="Mina")
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get("/segments/loyalty.none", params={"q": "Mina"})

    assert "Nobody here is called “Mina”" in seen(page.text)
    assert "/segments/loyalty.none/why?q=Mina" in links(page.text)


async def test_why_here_names_the_fact_and_the_threshold(app: App) -> None:
    fan = await given_regular(app)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        words = seen((await visitor.get(f"/segments/loyalty.loyal/why/{fan.telegram_id}")).text)

    assert "Why Mei is in “Loyal”" in words
    assert "holds: bought 3 times in 365 days (needs 3 or more)" in words
    assert "holds: interacted 24 times in 30 days (needs 20 or more)" in words
    assert "does not hold: last bought 10 days ago (needs more than 365)" in words


async def test_why_not_shows_the_condition_that_fails(app: App) -> None:
    fan = await given_fan(app, name="Lin")
    await given_purchase(app, fan, days_ago=3)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        words = seen((await visitor.get(f"/segments/loyalty.loyal/why/{fan.telegram_id}")).text)

    assert "Why Lin is not in “Loyal” As computed Mar 4, 2026, 12:00 Loyalty Casual" in words
    assert "does not hold: bought 1 time in 365 days (needs 3 or more)" in words


async def test_why_opens_as_a_dialog_where_a_part_is_asked_for(app: App) -> None:
    fan = await given_regular(app)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        part = await visitor.get(f"/segments/loyalty.loyal/why/{fan.telegram_id}", headers=PARTIAL)

    assert "<html" not in part.text
    assert 'id="dialog-title"' in part.text


async def test_anybody_can_be_looked_up_and_the_only_match_is_explained_at_once(app: App) -> None:
    fan = await given_regular(app, name="Mina Silva")
    await given_fan(app, name="Mina Rossi")
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        both = await visitor.get("/segments/loyalty.none/why", params={"q": "mina"})
        one = await visitor.get("/segments/loyalty.none/why", params={"q": "mina silva"})
        nobody = await visitor.get("/segments/loyalty.none/why", params={"q": "zzz"})

    assert f"/segments/loyalty.none/why/{fan.telegram_id}" in links(both.text)
    assert "Mina Rossi" in seen(both.text)
    assert one.headers["location"] == f"/segments/loyalty.none/why/{fan.telegram_id}"
    assert "Nobody is called “zzz”" in seen(nobody.text)


async def test_a_fan_nobody_classified_yet_is_said_to_be_so(app: App) -> None:
    await given_fan(app)
    await recomputed(app)
    newcomer = await given_fan(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/segments/loyalty.none/why/{newcomer.telegram_id}")

    assert page.status_code == 404
    assert "not classified yet" in seen(page.text)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/segments/loyalty.nope", 404),
        ("/segments/nope", 404),
        ("/segments/loyalty.none?cursor=zzz", 422),
        ("/segments/loyalty.none?cursor=WyJhIiwiYiJd", 422),
        ("/segments/loyalty.nope/members.csv", 404),
        ("/segments/loyalty.none/why/0", 404),
        ("/segments/loyalty.none/why/77", 404),
    ],
)
async def test_a_wrong_address_gets_one_clear_sentence(app: App, path: str, status: int) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.get(path)

    assert page.status_code == status
    assert page.text.count("<h1") == 1


async def test_members_leave_as_a_file_that_is_safe_to_open(app: App) -> None:
    fan = await given_fan(app, name="=1+1")
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        answer = await visitor.get("/segments/loyalty.none/members.csv")

    header, row = csv.reader(StringIO(answer.text.removeprefix("\ufeff")))
    assert answer.headers["content-disposition"] == 'attachment; filename="loyalty.none.csv"'
    assert header == ["telegram_id", "name", "username", "reachable", "since"]
    assert row[:2] == [str(fan.telegram_id), "'=1+1"]


async def test_how_many_entered_and_left_is_told(app: App) -> None:
    fan = await given_fan(app)
    await recomputed(app)
    await given_interactions(app, fan, 5)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        entered = seen((await visitor.get("/segments/interaction_frequency.mid")).text)
        left = seen((await visitor.get("/segments/interaction_frequency.none")).text)

    assert "Entered in 30 days 1" in entered
    assert "Left in 30 days 1" in left


async def test_in_chinese_every_word_of_the_page_is_chinese(app: App) -> None:
    await given_regular(app, name="林雨")
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        visitor.cookies.set("locale", "zh_CN")
        pages = [seen((await visitor.get(path)).text) for path in ("/segments", "/segments/loyalty.loyal")]

    latin = {word for page in pages for word in page.split() if word.isascii() and word.isalpha()}
    assert latin <= {"CSV", "RFM"}


async def test_names_are_never_read_as_markup(app: App) -> None:
    await given_fan(app, name="<script>alert(1)</script>")
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get("/segments/loyalty.none")

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


async def test_the_forms_of_an_operator_all_lead_somewhere(app: App) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.get("/segments/loyalty.loyal")

    assert set(forms(page.text)) == {"/segments/loyalty.loyal"}


def _members(html: str) -> list[str]:
    return [href for href in links(html) if href.startswith("/fans/")]
