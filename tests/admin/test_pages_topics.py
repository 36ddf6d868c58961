"""The page of topics: made, renamed, archived, offered again, and how many fans took each off."""

import pytest
from sqlmodel import col, select

from siyu import topics
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.tables import Role, Topic
from tests.admin.seen import forms, seen
from tests.admin.visitors import browser
from tests.people import given_fan


async def given_topic(app: App, key: str = "tea", label: str = "Tea", *, declined: int = 0) -> None:
    async with app.database.writing() as session:
        await topics.create_topic(session, COMMAND_LINE, key, label, now=app.clock())
    for _ in range(declined):
        fan = await given_fan(app)
        async with app.database.writing() as session:
            await topics.decline(session, fan, key, now=app.clock())


async def stored(app: App) -> list[tuple[str, str, bool]]:
    async with app.database.reading() as session:
        found = await session.all(select(Topic).order_by(col(Topic.key)))
    return [(topic.key, topic.label, topic.archived_at is not None) for topic in found]


async def test_a_topic_is_made_renamed_archived_and_offered_again(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        empty = await operator.get("/topics")
        await operator.post("/topics", data={"key": "tea", "label": " 新茶 "})
        await operator.post("/topics/tea", data={"label": "Tea"})
        await operator.post("/topics/tea/archival")
        archived = await stored(app)
        page = await operator.get("/topics")
        await operator.post("/topics/tea/return")

    assert "No topics yet" in seen(empty.text)
    assert archived == [("tea", "Tea", True)]
    assert "Tea archived tea 0" in seen(page.text)
    assert await stored(app) == [("tea", "Tea", False)]


async def test_it_is_told_how_many_took_a_topic_off_and_remembered_while_it_is_archived(app: App) -> None:
    await given_topic(app, declined=2)

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post("/topics/tea/archival")
        page = await operator.get("/topics")

    assert "Tea archived tea 2" in seen(page.text)
    async with app.database.reading() as session:
        assert await topics.offered(session) == []


WRONG = [
    ({"key": "tea", "label": "Another"}, "there is a topic tea already"),
    ({"key": "A b", "label": "Another"}, "a key is 1 to 32 of a-z, 0-9 and _"),
    ({"key": "", "label": "Another"}, "a key is 1 to 32 of a-z, 0-9 and _"),
    ({"key": "cups", "label": " "}, "takes 1 to 30 characters"),
    ({"key": "cups", "label": "x" * 31}, "takes 1 to 30 characters"),
]


@pytest.mark.parametrize(("form", "told"), WRONG)
async def test_a_wrong_topic_comes_back_with_what_was_typed(app: App, form: dict[str, str], told: str) -> None:
    await given_topic(app)

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/topics", data=form)
        renamed = await operator.post("/topics/tea", data={"label": ""})

    assert (answer.status_code, renamed.status_code) == (422, 422)
    assert told in seen(answer.text)
    assert f'value="{form["label"]}"' in answer.text
    assert await stored(app) == [("tea", "Tea", False)]


async def test_a_viewer_looks_and_changes_nothing(app: App) -> None:
    await given_topic(app)

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get("/topics")
        paths = ("/topics", "/topics/tea", "/topics/tea/archival", "/topics/tea/return")
        refused = [(await viewer.post(path, data={"key": "x", "label": "x"})).status_code for path in paths]

    assert "Tea tea 0" in seen(page.text)
    assert forms(page.text) == []
    assert refused == [403] * 4
    assert await stored(app) == [("tea", "Tea", False)]
