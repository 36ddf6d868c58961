from datetime import timedelta

import pytest

from siyu import broadcasts, fans
from siyu.app import App
from siyu.broadcasts import Draft
from siyu.broadcasts.audience import Audience, members_of
from siyu.kit.errors import Conflict, Invalid
from siyu.tables import Broadcast, BroadcastState, Reach
from tests.broadcasting import MEI, SEGMENT, counted, given_fans, row_of, state_of
from tests.ledgers import given_broadcast, given_rows, presses


async def _retries(app: App, broadcast_id: int) -> int:
    async with app.database.writing() as session:
        return await broadcasts.retry_failed(session, broadcast_id, actor=MEI, now=app.clock())


async def _sends_to_the_others(app: App, broadcast_id: int) -> Broadcast:
    async with app.database.writing() as session:
        return await broadcasts.send_to_not_reached(session, broadcast_id, actor=MEI, now=app.clock())


async def _follows_up(app: App, broadcast_id: int) -> Broadcast:
    async with app.database.writing() as session:
        return await broadcasts.follow_up_not_pressed(session, broadcast_id, actor=MEI, now=app.clock())


async def _members(app: App, whom) -> set[int]:
    async with app.database.reading() as session:
        return set(await session.all(await members_of(session, whom)))


async def test_failed_fans_are_tried_again_and_the_finished_broadcast_runs_on(app, clock):
    people = await given_fans(app, 4)
    broadcast_id = await given_broadcast(app, state=BroadcastState.FINISHED, finished_at=clock())
    await given_rows(app, broadcast_id, people[:1], "sent")
    await given_rows(app, broadcast_id, people[1:3], "failed", reason="rejected: too long", attempts=1)
    await given_rows(app, broadcast_id, people[3:], "blocked", reason="blocked")
    clock.pass_(days=2)

    tried = await _retries(app, broadcast_id)

    assert tried == 2
    assert await state_of(app, broadcast_id) == "running"
    assert await counted(app, broadcast_id) == {"pending": 2, "sent": 1, "blocked": 1}
    row = await row_of(app, broadcast_id, people[1])
    assert (row.reason, row.planned_at) == (None, clock())


async def test_a_paused_broadcast_waits_with_its_retries_for_its_operator(app):
    people = await given_fans(app, 1)
    broadcast_id = await given_broadcast(app, state=BroadcastState.PAUSED)
    await given_rows(app, broadcast_id, people, "failed", reason="gone")

    await _retries(app, broadcast_id)

    assert await state_of(app, broadcast_id) == "paused"


async def test_where_nobody_can_be_reached_the_broadcast_stays_finished(app, clock):
    (gone,) = await given_fans(app, 1)
    broadcast_id = await given_broadcast(app, state=BroadcastState.FINISHED)
    await given_rows(app, broadcast_id, (gone,), "failed", reason="gone")
    async with app.database.writing() as session:
        await fans.change_reach(session, gone.telegram_id, Reach.GONE, now=clock())

    with pytest.raises(Conflict) as refused:
        await _retries(app, broadcast_id)

    assert refused.value.reason == "nobody_failed"
    assert await state_of(app, broadcast_id) == "finished"


@pytest.mark.parametrize("state", [BroadcastState.CANCELLED, BroadcastState.DRAFT])
async def test_what_was_cancelled_or_never_sent_is_not_tried_again(app, state):
    people = await given_fans(app, 1)
    broadcast_id = await given_broadcast(app, state=state)
    await given_rows(app, broadcast_id, people, "failed", reason="gone")

    with pytest.raises(Conflict) as refused:
        await _retries(app, broadcast_id)

    assert refused.value.reason == state
    assert await counted(app, broadcast_id) == {"failed": 1}


async def test_a_second_broadcast_goes_to_those_the_first_did_not_reach(app):
    _sent, failed, blocked, skipped, _unknown, _held = people = await given_fans(app, 6)
    broadcast_id = await given_broadcast(
        app, include=[SEGMENT], text="We <b>miss</b> you", holdout_percent=10, state=BroadcastState.FINISHED
    )
    states = ("sent", "failed", "blocked", "skipped", "unknown", "holdout")
    for fan, state in zip(people, states, strict=True):
        await given_rows(app, broadcast_id, (fan,), state)

    draft = await _sends_to_the_others(app, broadcast_id)

    assert await _members(app, draft) == {failed.id, blocked.id, skipped.id}
    assert (draft.state, draft.text, draft.holdout_percent) == (BroadcastState.DRAFT, "We <b>miss</b> you", 0)
    assert (draft.follows_id, draft.follows, draft.include) == (broadcast_id, "not_reached", [])


async def test_the_others_are_not_written_to_while_some_may_still_get_it(app):
    people = await given_fans(app, 2)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, people, "failed")

    with pytest.raises(Conflict) as refused:
        await _sends_to_the_others(app, broadcast_id)

    assert refused.value.reason == "not_over"


async def test_a_follow_up_goes_to_who_got_it_and_pressed_nothing_as_it_stands_when_it_starts(app):
    pressed, later, silent, unsent = people = await given_fans(app, 4)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, people[:3], "sent")
    await given_rows(app, broadcast_id, (unsent,), "pending")
    await presses(app, broadcast_id, pressed)

    draft = await _follows_up(app, broadcast_id)
    at_first = await _members(app, draft)
    await presses(app, broadcast_id, later)

    assert at_first == {later.id, silent.id}
    assert await _members(app, draft) == {silent.id}


async def test_a_follow_up_of_a_decided_comparison_has_the_words_of_the_winner(app):
    people = await given_fans(app, 1)
    variants = [{"key": "b", "text": "Tea is <b>on us</b>", "share": 50}]
    broadcast_id = await given_broadcast(app, variants=variants, winner="b", test_percent=40)
    await given_rows(app, broadcast_id, people, "sent", variant="b")

    draft = await _follows_up(app, broadcast_id)

    assert (draft.text, draft.variants, draft.test_percent, draft.winner) == ("Tea is <b>on us</b>", [], 100, None)


async def test_a_draft_that_was_never_sent_has_nobody_to_follow_up(app):
    broadcast_id = await given_broadcast(app, state=BroadcastState.DRAFT, started_at=None)

    with pytest.raises(Conflict) as refused:
        await _follows_up(app, broadcast_id)

    assert refused.value.reason == "not_started"


async def test_a_follow_up_may_be_narrowed_to_a_segment_and_written_anew(app, clock):
    inside, outside = (await given_fans(app, 1))[0], (await given_fans(app, 1, segment="loyalty.lost", first=5001))[0]
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, (inside, outside), "sent")
    draft = await _follows_up(app, broadcast_id)

    anew = Draft("Tea", (SEGMENT,), "Still here", follows_id=draft.follows_id, follows=draft.follows)
    async with app.database.writing() as session:
        edited = await broadcasts.edit(session, MEI, draft.id or 0, anew, now=clock() + timedelta(minutes=1))

    assert await _members(app, edited) == {inside.id}
    assert await _members(app, Audience((SEGMENT,), follows_id=broadcast_id, follows="not_pressed")) == {inside.id}


@pytest.mark.parametrize("follows", [{"follows_id": 404, "follows": "not_pressed"}, {"follows_id": 1, "follows": "x"}])
async def test_a_broadcast_follows_only_what_there_is(app, follows, clock):
    await given_broadcast(app)

    with pytest.raises(Invalid) as refused:
        async with app.database.writing() as session:
            await broadcasts.compose(session, MEI, Draft("Tea", (), "Tea", **follows), now=clock())

    assert refused.value.where == ("follows",)
