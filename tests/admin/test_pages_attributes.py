"""The pages of attributes: defined with a type, listed with what fans have, and filled in on a fan's page."""

import re
from html import unescape

import pytest
from sqlmodel import col, select

from siyu import attributes, audit, fans
from siyu.app import App
from siyu.attributes import Choice, NewAttribute
from siyu.audit import COMMAND_LINE
from siyu.tables import Attribute, AttributeType, Fan, Role
from tests.admin.seen import forms, links, seen
from tests.admin.visitors import browser
from tests.people import given_fan, given_values


async def given_definition(app: App, name: str, type_: AttributeType, label: str = "") -> None:
    choices = (Choice("tea", "Green tea"), Choice("coffee"))
    async with app.database.writing() as session:
        draft = NewAttribute(name, type_.value, label, choices)
        await attributes.define_attribute(session, COMMAND_LINE, draft, now=app.clock())


async def stored(app: App) -> list[tuple[str, str | None, str]]:
    async with app.database.reading() as session:
        found = await session.all(select(Attribute).order_by(col(Attribute.name)))
    return [(attribute.name, attribute.label, attribute.type.value) for attribute in found]


async def values(app: App, fan: Fan) -> dict[str, str]:
    async with app.database.reading() as session:
        return await fans.attributes_of(session, fan.id or 0)


async def test_the_list_tells_types_numbers_and_what_most_have(app: App) -> None:
    await given_definition(app, "drink", AttributeType.CHOICE, "Favourite drink")
    await given_definition(app, "member", AttributeType.FLAG)
    await given_values(app, await given_fan(app), drink="tea", member="1", 城市="杭州")
    await given_values(app, await given_fan(app), drink="tea")

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get("/attributes")

    words = seen(page.text)
    assert "Favourite drink drink one of these Green tea · coffee Green tea × 2 2" in words
    assert "member yes or no yes × 1 1" in words
    assert "城市 any text 杭州 × 1 1" in words
    assert links(page.text) == []


async def test_an_admin_defines_an_attribute_changes_it_and_deletes_the_definition(app: App) -> None:
    async with browser(app, Role.ADMIN) as admin:
        made = {"name": "drink", "label": "Drink", "type": "choice", "choices": "tea | Green tea\r\n\r\ncoffee\r\n"}
        await admin.post("/attributes", data=made)
        form = await admin.get("/attributes/change", params={"name": "drink"})
        async with app.database.reading() as session:
            choices = (await attributes.get_attribute(session, "drink")).choices
        await admin.post("/attributes/change", params={"name": "drink"}, data={"type": "text", "label": "Drinks"})
        changed = await stored(app)
        removed = await admin.post("/attributes/removal", data={"name": "drink"})
        page = await admin.get(removed.headers["location"])

    assert choices == [{"value": "tea", "label": "Green tea"}, {"value": "coffee", "label": "coffee"}]
    assert "tea | Green tea\ncoffee</textarea>" in form.text
    assert changed == [("drink", "Drinks", "text")]
    assert "The definition is gone; what fans have is not." in seen(page.text)
    assert await stored(app) == []


async def test_what_a_file_brought_is_defined_from_the_list(app: App) -> None:
    await given_values(app, await given_fan(app), **{"鞋码 & co": "42"})

    async with browser(app, Role.ADMIN) as admin:
        page = await admin.get("/attributes")
        form = await admin.get(next(href for href in links(page.text) if "name=" in href))
        await admin.post("/attributes", data={"name": "鞋码 & co", "type": "number"})

    assert 'value="鞋码 &amp; co"' in form.text
    assert await stored(app) == [("鞋码 & co", None, "number")]


WRONG = [
    ({"name": "Tea Time"}, "a name takes a letter and up to 39 of a-z 0-9 _"),
    ({"name": "phone"}, "“phone” is a column of its own"),
    ({"name": "age"}, "“age” is defined already"),
    ({"name": "x", "type": "colour"}, "choose one of these"),
    ({"name": "x", "type": "choice"}, "takes 1 to 100 choices, one a line"),
    ({"name": "x", "type": "choice", "choices": "tea\nTEA"}, "“tea” stands there twice"),
    ({"name": "shoe", "type": "number"}, "fans whose value does not fit: 1, such as “large”"),
]


@pytest.mark.parametrize(("form", "told"), WRONG)
async def test_a_wrong_definition_comes_back_with_what_was_typed(app: App, form: dict[str, str], told: str) -> None:
    await given_definition(app, "age", AttributeType.NUMBER)
    await given_values(app, await given_fan(app), shoe="large")

    async with browser(app, Role.ADMIN) as admin:
        answer = await admin.post("/attributes", data={"label": "kept", **form})

    assert answer.status_code == 422
    assert seen(answer.text).count(told) == 2  # above the form and at the field
    assert 'value="kept"' in answer.text
    assert await stored(app) == [("age", None, "number")]


async def test_a_change_that_values_do_not_fit_is_refused_with_examples(app: App) -> None:
    await given_definition(app, "size", AttributeType.TEXT)
    for size in ("large", "small", "large"):
        await given_values(app, await given_fan(app), size=size)

    async with browser(app, Role.ADMIN) as admin:
        answer = await admin.post("/attributes/change", params={"name": "size"}, data={"type": "number"})

    assert answer.status_code == 422
    assert "fans whose value does not fit: 3, such as “large”, “small”" in seen(answer.text)
    assert await stored(app) == [("size", None, "text")]


