"""The ledger by itself: who is taken in hand, and what is said of those whose sender died."""

import re

import pytest
from sqlalchemy import event, text
from sqlalchemy.dialects import sqlite

from siyu import broadcasts, fans, topics
from siyu.broadcasts import answers, course, ledger
from siyu.broadcasts.canary import Watch
from siyu.broadcasts.tasks import Noted, Task
from siyu.kit.errors import Conflict, Invalid
from siyu.outcomes import Blocked, NotSent, Outcome, Rejected, Sent, SlowDown, Unknown
from siyu.tables import GeneralOnly, Reach, TopicDeclined
from tests.broadcasting import MEI, counted, given_fans, row_of, started, state_of


async def _claim(app, broadcast_id, *, limit=10, owner="me") -> list[Task]:
    async with app.database.writing() as session:
        return await ledger.claim(session, broadcast_id, owner, limit=limit, now=app.clock())


async def _note(app, *noted: Noted, owner="me") -> None:
    async with app.database.writing() as session:
        await answers.note(session, noted, owner, now=app.clock())


async def _settle_dead(app, *alive: str) -> int:
    async with app.database.writing() as session:
        return await ledger.settle_dead(session, alive, now=app.clock())


async def test_nobody_is_taken_in_hand_twice(app):
    await given_fans(app, 5)
    broadcast_id = await started(app)

    first = await _claim(app, broadcast_id, limit=3)
    second = await _claim(app, broadcast_id, limit=3, owner="another")

    assert [task.telegram_id for task in (*first, *second)] == [1001, 1002, 1003, 1004, 1005]
    assert await _claim(app, broadcast_id) == []
    assert await counted(app, broadcast_id) == {"sending": 5}


async def test_a_task_knows_the_language_the_fan_chose_over_the_one_telegram_hints(app):
    community = await given_fans(app, 2)
    async with app.database.writing() as session:
        await fans.set_language(session, await fans.get_fan(session, community[0].telegram_id), "zh_CN")
    broadcast_id = await started(app)

    assert [task.language for task in await _claim(app, broadcast_id)] == ["zh_CN", "zh-hans"]


@pytest.mark.parametrize("halt", ["pause", "cancel"])
async def test_a_broadcast_that_does_not_run_gives_nobody_away(app, halt):
    await given_fans(app, 2)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        await getattr(broadcasts, halt)(session, broadcast_id, actor=MEI, now=app.clock())

    assert await _claim(app, broadcast_id) == []


async def test_somebody_who_opts_out_after_the_start_gets_nothing_and_is_skipped_with_the_reason(app):
    community = await given_fans(app, 3)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        await fans.mute(session, await fans.get_fan(session, community[1].telegram_id), now=app.clock())

    taken = await _claim(app, broadcast_id)
    await _claim(app, broadcast_id)

    assert {task.fan_id for task in taken} == {community[0].id, community[2].id}
    row = await row_of(app, broadcast_id, community[1])
    assert (row.state, row.reason) == ("skipped", "muted")


async def test_who_declined_the_topic_or_blocked_the_bot_since_the_start_is_skipped_as_that(app):
    community = await given_fans(app, 3)
    async with app.database.writing() as session:
        await topics.create_topic(session, MEI, "news", "News", now=app.clock())
    broadcast_id = await started(app, topic="news")
    async with app.database.writing() as session:
        session.add(TopicDeclined(fan_id=community[0].id, topic="news", at=app.clock()))
        await fans.change_reach(session, community[1].telegram_id, Reach.BLOCKED, now=app.clock())

    taken = await _claim(app, broadcast_id)
    await _claim(app, broadcast_id)

    assert [task.fan_id for task in taken] == [community[2].id]
    rows = [await row_of(app, broadcast_id, fan) for fan in community[:2]]
    assert [(row.state, row.reason) for row in rows] == [("skipped", "declined"), ("skipped", "blocked")]


