"""Attributes: a defined one takes only values that fit, wherever they come from, and is never defined past them."""

import asyncio

import pytest
from sqlalchemy import delete
from sqlmodel import select

from siyu import attributes, audit, fans
from siyu.app import App
from siyu.attributes import Choice, NewAttribute
from siyu.audit import COMMAND_LINE
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.tables import Attribute, AttributeType, AuditEntry, DirtyDay, Fan, FanAttribute
from siyu.transfer.importing import OPTIONAL, REQUIRED, Kind
from tests.people import given_fan, given_values

DRINKS = (Choice("tea", "Green Tea"), Choice("coffee"))


async def define(app: App, name: str, type_: str = "text", **fields: object) -> None:
    async with app.database.writing() as session:
        draft = NewAttribute(name, type_, **fields)  # type: ignore[arg-type]  # fields of NewAttribute
        await attributes.define_attribute(session, COMMAND_LINE, draft, now=app.clock())


async def change(app: App, name: str, type_: str, **fields: object) -> None:
    async with app.database.writing() as session:
        draft = NewAttribute(name, type_, **fields)  # type: ignore[arg-type]  # fields of NewAttribute
        await attributes.change_attribute(session, COMMAND_LINE, draft, now=app.clock())


async def values(app: App, fan: Fan) -> dict[str, str]:
    async with app.database.reading() as session:
        return await fans.attributes_of(session, fan.id or 0)


async def marked(app: App) -> set[int]:
    """Who will be looked at again; asked once, forgotten."""
    async with app.database.writing() as session:
        found = set(await session.all(select(DirtyDay.fan_id)))
        await session.run(delete(DirtyDay))
    return found


# ---- values ----------------------------------------------------------------------------------------------------------

FITTING = [
    ("number", " 12 ", "12"),
    ("number", "+3.50", "3.5"),
    ("number", "-0.0", "0"),
    ("number", "1e3", "1000"),
    ("number", "007", "7"),
    ("number", ".5", "0.5"),
    ("number", "1e-07", "0.0000001"),
    ("date", "2026-03-04", "2026-03-04"),
    ("date", "2026/3/4", "2026-03-04"),
    ("flag", "YES", "yes"),
    ("flag", "1", "yes"),
    ("flag", "否", "no"),
    ("flag", "False", "no"),
    ("choice", "TEA", "tea"),
    ("choice", "green tea", "tea"),
    ("choice", "coffee", "coffee"),
    ("text", "  two words ", "two words"),
]


@pytest.mark.parametrize(("type_", "written", "kept"), FITTING)
async def test_a_value_is_kept_in_one_way_however_it_was_written(app: App, type_: str, written: str, kept: str) -> None:
    await define(app, "a", type_, choices=DRINKS)
    fan = await given_fan(app)

    await given_values(app, fan, a=written)

    assert await values(app, fan) == {"a": kept}


MISFITTING = [
    ("number", "twelve"),
    ("number", "1,5"),
    ("number", "1 000"),
    ("number", "１２"),
    ("number", "nan"),
    ("number", "1e99"),
    ("number", "0.0000000001"),
    ("date", "2026-02-30"),
    ("date", "04.03.2026"),
    ("date", "20260304"),
    ("date", "1026-03-04"),
    ("flag", "perhaps"),
    ("choice", "wine"),
    ("text", "x" * 4097),
    ("text", "a\0b"),
]


@pytest.mark.parametrize(("type_", "written"), MISFITTING)
async def test_a_value_that_does_not_fit_is_refused_with_its_name_and_nothing_changes(
    app: App, type_: str, written: str
) -> None:
    await define(app, "a", type_, choices=DRINKS)
    fan = await given_fan(app)
    await given_values(app, fan, shoe="42")

    with pytest.raises(Invalid) as refused:
        await given_values(app, fan, shoe="43", a=written)

    assert refused.value.where == ("a",)
    assert await values(app, fan) == {"shoe": "42"}


