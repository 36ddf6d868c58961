"""The classification: what is told of every dimension, what a change would do, who made it, and the way back."""

import re

import pytest
from sqlmodel import select

from siyu import segments
from siyu.app import App
from siyu.audit import Actor
from siyu.segments import custom, thresholds
from siyu.segments.shipped import GRID_27
from siyu.tables import CustomDimension, DimensionRule, FanLevel, Role
from tests.admin.community import given_purchase, given_regular, recomputed
from tests.admin.seen import forms, links, seen
from tests.admin.visitors import browser
from tests.people import given_fan, given_interactions

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
ADA = Actor("operator:1", "Ada")
MOOD = {
    "label": "Mood", "key": "mood",
    "levels-0-key": "keen", "levels-0-label": "Keen", "levels-0-segment": "interaction_frequency.mid",
    "levels-1-key": "buying", "levels-1-label": "Buying", "levels-1-segment": "json",
    "levels-1-rule": '{"metric": "purchases_total", "op": ">=", "value": 1}',
    "levels-2-key": "calm", "levels-2-label": "Calm 100 %",
}  # fmt: skip


async def levels(app: App, dimension: str) -> dict[int, str]:
    async with app.database.reading() as session:
        rows = await session.all(select(FanLevel).where(FanLevel.dimension == dimension))
    return {row.fan_id: row.level for row in rows}


async def test_every_dimension_is_told_with_its_rules_and_sizes(app: App) -> None:
    await given_regular(app)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get("/classification")

    words = seen(page.text)
    assert page.status_code == 200
    assert "High interacted at least 20 times in 30 days 1 100.0%" in words
    assert "Churn risk" in words
    assert "Not enough data yet" in words
    assert {"/classification/loyalty", "/segments/loyalty.loyal"} <= set(links(page.text))
    assert forms(page.text) == []


async def test_every_page_of_every_dimension_stands(app: App) -> None:
    await given_regular(app)
    await recomputed(app)
    async with app.database.reading() as session:
        keys = [dimension.key for dimension in (await segments.whole(session)).dimensions]

    async with browser(app, Role.ADMIN) as visitor:
        answers = {key: (await visitor.get(f"/classification/{key}")).status_code for key in keys}

    assert answers == dict.fromkeys(keys, 200)
    assert len(keys) >= 25


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_only_admins_change_anything(app: App, role: Role) -> None:
    async with browser(app, role) as visitor:
        page = await visitor.get("/classification/loyalty")
        answers = [
            await visitor.post(path, data={})
            for path in (
                "/classification", "/classification/preview", "/classification/loyalty",
                "/classification/loyalty/preview",
                "/classification/loyalty/shipped", "/classification/loyalty/deletion", "/classification/changes/1/undo",
            )
        ]  # fmt: skip

    assert forms(page.text) == []
    assert {answer.status_code for answer in answers} == {403}


async def test_what_a_change_would_do_is_told_before_it_is_saved(app: App) -> None:
    for times in (3, 8, 12, 30):
        await given_interactions(app, await given_fan(app), times)
    await recomputed(app)

    async with browser(app, Role.ADMIN) as visitor:
        form = {"thresholds-high": "10", "thresholds-mid": "5"}
        part = await visitor.post("/classification/interaction_frequency/preview", data=form, headers=PARTIAL)
        whole = await visitor.post("/classification/interaction_frequency/preview", data=form)

    for answer in (part, whole):
        assert "Interaction frequency 1 fan moves" in seen(answer.text)
        assert "High 1 → 2 Middle 2 → 1 Low 1 → 1" in seen(answer.text)
    assert "<html" not in part.text
    async with app.database.reading() as session:
        assert await session.first(select(DimensionRule)) is None


async def test_a_saved_change_moves_fans_at_once_and_can_be_taken_back(app: App) -> None:
    fan = await given_fan(app)
    await given_interactions(app, fan, 8)
    await recomputed(app)

    async with browser(app, Role.ADMIN) as visitor:
        form = {
            "thresholds-high": "8",
            "thresholds-mid": "5",
            "names-high": "Fans of fans 100 %",
            "invites-high": "Call them",
        }
        saved = await visitor.post("/classification/interaction_frequency", data=form)
        page = await visitor.get(saved.headers["location"])
        moved = await levels(app, "interaction_frequency")
        back = next(action for action in forms(page.text) if action.endswith("/undo"))
        undone = await visitor.post(back)
        again = await visitor.get(undone.headers["location"])

    assert "Saved. 1 level changed." in seen(page.text)
    assert "Fans of fans 100 % interacted at least 8 times in 30 days Call them 1" in seen(page.text)
    assert "Admin changed it" in seen(page.text)
    assert "Interactions in 30 days that make it high: 20 → 8" in seen(page.text)
    assert moved == {fan.id: "high"}
    assert "It is as it was before. 1 level changed." in seen(again.text)
    assert await levels(app, "interaction_frequency") == {fan.id: "mid"}
    async with app.database.reading() as session:
        assert await thresholds.adjusted(session) == frozenset()
        assert len(await segments.changes_of(session, "interaction_frequency")) == 2


