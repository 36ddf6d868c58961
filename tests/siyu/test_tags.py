"""Tags: the same rules on the fan's page, in files and for programs; renamed and merged with everybody who has them."""

import asyncio

import pytest
from sqlalchemy import delete
from sqlmodel import col, select

from siyu import audit, tags
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.tables import AuditEntry, Colour, DirtyDay, Fan, FanTag, Tag, TagGroup
from siyu.tags import NewTag
from tests.people import given_fan, given_tags


async def given_group(app: App, *words: str, name: str = "Grade", exclusive: bool = True) -> TagGroup:
    """A group with these tags in it."""
    async with app.database.writing() as session:
        group = await tags.create_group(session, COMMAND_LINE, name, exclusive=exclusive, now=app.clock())
        for word in words:
            draft = NewTag(word, group_id=group.id)
            await tags.create_tag(session, COMMAND_LINE, draft, now=app.clock())
    return group


async def hung(app: App, fan: Fan) -> list[str]:
    async with app.database.reading() as session:
        return [tag.word for tag in await tags.tags_of(session, fan.id or 0)]


async def audited(app: App, subject: tuple[str, str]) -> list[tuple[str, dict[str, object]]]:
    async with app.database.reading() as session:
        lines = await audit.entries(session, subject=subject)
    return [(line.action, line.details) for line in lines.items]


async def forget_marks(app: App) -> None:
    """As if everything had been computed."""
    async with app.database.writing() as session:
        await session.run(delete(DirtyDay))


async def marked(app: App) -> set[int]:
    async with app.database.reading() as session:
        return set(await session.all(select(DirtyDay.fan_id)))


# ---- what fans have --------------------------------------------------------------------------------------------------


async def test_a_word_that_nobody_used_before_becomes_a_tag(app: App) -> None:
    fan = await given_fan(app)

    await given_tags(app, fan, " 茶会 ", "VIP", "VIP")

    async with app.database.reading() as session:
        found = await session.all(select(Tag).order_by(col(Tag.word)))
    assert [(tag.word, tag.colour, tag.group_id, tag.rule, tag.created_by) for tag in found] == [
        ("VIP", Colour.GREY, None, None, "cli"),
        ("茶会", Colour.GREY, None, None, "cli"),
    ]
    assert await hung(app, fan) == ["VIP", "茶会"]


@pytest.mark.parametrize("word", ["", "  ", "a;b", "x" * 41, "a\nb", "a\0b"])
async def test_what_cannot_be_a_tag_is_refused_and_nothing_is_written(app: App, word: str) -> None:
    fan = await given_fan(app)

    with pytest.raises(Invalid) as refused:
        await given_tags(app, fan, word)

    assert refused.value.where == ("tag",)
    async with app.database.reading() as session:
        assert await session.all(select(Tag)) == []


async def test_a_tag_of_an_exclusive_group_takes_the_fan_s_other_one_off(app: App) -> None:
    await given_group(app, "gold", "silver")
    await given_group(app, "red", "blue", name="Colour", exclusive=False)
    fan = await given_fan(app)

    await given_tags(app, fan, "gold", "red", "blue", "alone", "silver")

    assert await hung(app, fan) == ["alone", "blue", "red", "silver"]
    assert (await audited(app, ("fan", str(fan.telegram_id))))[:2] == [
        ("fan.tagged", {"tag": "silver"}),
        ("fan.untagged", {"tag": "gold", "instead": "silver"}),
    ]


async def test_of_two_in_one_batch_the_last_named_wins(app: App) -> None:
    await given_group(app, "gold", "silver", "bronze")
    mei, lin = await given_fan(app), await given_fan(app)
    await given_tags(app, lin, "bronze")

    async with app.database.writing() as session:
        wanted = [(mei, ["silver", "early", "gold"]), (lin, ["gold", "silver"])]
        changed = await tags.hang(session, COMMAND_LINE, wanted, now=app.clock())
        again = await tags.hang(session, COMMAND_LINE, wanted, now=app.clock())

    assert await hung(app, mei) == ["early", "gold"]
    assert await hung(app, lin) == ["silver"]
    assert (changed, again) == ({mei.id, lin.id}, frozenset())


async def test_two_who_grade_one_fan_at_the_same_time_leave_one_grade(app: App) -> None:
    grades = [f"grade {number}" for number in range(6)]
    await given_group(app, *grades)
    fan = await given_fan(app)

    await asyncio.gather(*(given_tags(app, fan, word) for word in grades))

    assert len(await hung(app, fan)) == 1


