"""The page of preferences."""

from sqlmodel import col, select

from siyu import preferences
from siyu.app import App
from siyu.broadcasts import links
from siyu.tables import AuditEntry, Preference, Role
from tests.admin.forms import filled
from tests.admin.visitors import browser

FORM = {
    "undo_seconds": "30", "approve_above": "1,000", "weekly_cap": "2", "quiet_from": "22:00", "quiet_to": "08:30",
    "late_after_hours": "3", "control_percent": "5", "attribution_days": "14",
}  # fmt: skip


async def test_what_is_saved_is_how_the_house_does_it(app: App) -> None:
    async with browser(app, Role.ADMIN) as admin:
        saved = await admin.post("/preferences/house", data=FORM)
        page = await admin.get("/preferences")

    async with app.database.reading() as session:
        likes = await preferences.read(session)
    assert saved.status_code == 303
    assert (likes.undo_seconds, likes.approve_above, likes.weekly_cap) == (30, 1000, 2)
    assert (likes.quiet_from, likes.quiet_to) == (22 * 60, 8 * 60 + 30)
    assert (likes.late_after_hours, likes.control_percent, likes.attribution_days) == (3, 5, 14)
    assert 'value="22:00"' in page.text


async def test_saving_what_stands_there_changes_nothing(app: App) -> None:
    async with browser(app, Role.ADMIN) as admin:
        page = (await admin.get("/preferences")).text
        fields = filled(page.replace('action="/preferences/house"', 'id="house"'), "house")
        await admin.post("/preferences/house", data=fields)

    async with app.database.reading() as session:
        assert await preferences.read(session) == preferences.Preferences()
        assert not await session.all(select(Preference))


async def test_every_mistake_stands_at_its_field(app: App) -> None:
    wrong = {**FORM, "undo_seconds": "soon", "control_percent": "80", "quiet_to": ""}

    async with browser(app, Role.ADMIN) as admin:
        answer = await admin.post("/preferences/house", data=wrong)

    assert answer.status_code == 422
    for field in ("undo_seconds", "control_percent"):
        assert f'id="{field}-about"' in answer.text
    assert 'value="soon"' in answer.text
    assert "a whole number from 0 to 50" in answer.text


async def test_quiet_hours_need_both_ends(app: App) -> None:
    async with browser(app, Role.ADMIN) as admin:
        answer = await admin.post("/preferences/house", data={**FORM, "quiet_to": ""})

    assert answer.status_code == 422
    assert "quiet hours need a beginning and an end" in answer.text


async def test_links_that_were_sent_still_lead_somewhere_afterwards(app: App) -> None:
    """Their secret is kept among the preferences."""
    async with app.database.writing() as session:
        before = await links.make_secret(session, now=app.clock())

    async with browser(app, Role.ADMIN) as admin:
        await admin.post("/preferences/house", data=FORM)

    async with app.database.writing() as session:
        assert await links.make_secret(session, now=app.clock()) == before
        noted = await session.all(select(AuditEntry.action).where(col(AuditEntry.action) == "preferences.changed"))
    assert len(noted) == 1


async def test_only_admins_decide(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        looked = await operator.get("/preferences")
        saved = await operator.post("/preferences/house", data=FORM)
        home = await operator.get("/")

    assert (looked.status_code, saved.status_code) == (403, 403)
    assert 'href="/preferences"' not in home.text