async def test_back_to_shipped_takes_all_of_it_back(app: App) -> None:
    await recomputed(app)
    async with app.database.writing() as session:
        await thresholds.change(
            session, ADA, "loyalty", thresholds={"lost_days": 400}, own={"names": {"lost": "Gone"}}, now=app.clock()
        )

    async with browser(app, Role.ADMIN) as visitor:
        before = await visitor.get("/classification/loyalty")
        answer = await visitor.post("/classification/loyalty/shipped")
        after = await visitor.get(answer.headers["location"])

    assert 'action="/classification/loyalty/shipped"' in before.text
    assert 'action="/classification/loyalty/shipped"' not in after.text
    async with app.database.reading() as session:
        assert await segments.thresholds_of(session, "loyalty") == thresholds.shipped("loyalty").shipped()
        assert await segments.own_of(session, "loyalty") == {}


@pytest.mark.parametrize(
    ("key", "form", "mistake"),
    [
        ("loyalty", {"thresholds-lost_days": "90"}, "lost_days must be more than at_risk_days"),
        ("loyalty", {"thresholds-lost_days": "soon"}, "write a whole number"),
        ("industry", {"categories-0-key": "Tea!", "categories-0-label": "Tea"}, "a key starts with a letter"),
        ("industry", {"categories-0-key": "unknown", "categories-0-label": "?"}, "unknown is there already"),
        ("rfm", {"grid-11": "loyal"}, "cell 12 has no level"),
    ],
)
async def test_a_mistake_stands_at_its_field_and_nothing_typed_is_lost(
    app: App, key: str, form: dict[str, str], mistake: str
) -> None:
    async with browser(app, Role.ADMIN) as visitor:
        page = await visitor.get(f"/classification/{key}")
        answer = await visitor.post(
            f"/classification/{key}", data={**_typed(page.text), **form} if key != "rfm" else form
        )

    assert answer.status_code == 422
    assert mistake in seen(answer.text)
    if key != "rfm":
        assert f'value="{next(iter(form.values()))}" aria-describedby' in answer.text
    async with app.database.reading() as session:
        assert await session.first(select(DimensionRule)) is None


async def test_a_cell_of_the_grid_is_called_otherwise(app: App) -> None:
    fan = await given_regular(app)
    await recomputed(app)

    async with browser(app, Role.ADMIN) as visitor:
        form = {f"grid-{r}{f}": "loyal" for r in range(1, 6) for f in range(1, 6)}
        wrong = await visitor.post("/classification/rfm", data={**form, "grid-33": "kings"})
        saved = await visitor.post("/classification/rfm", data=form)
        second = await visitor.get("/classification/rfm?grid=27")

    assert wrong.status_code == 422
    assert 'id="grid-33-about"' in wrong.text
    assert saved.status_code == 303
    assert await levels(app, "rfm") == {fan.id: "loyal"}
    assert second.text.count('<select id="grid-') == 27


async def test_the_matrix_shows_buyers_spend_and_names_for_both_grids(app: App) -> None:
    for days_ago in (1, 20, 40, 60, 80):
        fan = await given_fan(app)
        for n in range(3):
            await given_purchase(app, fan, days_ago=days_ago + n)
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        by_25 = await visitor.get("/classification/rfm/matrix")
        async with app.database.writing() as session:
            cells = thresholds.cells_of(GRID_27)
            await thresholds.change(session, ADA, "rfm", thresholds={}, own={"grid": cells}, now=app.clock())
        await recomputed(app)
        by_27 = await visitor.get("/classification/rfm/matrix")

    assert "5 buyers, who spent ¥582.00 in all" in seen(by_25.text)
    assert "1 20.0% of spend" in seen(by_25.text)
    assert "/segments/rfm.champions" in links(by_25.text)
    assert "M 3 · " in seen(by_27.text)


