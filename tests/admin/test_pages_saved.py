"""Saved segments in the browser: begun, written, looked at, kept, put away, and told why."""

from collections.abc import Mapping

import pytest
from sqlalchemy import update
from sqlmodel import col

from siyu import fans, segments
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.segments import Draft, saved
from siyu.segments.shipped.composites import COMPOSITES
from siyu.tables import Role, SavedSegment
from tests.admin.community import given_many, given_purchase, given_regular, recomputed
from tests.admin.seen import links, seen
from tests.admin.visitors import browser
from tests.people import given_fan, given_values

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
BOUGHT = {
    "rule.is": "all",
    "rule.0.is": "metric",
    "rule.0.metric": "purchases_90d",
    "rule.0.op": ">=",
    "rule.0.value": "2",
}


async def given_saved(app: App, key: str = "buyers", rule: Mapping[str, object] | None = None, **words: object) -> None:
    rule = rule or {"all": [{"metric": "purchases_90d", "op": ">=", "value": 2}]}
    fields = {"label": key.title(), **words}
    async with app.database.writing() as session:
        await saved.create(session, COMMAND_LINE, Draft(key=key, rule=rule, **fields), now=app.clock())  # type: ignore[arg-type]  # words of a draft
    await recomputed(app)


async def row_of(app: App, key: str) -> SavedSegment | None:
    async with app.database.reading() as session:
        return await saved.find_saved(session, key)


# ---- writing ---------------------------------------------------------------------------------------------------------


async def test_a_segment_is_saved_and_its_people_are_there_at_once(app: App) -> None:
    await given_regular(app, name="Mei")
    await given_fan(app, name="Lin")
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        kept = await visitor.post(
            "/segments/new", data={**BOUGHT, "label": "Buyers", "folder": "Spring", "pinned": "1"}
        )
        page = await visitor.get(kept.headers["location"])

    words = seen(page.text)
    assert kept.headers["location"] == "/segments/buyers"
    assert "The segment is saved." in words
    assert "Who is here 1 All of these bought at least 2 times in 90 days" in words
    assert "Mei" in words
    assert "Lin" not in words


async def test_what_is_wrong_is_told_at_its_field_and_nothing_typed_is_lost(app: App) -> None:
    form = {**BOUGHT, "rule.0.value": "two", "rule.1.is": "tag", "rule.1.tag": "", "label": "Buyers"}

    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.post("/segments/new", data=form)

    assert page.status_code == 422
    assert 'id="rule.0.value.wrong"' in page.text
    assert 'value="two"' in page.text
    assert "1: write a number" in seen(page.text)
    assert 'href="#rule.1.tag"' in page.text
    assert await row_of(app, "buyers") is None


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"label": ""}, "label", "a name has 1 to 80 characters"),
        ({"rule.0.is": "tag", "rule.0.tag": "nobody"}, "rule.0.tag", "nobody has the tag nobody"),
        ({"rule.0.is": "segment", "rule.0.segment": "gone"}, "rule.0.segment", "there is no segment gone"),
        ({"key": "No Good"}, "key", "a key starts with a letter"),
        ({"key": "overlap"}, "key", "overlap is a dimension&#39;s"),
        ({"rule.0.op": "~"}, "rule.0.op", "Input should be"),
        ({"rule.0.is": "any"}, "rule.0", "a group needs at least one condition"),
    ],
)
async def test_what_the_domain_refuses_is_told_at_its_field(
    app: App, change: dict[str, str], field: str, told: str
) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.post("/segments/new", data={**BOUGHT, "label": "Buyers", **change})

    assert page.status_code == 422
    assert f'href="#{field}"' in page.text
    assert told in page.text


async def test_a_segment_cannot_ask_for_itself(app: App) -> None:
    await given_saved(app)

    async with browser(app, Role.OPERATOR) as visitor:
        form = {"label": "Buyers", "rule.is": "all", "rule.0.is": "segment", "rule.0.segment": "buyers"}
        page = await visitor.post("/segments/buyers/edit", data=form)

    assert page.status_code == 422
    assert "this leads back to itself" in page.text


