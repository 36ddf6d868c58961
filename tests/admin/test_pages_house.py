"""The pages behind the scenes: catalogue, jobs, quarantine, people and audit."""

import re

import pytest
from sqlalchemy import update
from sqlmodel import select

from siyu import audit, jobs, mailroom, operators
from siyu.app import App
from siyu.operators import Scope
from siyu.tables import ApiToken, Inbox, InboxState, JobRun, Operator, Product, Role
from tests.admin.visitors import SITE, browser, employ
from tests.broadcasting import MEI
from tests.people import person

PRODUCT = {
    "sku": "tea-1",
    "title": "Spring tea",
    "description": "50 g",
    "stars_price": "68",
    "stock": "",
    "active": "1",
}


async def given_quarantined(app: App, *names: str) -> list[int]:
    """An update of each of these people that failed three times."""
    updates = [person(name=name).says("hello") for name in names]
    async with app.database.writing() as session:
        await mailroom.put_in_inbox(session, app.settings.bot_id, updates, now=app.clock())
        put_aside = {"state": InboxState.QUARANTINED, "attempts": 3, "error": "KeyError: 'tea'"}
        await session.run(update(Inbox).values(put_aside))
        return [row.id or 0 for row in await session.all(select(Inbox))]


async def operator_called(app: App, name: str) -> Operator:
    async with app.database.reading() as session:
        return await session.one(select(Operator).where(Operator.name == name))


# ---- catalogue -------------------------------------------------------------------------------------------------------


async def test_a_product_is_added_changed_and_taken_off_sale(app: App) -> None:
    async with browser(app, Role.ADMIN) as admin:
        await admin.post("/catalogue", data=PRODUCT)
        async with app.database.reading() as session:
            product = await session.one(select(Product))
        changed = {**PRODUCT, "title": "Autumn tea", "stock": "3"}
        del changed["active"]
        await admin.post(f"/catalogue/{product.id}", data=changed)
        page = await admin.get("/catalogue")

    assert (product.title, product.stars_price, product.stock, product.active) == ("Spring tea", 68, None, True)
    assert "Autumn tea" in page.text
    assert "not on sale" in page.text


async def test_a_wrong_product_comes_back_with_what_was_typed(app: App) -> None:
    async with browser(app, Role.ADMIN) as admin:
        unread = await admin.post("/catalogue", data={**PRODUCT, "stars_price": "cheap", "stock": "-1"})
        refused = await admin.post("/catalogue", data={**PRODUCT, "sku": "tea 1"})
        await admin.post("/catalogue", data=PRODUCT)
        taken = await admin.post("/catalogue", data={**PRODUCT, "title": "Another"})

    assert [unread.status_code, refused.status_code, taken.status_code] == [422, 422, 422]
    assert unread.text.count("write a whole number</p>") == 2
    assert 'value="cheap"' in unread.text
    assert "a SKU takes 1 to 32 of" in refused.text
    assert "there is a product tea-1 already" in taken.text
    assert 'value="Another"' in taken.text