async def test_a_dimension_of_ones_own_is_made_looked_at_changed_and_deleted(app: App) -> None:
    keen, buyer, calm = [await given_fan(app) for _ in range(3)]
    await given_interactions(app, keen, 8)
    await given_purchase(app, buyer)
    await recomputed(app)

    async with browser(app, Role.ADMIN) as visitor:
        part = await visitor.post("/classification/preview", data=MOOD, headers=PARTIAL)
        made = await visitor.post("/classification", data=MOOD)
        page = await visitor.get(made.headers["location"])
        there = await levels(app, "mood")
        segment = await visitor.get("/segments/mood.calm")
        typed = _typed(page.text) | {"levels-0-segment": "interaction_frequency.low", "levels-1-segment": "json",
                                     "levels-1-rule": MOOD["levels-1-rule"]}  # fmt: skip
        await visitor.post("/classification/mood", data=typed)
        changed = await levels(app, "mood")
        gone = await visitor.post("/classification/mood/deletion")
        after = await visitor.get("/classification/mood")
        undo = next(action for action in forms(after.text) if action.endswith("/undo"))
        back = await visitor.post(undo)

    assert "Keen 0 → 1 Buying 0 → 1 Calm 100 % 0 → 1" in seen(part.text)
    assert made.headers["location"] == "/classification/mood"
    assert there == {keen.id: "keen", buyer.id: "buying", calm.id: "calm"}
    assert "Calm 100 % – 1 33.3%" in seen(page.text)
    assert segment.status_code == 200
    assert changed == {keen.id: "calm", buyer.id: "buying", calm.id: "calm"}
    assert gone.headers["location"] == "/classification"
    assert "This dimension was deleted" in seen(after.text)
    assert back.headers["location"] == "/classification/mood"
    assert await levels(app, "mood") == changed


@pytest.mark.parametrize(
    ("change", "place", "mistake"),
    [
        ({"key": "loyalty"}, "key", "loyalty is taken already"),
        ({"key": "Mood"}, "key", "a key starts with a letter"),
        ({"label": ""}, "label", "a text of at most"),
        ({"levels-1-key": "keen"}, "levels-1-key", "keen is taken already"),
        ({"levels-1-rule": "{"}, "levels-1-rule", "this is not JSON"),
        ({"levels-1-segment": "loyalty.loyal"}, "levels-1-rule", "either a segment or a rule of its own"),
        ({"levels-1-rule": '{"metric": "luck", "op": ">", "value": 1}'}, "levels-1-rule", "there is no metric luck"),
        ({"levels-1-rule": "", "levels-1-segment": ""}, "levels-1-rule", "every level but the last needs a rule"),
        ({"levels-2-segment": "loyalty.loyal"}, "levels-2-rule", "the last level takes everybody else"),
        ({"levels-1-rule": '{"dimension": "mood", "in": ["keen"]}'}, "levels-1-rule", "there is no dimension mood"),
    ],
)
async def test_a_dimension_of_ones_own_is_refused_with_the_place(
    app: App, change: dict[str, str], place: str, mistake: str
) -> None:
    await recomputed(app)

    async with browser(app, Role.ADMIN) as visitor:
        answer = await visitor.post("/classification", data=MOOD | change)

    assert answer.status_code == 422
    assert mistake in seen(answer.text)
    assert f'id="{place}-about"' in answer.text
    async with app.database.reading() as session:
        assert await session.first(select(CustomDimension)) is None


async def test_an_unknown_dimension_and_an_unknown_change_are_not_found(app: App) -> None:
    async with browser(app, Role.ADMIN) as visitor:
        answers = [
            await visitor.get("/classification/luck"), await visitor.post("/classification/luck", data={}),
            await visitor.post("/classification/changes/99/undo"),
        ]  # fmt: skip

    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_words_of_others_are_never_read_as_markup(app: App) -> None:
    await recomputed(app)
    async with app.database.writing() as session:
        hostile = [{"key": "a", "label": "<script>alert(1)</script>", "rule": {"segment": "loyalty.loyal"}},
                   {"key": "b", "label": "%(high)s %s"}]  # fmt: skip
        await custom.create(session, ADA, segments.CustomDraft("odd", "<b>%d</b>", hostile), now=app.clock())
    await recomputed(app)

    async with browser(app, Role.ADMIN) as visitor:
        pages = [await visitor.get(path) for path in ("/classification", "/classification/odd", "/segments")]

    assert [page.status_code for page in pages] == [200, 200, 200]
    assert not [page for page in pages if "<script>alert" in page.text or "<b>%d" in page.text]
    assert "%(high)s %s" in seen(pages[1].text)


def _typed(html: str) -> dict[str, str]:
    """What a browser would send of the text fields."""
    found = re.findall(r'<input id="([^"]+)" name="[^"]+" type="text" value="([^"]*)"', html)
    return dict(found)
