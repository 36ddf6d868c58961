"""The pages of tags: made, coloured, grouped, renamed, merged and deleted, with everybody who has them in sight."""

import pytest
from sqlmodel import col, select

from siyu import tags
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.tables import Colour, Fan, FanTag, Role, Tag, TagGroup
from siyu.tags import NewTag
from tests.admin.community import given_many
from tests.admin.seen import forms, links, next_page, seen
from tests.admin.visitors import browser
from tests.people import given_fan, given_tags


async def given_group(app: App, *words: str, name: str = "Grade") -> TagGroup:
    """An exclusive group with these tags."""
    async with app.database.writing() as session:
        group = await tags.create_group(session, COMMAND_LINE, name, exclusive=True, now=app.clock())
        for word in words:
            draft = NewTag(word, group_id=group.id)
            await tags.create_tag(session, COMMAND_LINE, draft, now=app.clock())
    return group


async def stored(app: App) -> list[tuple[str, str | None, str, int | None]]:
    async with app.database.reading() as session:
        found = await session.all(select(Tag).order_by(col(Tag.word)))
    return [(tag.word, tag.label, tag.colour.value, tag.group_id) for tag in found]


async def hung(app: App, fan: Fan) -> list[str]:
    async with app.database.reading() as session:
        found = await session.all(select(FanTag.tag).where(FanTag.fan_id == fan.id).order_by(col(FanTag.tag)))
    return list(found)


async def test_the_list_shows_groups_numbers_and_the_way_to_the_fans(app: App) -> None:
    await given_group(app, "gold", "silver")
    fan = await given_fan(app)
    await given_tags(app, fan, "gold", "tea & cake")

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get("/tags")
        fans = await viewer.get(next(href for href in links(page.text) if "cake" in href))

    assert "Grade A fan has one of these at most: the last one counts. Grade Tag Fans gold 1 silver 0" in seen(
        page.text
    )
    assert "Without a group Without a group Tag Fans tea & cake 1" in seen(page.text)
    assert set(links(page.text)) == {"/fans?tag=gold", "/fans?tag=silver", "/fans?tag=tea+%26+cake"}
    assert f"/fans/{fan.telegram_id}" in links(fans.text)
    assert forms(page.text) == []


