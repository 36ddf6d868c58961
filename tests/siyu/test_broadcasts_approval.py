"""Before the first message: a second person, a window to undo, two who edit at once, copies and templates."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from siyu import audit, broadcasts, preferences
from siyu.app import App
from siyu.audit import Actor
from siyu.broadcasts import Draft, preparing
from siyu.kit.errors import Conflict, Forbidden, Invalid
from siyu.tables import Broadcast, Timing
from tests.broadcasting import MEI, SEGMENT, composed, counted, given_fans, started, state_of
from tests.clocks import NOON, FakeClock

LI = Actor("operator:8", "Li")


async def _do(
    app: App, verb: str, broadcast_id: int | None, actor: Actor = MEI, **more: Any
) -> Broadcast:  # Any: its own
    async with app.database.writing() as session:
        return await getattr(broadcasts, verb)(session, broadcast_id or 0, actor=actor, now=app.clock(), **more)


async def _prefer(app: App, **values: int) -> None:
    async with app.database.writing() as session:
        await preferences.change(session, MEI, now=app.clock(), **values)


async def _actions(app: App, broadcast_id: int | None) -> list[str]:
    async with app.database.reading() as session:
        lines = (await audit.entries(session, subject=("broadcast", str(broadcast_id)))).items
    return [f"{line.action.removeprefix('broadcast.')} by {line.actor_name}" for line in reversed(lines)]


async def test_above_the_limit_a_second_person_lets_it_go(app: App):
    await given_fans(app, 3)
    await _prefer(app, approve_above=2)
    broadcast = await composed(app)

    asked = await _do(app, "start", broadcast.id)
    approved = await _do(app, "approve", broadcast.id, LI)

    assert (asked.state, asked.started_at) == ("awaiting_approval", None)
    assert (approved.state, approved.approved_by, approved.started_by) == ("running", LI.key, LI.key)
    assert await _actions(app, broadcast.id) == ["composed by Mei", "submitted by Mei", "started by Li"]


async def test_who_wrote_changed_or_asked_for_it_is_no_second_person(app: App):
    await given_fans(app, 3)
    await _prefer(app, approve_above=2)
    broadcast = await composed(app)
    async with app.database.writing() as session:
        await broadcasts.edit(session, LI, broadcast.id or 0, Draft("x", (SEGMENT,), "Anew"), now=app.clock())
    await _do(app, "submit", broadcast.id, Actor("operator:9", "Wang"))

    for actor in (MEI, LI, Actor("operator:9", "Wang")):
        with pytest.raises(Forbidden) as refusal:
            await _do(app, "approve", broadcast.id, actor)
        assert refusal.value.reason == "same_person"

    assert await state_of(app, broadcast.id or 0) == "awaiting_approval"
    assert await counted(app, broadcast.id or 0) == {}


async def test_up_to_the_limit_nobody_is_asked_and_a_second_person_who_starts_it_has_approved(app: App):
    await given_fans(app, 3)
    await _prefer(app, approve_above=3)
    small = await composed(app)
    assert (await _do(app, "start", small.id)).state == "running"

    await _prefer(app, approve_above=2)
    large = await composed(app)

    assert (await _do(app, "start", large.id, LI)).state == "running"


async def test_what_was_declined_goes_back_to_who_wrote_it_and_can_be_changed(app: App):
    await given_fans(app, 1)
    broadcast = await composed(app)
    await _do(app, "submit", broadcast.id)

    declined = await _do(app, "decline", broadcast.id, LI)
    async with app.database.writing() as session:
        edited = await broadcasts.edit(
            session, MEI, broadcast.id or 0, Draft("x", (SEGMENT,), "Better"), now=app.clock()
        )

    assert (declined.state, declined.state_reason, declined.state_by) == ("draft", "declined", LI.key)
    assert (edited.text, edited.state_reason) == ("Better", None)


async def test_a_click_can_be_undone_until_the_window_closes(app: App, clock: FakeClock):
    await given_fans(app, 1)
    broadcast = await composed(app)

    clicked = await _do(app, "start", broadcast.id, undo=True)
    undone = await _do(app, "unschedule", broadcast.id)
    await _do(app, "start", broadcast.id, undo=True)
    clock.pass_(seconds=15)
    async with app.database.writing() as session:
        await preparing.advance(session, broadcast.id or 0, now=app.clock(), zone=app.settings.zone)

    assert (clicked.state, clicked.send_at) == ("scheduled", NOON + timedelta(seconds=15))
    assert (undone.state, undone.send_at) == ("draft", None)
    with pytest.raises(Conflict) as refusal:
        await _do(app, "unschedule", broadcast.id)
    assert refusal.value.reason == "already_running"


async def test_undoing_forgets_who_was_settled_and_keeps_the_operators_time(app: App):
    await given_fans(app, 2)
    at = app.clock() + timedelta(days=1)
    broadcast_id = await started(app, timing=Timing.AT, send_at=at, freeze_early=True)
    async with app.database.writing() as session:
        await preparing.advance(session, broadcast_id, now=app.clock(), zone=app.settings.zone)
    before = await counted(app, broadcast_id)

    undone = await _do(app, "unschedule", broadcast_id)

    assert before == {"pending": 2}
    assert await counted(app, broadcast_id) == {}
    assert (undone.state, undone.send_at, undone.frozen_at) == ("draft", at, None)


async def test_an_empty_audience_is_told_before_the_window_opens(app: App):
    broadcast = await composed(app)

    with pytest.raises(Conflict) as refusal:
        await _do(app, "start", broadcast.id, undo=True)

    assert refusal.value.reason == "empty"
    assert await state_of(app, broadcast.id or 0) == "draft"


@pytest.mark.parametrize("paused_in", ["scheduled", "preparing", "running"])
async def test_it_can_be_paused_and_cancelled_wherever_it_stands_and_goes_on_from_there(app: App, paused_in: str):
    await given_fans(app, 2)
    changes: dict[str, Any] = {  # Any: fields of a draft
        "scheduled": {"timing": Timing.AT, "send_at": app.clock() + timedelta(hours=1)},
        "preparing": {"text": "Dear {first_name}"},
        "running": {},
    }
    broadcast_id = await started(app, **changes[paused_in])

    paused = await _do(app, "pause", broadcast_id)
    resumed = await _do(app, "resume", broadcast_id)
    cancelled = await _do(app, "cancel", broadcast_id)

    assert (paused.state, resumed.state, cancelled.state) == ("paused", paused_in, "cancelled")
    assert (cancelled.state_at, cancelled.state_by) == (app.clock(), MEI.key)
    assert set(await counted(app, broadcast_id)) <= {"skipped"}


async def test_what_should_have_left_while_it_was_paused_leaves_when_it_goes_on(app: App, clock: FakeClock):
    await given_fans(app, 1)
    broadcast_id = await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(hours=1))
    await _do(app, "pause", broadcast_id)

    clock.pass_(days=1)
    resumed = await _do(app, "resume", broadcast_id)
    async with app.database.writing() as session:
        await preparing.advance(session, broadcast_id, now=app.clock(), zone=app.settings.zone)

    assert resumed.send_at == app.clock()
    assert await state_of(app, broadcast_id) == "running"


async def test_a_time_that_passed_since_it_was_written_is_refused_at_its_field(app: App, clock: FakeClock):
    await given_fans(app, 1)
    broadcast = await composed(app, timing=Timing.AT, send_at=app.clock() + timedelta(hours=1))

    clock.pass_(hours=2)
    with pytest.raises(Invalid) as refusal:
        await _do(app, "start", broadcast.id)

    assert refusal.value.where == ("send_at",)
    assert await state_of(app, broadcast.id or 0) == "draft"


async def test_of_two_who_edit_the_second_is_told_and_writes_over_nothing(app: App):
    broadcast = await composed(app)
    draft = Draft("Come back", (SEGMENT,), "By Mei")

    async with app.database.writing() as session:
        first = await broadcasts.edit(session, MEI, broadcast.id or 0, draft, now=app.clock(), seen_version=1)
    with pytest.raises(Conflict) as refusal:
        async with app.database.writing() as session:
            theirs = replace(draft, text="By Li")
            await broadcasts.edit(session, LI, broadcast.id or 0, theirs, now=app.clock(), seen_version=1)

    assert (first.version, first.edited_by) == (2, MEI.key)
    assert refusal.value.reason == "edited"
    async with app.database.reading() as session:
        assert (await broadcasts.get_broadcast(session, broadcast.id or 0)).text == "By Mei"


async def test_a_half_written_draft_is_kept_as_it_is_and_is_not_sent(app: App):
    await given_fans(app, 1)
    half = Draft("", (), "<b>not closed", buttons=[[{"text": "Look", "url": "http"}]])
    async with app.database.writing() as session:
        broadcast = await broadcasts.compose(session, MEI, half, now=app.clock(), unfinished=True)
        again = await broadcasts.edit(session, MEI, broadcast.id or 0, half, now=app.clock(), unfinished=True)

    assert (again.text, again.buttons) == (half.text, [[{"text": "Look", "url": "http"}]])
    with pytest.raises(Invalid):
        await _do(app, "start", broadcast.id)
    assert await state_of(app, broadcast.id or 0) == "draft"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"text": "\x00"}, "text"),
        ({"title": "\ud800"}, "title"),
        ({"topic": "none"}, "topic"),
        ({"offer_id": 77}, "offer"),
    ],
)
async def test_what_the_tables_would_not_take_is_refused_even_half_written(app: App, changes: Any, place: str):
    with pytest.raises(Invalid) as refusal:
        async with app.database.writing() as session:
            draft = Draft(**{"title": "x", "text": "x", **changes})
            await broadcasts.compose(session, MEI, draft, now=app.clock(), unfinished=True)

    assert refusal.value.where == (place,)


async def test_a_copy_is_a_draft_of_its_own_and_leaves_out_a_time_that_has_passed(app: App, clock: FakeClock):
    await given_fans(app, 1)
    original = await started(app, timing=Timing.AT, send_at=app.clock() + timedelta(hours=1), spread_minutes=30)
    clock.pass_(days=1)

    async with app.database.writing() as session:
        copy = await broadcasts.duplicate(session, LI, original, now=app.clock())

    assert (copy.state, copy.created_by, copy.version) == ("draft", LI.key, 1)
    assert (copy.text, copy.include, copy.spread_minutes) == ("We <b>miss</b> you", [SEGMENT], 30)
    assert (copy.timing, copy.send_at) == (Timing.NOW, None)


async def test_a_template_is_a_list_of_its_own_is_never_sent_and_becomes_a_draft(app: App):
    await given_fans(app, 1)
    broadcast = await composed(app)
    async with app.database.writing() as session:
        template = await broadcasts.save_as_template(session, MEI, broadcast.id or 0, now=app.clock())
        draft = await broadcasts.duplicate(session, MEI, template.id or 0, now=app.clock())

    with pytest.raises(Conflict) as refusal:
        await _do(app, "start", template.id)

    assert refusal.value.reason == "template"
    async with app.database.reading() as session:
        listed = (await broadcasts.list_broadcasts(session)).items
        templates = (await broadcasts.list_broadcasts(session, templates=True)).items
    assert [one.id for one in listed] == [draft.id, broadcast.id]
    assert [one.id for one in templates] == [template.id]


async def test_what_is_over_goes_out_of_the_list_and_comes_back_what_is_on_its_way_stays(app: App):
    await given_fans(app, 1)
    broadcast_id = await started(app)

    with pytest.raises(Conflict) as refusal:
        async with app.database.writing() as session:
            await broadcasts.archive(session, MEI, broadcast_id, now=app.clock())
    await _do(app, "cancel", broadcast_id)
    async with app.database.writing() as session:
        await broadcasts.archive(session, MEI, broadcast_id, now=app.clock())

    assert refusal.value.reason == "on_its_way"
    async with app.database.reading() as session:
        assert (await broadcasts.list_broadcasts(session)).items == []
        assert [one.id for one in (await broadcasts.list_broadcasts(session, archived=True)).items] == [broadcast_id]
    async with app.database.writing() as session:
        back = await broadcasts.archive(session, MEI, broadcast_id, now=app.clock(), archived=False)
    assert back.archived_at is None