async def test_a_value_is_changed_and_cleared_with_a_line_in_the_audit(app: App) -> None:
    await define(app, "age", "number")
    fan = await given_fan(app)
    await given_values(app, fan, age="30", 城市="杭州")

    await given_values(app, fan, age="31.0", 城市=" ", nothing="")
    await given_values(app, fan, age="31")

    assert await values(app, fan) == {"age": "31"}
    async with app.database.reading() as session:
        lines = (await audit.entries(session, subject=("fan", str(fan.telegram_id)))).items
    assert [line.action for line in lines] == ["fan.attribute_changed"] * 4
    assert [line.details for line in lines[:2]] == [
        {"attribute": "城市", "old": "杭州", "new": None},
        {"attribute": "age", "old": "30", "new": "31"},
    ]


async def test_every_change_of_a_value_is_looked_at_again(app: App) -> None:
    fan, other = await given_fan(app), await given_fan(app)
    await given_values(app, other, age="1")
    await marked(app)

    seen = []
    for value in ("30", "30", "", ""):
        await given_values(app, fan, age=value)
        seen.append(await marked(app))

    assert seen == [{fan.id}, set(), {fan.id}, set()]


# ---- definitions -----------------------------------------------------------------------------------------------------


async def test_what_fans_have_already_is_kept_as_the_new_definition_says(app: App) -> None:
    fan, other = await given_fan(app), await given_fan(app)
    await given_values(app, fan, drink="GREEN TEA", age="30.0")
    await given_values(app, other, drink="coffee")
    await marked(app)

    await define(app, "drink", "choice", choices=DRINKS)

    assert (await values(app, fan), await values(app, other)) == ({"age": "30.0", "drink": "tea"}, {"drink": "coffee"})
    assert await marked(app) == {fan.id, other.id}


async def test_a_definition_that_values_do_not_fit_is_refused_with_their_number_and_three_examples(app: App) -> None:
    for value in ("thirty", "thirty", "thirty", "old", "old", "young", "about 30", "30.0"):
        await given_values(app, await given_fan(app), age=value)

    with pytest.raises(Invalid, match=r"7, such as “thirty”, “old”, “about 30”$") as refused:
        await define(app, "age", "number")

    assert refused.value.where == ("type",)
    async with app.database.reading() as session:
        assert await session.all(select(Attribute)) == []
        assert "30.0" in await session.all(select(FanAttribute.value))


async def test_a_choice_that_a_fan_has_is_not_taken_away(app: App) -> None:
    await define(app, "drink", "choice", choices=DRINKS)
    fan = await given_fan(app)
    await given_values(app, fan, drink="tea")

    with pytest.raises(Invalid, match="“tea”") as refused:
        await change(app, "drink", "choice", choices=(Choice("coffee"), Choice("water")))
    await change(app, "drink", "choice", choices=(Choice("tea", "Tea"), Choice("water")))

    assert refused.value.where == ("choices",)
    async with app.database.reading() as session:
        found = await attributes.get_attribute(session, "drink")
    assert found.choices == [{"value": "tea", "label": "Tea"}, {"value": "water", "label": "water"}]
    assert await values(app, fan) == {"drink": "tea"}


async def test_a_new_label_alone_is_nothing_for_segments_to_look_at(app: App) -> None:
    await define(app, "age", "number")
    fan = await given_fan(app)
    await given_values(app, fan, age="30")
    await marked(app)

    await change(app, "age", "number", label="Age")
    relabelled = await marked(app)
    await change(app, "age", "text", label="Age")

    assert (relabelled, await marked(app)) == (set(), {fan.id})


WRONG = [
    (NewAttribute("", "text"), "name"),
    (NewAttribute("Age", "text"), "name"),
    (NewAttribute("9lives", "text"), "name"),
    (NewAttribute("a" * 41, "text"), "name"),
    (NewAttribute("tags", "text"), "name"),
    (NewAttribute("age", "integer"), "type"),
    (NewAttribute("age", "text", label="x" * 61), "label"),
    (NewAttribute("drink", "choice"), "choices"),
    (NewAttribute("drink", "choice", choices=(Choice("tea"), Choice("Tea"))), "choices"),
    (NewAttribute("drink", "choice", choices=(Choice("tea"), Choice("chai", "TEA"))), "choices"),
    (NewAttribute("drink", "choice", choices=(Choice("", "Tea"),)), "choices"),
    (NewAttribute("drink", "choice", choices=tuple(Choice(str(n)) for n in range(101))), "choices"),
]


