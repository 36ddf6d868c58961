import asyncio

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from siyu import audit, broadcasts, fans
from siyu.app import App
from siyu.kit.errors import Conflict, NotFound
from siyu.tables import Delivery, DeliveryState, Reach
from tests.broadcasting import MEI, SEGMENT, composed, counted, given_fans, row_of, started, state_of


async def _leave_out_one_of_each(app: App) -> None:
    """Of nine fans: one gone, one blocked, one never met, one muted, one muted who also blocked."""
    community = await given_fans(app, 9)
    async with app.database.writing() as session:
        for fan, reach in zip(community, [Reach.GONE, Reach.BLOCKED, Reach.IMPORTED], strict=False):
            await fans.change_reach(session, fan.telegram_id, reach, now=app.clock())
        await fans.change_reach(session, community[4].telegram_id, Reach.BLOCKED, now=app.clock())
        for fan in await _fresh(session, [community[3].telegram_id, community[4].telegram_id]):
            await fans.mute(session, fan, now=app.clock())


async def _fresh(session, telegram_ids):
    return [await fans.get_fan(session, telegram_id) for telegram_id in telegram_ids]


async def test_the_funnel_says_exactly_who_will_get_it_and_why_the_others_will_not(app):
    await _leave_out_one_of_each(app)

    async with app.database.reading() as session:
        funnel = await broadcasts.funnel(session, broadcasts.Audience((SEGMENT,)))

    assert (funnel.in_segment, funnel.gone, funnel.blocked, funnel.unreachable, funnel.muted) == (9, 1, 2, 1, 1)
    assert funnel.will_get == 4


async def test_starting_freezes_one_row_per_fan_and_gives_everybody_left_out_a_reason(app):
    await _leave_out_one_of_each(app)

    broadcast_id = await started(app)

    assert await counted(app, broadcast_id) == {"pending": 4, "skipped": 5}
    async with app.database.reading() as session:
        assert await broadcasts.reasons(session, broadcast_id) == {
            (DeliveryState.SKIPPED, "gone"): 1,
            (DeliveryState.SKIPPED, "blocked"): 2,
            (DeliveryState.SKIPPED, "unreachable"): 1,
            (DeliveryState.SKIPPED, "muted"): 1,
        }


async def test_a_fan_who_enters_the_segment_after_the_start_is_not_written_to(app):
    await given_fans(app, 3)
    broadcast_id = await started(app)

    await given_fans(app, 2, first=5000)

    assert await counted(app, broadcast_id) == {"pending": 3}


async def test_a_broadcast_starts_once_however_often_it_is_clicked(app):
    await given_fans(app, 2)
    broadcast_id = await started(app)

    with pytest.raises(Conflict, match="already running") as refusal:
        async with app.database.writing() as session:
            await broadcasts.start(session, broadcast_id, actor=MEI, now=app.clock())

    assert refusal.value.reason == "already_running"
    assert await counted(app, broadcast_id) == {"pending": 2}


async def test_a_segment_nobody_of_whom_can_be_reached_is_refused_and_the_draft_stays_a_draft(app):
    community = await given_fans(app, 2)
    async with app.database.writing() as session:
        for fan in community:
            await fans.change_reach(session, fan.telegram_id, Reach.BLOCKED, now=app.clock())
    broadcast = await composed(app)

    async with app.database.writing() as session:
        # Caught inside the transaction: even then nothing of the start may stay.
        with pytest.raises(Conflict, match="nobody would get") as refusal:
            await broadcasts.start(session, broadcast.id or 0, actor=MEI, now=app.clock())

    assert refusal.value.reason == "empty"
    assert await state_of(app, broadcast.id or 0) == "draft"
    assert await counted(app, broadcast.id or 0) == {}


async def test_a_broadcast_that_does_not_exist_is_not_found(app):
    with pytest.raises(NotFound):
        async with app.database.writing() as session:
            await broadcasts.start(session, 404, actor=MEI, now=app.clock())


async def test_pause_resume_and_cancel_follow_one_another_and_are_audited(app):
    await given_fans(app, 3)
    broadcast_id = await started(app)

    for change in (broadcasts.pause, broadcasts.resume, broadcasts.pause, broadcasts.cancel):
        async with app.database.writing() as session:
            await change(session, broadcast_id, actor=MEI, now=app.clock())

    assert await state_of(app, broadcast_id) == "cancelled"
    async with app.database.reading() as session:
        lines = (await audit.entries(session, subject=("broadcast", str(broadcast_id)))).items
    assert [line.action.removeprefix("broadcast.") for line in reversed(lines)] == [
        "composed", "started", "paused", "resumed", "paused", "cancelled",
    ]  # fmt: skip
    assert {line.actor for line in lines} == {"operator:7"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [("pause", "not_started"), ("resume", "not_started")],
)
async def test_a_draft_can_be_neither_paused_nor_resumed(app, change, reason):
    await given_fans(app, 1)
    broadcast = await composed(app)

    with pytest.raises(Conflict) as refusal:
        async with app.database.writing() as session:
            await getattr(broadcasts, change)(session, broadcast.id or 0, actor=MEI, now=app.clock())

    assert refusal.value.reason == reason


@pytest.mark.parametrize("change", ["start", "pause", "resume", "cancel"])
async def test_a_cancelled_broadcast_stays_cancelled(app, change):
    await given_fans(app, 1)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        await broadcasts.cancel(session, broadcast_id, actor=MEI, now=app.clock())

    with pytest.raises(Conflict) as refusal:
        async with app.database.writing() as session:
            await getattr(broadcasts, change)(session, broadcast_id, actor=MEI, now=app.clock())

    assert refusal.value.reason == "cancelled"


async def test_cancelling_skips_everybody_who_still_waits_and_the_counts_add_up(app):
    community = await given_fans(app, 4)
    broadcast_id = await started(app)

    async with app.database.writing() as session:
        await broadcasts.cancel(session, broadcast_id, actor=MEI, now=app.clock())

    assert await counted(app, broadcast_id) == {"skipped": 4}
    assert (await row_of(app, broadcast_id, community[0])).reason == "cancelled"


async def test_two_operators_who_click_start_at_once_freeze_the_audience_once(app):
    await given_fans(app, 20)
    broadcast = await composed(app)

    async def click() -> str:
        try:
            async with app.database.writing() as session:
                await broadcasts.start(session, broadcast.id or 0, actor=MEI, now=app.clock())
        except Conflict as refusal:
            return refusal.reason
        return "started"

    answers = await asyncio.gather(click(), click(), click())

    assert sorted(answers) == ["already_running", "already_running", "started"]
    assert await counted(app, broadcast.id or 0) == {"pending": 20}


async def test_a_thousand_fans_are_frozen_without_loading_them(app):
    await given_fans(app, 1000)

    broadcast_id = await started(app)

    async with app.database.reading() as session:
        rows = await session.one(select(func.count()).where(col(Delivery.broadcast_id) == broadcast_id))
    assert rows == 1000