async def test_a_rule_is_changed_and_its_version_counts(app: App) -> None:
    await given_regular(app)
    await given_saved(app)

    async with browser(app, Role.OPERATOR) as visitor:
        form = await visitor.get("/segments/buyers/edit")
        await visitor.post("/segments/buyers/edit", data={**BOUGHT, "label": "Buyers", "rule.0.value": "9"})
        page = await visitor.get("/segments/buyers")

    assert 'value="2"' in form.text
    assert "bought at least 9 times in 90 days" in seen(page.text)
    assert "Version of the rule 2" in seen(page.text)
    assert "the rule changed – 1" in seen(page.text)


async def test_two_segments_of_one_name_get_keys_of_their_own(app: App) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        form = {**BOUGHT, "label": "老客户"}
        answers = [await visitor.post("/segments/new", data=form) for _ in range(2)]

    assert [answer.headers["location"] for answer in answers] == ["/segments/segment", "/segments/segment_2"]


# ---- the tree --------------------------------------------------------------------------------------------------------


async def test_without_scripts_a_button_sends_the_whole_form_and_gets_the_page_back(app: App) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        form = {**BOUGHT, "label": "Half done", "do": "add rule", "rule.new": "dimension:loyalty"}
        page = await visitor.post("/segments/rule", data=form)

    assert page.status_code == 200
    assert 'value="Half done"' in page.text
    assert 'name="rule.0.value" type="text" value="2"' in page.text
    assert 'name="rule.1.in" value="at_risk"' in page.text
    assert await row_of(app, "half_done") is None


async def test_with_htmx_only_the_tree_comes_back_and_the_figures_follow(app: App) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        part = await visitor.post("/segments/rule", data={**BOUGHT, "do": "group rule"}, headers=PARTIAL)

    assert "<html" not in part.text
    assert part.text.strip().startswith('<div id="tree">')
    assert 'id="rule.1.new" name="rule.1.new"' in part.text
    assert part.headers["HX-Trigger"] == "rule-changed"


async def test_a_deed_that_makes_no_sense_changes_nothing(app: App) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.post("/segments/rule", data={**BOUGHT, "do": "remove rule.9"})

    assert page.status_code == 200
    assert 'value="2"' in page.text
    assert "there is no such place in the rule" in page.text


# ---- the look --------------------------------------------------------------------------------------------------------


async def test_the_look_counts_exactly_and_says_what_each_condition_takes(app: App) -> None:
    mei = await given_regular(app, name="Mei")
    await given_purchase(app, await given_fan(app, name="Lin"), days_ago=3)
    await given_many(app, 3)
    async with app.database.writing() as session:
        await fans.mute(session, mei, now=app.clock())
    await recomputed(app)
    form = {
        **BOUGHT, "rule.0.value": "1", "rule.1.is": "dimension", "rule.1.dimension": "loyalty", "rule.1.in": "loyal",
    }  # fmt: skip

    async with browser(app, Role.OPERATOR) as visitor:
        part = await visitor.post("/segments/look", data=form, headers=PARTIAL)

    words = seen(part.text)
    assert "<html" not in part.text
    assert "1 fan, 0 can be reached bought at least 1 time in 90 days and Loyalty: Loyal" in words
    assert "of 5 fans bought at least 1 time in 90 days 2 takes away 3 Loyalty: Loyal 1 takes away 1" in words
    assert f"/fans/{mei.telegram_id}" in links(part.text)


async def test_an_empty_result_names_the_condition_that_emptied_it(app: App) -> None:
    await given_regular(app)
    await recomputed(app)
    form = {**BOUGHT, "rule.1.is": "metric", "rule.1.metric": "spend_90d", "rule.1.op": ">", "rule.1.value": "9,999"}

    async with browser(app, Role.OPERATOR) as visitor:
        part = await visitor.post("/segments/look", data=form, headers=PARTIAL)

    assert "Nobody is left after: Spend in 90 days: more than 9,999.00 CNY" in seen(part.text)