async def test_only_admins_define_and_viewers_change_no_value(app: App) -> None:
    await given_definition(app, "age", AttributeType.NUMBER)
    fan = await given_fan(app)
    posts = {
        "/attributes": {"name": "x", "type": "text"},
        "/attributes/change?name=age": {"type": "text"},
        "/attributes/removal": {"name": "age"},
    }

    async with browser(app, Role.OPERATOR) as operator, browser(app, Role.VIEWER) as viewer:
        refused = [(await operator.post(path, data=data)).status_code for path, data in posts.items()]
        looked = await viewer.get(f"/fans/{fan.telegram_id}")
        filled = {"name-0": "age", "was-0": "", "value-0": "30"}
        refused.append((await viewer.post(f"/fans/{fan.telegram_id}/attributes", data=filled)).status_code)

    assert refused == [403] * 4
    assert forms(looked.text) == []
    assert await stored(app) == [("age", None, "number")]
    assert await values(app, fan) == {}


# ---- the values of a fan ---------------------------------------------------------------------------------------------


async def test_each_attribute_is_filled_in_in_the_form_of_its_type(app: App) -> None:
    for type_ in AttributeType:
        await given_definition(app, type_.value, type_, f"My {type_.value}")
    fan = await given_fan(app)
    await given_values(app, fan, shoe="42", flag="yes")

    async with browser(app, Role.OPERATOR) as operator:
        form = await operator.get(f"/fans/{fan.telegram_id}/attributes")
        told = dict(
            zip(("choice", "date", "flag", "number", "text"), ("tea", "2026-03-04", "no", "3.50", "a "), strict=True)
        )
        answer = await operator.post(f"/fans/{fan.telegram_id}/attributes", data=_filled(form.text, told))
        page = await operator.get(answer.headers["location"])

    assert 'type="date"' in form.text
    assert 'inputmode="decimal"' in form.text
    assert '<option value="yes" selected' in form.text
    assert '<option value="tea" >Green tea' in form.text
    kept = {"choice": "tea", "date": "2026-03-04", "flag": "no", "number": "3.5", "shoe": "42", "text": "a"}
    assert await values(app, fan) == kept
    assert "My choice Green tea My date 2026-03-04 My flag no My number 3.5 shoe 42 My text a" in seen(page.text)


async def test_a_value_is_cleared_with_a_line_in_the_audit_and_the_rest_stays(app: App) -> None:
    await given_definition(app, "age", AttributeType.NUMBER)
    fan = await given_fan(app)
    await given_values(app, fan, age="30", city="杭州")

    async with browser(app, Role.OPERATOR) as operator:
        form = await operator.get(f"/fans/{fan.telegram_id}/attributes")
        await operator.post(f"/fans/{fan.telegram_id}/attributes", data=_filled(form.text, {"age": " "}))

    assert await values(app, fan) == {"city": "杭州"}
    async with app.database.reading() as session:
        [newest, *_] = (await audit.entries(session, subject=("fan", str(fan.telegram_id)))).items
    assert (newest.actor_name, newest.action) == ("Operator", "fan.attribute_changed")
    assert newest.details == {"attribute": "age", "old": "30", "new": None}


async def test_values_that_do_not_fit_come_back_at_their_fields_and_nothing_is_written(app: App) -> None:
    await given_definition(app, "age", AttributeType.NUMBER)
    await given_definition(app, "member", AttributeType.FLAG)
    fan = await given_fan(app)
    await given_values(app, fan, city="杭州")

    async with browser(app, Role.OPERATOR) as operator:
        form = await operator.get(f"/fans/{fan.telegram_id}/attributes")
        told = {"age": "thirty", "member": "perhaps", "city": "上海"}
        answer = await operator.post(f"/fans/{fan.telegram_id}/attributes", data=_filled(form.text, told))

    assert answer.status_code == 422
    assert seen(answer.text).count("“thirty” is not a number such as 12 or 3.5") == 2
    assert seen(answer.text).count("“perhaps” is neither yes nor no") == 2
    assert 'value="thirty"' in answer.text
    assert await values(app, fan) == {"city": "杭州"}


async def test_a_form_left_open_does_not_undo_what_somebody_else_wrote_meanwhile(app: App) -> None:
    fan = await given_fan(app)
    await given_values(app, fan, city="杭州", shoe="42")

    async with browser(app, Role.OPERATOR) as operator:
        form = await operator.get(f"/fans/{fan.telegram_id}/attributes")
        await given_values(app, fan, shoe="43")
        await operator.post(f"/fans/{fan.telegram_id}/attributes", data=_filled(form.text, {"city": "上海"}))

    assert await values(app, fan) == {"city": "上海", "shoe": "43"}


async def test_a_name_that_is_no_attribute_is_not_written(app: App) -> None:
    fan = await given_fan(app)

    async with browser(app, Role.OPERATOR) as operator:
        data = {"name-0": "forged", "was-0": "", "value-0": "x"}
        answer = await operator.post(f"/fans/{fan.telegram_id}/attributes", data=data)
        page = await operator.get(f"/fans/{fan.telegram_id}/attributes")

    assert answer.status_code == 303
    assert await values(app, fan) == {}
    assert "No attributes yet" in seen(page.text)


def _filled(html: str, told: dict[str, str]) -> dict[str, str]:
    """What a browser sends of this form with some fields written anew."""
    names = _hidden(html, "name")
    was = _hidden(html, "was")
    data: dict[str, str] = {}
    for place, name in names.items():
        data |= {f"name-{place}": name, f"was-{place}": was[place], f"value-{place}": told.get(name, was[place])}
    return data


def _hidden(html: str, part: str) -> dict[str, str]:
    found = re.findall(rf'<input type="hidden" name="{part}-(\d+)" value="([^"]*)">', html)
    return {place: unescape(value) for place, value in found}