async def test_an_operator_sees_the_catalogue_and_changes_nothing(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        seen = await operator.get("/catalogue")
        refused = await operator.post("/catalogue", data=PRODUCT)

    assert "The shop is empty" in seen.text
    assert refused.status_code == 403


# ---- jobs ------------------------------------------------------------------------------------------------------------


async def test_a_job_runs_when_it_is_asked_and_leaves_its_line(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        asked = await operator.post("/jobs/full/run")
        page = await operator.get(asked.headers["location"])

    async with app.database.reading() as session:
        runs = await session.all(select(JobRun))
    assert [(run.job, run.error) for run in runs] == [("full", None)]
    assert "Everything counted again from the facts: done." in page.text
    assert page.text.count("data-row") == 1
    assert "daily at 03:30" in page.text


async def test_a_job_that_fails_says_so_and_why(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(_app: App, _asked: bool) -> jobs.Done:
        raise RuntimeError("the kettle is empty")

    broken = jobs.Job("tidy", "Old mail and old lines of this list", jobs.Every(lambda _: 60), break_down)
    monkeypatch.setattr(jobs, "JOBS", (broken,))

    async with browser(app, Role.OPERATOR) as operator:
        asked = await operator.post("/jobs/tidy/run")
        page = await operator.get(asked.headers["location"])
        nothing = await operator.post("/jobs/nosuch/run")

    assert "it failed. The list says why." in page.text
    assert "RuntimeError: the kettle is empty" in page.text
    assert nothing.status_code == 404


async def test_the_runs_are_turned_page_by_page(app: App) -> None:
    async with app.database.writing() as session:
        session.add(*[JobRun(job="tidy", started_at=app.clock(), milliseconds=2500) for _ in range(30)])

    async with app.database.reading() as session:
        first = await jobs.list_runs(session, limit=25)
        rest = await jobs.list_runs(session, cursor=first.next, limit=25)
    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get("/jobs")

    assert [run.id for run in [*first.items, *rest.items]] == list(range(30, 0, -1))
    assert rest.next is None
    assert page.text.count("2.5 s") == 25


# ---- quarantine ------------------------------------------------------------------------------------------------------


async def test_what_failed_is_shown_with_its_reason_and_tried_again(app: App) -> None:
    first, second = await given_quarantined(app, "Alice", "Bob")

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get("/quarantine")
        await operator.post(f"/quarantine/{first}/replay")
        again = await operator.post(f"/quarantine/{first}/replay")
        after = await operator.get(again.headers["location"])

    async with app.database.reading() as session:
        states = {row.id: (row.state, row.attempts) for row in await session.all(select(Inbox))}
    assert "Alice" in page.text
    assert "KeyError: &#39;tea&#39;" in page.text
    assert states == {first: (InboxState.WAITING, 0), second: (InboxState.QUARANTINED, 3)}
    assert "this update is not in quarantine any more" in after.text
    assert app.bells.inbox.is_set()


async def test_everything_is_tried_again_at_once_and_the_empty_page_teaches(app: App) -> None:
    await given_quarantined(app, "Alice", "Bob")

    async with browser(app, Role.OPERATOR) as operator:
        done = await operator.post("/quarantine/replay")
        page = await operator.get(done.headers["location"])

    assert "2 updates are tried again now." in page.text
    assert "Nothing is in quarantine" in page.text


async def test_a_letter_of_any_shape_is_shown(app: App) -> None:
    odd = [{"update_id": 1, "poll": {"id": "9"}}, {"update_id": 2, "future": [1, 2]}, {"update_id": 3}]
    async with app.database.writing() as session:
        await mailroom.put_in_inbox(session, app.settings.bot_id, odd, now=app.clock())
        await session.run(update(Inbox).values(state=InboxState.QUARANTINED, error=None))

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get("/quarantine")

    assert page.status_code == 200
    assert "no reason was written down" in page.text
    assert "future" in page.text


# ---- people ----------------------------------------------------------------------------------------------------------


async def test_somebody_is_taken_in_promoted_shut_out_and_let_back_in(app: App) -> None:
    async with browser(app, Role.OWNER) as owner:
        await owner.post("/people", data={"telegram_id": "4711", "name": "Zoe", "role": "viewer"})
        zoe = await operator_called(app, "Zoe")
        await owner.post(f"/people/{zoe.id}/role", data={"role": "admin"})
        promoted = (await operator_called(app, "Zoe")).role
        await owner.post(f"/people/{zoe.id}/disabling")
        page = await owner.get("/people")
        await owner.post(f"/people/{zoe.id}/return")

    assert promoted is Role.ADMIN
    assert "may not sign in" in page.text
    assert (await operator_called(app, "Zoe")).disabled_at is None


async def test_a_number_that_is_none_comes_back_with_the_rest_of_the_form(app: App) -> None:
    async with browser(app, Role.OWNER) as owner:
        answer = await owner.post("/people", data={"telegram_id": "@zoe", "name": "Zoe", "role": "operator"})

    assert answer.status_code == 422
    assert "write a whole number" in answer.text
    assert 'value="@zoe"' in answer.text
    assert 'value="Zoe"' in answer.text


async def test_the_last_owner_stays(app: App) -> None:
    async with browser(app, Role.OWNER) as owner:
        me = await operator_called(app, "Owner")
        answers = [
            await owner.post(f"/people/{me.id}/disabling"),
            await owner.post(f"/people/{me.id}/role", data={"role": "viewer"}),
            await owner.post("/people", data={"telegram_id": str(me.telegram_id), "role": "viewer"}),
        ]
        page = await owner.get("/people")

    assert [answer.headers["location"] for answer in answers] == ["/people"] * 3
    assert "this is the last owner" in page.text
    assert (await operator_called(app, "Owner")).role is Role.OWNER


async def test_an_admin_touches_no_owner_and_makes_none(app: App) -> None:
    owner = await employ(app, Role.OWNER)
    operator = await employ(app, Role.OPERATOR)

    async with browser(app, Role.ADMIN) as admin:
        refused = [
            await admin.post(f"/people/{owner.id}/disabling"),
            await admin.post(f"/people/{owner.id}/role", data={"role": "viewer"}),
            await admin.post(f"/people/{owner.id}/invitation"),
            await admin.post("/people", data={"telegram_id": str(owner.telegram_id), "role": "viewer"}),
            await admin.post(f"/people/{operator.id}/role", data={"role": "owner"}),
            await admin.post("/people", data={"telegram_id": "12345", "role": "admin"}),
            await admin.post("/people/keys", data={"key_name": "shop", "scope": "write"}),
        ]
        allowed = await admin.post(f"/people/{operator.id}/role", data={"role": "viewer"})

    assert [answer.status_code for answer in refused] == [403] * 7
    assert allowed.status_code == 303
    assert (await operator_called(app, "Owner")).role is Role.OWNER
    assert (await operator_called(app, "Operator")).role is Role.VIEWER


async def test_a_sign_in_link_signs_in_whom_it_was_made_for(app: App) -> None:
    operator = await employ(app, Role.OPERATOR)

    async with browser(app, Role.ADMIN) as admin:
        answer = await admin.post(f"/people/{operator.id}/invitation")
    link = re.search(rf"{SITE}(/login\?t=[\w-]+)", answer.text)
    assert link
    async with browser(app) as newcomer:
        door = await newcomer.get(link[1])

    assert answer.headers["cache-control"] == "no-store"
    assert "Continue as Operator" in door.text


async def test_a_key_is_shown_once_works_and_is_revoked(app: App) -> None:
    async with browser(app, Role.OWNER) as owner:
        made = await owner.post("/people/keys", data={"key_name": "shop", "scope": "read"})
        key = re.search(r"siyu_[\w-]+", made.text)
        assert key
        before = await owner.get("/people")
        async with app.database.reading() as session:
            token = await session.one(select(ApiToken))
            found = await operators.find_token(session, key[0])
        await owner.post(f"/people/keys/{token.id}/revocation")

    async with app.database.reading() as session:
        assert await operators.find_token(session, key[0]) is None
    assert found
    assert found.scope == Scope.READ
    assert key[0] not in before.text


# ---- audit -----------------------------------------------------------------------------------------------------------


async def test_the_audit_tells_in_words_who_did_what(app: App) -> None:
    async with app.database.writing() as session:
        await audit.note(session, MEI, "broadcast.started", "broadcast", 7, now=app.clock(), fans=120)
        await audit.note(session, MEI, "something.new", "thing", "x", now=app.clock(), nested={"a": 1}, none=None)

    async with browser(app, Role.ADMIN) as admin:
        page = await admin.get("/audit")
        one = await admin.get("/audit", params={"subject": "broadcast:7"})

    assert "sent a broadcast" in page.text
    assert "fans: 120" in page.text
    assert 'href="/broadcasts/7"' in page.text
    assert "something.new" in page.text
    assert "something.new" not in one.text


async def test_the_audit_is_turned_page_by_page(app: App) -> None:
    async with app.database.writing() as session:
        for number in range(60):
            await audit.note(session, MEI, "job.run", "job", f"job{number}", now=app.clock())
    part = {"HX-Request-Type": "partial"}

    async with browser(app, Role.ADMIN) as admin:
        first = await admin.get("/audit", params={"subject": "job:job7"}, headers=part)
        whole = await admin.get("/audit", headers=part)
        more = re.search(r'href="([^"]+)" rel="next"', whole.text)
        assert more
        rest = await admin.get(more[1].replace("&amp;", "&"), headers=part)

    assert [page.text.count("data-row") for page in (first, whole, rest)] == [1, 50, 12]


async def test_behind_the_scenes_is_not_for_viewers(app: App) -> None:
    async with browser(app, Role.VIEWER) as viewer:
        refused = [(await viewer.get(path)).status_code for path in ("/jobs", "/quarantine", "/people", "/audit")]
    async with browser(app, Role.OPERATOR) as operator:
        seen = [(await operator.get(path)).status_code for path in ("/jobs", "/quarantine", "/people", "/audit")]

    assert refused == [403, 403, 403, 403]
    assert seen == [200, 200, 403, 403]
