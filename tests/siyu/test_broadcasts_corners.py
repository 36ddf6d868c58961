"""Corners of a broadcast's course: answers that came too late, winners of nobody, and what was settled early."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from siyu import broadcasts
from siyu.app import App
from siyu.broadcasts import answers, course, deciding, ledger, preparing, presses
from siyu.broadcasts.tasks import Noted, Task
from siyu.kit.errors import Conflict
from siyu.outcomes import NotSent, Outcome, Sent, Unknown
from siyu.tables import Delivery, Timing
from tests.broadcasting import MEI, composed, counted, given_fans, row_of, started, state_of
from tests.ledgers import buys

TEST = {"variants": ({"key": "b", "text": "other"},), "winner_by": "purchases", "winner_after_minutes": 60}
DAILY = {"every": "daily", "at": "18:00"}


async def _claim(app: App, broadcast_id: int, *, owner: str = "me") -> list[Task]:
    async with app.database.writing() as session:
        return await ledger.claim(session, broadcast_id, owner, limit=500, now=app.clock())


async def _note(app: App, tasks: list[Task], outcome: Outcome, *, owner: str = "me") -> None:
    async with app.database.writing() as session:
        await answers.note(session, [Noted(task, outcome) for task in tasks], owner, now=app.clock())


async def _advance(app: App, broadcast_id: int) -> None:
    async with app.database.writing() as session:
        await preparing.advance(session, broadcast_id, now=app.clock(), zone=app.settings.zone)


@pytest.mark.parametrize("policy", ["leave", "resend"])
async def test_who_pressed_while_we_waited_for_an_answer_that_never_came_got_it(app, policy):
    (fan,) = await given_fans(app, 1)
    broadcast_id = await started(app, on_unknown=policy)
    tasks = await _claim(app, broadcast_id)
    async with app.database.writing() as session:
        delivery = await session.get(Delivery, (broadcast_id, fan.id))
        assert delivery is not None
        await presses.clicked(session, delivery, "0.0", now=app.clock())

    await _note(app, tasks, Unknown("timeout"))

    row = await row_of(app, broadcast_id, fan)
    assert (str(row.state), row.reason, row.sent_at) == ("sent", None, row.clicked_at)


async def test_a_sender_taken_for_dead_lines_nobody_up_in_what_is_finished(app):
    await given_fans(app, 1)
    broadcast_id = await started(app)
    tasks = await _claim(app, broadcast_id, owner="stalled")
    async with app.database.writing() as session:
        await ledger.settle_dead(session, {"other"}, now=app.clock())
        await course.finish(session, now=app.clock())

    await _note(app, tasks, NotSent("no line"), owner="stalled")

    assert (await state_of(app, broadcast_id), await counted(app, broadcast_id)) == ("finished", {"unknown": 1})


async def test_what_was_settled_early_and_fails_later_leaves_nobody_waiting(app, clock):
    await given_fans(app, 3)
    broadcast = await composed(app, freeze_early=True, timing=Timing.AT, send_at=clock() + timedelta(hours=5))
    broadcast_id = broadcast.id or 0
    async with app.database.writing() as session:
        await broadcasts.start(session, broadcast_id, actor=MEI, now=clock())
    await _advance(app, broadcast_id)
    settled = await counted(app, broadcast_id)
    async with app.database.writing() as session:
        await preparing.fail(session, broadcast_id, Conflict("no", reason="offer_not_open"), now=clock())

    assert (settled, await counted(app, broadcast_id)) == ({"pending": 3}, {"skipped": 3})
    assert await state_of(app, broadcast_id) == "failed"


async def test_a_series_is_due_at_its_time_only(app, clock):
    await given_fans(app, 1)
    broadcast = await composed(app, freeze_early=True, timing=Timing.SERIES, series=DAILY)
    async with app.database.writing() as session:
        await broadcasts.start(session, broadcast.id or 0, actor=MEI, now=clock())
    await _advance(app, broadcast.id or 0)

    async with app.database.reading() as session:
        assert await preparing.due(session, now=clock()) == []


async def test_where_nobody_drew_the_test_everybody_gets_the_main_text(app, clock):
    await given_fans(app, 3)
    broadcast_id = await started(app, **TEST, test_percent=1)
    async with app.database.writing() as session:
        everybody = update(Delivery).values(variant=None, reason="waits_for_winner")
        await session.run(everybody)
    clock.pass_(days=1)

    async with app.database.writing() as session:
        assert await deciding.decide_winner(session, broadcast_id, now=clock()) == "a"
    assert len(await _claim(app, broadcast_id)) == 3


async def test_a_winner_cannot_be_chosen_before_there_is_a_test(app, clock):
    await given_fans(app, 3)
    broadcast = await composed(app, **TEST, test_percent=20)
    async with app.database.writing() as session:
        await broadcasts.start(session, broadcast.id or 0, actor=MEI, now=clock(), undo=True)
        await broadcasts.pause(session, broadcast.id or 0, actor=MEI, now=clock())

    with pytest.raises(Conflict):
        async with app.database.writing() as session:
            await broadcasts.choose_winner(session, broadcast.id or 0, "b", actor=MEI, now=clock())


async def test_minutes_count_from_when_the_test_was_sent(app, clock):
    await given_fans(app, 40)
    broadcast_id = await started(app, **TEST, test_percent=50)
    later = clock() + timedelta(hours=8)
    async with app.database.writing() as session:
        moved = update(Delivery).where(col(Delivery.variant).is_not(None)).values(not_before=later, reason="quiet")
        await session.run(moved)
    clock.now = later
    await _note(app, await _claim(app, broadcast_id), Sent(1))

    clock.pass_(minutes=59)
    async with app.database.reading() as session:
        early = await deciding.undecided(session, now=clock())
    clock.pass_(minutes=1)
    async with app.database.reading() as session:
        assert (early, await deciding.undecided(session, now=clock())) == ([], [broadcast_id])


async def test_who_got_the_winner_afterwards_is_no_part_of_the_comparison(app, clock):
    people = {fan.id: fan for fan in await given_fans(app, 120)}
    broadcast_id = await started(app, **TEST, test_percent=50)
    tested = await _claim(app, broadcast_id)
    await _note(app, tested, Sent(1))
    clock.pass_(minutes=1)
    await buys(app, *(people[task.fan_id] for task in tested if task.variant == "b"))
    before = await _compared(app, broadcast_id)
    clock.pass_(hours=1)

    async with app.database.writing() as session:
        assert await deciding.decide_winner(session, broadcast_id, now=clock()) == "b"
    await _note(app, await _claim(app, broadcast_id), Sent(1))

    assert await _compared(app, broadcast_id) == before


async def _compared(app: App, broadcast_id: int) -> object:
    async with app.database.reading() as session:
        _, other = (await broadcasts.results(session, broadcast_id)).versions
    assert other.against_main is not None
    return other.against_main