@pytest.mark.parametrize(("draft", "place"), WRONG)
async def test_a_wrong_definition_is_refused_at_its_place_and_nothing_is_written(
    app: App, draft: NewAttribute, place: str
) -> None:
    with pytest.raises(Invalid) as refused:
        async with app.database.writing() as session:
            await attributes.define_attribute(session, COMMAND_LINE, draft, now=app.clock())

    assert refused.value.where == (place,)
    async with app.database.reading() as session:
        assert await session.all(select(Attribute)) == []
        assert await session.all(select(AuditEntry)) == []


async def test_a_column_of_any_name_that_came_with_a_file_can_be_defined(app: App) -> None:
    fan = await given_fan(app)
    await given_values(app, fan, **{"鞋码 (EU)": "42.0"})

    await define(app, "鞋码 (EU)", "number", label="Shoe size")

    assert await values(app, fan) == {"鞋码 (EU)": "42"}


async def test_an_attribute_is_defined_once_and_what_is_not_there_is_not_changed(app: App) -> None:
    await define(app, "age", "number")

    with pytest.raises(Conflict):
        await define(app, "age", "text")
    with pytest.raises(NotFound):
        await change(app, "height", "number")


async def test_without_its_definition_an_attribute_keeps_its_values_and_takes_any_text(app: App) -> None:
    await define(app, "age", "number")
    fan = await given_fan(app)
    await given_values(app, fan, age="30")
    await marked(app)

    async with app.database.writing() as session:
        await attributes.undefine_attribute(session, COMMAND_LINE, "age", now=app.clock())
    looked_at = await marked(app)
    kept = await values(app, fan)
    await given_values(app, fan, age="thirty")

    assert (looked_at, kept, await values(app, fan)) == ({fan.id}, {"age": "30"}, {"age": "thirty"})


async def test_the_list_tells_types_how_many_have_it_and_what_most_have(app: App) -> None:
    await define(app, "drink", "choice", choices=DRINKS)
    for drink in ("tea", "coffee", "tea"):
        await given_values(app, await given_fan(app), drink=drink)
    for city in ("杭州", "上海", "北京", "杭州", "广州"):
        await given_values(app, await given_fan(app), city=city)

    async with app.database.reading() as session:
        drink, city = await attributes.known_attributes(session)

    assert drink.definition
    assert (drink.name, drink.definition.type, drink.fans) == ("drink", AttributeType.CHOICE, 3)
    assert drink.frequent == [("tea", 2), ("coffee", 1)]
    assert (city.name, city.definition, city.fans, len(city.frequent)) == ("city", None, 5, 3)
    assert city.frequent[0] == ("杭州", 2)


def test_every_column_of_a_file_of_fans_is_a_name_that_no_attribute_takes() -> None:
    columns = {*REQUIRED[Kind.FANS], *OPTIONAL[Kind.FANS]}

    assert columns | {"attributes"} == attributes.TAKEN


async def test_a_definition_waits_for_whoever_is_writing_by_the_old_one(app: App) -> None:
    await define(app, "age", "number")
    fan = await given_fan(app)
    checked = asyncio.Event()

    async def write() -> None:
        async with app.database.writing() as session:
            fitted = attributes.fit(await attributes.binding(session), {"age": "30"})
            checked.set()
            await asyncio.sleep(0.3)
            await attributes.keep(session, [(fan, fitted)], now=app.clock())

    async def redefine() -> None:
        await checked.wait()
        await change(app, "age", "flag")

    wrote, redefined = await asyncio.gather(write(), redefine(), return_exceptions=True)

    assert wrote is None
    assert isinstance(redefined, Invalid)
    assert await values(app, fan) == {"age": "30"}
