"""Follow-ups and feedback in the browser: opened on a fan's page, taken, done with a note; ratings read; asking set."""

from siyu import feedback, followups, preferences
from siyu.app import App
from siyu.tables import Fan, Role
from tests.admin.seen import forms, seen
from tests.admin.visitors import browser
from tests.clocks import FakeClock
from tests.people import given_fan


async def rated(app: App, fan: Fan, number: int, *, words: str = "") -> None:
    async with app.database.writing() as session:
        asked = await feedback.ask(session, fan, cause=f"{fan.id}:{number}", now=app.clock())
        told = await feedback.rate(session, fan, asked.id or 0, number, zone=app.settings.zone, now=app.clock())
        if words:
            await feedback.add_words(session, told.feedback, words)


async def test_an_operator_opens_a_followup_and_does_it(app: App, clock: FakeClock) -> None:
    fan = await given_fan(app, name="Mei")

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post(f"/fans/{fan.telegram_id}/followups", data={"why": "Call about the tin", "hours": "4"})
        mine = await operator.get("/followups?pile=mine")
        clock.pass_(hours=5)
        late = await operator.get("/followups/1")
        done = await operator.post("/followups/1/completion", data={"note": "Sent a new tin"})
        again = await operator.post("/followups/1/completion", data={"note": "twice"})
        refused = await operator.get(again.headers["location"])
        told = await operator.get("/followups?pile=done")

    assert "Mei Call about the tin" in seen(mine.text)
    assert "1 hour ago" in seen(late.text)
    assert done.headers["location"] == "/followups"
    assert "Call about the tin" in seen(told.text)
    assert "somebody has done this already" in refused.text
    assert "Sent a new tin" in seen(refused.text)


async def test_a_followup_without_words_is_refused_in_a_sentence(app: App) -> None:
    fan = await given_fan(app)

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post(f"/fans/{fan.telegram_id}/followups", data={"why": "  ", "hours": "4"})
        page = await operator.get(answer.headers["location"])

    assert "takes 1 to 300 characters" in page.text
    async with app.database.reading() as session:
        assert await followups.of_fan(session, fan.id or 0) == []


async def test_a_bad_rating_is_on_the_list_and_on_the_fans_page(app: App) -> None:
    fan = await given_fan(app, name="Mei")
    await rated(app, fan, 1, words="Broken <b>lid</b>")

    async with browser(app, Role.VIEWER) as viewer:
        listed, own, page = [await viewer.get(path) for path in ("/followups", f"/fans/{fan.telegram_id}", "/feedback")]
        refused = await viewer.post("/followups/1/completion", data={"note": "x"})

    assert "Rated 1 of 5 stars “Broken <b>lid</b>”" in seen(listed.text)
    assert "Rated 1 of 5 stars" in seen(own.text)
    assert "Broken <b>lid</b>" in seen(page.text)
    assert forms(listed.text) == []
    assert refused.status_code == 403


async def test_the_feedback_page_counts_and_an_admin_sets_when_fans_are_asked(app: App) -> None:
    for number in (5, 5, 3):
        await rated(app, await given_fan(app), number)
    form = {"rating_after_hours": "0", "rating_every_days": "60", "rating_nps": "1", "followup_hours": "4"}

    async with browser(app, Role.ADMIN) as admin:
        page = await admin.get("/feedback")
        wrong = await admin.post("/feedback/asking", data={**form, "followup_hours": "0", "rating_every_days": "x"})
        await admin.post("/feedback/asking", data=form)

    assert "Rated 3 100%" in seen(page.text)
    assert "4.3 on average" in seen(page.text)
    assert wrong.status_code == 422
    assert "write a whole number" in seen(wrong.text)
    async with app.database.reading() as session:
        likes = await preferences.read(session)
    asked = likes.rating_after_hours, likes.rating_every_days, likes.rating_nps, likes.followup_hours
    assert asked == (0, 60, 1, 4)