@pytest.mark.parametrize("must_be_known", [False, True])
async def test_who_wants_only_essentials_since_the_start_is_skipped_unless_everybody_must_know(app, must_be_known):
    community = await given_fans(app, 2)
    broadcast_id = await started(app, ignores_quiet=must_be_known)
    async with app.database.writing() as session:
        session.add(GeneralOnly(fan_id=community[0].id, at=app.clock()))

    taken = await _claim(app, broadcast_id)
    await _claim(app, broadcast_id)

    assert {task.fan_id for task in taken} == {fan.id for fan in (community if must_be_known else community[1:])}
    row = await row_of(app, broadcast_id, community[0])
    assert (row.state, row.reason) == (("sending", None) if must_be_known else ("skipped", "general_only"))


async def test_who_comes_after_the_winner_was_found_gets_it_and_the_row_says_so(app):
    (fan,) = await given_fans(app, 1)
    broadcast_id = await started(app, variants=[{"key": "b", "text": "Tea?", "share": 99}])
    drew = (await row_of(app, broadcast_id, fan)).variant
    other = "b" if drew == "a" else "a"
    async with app.database.writing() as session:
        await broadcasts.choose_winner(session, broadcast_id, other, actor=MEI, now=app.clock())

    (task,) = await _claim(app, broadcast_id)

    assert (task.variant, (await row_of(app, broadcast_id, fan)).variant) == (other, other)