async def test_the_empty_page_teaches(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get("/tags")

    assert "No tags yet" in seen(page.text)
    assert "/tags/new" in links(page.text)


async def test_an_operator_makes_a_group_and_a_tag_in_it_and_paints_it(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        await operator.post("/tags/groups", data={"name": "Grade", "exclusive": "1"})
        async with app.database.reading() as session:
            [group] = await tags.list_groups(session)
        made = {"word": " vip ", "label": "", "colour": "red", "group_id": str(group.id)}
        await operator.post("/tags", data=made)
        form = await operator.get("/tags/change", params={"word": "vip"})
        changed = {"label": "Very important", "colour": "teal", "group_id": ""}
        saved = await operator.post("/tags/change", params={"word": "vip"}, data=changed)
        page = await operator.get(saved.headers["location"])

    assert group.exclusive
    assert 'value="red" class="input" checked' in form.text
    assert await stored(app) == [("vip", "Very important", "teal", None)]
    assert "Saved: vip" in seen(page.text)
    assert "Very important vip 0" in seen(page.text)
    assert "bg-hue-5/16" in page.text


WRONG = [
    ({"word": ""}, "a tag has 1 to 40 characters"),
    ({"word": "x" * 41}, "a tag has 1 to 40 characters"),
    ({"word": "a;b"}, "no semicolon"),
    ({"word": "gold"}, "there is a tag “gold” already"),
    ({"word": "new", "colour": "mauve"}, "choose one of these"),
    ({"word": "new", "group_id": "99"}, "there is no such group of tags"),
    ({"word": "new", "group_id": "x"}, "choose one of these"),
    ({"word": "new", "label": "x" * 61}, "takes 0 to 60 characters"),
]


@pytest.mark.parametrize(("form", "told"), WRONG)
async def test_a_wrong_tag_comes_back_with_what_was_typed(app: App, form: dict[str, str], told: str) -> None:
    await given_group(app, "gold")
    before = await stored(app)

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/tags", data={"label": "kept", **form})

    assert answer.status_code == 422
    assert seen(answer.text).count(told) == 2  # above the form and at the field
    assert f'value="{form.get("label", "kept")}"' in answer.text
    assert await stored(app) == before


async def test_a_tag_that_would_break_its_group_is_refused_at_the_group(app: App) -> None:
    group = await given_group(app, "gold")
    await given_tags(app, await given_fan(app, name="Mei"), "gold", "silver")

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post(
            "/tags/change", params={"word": "silver"}, data={"colour": "red", "group_id": str(group.id)}
        )

    assert answer.status_code == 422
    assert "fans who have more than one of these tags: 1, such as Mei" in seen(answer.text)
    assert ("silver", None, "grey", None) in await stored(app)


async def test_a_tag_is_renamed_with_everybody_who_has_it(app: App) -> None:
    fan = await given_fan(app)
    await given_tags(app, fan, "vip")

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/tags/renaming", data={"word": "vip", "new": "best"})
        wrong = await operator.post("/tags/renaming", data={"word": "best", "new": "a;b"})

    assert (answer.status_code, wrong.status_code) == (303, 422)
    assert await hung(app, fan) == ["best"]


async def test_renaming_onto_a_word_that_is_there_offers_to_merge_instead(app: App) -> None:
    fan, other = await given_fan(app), await given_fan(app)
    await given_tags(app, fan, "vip")
    await given_tags(app, other, "best")

    async with browser(app, Role.OPERATOR) as operator:
        refused = await operator.post("/tags/renaming", data={"word": "vip", "new": "best"})
        between = await hung(app, fan)
        merged = await operator.post("/tags/merging", data={"word": "vip", "into": "best"})
        page = await operator.get(merged.headers["location"])
        itself = await operator.post("/tags/merging", data={"word": "best", "into": "best"})

    assert refused.status_code == 422
    assert "there is a tag “best” already; merge the two instead" in seen(refused.text)
    assert '<option value="best" selected' in refused.text
    assert (between, await hung(app, fan), await hung(app, other)) == (["vip"], ["best"], ["best"])
    assert "Merged: 1 fan had it." in seen(page.text)
    assert itself.status_code == 422


async def test_the_number_of_fans_is_told_before_a_tag_is_deleted_and_after(app: App) -> None:
    for _ in range(2):
        await given_tags(app, await given_fan(app), "vip")

    async with browser(app, Role.OPERATOR) as operator:
        asked = await operator.get("/tags/change", params={"word": "vip"})
        deleted = await operator.post("/tags/removal", data={"word": "vip"})
        page = await operator.get(deleted.headers["location"])
        again = await operator.post("/tags/removal", data={"word": "vip"})

    assert "It comes off 2 fans. That cannot be undone." in asked.text
    assert "Deleted: 2 fans had it." in seen(page.text)
    assert await stored(app) == []
    assert again.status_code == 404


async def test_a_group_is_changed_and_deleted_and_its_tags_stay(app: App) -> None:
    group = await given_group(app, "gold")

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post(f"/tags/groups/{group.id}", data={"name": "Level"})
        async with app.database.reading() as session:
            [changed] = await tags.list_groups(session)
        nameless = await operator.post(f"/tags/groups/{group.id}", data={"name": " "})
        removed = await operator.post(f"/tags/groups/{group.id}/removal")
        page = await operator.get(removed.headers["location"])

    assert (changed.name, changed.exclusive) == ("Level", False)
    assert nameless.status_code == 422
    assert "The group is gone; its tags are not." in seen(page.text)
    assert await stored(app) == [("gold", None, "grey", None)]


async def test_two_groups_do_not_share_a_name(app: App) -> None:
    await given_group(app, name="Grade")

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/tags/groups", data={"name": "Grade"})

    assert answer.status_code == 422
    assert "there is a group “Grade” already" in seen(answer.text)


async def test_a_viewer_looks_at_tags_and_changes_nothing(app: App) -> None:
    group = await given_group(app, "gold")
    posts = {
        "/tags": {"word": "x"},
        "/tags/change?word=gold": {"colour": "red"},
        "/tags/renaming": {"word": "gold", "new": "x"},
        "/tags/merging": {"word": "gold", "into": "x"},
        "/tags/removal": {"word": "gold"},
        "/tags/groups": {"name": "x"},
        f"/tags/groups/{group.id}": {"name": "x"},
        f"/tags/groups/{group.id}/removal": {},
    }

    async with browser(app, Role.VIEWER) as viewer:
        refused = [(await viewer.post(path, data=data)).status_code for path, data in posts.items()]

    assert refused == [403] * 8
    assert await stored(app) == [("gold", None, "grey", group.id)]


async def test_nothing_a_tag_is_called_is_read_as_markup(app: App) -> None:
    hostile = '<b>"&amp</b>'
    fan = await given_fan(app)
    await given_tags(app, fan, hostile)

    async with browser(app, Role.OWNER) as owner:
        paths = ("/tags", f"/fans/{fan.telegram_id}", "/audit")
        pages = [(await owner.get(path)).text for path in paths]
        pages.append((await owner.get("/tags/change", params={"word": hostile})).text)
        pages.append((await owner.get("/fans", params={"tag": hostile})).text)

    assert not [page for page in pages if "<b>" in page]
    assert all("&lt;b&gt;" in page for page in pages)


# ---- fans by tag -----------------------------------------------------------------------------------------------------


async def test_fans_are_listed_by_tag_page_by_page_and_found_among_them(app: App) -> None:
    await given_many(app, 70, name="Tea")
    async with app.database.writing() as session:
        everybody = await session.all(select(Fan).order_by(col(Fan.id)))
        await tags.hang(session, COMMAND_LINE, [(fan, ["早茶"]) for fan in everybody[:60]], now=app.clock())

    async with browser(app, Role.VIEWER) as visitor:
        first = await visitor.get("/fans", params={"tag": "早茶"})
        second = await visitor.get(next_page(first.text, "/fans"))
        found = await visitor.get("/fans", params={"tag": "早茶", "q": "Tea 007"})
        nobody = await visitor.get("/fans", params={"tag": "早茶", "q": "Tea 069"})

    listed = [href for page in (first, second) for href in links(page.text) if href.startswith("/fans/")]
    assert sorted(listed) == sorted(f"/fans/{8_000_000 + n}" for n in range(60))
    assert "With the tag 早茶" in seen(first.text)
    assert '<input type="hidden" name="tag" value="早茶">' in first.text
    assert [href for href in links(found.text) if href.startswith("/fans/")] == ["/fans/8000007"]
    assert "Nobody is called" in seen(nobody.text)


async def test_a_tag_that_nobody_has_says_so_and_one_that_is_not_there_is_not_found(app: App) -> None:
    await given_group(app, "gold")

    async with browser(app, Role.VIEWER) as visitor:
        nobody = await visitor.get("/fans", params={"tag": "gold"})
        missing = await visitor.get("/fans", params={"tag": "nosuch"})

    assert "Nobody has the tag “gold”" in seen(nobody.text)
    assert missing.status_code == 404


async def test_a_fan_s_page_shows_tags_in_their_colours_and_swaps_those_of_an_exclusive_group(app: App) -> None:
    await given_group(app, "gold", "silver")
    fan = await given_fan(app)
    async with app.database.writing() as session:
        await tags.create_tag(session, COMMAND_LINE, NewTag("tea", "Tea friend", Colour.GREEN.value), now=app.clock())
    await given_tags(app, fan, "gold", "tea")

    async with browser(app, Role.OPERATOR) as operator:
        before = await operator.get(f"/fans/{fan.telegram_id}")
        await operator.post(f"/fans/{fan.telegram_id}/tags", data={"word": "silver"})

    assert "bg-hue-4/16" in before.text
    assert "Tea friend" in seen(before.text)
    assert '<option value="silver">' in before.text  # offered while typing
    assert await hung(app, fan) == ["silver", "tea"]
