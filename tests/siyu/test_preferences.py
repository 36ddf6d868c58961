"""How a house likes things done: as shipped until somebody decides otherwise."""

import pytest

from siyu import audit, preferences
from siyu.app import App
from siyu.kit.errors import Invalid
from siyu.preferences import Preferences
from tests.broadcasting import MEI


async def _changed(app: App, **values: int | None) -> Preferences:
    async with app.database.writing() as session:
        return await preferences.change(session, MEI, now=app.clock(), **values)


async def test_a_new_house_has_what_we_ship(app):
    async with app.database.reading() as session:
        assert await preferences.read(session) == Preferences()


async def test_what_an_operator_decides_stays_and_is_audited_once(app):
    await _changed(app, approve_above=500, weekly_cap=3)
    await _changed(app, approve_above=500)
    await _changed(app, weekly_cap=None)

    async with app.database.reading() as session:
        assert await preferences.read(session) == Preferences(approve_above=500)
        lines = (await audit.entries(session, subject=("preferences", "house"))).items
    assert [line.details for line in lines] == [{"weekly_cap": None}, {"approve_above": 500, "weekly_cap": 3}]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"undo_seconds": -1}, "undo_seconds"),
        ({"undo_seconds": None}, "undo_seconds"),
        ({"control_percent": 51}, "control_percent"),
        ({"weekly_cap": 0}, "weekly_cap"),
        ({"late_after_hours": True}, "late_after_hours"),
        ({"shoe_size": 42}, "shoe_size"),
        ({"quiet_from": 1320}, "quiet_to"),
        ({"quiet_to": 480}, "quiet_from"),
        ({"quiet_from": 480, "quiet_to": 480}, "quiet_to"),
        ({"quiet_from": 480, "quiet_to": 1440}, "quiet_to"),
    ],
)
async def test_what_cannot_be_is_refused_at_its_field_and_changes_nothing(app, values, place):
    with pytest.raises(Invalid) as refusal:
        await _changed(app, undo_seconds=20) and await _changed(app, **values)

    assert refusal.value.where == (place,)
    async with app.database.reading() as session:
        assert await preferences.read(session) == Preferences(undo_seconds=20)
