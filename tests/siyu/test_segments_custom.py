"""Dimensions of operators' own: checked, kept, in use or not, audited, and taken back."""

from typing import Any

import pytest
from sqlmodel import select

from siyu import fans, segments
from siyu.app import App
from siyu.audit import Actor
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.segments import CustomDraft, Draft, custom, saved, thresholds
from siyu.segments.shipped import GRID_25
from siyu.tables import AuditEntry, Broadcast, CustomDimension, DimensionRule, FanLevel, LevelChange, LevelSize
from tests.siyu.worlds import START, World

ADA = Actor("operator:1", "Ada")
REST = {"key": "b", "label": "B"}
KEEN: dict[str, Any] = {"metric": "interactions_30d", "op": ">=", "value": 5}


def mood(*levels: dict[str, Any], key: str = "mood", label: str = "Mood") -> CustomDraft:
    standing = ({"key": "keen", "label": "Keen", "rule": KEEN}, {"key": "calm", "label": "Calm"})
    return CustomDraft(key, label, levels or standing)


async def made(app: App, draft: CustomDraft) -> None:
    async with app.database.writing() as session:
        await custom.create(session, ADA, draft, now=START)


async def level_of(app: App, fan: int, dimension: str = "mood") -> str | None:
    async with app.database.reading() as session:
        row = await session.get(FanLevel, (dimension, fan))
    return row.level if row else None


async def test_every_fan_stands_in_the_first_level_that_fits_and_the_last_takes_the_rest(app: App) -> None:
    world = World(app.database)
    keen, calm = await world.admit(), await world.admit()
    await world.interact(keen, at=START, times=6)
    await world.recompute()

    await made(app, mood())
    await world.recompute()

    assert (await level_of(app, keen), await level_of(app, calm)) == ("keen", "calm")
    async with app.database.reading() as session:
        told = await segments.levels_of(session, await fans.get_fan_by_id(session, keen))
    assert told["mood"].why == "interacted 6 times in 30 days (needs 5 or more)"


@pytest.mark.parametrize(
    ("draft", "place"),
    [
        (mood(key="Mood"), ("key",)),
        (mood(label="   "), ("label",)),
        (mood(label="x" * 81), ("label",)),
        (mood({"key": "only", "label": "Only"}), ("levels",)),
        (mood({"key": "a", "label": "A", "rule": KEEN}, {"key": "a", "label": "B"}), ("levels", 1, "key")),
        (mood({"key": "in", "label": "A", "rule": KEEN}, {"key": "out", "label": "B"}), ("levels", 0, "key")),
        (mood({"key": "a", "label": "A"}, REST), ("levels", 0, "rule")),
        (mood({"key": "a", "label": "A", "rule": KEEN}, {**REST, "rule": KEEN}), ("levels", 1, "rule")),
        (mood({"key": "a", "label": 7, "rule": KEEN}, REST), ("levels", 0, "label")),
        (mood({"key": "a", "label": "A", "rule": KEEN, "colour": "red"}, REST), ("levels", 0, "colour")),
        (mood({"key": "a", "label": "A", "rule": KEEN, "good": "sideways"}, REST), ("levels", 0, "good")),
        (
            mood({"key": "a", "label": "A", "rule": {"all": [{"segment": "nope"}]}}, REST),
            ("levels", 0, "rule", "all", 0, "segment"),
        ),
        (
            mood({"key": "a", "label": "A", "rule": {"dimension": "mood", "in": ["b"]}}, REST),
            ("levels", 0, "rule", "dimension"),
        ),
    ],
)  # fmt: skip
async def test_a_dimension_that_would_not_do_is_refused_with_the_place(
    app: App, draft: CustomDraft, place: tuple[str | int, ...]
) -> None:
    with pytest.raises(Invalid) as refusal:
        await made(app, draft)

    assert refusal.value.where == place
    async with app.database.reading() as session:
        assert await session.first(select(CustomDimension)) is None
        assert await session.first(select(AuditEntry)) is None


@pytest.mark.parametrize("key", ["loyalty", "interests", "new", "vips"])
async def test_a_key_that_is_taken_is_refused(app: App, key: str) -> None:
    async with app.database.writing() as session:
        await saved.create(session, ADA, Draft("vips", "VIPs", KEEN), now=START)

    with pytest.raises(Conflict, match="is taken already"):
        await made(app, mood(key=key))