async def test_a_rule_half_typed_is_no_error(app: App) -> None:
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        part = await visitor.post("/segments/look", data={**BOUGHT, "rule.0.value": ""}, headers=PARTIAL)

    assert part.status_code == 200
    assert "The rule is not complete yet. 1: a value is missing" in seen(part.text)


async def test_the_look_tells_how_much_it_shares_with_others(app: App) -> None:
    await given_regular(app)
    await given_many(app, 2)
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        form = {**BOUGHT, "with": ["loyalty.loyal", "loyalty.none"]}
        part = await visitor.post("/segments/look", data=form, headers=PARTIAL)

    words = seen(part.text)
    assert "This rule 0 Loyalty: Loyal 0 Loyalty: Never bought 2 This rule + Loyalty: Loyal 1" in words


async def test_the_overlap_of_segments_has_a_page(app: App) -> None:
    await given_regular(app)
    await given_many(app, 2)
    await given_saved(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get("/segments/overlap?with=buyers&with=loyalty.loyal")
        empty = await visitor.get("/segments/overlap?with=buyers&with=")
        gone = await visitor.get("/segments/overlap?with=buyers&with=nope")

    assert "Buyers 0 Loyalty: Loyal 0 Buyers + Loyalty: Loyal 1" in seen(page.text)
    assert "Choose two or three segments" in seen(empty.text)
    assert gone.status_code == 404


# ---- beginning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("composite", COMPOSITES, ids=lambda one: one.key)
async def test_every_shipped_segment_is_sound_and_can_be_begun_with(app: App, composite: object) -> None:
    key = composite.key  # type: ignore[attr-defined]  # a Composite
    await given_regular(app)
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        listed = await visitor.get("/segments")
        page = await visitor.get(f"/segments/new?like={key}")

    assert f"/segments/new?like={key}" in links(listed.text)
    assert "can be reached" in seen(page.text)


async def test_a_copy_begins_with_the_rule_and_leaves_the_first_alone(app: App) -> None:
    await given_saved(app, label="Best buyers", pinned=True)

    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.get("/segments/new?copy=buyers")

    assert 'value="Best buyers (copy)"' in page.text
    assert 'value="purchases_90d" selected' in page.text
    assert 'name="within" value=""' in page.text


async def test_a_level_can_be_made_narrower(app: App) -> None:
    await given_saved(app)

    async with browser(app, Role.OPERATOR) as visitor:
        level = await visitor.get("/segments/new?in=loyalty.at_risk")
        kept = await visitor.get("/segments/new?in=buyers")
        gone = await visitor.get("/segments/new?in=nope")

    assert 'name="rule.0.in" value="at_risk" class="input" checked' in level.text
    assert 'value="buyers" selected' in kept.text
    assert gone.status_code == 404


# ---- the list, and what is done with one -----------------------------------------------------------------------------


async def test_the_list_shows_pinned_ones_first_then_folders(app: App) -> None:
    await given_saved(app, "zeal", label="Zeal", pinned=True)
    await given_saved(app, "amber", label="Amber", folder="Spring")
    await given_saved(app, "basil", label="Basil")

    async with browser(app, Role.OPERATOR) as visitor:
        words = seen((await visitor.get("/segments")).text)

    assert words.index("Zeal") < words.index("Basil") < words.index("Spring Segment") < words.index("Amber")


async def test_the_list_is_searched_in_words_and_rules(app: App) -> None:
    await given_saved(app, rule={"metric": "purchases_90d", "op": ">=", "value": 7})

    async with browser(app, Role.VIEWER) as visitor:
        by_rule = await visitor.get("/segments", params={"q": "bought at least 7"}, headers=PARTIAL)
        nothing = await visitor.get("/segments", params={"q": "zzz"})

    assert "<html" not in by_rule.text
    assert [href for href in links(by_rule.text) if href.startswith("/segments/")] == ["/segments/buyers"]
    assert "No segment fits “zzz”" in seen(nothing.text)


async def test_dimensions_nobody_was_asked_about_are_folded_away_until_somebody_answers(app: App) -> None:
    fan = await given_fan(app)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        before = seen((await visitor.get("/segments")).text)
        await given_values(app, fan, gender="female")
        await recomputed(app)
        after = seen((await visitor.get("/segments")).text)

    assert "Gender" in before.partition("Nobody has been asked yet")[2]
    assert "Gender" in after.partition("Nobody has been asked yet")[0]


async def test_a_frozen_segment_says_so_and_keeps_its_rule(app: App) -> None:
    await given_regular(app)
    await given_saved(app)

    async with browser(app, Role.OPERATOR) as visitor:
        await visitor.post("/segments/buyers/freeze")
        page = seen((await visitor.get("/segments/buyers")).text)
        refused = await visitor.post("/segments/buyers/edit", data={**BOUGHT, "label": "B", "rule.0.value": "7"})
        await visitor.post("/segments/buyers/thaw")
        thawed = seen((await visitor.get("/segments/buyers")).text)

    assert "nobody enters or leaves until it lives again" in page
    assert "bought at least 2 times in 90 days" in page
    assert refused.status_code == 422
    assert "let it live again before its rule is changed" in refused.text
    assert "until it lives again" not in thawed


async def test_an_archived_segment_is_put_away_and_comes_back(app: App) -> None:
    await given_regular(app)
    await given_saved(app)

    async with browser(app, Role.OPERATOR) as visitor:
        await visitor.post("/segments/buyers/archive")
        listed = seen((await visitor.get("/segments")).text)
        shown = await visitor.get("/segments/buyers")
        archived = seen((await visitor.get("/segments/archived")).text)
        await visitor.post("/segments/buyers/restore")
        back = seen((await visitor.get("/segments/buyers")).text)

    assert "Buyers" not in listed.partition("Interaction frequency")[0].replace("Archived", "")
    assert shown.headers["location"] == "/segments/archived"
    assert "Buyers" in archived
    assert "Who is here 1" in back


async def test_what_is_needed_cannot_be_deleted_and_says_by_what(app: App) -> None:
    await given_saved(app)
    await given_saved(app, "friends", {"none": [{"segment": "buyers"}]}, label="Friends")

    async with browser(app, Role.OPERATOR) as visitor:
        await visitor.post("/segments/friends/freeze")
        page = await visitor.get("/segments/buyers")
        refused = await visitor.post("/segments/buyers/delete")
        told = await visitor.get(refused.headers["location"])
        await visitor.post("/segments/friends/delete")
        await visitor.post("/segments/buyers/delete")

    assert "Needed by these, so it cannot be archived or deleted: Segment friends" in seen(page.text)
    assert "this segment is needed by: segment friends" in seen(told.text)
    assert await row_of(app, "buyers") is None


async def test_a_broken_rule_is_shown_with_why_and_since_when(app: App) -> None:
    await given_regular(app)
    await given_saved(app)
    async with app.database.writing() as session:
        broken = {"all": [{"segment": "gone"}]}
        await session.run(update(SavedSegment).where(col(SavedSegment.key) == "buyers").values(rule=broken))
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        listed = seen((await visitor.get("/segments")).text)
        page = seen((await visitor.get("/segments/buyers")).text)
        composer = seen((await visitor.get("/broadcasts/new?segment=buyers")).text)

    assert "broken is in “gone (gone)” there is no segment gone · since" in listed
    assert "Its rule is broken: there is no segment gone. Whoever was in it stays" in page
    assert "Who is here 1" in page
    assert "The rule of this segment is broken" in composer


async def test_a_rule_of_a_newer_version_holds_up_nobody_elses(app: App) -> None:
    await given_regular(app)
    await given_saved(app)
    await given_saved(app, "others", label="Others")
    async with app.database.writing() as session:
        unknown = {"all": [{"wishes": "tea"}]}
        await session.run(update(SavedSegment).where(col(SavedSegment.key) == "buyers").values(rule=unknown))
    await given_regular(app, "Ada")
    await recomputed(app)

    async with browser(app, Role.OPERATOR) as visitor:
        listed = seen((await visitor.get("/segments")).text)
        kept = seen((await visitor.get("/segments/buyers")).text)
        other = seen((await visitor.get("/segments/others")).text)

    assert "wishes is no condition" in listed
    assert "Who is here 1" in kept
    assert "Who is here 2" in other


async def test_the_composer_names_saved_segments_and_warns_of_a_frozen_one(app: App) -> None:
    await given_regular(app)
    await given_saved(app, label="Best 5%")

    async with browser(app, Role.OPERATOR) as visitor:
        lively = await visitor.get("/broadcasts/new?segment=buyers")
        await visitor.post("/segments/buyers/freeze")
        frozen = await visitor.get("/broadcasts/new?segment=buyers")

    assert "Best 5% 1" in seen(lively.text)
    assert "is frozen" not in seen(lively.text)
    assert "This segment is frozen" in seen(frozen.text)


async def test_why_and_why_not_are_told_for_a_saved_rule_down_to_the_levels_it_asks_for(app: App) -> None:
    mei, lin = await given_regular(app, name="Mei"), await given_fan(app, name="Lin")
    nobody = {"none": [{"metric": "interactions_total", "op": ">=", "value": 0}]}
    rule = {"any": [{"dimension": "loyalty", "in": ["loyal"]}, nobody]}
    await given_saved(app, rule=rule)

    async with browser(app, Role.VIEWER) as visitor:
        here = seen((await visitor.get(f"/segments/buyers/why/{mei.telegram_id}")).text)
        not_here = seen((await visitor.get(f"/segments/buyers/why/{lin.telegram_id}")).text)

    assert "Why Mei is in “Buyers”" in here
    assert "One of these:" in here
    assert "None of these:" in here
    assert "What decides that" in here
    assert "bought 3 times in 365 days (needs 3 or more)" in here
    assert "Why Lin is not in “Buyers”" in not_here
    assert "does not hold: Loyalty: Never bought (needs Loyal)" in not_here


# ---- who may ---------------------------------------------------------------------------------------------------------


async def test_a_viewer_sees_saved_segments_and_changes_none(app: App) -> None:
    await given_saved(app)
    deeds = ("new", "rule", "look", "buyers/edit", "buyers/freeze", "buyers/thaw", "buyers/archive", "buyers/restore",
             "buyers/delete")  # fmt: skip

    async with browser(app, Role.VIEWER) as visitor:
        pages = [await visitor.get(path) for path in ("/segments", "/segments/buyers", "/segments/archived")]
        refused = [await visitor.post(f"/segments/{deed}", data=BOUGHT) for deed in deeds]
        refused += [await visitor.get("/segments/new"), await visitor.get("/segments/buyers/edit")]

    assert [page.status_code for page in pages] == [200] * 3
    assert not [href for page in pages for href in links(page.text) if href.endswith(("/edit", "/new"))]
    assert {answer.status_code for answer in refused} == {403}
    assert await row_of(app, "buyers") is not None


@pytest.mark.parametrize("path", ["nope/edit", "new?copy=nope"])
async def test_a_segment_that_is_not_there_is_a_page_that_says_so(app: App, path: str) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.get(f"/segments/{path}")

    assert page.status_code == 404
    assert "there is no segment nope" in seen(page.text)


async def test_while_a_look_at_another_time_is_held_a_segment_is_saved_and_waits(app: App) -> None:
    await given_regular(app)
    await recomputed(app)
    then = app.clock()
    await segments.recompute(
        app.database, zone=app.settings.zone, currency=app.settings.currency, now=then, as_of=then.replace(day=1)
    )

    async with browser(app, Role.OPERATOR) as visitor:
        kept = await visitor.post("/segments/new", data={**BOUGHT, "label": "Buyers"})
        listed = await visitor.get(kept.headers["location"])

    assert kept.headers["location"] == "/segments"
    assert "Its people are found when the look at another time ends." in seen(listed.text)
    assert "Buyers" in seen(listed.text)