async def test_every_change_of_a_fan_s_tags_is_looked_at_again(app: App) -> None:
    fan, other = await given_fan(app), await given_fan(app)
    await given_tags(app, other, "other")
    seen = []

    async def after(verb: str, *words: str) -> None:
        await forget_marks(app)
        async with app.database.writing() as session:
            subject = [fan] if verb in ("tag", "untag") else []
            await getattr(tags, verb)(session, COMMAND_LINE, *subject, *words, now=app.clock())
        seen.append((verb, await marked(app)))

    await after("tag", "a")
    await after("tag", "a")
    await after("rename_tag", "a", "b")
    await given_tags(app, fan, "c")
    await after("merge_tags", "b", "c")
    await after("untag", "nothing")
    await after("untag", "c")
    await given_tags(app, fan, "d")
    await after("delete_tag", "d")

    who = {fan.id}
    assert seen == [
        ("tag", who), ("tag", set()), ("rename_tag", who), ("merge_tags", who), ("untag", set()), ("untag", who),
        ("delete_tag", who),
    ]  # fmt: skip
    async with app.database.reading() as session:
        assert {row.due for row in await session.all(select(DirtyDay))} == {app.clock()}


# ---- the tags themselves ---------------------------------------------------------------------------------------------


async def test_a_tag_is_made_with_a_label_a_colour_and_a_group(app: App) -> None:
    group = await given_group(app)

    async with app.database.writing() as session:
        draft = NewTag(" vip ", " Very important ", "violet", group.id)
        await tags.create_tag(session, COMMAND_LINE, draft, now=app.clock())

    async with app.database.reading() as session:
        found = await tags.get_tag(session, "vip")
    assert (found.label, found.colour, found.group_id) == ("Very important", Colour.VIOLET, group.id)
    assert found.created_at == app.clock()
    [(action, details)] = await audited(app, ("tag", "vip"))
    assert (action, details["colour"]) == ("tag.created", "violet")


WRONG = [
    (NewTag(""), "word"),
    (NewTag("x" * 41), "word"),
    (NewTag("a;b"), "word"),
    (NewTag("vip", colour="#ff0000"), "colour"),
    (NewTag("vip", label="x" * 61), "label"),
    (NewTag("vip", group_id=99), "group_id"),
]


@pytest.mark.parametrize(("draft", "place"), WRONG)
async def test_a_wrong_tag_is_refused_at_its_place_and_nothing_is_written(app: App, draft: NewTag, place: str) -> None:
    with pytest.raises(Invalid) as refused:
        async with app.database.writing() as session:
            await tags.create_tag(session, COMMAND_LINE, draft, now=app.clock())

    assert refused.value.where == (place,)
    async with app.database.reading() as session:
        assert await session.all(select(Tag)) == []
        assert await session.all(select(AuditEntry)) == []


async def test_a_word_is_taken_once(app: App) -> None:
    await given_group(app, "vip")

    with pytest.raises(Conflict, match="vip"):
        async with app.database.writing() as session:
            await tags.create_tag(session, COMMAND_LINE, NewTag("vip"), now=app.clock())


async def test_a_renamed_tag_keeps_its_fans_its_looks_and_its_rule(app: App) -> None:
    group = await given_group(app, "vip")
    fan = await given_fan(app)
    await given_tags(app, fan, "vip")
    async with app.database.writing() as session:
        tag = await tags.change_tag(session, COMMAND_LINE, NewTag("vip", "VIP", "red", group.id), now=app.clock())
        tag.rule = {"all": [{"tag": "early"}]}

    async with app.database.writing() as session:
        await tags.rename_tag(session, COMMAND_LINE, "vip", " best ", now=app.clock())

    async with app.database.reading() as session:
        [found] = await session.all(select(Tag))
    assert (found.word, found.label, found.colour, found.group_id) == ("best", "VIP", Colour.RED, group.id)
    assert found.rule == {"all": [{"tag": "early"}]}
    assert await hung(app, fan) == ["best"]
    assert (await audited(app, ("tag", "best")))[0] == ("tag.renamed", {"old": "vip", "new": "best"})


async def test_a_rename_onto_a_word_that_is_there_is_refused_and_changes_nothing(app: App) -> None:
    fan, other = await given_fan(app), await given_fan(app)
    await given_tags(app, fan, "vip")
    await given_tags(app, other, "best")

    with pytest.raises(Conflict, match="merge"):
        async with app.database.writing() as session:
            await tags.rename_tag(session, COMMAND_LINE, "vip", "best", now=app.clock())

    assert (await hung(app, fan), await hung(app, other)) == (["vip"], ["best"])


async def test_two_merged_tags_are_one_that_each_fan_has_once(app: App) -> None:
    one, both, none = [await given_fan(app) for _ in range(3)]
    await given_tags(app, one, "vip")
    await given_tags(app, both, "vip", "best")
    await given_tags(app, none, "other")

    async with app.database.writing() as session:
        number = await tags.merge_tags(session, COMMAND_LINE, "vip", "best", now=app.clock())

    assert number == 2
    assert [await hung(app, fan) for fan in (one, both, none)] == [["best"], ["best"], ["other"]]
    async with app.database.reading() as session:
        assert await tags.find_tag(session, "vip") is None
        assert await session.all(select(FanTag).where(FanTag.tag == "vip")) == []