async def test_a_dimension_that_leads_back_to_itself_is_refused_with_the_path(app: App) -> None:
    await made(app, mood())
    async with app.database.writing() as session:
        draft = Draft("keen_ones", "Keen ones", {"dimension": "mood", "in": ["keen"]})
        await saved.create(session, ADA, draft, now=START)

    round_and_round = {"key": "keen", "label": "Keen", "rule": {"segment": "keen_ones"}}
    with pytest.raises(Invalid, match="leads back to itself: mood → keen_ones → mood"):
        async with app.database.writing() as session:
            await custom.change(session, ADA, mood(round_and_round, {"key": "calm", "label": "Calm"}), now=START)


async def test_what_is_needed_stays(app: App) -> None:
    await made(app, mood())
    await made(app, mood({"key": "a", "label": "A", "rule": {"dimension": "mood", "in": ["calm"]}},
                         REST, key="second"))  # fmt: skip
    async with app.database.writing() as session:
        await saved.create(session, ADA, Draft("keen_ones", "Keen ones", {"segment": "mood.keen"}), now=START)
        session.add(Broadcast(title="Hello", include=["mood.calm"], text="Hi", created_by="x", created_at=START))

    with pytest.raises(Conflict) as deleting:
        async with app.database.writing() as session:
            await custom.delete(session, ADA, "mood", now=START)
    with pytest.raises(Conflict) as changing:
        other = {"key": "eager", "label": "Eager", "rule": KEEN}
        async with app.database.writing() as session:
            await custom.change(session, ADA, mood(other, {"key": "calm", "label": "Calm"}), now=START)

    assert "dimension second, segment keen_ones, broadcast Hello" in str(deleting.value)
    assert str(changing.value) == "this is needed by: segment keen_ones"


async def test_what_nobody_needs_goes_with_all_that_was_kept_of_it(app: App) -> None:
    world = World(app.database)
    fan = await world.admit()
    await made(app, mood())
    await world.recompute()
    await world.interact(fan, at=START, times=6)
    await world.recompute()

    async with app.database.writing() as session:
        await custom.delete(session, ADA, "mood", now=START)
    await world.recompute()

    async with app.database.reading() as session:
        for table in (FanLevel, LevelChange, LevelSize):
            assert await session.first(select(table).where(table.dimension == "mood")) is None
        with pytest.raises(NotFound):
            await segments.get_segment(session, "mood.keen")


@pytest.mark.parametrize("verb", ["change", "delete"])
async def test_a_shipped_dimension_is_neither_replaced_nor_deleted(app: App, verb: str) -> None:
    async with app.database.writing() as session:
        with pytest.raises(Conflict, match="loyalty is shipped"):
            if verb == "delete":
                await custom.delete(session, ADA, "loyalty", now=START)
            else:
                await custom.change(session, ADA, mood(key="loyalty"), now=START)


async def test_a_change_is_told_and_taken_back_and_the_taking_back_too(app: App) -> None:
    await made(app, mood())
    eager = {"key": "eager", "label": "Eager", "rule": KEEN, "invites": "Call them"}
    async with app.database.writing() as session:
        await custom.change(session, ADA, mood(eager, {"key": "calm", "label": "Calm"}), now=START)
        (changed, _) = await segments.changes_of(session, "mood")
        await segments.take_back(session, ADA, changed.id, now=START)
        (back, _, _) = await segments.changes_of(session, "mood")
        restored = [level["key"] for level in (await custom.get_custom(session, "mood")).levels]
        await segments.take_back(session, ADA, back.id, now=START)

    rule = '{"metric": "interactions_30d", "op": ">=", "value": 5}'
    assert [(part.name, part.of, part.before, part.after) for part in changed.parts] == [
        ("levels", "keen", f"Keen · {rule}", None), ("levels", "eager", None, f"Eager · Call them · {rule}")
    ]  # fmt: skip
    assert restored == ["keen", "calm"]
    async with app.database.reading() as session:
        assert [level["key"] for level in (await custom.get_custom(session, "mood")).levels] == ["eager", "calm"]
        newest = (await session.all(select(AuditEntry).order_by(AuditEntry.id.desc())))[0]
    assert newest.details["back_before"] == back.id