async def test_looking_at_what_runs_does_not_read_those_who_wait_for_tomorrow(app, database_url):
    if not database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL plans by its statistics")
    asked: list[str] = []
    event.listen(app.database._reader.sync_engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    async with app.database.reading() as session:
        await ledger.running(session, now=app.clock())
    async with app.database.reading() as session:
        plan = text("EXPLAIN QUERY PLAN " + re.sub(r"\?", "'1'", next(one for one in asked if "delivery" in one)))
        steps = [row[3] for row in await session.rows(plan)]

    waiting = [step for step in steps if "ix_delivery_waiting" in step]
    assert [step.partition("(")[2] for step in waiting] == [
        "broadcast_id=? AND not_before=?)", "broadcast_id=? AND not_before<?)", "broadcast_id=?)",
    ]  # fmt: skip
    assert not [step for step in steps if "TEMP B-TREE" in step]  # the first of each is enough


async def test_somebody_put_back_waits_for_their_turn(app, clock):
    await given_fans(app, 1)
    broadcast_id = await started(app)
    (task,) = await _claim(app, broadcast_id)
    await _note(app, Noted(task, NotSent()))

    assert await _claim(app, broadcast_id) == []
    clock.pass_(seconds=6)
    (again,) = await _claim(app, broadcast_id)
    assert again.attempts == 1


async def test_what_dead_senders_had_in_hand_is_unknown_and_what_others_have_is_left_alone(app):
    await given_fans(app, 3)
    broadcast_id = await started(app)
    await _claim(app, broadcast_id, limit=1, owner="dead")
    await _claim(app, broadcast_id, limit=1, owner="alive")

    settled = await _settle_dead(app, "me", "alive")

    assert settled == 1
    assert await counted(app, broadcast_id) == {"unknown": 1, "sending": 1, "pending": 1}


async def test_under_resend_it_goes_back_to_the_line(app):
    await given_fans(app, 1)
    broadcast_id = await started(app, on_unknown="resend")
    await _claim(app, broadcast_id, owner="dead")

    await _settle_dead(app, "me")

    assert await counted(app, broadcast_id) == {"pending": 1}


async def test_whoever_kills_every_sender_is_left_at_last(app):
    """Far more often than kills in a row could meet anybody by chance: those get theirs."""
    await given_fans(app, 1)
    broadcast_id = await started(app, on_unknown="resend")

    for deaths in range(1, ledger.MOST_DEATHS + 1):
        await _claim(app, broadcast_id, owner=f"dead {deaths}")
        await _settle_dead(app, "me")
        assert await counted(app, broadcast_id) == {"pending" if deaths < ledger.MOST_DEATHS else "unknown": 1}


@pytest.mark.parametrize("on_unknown", ["leave", "resend"])
async def test_a_press_on_what_a_dead_sender_had_in_hand_proves_that_it_arrived(app, on_unknown):
    (fan,) = await given_fans(app, 1)
    broadcast_id = await started(app, on_unknown=on_unknown)
    await _claim(app, broadcast_id, owner="dead")
    async with app.database.writing() as session:
        fresh = await fans.get_fan(session, fan.telegram_id)
        await broadcasts.press(session, fresh, f"b:{broadcast_id}:shop", now=app.clock())

    await _settle_dead(app, "me")

    assert await counted(app, broadcast_id) == {"sent": 1}


async def test_a_sender_that_was_taken_for_dead_still_knows_best(app):
    (fan,) = await given_fans(app, 1)
    broadcast_id = await started(app)
    (task,) = await _claim(app, broadcast_id, owner="stalled")
    await _settle_dead(app, "me")

    await _note(app, Noted(task, Sent(9)), owner="stalled")

    row = await row_of(app, broadcast_id, fan)
    assert (row.state, row.reason, row.message_id) == ("sent", None, 9)


async def test_an_outcome_of_somebody_elses_task_is_not_written(app):
    await given_fans(app, 1)
    broadcast_id = await started(app)
    (task,) = await _claim(app, broadcast_id, owner="another")

    await _note(app, Noted(task, Sent(9)), owner="me")

    assert await counted(app, broadcast_id) == {"sending": 1}


async def test_what_comes_back_to_a_cancelled_broadcast_is_skipped_not_left_waiting(app):
    await given_fans(app, 2)
    broadcast_id = await started(app)
    slowed, lost = await _claim(app, broadcast_id)
    async with app.database.writing() as session:
        await broadcasts.cancel(session, broadcast_id, actor=MEI, now=app.clock())

    await _note(app, Noted(slowed, SlowDown(1)), Noted(lost, Unknown()))

    assert await counted(app, broadcast_id) == {"skipped": 1, "unknown": 1}


async def test_a_broadcast_finishes_only_when_nobody_waits_and_nothing_is_in_flight(app):
    await given_fans(app, 2)
    broadcast_id = await started(app)

    async def finish() -> str:
        async with app.database.writing() as session:
            await course.finish(session, now=app.clock())
        return await state_of(app, broadcast_id)

    assert await finish() == "running"
    (task,) = await _claim(app, broadcast_id, limit=1)
    (other,) = await _claim(app, broadcast_id, limit=1)
    await _note(app, Noted(task, Sent(1)))
    assert await finish() == "running"
    await _note(app, Noted(other, Unknown()))
    assert await finish() == "finished"


async def test_a_refusal_among_the_first_twenty_holds_it_and_a_single_one_later_does_not(app):
    await given_fans(app, 30)
    early, late = await started(app), await started(app)
    tasks = await _claim(app, early, limit=20)
    await _note(app, *[Noted(task, Sent(5)) for task in tasks[:19]], Noted(tasks[19], Rejected("too long")))
    tasks = await _claim(app, late, limit=21)
    await _note(app, *[Noted(task, Sent(5)) for task in tasks[:20]], Noted(tasks[20], Rejected("too long")))

    assert (await state_of(app, early), await state_of(app, late)) == ("paused", "running")


async def test_whoever_resumes_a_failing_broadcast_is_not_stopped_by_what_failed_before(app):
    await given_fans(app, 80)
    broadcast_id = await started(app)
    watch = Watch()

    async def answered(number: int, outcome: Outcome) -> str:
        tasks = await _claim(app, broadcast_id, limit=number)
        async with app.database.writing() as session:
            await answers.note(session, [Noted(task, outcome) for task in tasks], "me", now=app.clock(), watch=watch)
        return await state_of(app, broadcast_id)

    states = [await answered(30, Sent(5)), await answered(10, Unknown()), await answered(1, Unknown())]
    async with app.database.writing() as session:
        await broadcasts.resume(session, broadcast_id, actor=MEI, now=app.clock())
    states.append(await answered(1, Unknown()))

    assert states == ["running", "running", "paused", "running"]


async def test_until_the_first_twenty_have_passed_no_more_than_these_are_in_hand(app):
    await given_fans(app, 60)
    broadcast_id = await started(app)
    watch = Watch()

    async def claimed(number: int) -> list[Task]:
        async with app.database.writing() as session:
            return await ledger.claim(session, broadcast_id, "me", limit=number, now=app.clock(), watch=watch)

    first = [*await claimed(15), *await claimed(15)]
    too_early = await claimed(15)
    await _note(app, *[Noted(task, Sent(5)) for task in first[:19]], Noted(first[19], Blocked()))
    instead = await claimed(15)
    await _note(app, *[Noted(task, Sent(5)) for task in instead])
    afterwards = await claimed(15)

    assert [len(some) for some in (first, too_early, instead, afterwards)] == [20, 0, 1, 15]


async def test_an_operator_can_leave_what_is_unknown(app):
    (fan,) = await given_fans(app, 1)
    broadcast_id = await _with_one_unknown(app)

    async with app.database.writing() as session:
        settled = await broadcasts.resolve_unknown(session, broadcast_id, "leave", actor=MEI, now=app.clock())
        again = await broadcasts.resolve_unknown(session, broadcast_id, "leave", actor=MEI, now=app.clock())

    assert (settled, again) == (1, 0)
    row = await row_of(app, broadcast_id, fan)
    assert (row.state, row.reason) == ("unknown", "left")
    assert await state_of(app, broadcast_id) == "finished"


async def test_an_operator_can_send_again_where_it_is_unknown(app):
    await given_fans(app, 1)
    broadcast_id = await _with_one_unknown(app)

    async with app.database.writing() as session:
        settled = await broadcasts.resolve_unknown(session, broadcast_id, "resend", actor=MEI, now=app.clock())

    assert settled == 1
    assert await state_of(app, broadcast_id) == "running"
    assert len(await _claim(app, broadcast_id)) == 1


async def test_nothing_is_sent_again_for_a_cancelled_broadcast(app):
    await given_fans(app, 2)
    broadcast_id = await started(app)
    (task,) = await _claim(app, broadcast_id, limit=1)
    await _note(app, Noted(task, Unknown()))
    async with app.database.writing() as session:
        await broadcasts.cancel(session, broadcast_id, actor=MEI, now=app.clock())

    with pytest.raises(Conflict):
        async with app.database.writing() as session:
            await broadcasts.resolve_unknown(session, broadcast_id, "resend", actor=MEI, now=app.clock())

    assert await counted(app, broadcast_id) == {"unknown": 1, "skipped": 1}


async def test_there_is_no_third_choice_for_what_is_unknown(app):
    with pytest.raises(Invalid):
        async with app.database.writing() as session:
            await broadcasts.resolve_unknown(session, 1, "guess", actor=MEI, now=app.clock())


async def test_a_claim_at_the_end_of_a_long_list_does_not_walk_over_those_sent_before(app, database_url):
    if not database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL plans by its statistics")
    plan = text("EXPLAIN QUERY PLAN " + str(ledger._TAKE.compile(dialect=sqlite.dialect(paramstyle="named"))))

    async with app.database.reading() as session:
        names = plan.compile().params
        steps = [row[3] for row in await session.rows(plan, dict.fromkeys(names))]

    found = [step for step in steps if "SEARCH delivery" in step]
    assert found[1:3] == [
        "SEARCH delivery USING INDEX ix_delivery_waiting (broadcast_id=? AND not_before<?)",
        "SEARCH delivery USING INDEX ix_delivery_waiting (broadcast_id=? AND not_before=?)",
    ]


async def _with_one_unknown(app) -> int:
    broadcast_id = await started(app)
    (task,) = await _claim(app, broadcast_id)
    await _note(app, Noted(task, Unknown()))
    async with app.database.writing() as session:
        await course.finish(session, now=app.clock())
    return broadcast_id