async def test_a_merge_into_an_exclusive_group_leaves_each_fan_one_of_it(app: App) -> None:
    await given_group(app, "gold", "silver")
    fan, untouched = await given_fan(app), await given_fan(app)
    await given_tags(app, fan, "vip", "silver")
    await given_tags(app, untouched, "silver")

    async with app.database.writing() as session:
        await tags.merge_tags(session, COMMAND_LINE, "vip", "gold", now=app.clock())

    assert (await hung(app, fan), await hung(app, untouched)) == (["gold"], ["silver"])
    [(_, details), *_] = await audited(app, ("tag", "gold"))
    assert (details["fans"], details["came_off"]) == (1, 1)


@pytest.mark.parametrize("into", ["vip", "nosuch", ""])
async def test_a_tag_is_merged_only_into_another_one(app: App, into: str) -> None:
    fan = await given_fan(app)
    await given_tags(app, fan, "vip")

    with pytest.raises(Invalid) as refused:
        async with app.database.writing() as session:
            await tags.merge_tags(session, COMMAND_LINE, "vip", into, now=app.clock())

    assert refused.value.where == ("into",)
    assert await hung(app, fan) == ["vip"]


async def test_a_deleted_tag_comes_off_everybody(app: App) -> None:
    fans_with = [await given_fan(app) for _ in range(3)]
    for fan in fans_with:
        await given_tags(app, fan, "vip", "stays")

    async with app.database.writing() as session:
        number = await tags.delete_tag(session, COMMAND_LINE, "vip", now=app.clock())
        with pytest.raises(NotFound):
            await tags.delete_tag(session, COMMAND_LINE, "vip", now=app.clock())

    assert number == 3
    assert [await hung(app, fan) for fan in fans_with] == [["stays"]] * 3


async def test_the_list_is_by_group_with_how_many_fans_have_each(app: App) -> None:
    await given_group(app, "silver", "Gold", name="Grade")
    await given_group(app, name="Empty")
    fan, other = await given_fan(app), await given_fan(app)
    await given_tags(app, fan, "silver", "alone")
    await given_tags(app, other, "silver")

    async with app.database.reading() as session:
        shelves = await tags.list_tags(session)
        words = await tags.words_like(session)

    told = [(s.group.name if s.group else None, [(tag.word, number) for tag, number in s.tags]) for s in shelves]
    assert told == [("Empty", []), ("Grade", [("Gold", 0), ("silver", 2)]), (None, [("alone", 1)])]
    assert words == ["silver", "alone", "Gold"]


# ---- groups ----------------------------------------------------------------------------------------------------------


async def test_a_group_whose_tags_fans_have_two_of_does_not_become_exclusive(app: App) -> None:
    group = await given_group(app, "gold", "silver", exclusive=False)
    for name in ("Mei", "Lin", "Ann", "Bo"):
        await given_tags(app, await given_fan(app, name=name), "gold", "silver")

    with pytest.raises(Invalid, match=r"4, such as Mei, Lin, Ann$") as refused:
        async with app.database.writing() as session:
            await tags.change_group(session, COMMAND_LINE, group.id or 0, "Grades", exclusive=True, now=app.clock())

    assert refused.value.where == ("exclusive",)
    async with app.database.reading() as session:
        found = await tags.get_group(session, group.id or 0)
    assert (found.name, found.exclusive) == ("Grade", False)


async def test_a_tag_does_not_join_an_exclusive_group_that_its_fans_have_a_tag_of(app: App) -> None:
    group = await given_group(app, "gold")
    await given_tags(app, await given_fan(app, name="Mei"), "gold", "silver")

    with pytest.raises(Invalid, match="1, such as Mei") as refused:
        async with app.database.writing() as session:
            await tags.change_tag(session, COMMAND_LINE, NewTag("silver", group_id=group.id), now=app.clock())

    assert refused.value.where == ("group_id",)
    async with app.database.reading() as session:
        assert (await tags.get_tag(session, "silver")).group_id is None


async def test_the_tags_of_a_deleted_group_stay_without_one(app: App) -> None:
    group = await given_group(app, "gold")

    async with app.database.writing() as session:
        await tags.delete_group(session, COMMAND_LINE, group.id or 0, now=app.clock())

    async with app.database.reading() as session:
        assert [(tag.word, tag.group_id) for tag in await session.all(select(Tag))] == [("gold", None)]
        assert await tags.list_groups(session) == []


@pytest.mark.parametrize(("name", "error"), [("", Invalid), ("x" * 41, Invalid), (" Grade ", Conflict)])
async def test_a_group_has_a_name_of_its_own(app: App, name: str, error: type[Exception]) -> None:
    await given_group(app)

    with pytest.raises(error):
        async with app.database.writing() as session:
            await tags.create_group(session, COMMAND_LINE, name, now=app.clock())

    async with app.database.reading() as session:
        assert [group.name for group in await tags.list_groups(session)] == ["Grade"]