async def test_making_and_deleting_are_taken_back(app: App) -> None:
    await made(app, mood())
    async with app.database.writing() as session:
        (creation,) = await segments.changes_of(session, "mood")
        await segments.take_back(session, ADA, creation.id, now=START)
        assert await custom.find_custom(session, "mood") is None
        deletion = (await segments.changes_of(session, "mood"))[0]
        await segments.take_back(session, ADA, deletion.id, now=START)
        assert await custom.find_custom(session, "mood") is not None


async def test_the_way_back_of_a_shipped_dimension_restores_all_of_it(app: App) -> None:
    own: dict[str, object] = {"categories": [{"key": "tea", "label": "Tea"}]}
    async with app.database.writing() as session:
        await thresholds.change(session, ADA, "industry", thresholds={}, own=own, now=START)
        named: dict[str, object] = {"categories": [], "names": {"unknown": "Who knows"}}
        await thresholds.change(session, ADA, "industry", thresholds={}, own=named, now=START)
        newest = (await segments.changes_of(session, "industry"))[0]
        await segments.take_back(session, ADA, newest.id, now=START)

        assert await segments.own_of(session, "industry") == own


async def test_a_category_goes_only_when_no_rule_needs_it(app: App) -> None:
    own: dict[str, object] = {"categories": [{"key": "tea", "label": "Tea"}]}
    async with app.database.writing() as session:
        await thresholds.change(session, ADA, "industry", thresholds={}, own=own, now=START)
        await saved.create(session, ADA, Draft("tea", "Tea", {"dimension": "industry", "in": ["tea"]}), now=START)

    with pytest.raises(Conflict, match="needed by: segment tea"):
        async with app.database.writing() as session:
            await thresholds.change(session, ADA, "industry", thresholds={}, own={"categories": []}, now=START)

    async with app.database.reading() as session:
        assert await segments.own_of(session, "industry") == own


@pytest.mark.parametrize(
    ("key", "own", "place"),
    [
        ("rfm", {"grid": {"11": "loyal"}}, ("grid", "12")),
        ("rfm", {"grid": {**thresholds.cells_of(GRID_25), "66": "loyal"}}, ("grid", "66")),
        ("rfm", {"grid": {**thresholds.cells_of(GRID_25), "33": "none"}}, ("grid", "33")),
        ("rfm", {"grid": {**thresholds.cells_of(GRID_25), "33": ["loyal"]}}, ("grid", "33")),
        ("rfm", {"grid": [1, 2]}, ("grid",)),
        ("rfm", {"home": {"country": "CN"}}, ("home",)),
        ("loyalty", {"names": {"luck": "Luck"}}, ("names", "luck")),
        ("loyalty", {"invites": {"loyal": 7}}, ("invites", "loyal")),
        ("loyalty", {"names": ["loyal"]}, ("names",)),
        ("industry", {"categories": [{"key": "tea"}]}, ("categories", 0)),
        ("industry", {"categories": [{"key": "tea", "label": "T"}] * 2}, ("categories", 1, "key")),
        ("industry", {"categories": [{"key": "tea", "label": " "}]}, ("categories", 0, "label")),
        ("geography", {"home": {"planet": "Mars"}}, ("home",)),
        ("geography", {"home": {"country": {}}}, ("home", "country")),
        ("geography", {"home": {"place": "31.23, 121.47", "km": "50"}}, ("home", "region")),
        ("geography", {"home": {"region": "SH", "place": "91, 0", "km": "50"}}, ("home", "place")),
        ("geography", {"home": {"region": "SH", "km": "50"}}, ("home", "place")),
        ("geography", {"home": {"region": "SH", "place": "31.23, 121.47", "km": "0"}}, ("home", "km")),
        ("geography", {"home": {"region": "SH", "place": "31.23, 121.47", "km": "20001"}}, ("home", "km")),
    ],
)
async def test_what_is_not_ones_own_to_change_is_refused_with_the_place(
    app: App, key: str, own: dict[str, object], place: tuple[str | int, ...]
) -> None:
    with pytest.raises(Invalid) as refusal:
        async with app.database.writing() as session:
            await thresholds.change(session, ADA, key, thresholds={}, own=own, now=START)

    assert refusal.value.where == place
    async with app.database.reading() as session:
        assert await session.first(select(DimensionRule)) is None
