"""A broadcast that went out is written anew or taken back for everyone who got it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from bot.revising import Reviser
from siyu import broadcasts, leases
from siyu.broadcasts import answers, ledger, links, revising
from siyu.broadcasts.links import Tracking
from siyu.broadcasts.tasks import Noted
from siyu.kit.errors import Conflict, Invalid
from siyu.outcomes import Blocked, NotSent, Outcome, Rejected, Sent, SlowDown, Unknown
from siyu.tables import RevisionState
from tests.broadcasting import MEI, FakeTelegram, given_fans, started, until

NOT_FOUND = Rejected("Bad Request: message to edit not found")


@asynccontextmanager
async def a_reviser(app, telegram) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(Reviser(app, telegram).run(stop))
        try:
            yield
        finally:
            stop.set()


async def _went_out(app, number: int, outcomes: Iterable[Outcome] = (), **draft):
    """A broadcast that reached these fans under the message ids 101, 102…"""
    community = await given_fans(app, number)
    broadcast_id = await started(app, **draft)
    async with app.database.writing() as session:
        tasks = await ledger.claim(session, broadcast_id, "me", limit=number, now=app.clock())
        became = [*outcomes, *(Sent(101 + n) for n in range(number))][:number]
        noted = [Noted(task, outcome) for task, outcome in zip(tasks, became, strict=True)]
        await answers.note(session, noted, "me", now=app.clock())
    return community, broadcast_id


async def _edit(app, broadcast_id, text="Better <b>words</b>", buttons=()):
    async with app.database.writing() as session:
        return await revising.start_edit(session, broadcast_id, text, buttons, actor=MEI, now=app.clock())


async def _delete(app, broadcast_id):
    async with app.database.writing() as session:
        return await revising.start_delete(session, broadcast_id, actor=MEI, now=app.clock())


async def _standing(app, broadcast_id):
    async with app.database.reading() as session:
        newest = (await revising.revisions_of(session, broadcast_id))[0]
        why = await revising.reasons(session, newest.revision.id)
    return newest.revision.state, (newest.pending, newest.done, newest.failed), why


async def _over(app, broadcast_id) -> bool:
    return (await _standing(app, broadcast_id))[0] is not RevisionState.RUNNING


async def _changed(app, telegram, broadcast_id):
    async with a_reviser(app, telegram):
        await until(lambda: _over(app, broadcast_id))
    return await _standing(app, broadcast_id)


async def test_everyone_who_got_it_reads_the_new_words_and_nobody_else_hears_of_it(app):
    community, broadcast_id = await _went_out(app, 4, [Blocked(), Unknown()])
    telegram = FakeTelegram()
    await _edit(app, broadcast_id, buttons=[[{"text": "Look", "url": "https://tea.example"}]])

    state, counts, _ = await _changed(app, telegram, broadcast_id)

    assert (state, counts) == (RevisionState.FINISHED, (0, 2, 0))
    assert {method for method, _ in telegram.calls} == {"editMessageText"}
    assert [(call["chat_id"], call["message_id"], call["text"]) for _, call in telegram.calls] == [
        (community[2].telegram_id, 101, "Better <b>words</b>"),
        (community[3].telegram_id, 102, "Better <b>words</b>"),
    ]
    keys = telegram.calls[0][1]["reply_markup"]["inline_keyboard"]
    assert [row[0]["text"] for row in keys] == ["Look", "🔕 No more of these"]


async def test_the_new_words_know_each_fan_and_the_new_links_are_tracked_behind_the_old(app):
    (fan, _), broadcast_id = await _went_out(app, 2, buttons=[[{"text": "Old", "url": "https://tea.example/old"}]])
    await _edit(app, broadcast_id, "Hello {name|friend}", [[{"text": "New", "url": "https://tea.example/new"}]])

    async with app.database.reading() as session:
        (line, _) = await revising.next_lines(session, limit=5)
        letter = revising.letter_for(line, Tracking("https://siyu.example", bytes(32)))
        token = letter.payload["reply_markup"]["inline_keyboard"][0][0]["url"].rpartition("/")[2]
        aim = links.read_token(bytes(32), token)
        leads = await links.destination(session, aim)
        old = await links.destination(session, links.Aim(broadcast_id, fan.id, 0))

    assert letter.payload["text"] == f"Hello {fan.name}"
    assert (aim.fan_id, leads) == (fan.id, ("0.0", "https://tea.example/new"))
    assert old == ("0.0", "https://tea.example/old")


@pytest.mark.parametrize(
    ("draft", "method", "field"),
    [
        ({"media": [{"kind": "video", "file": "https://tea.example/a.mp4"}]}, "editMessageCaption", "caption"),
        ({"media": [{"kind": "photo", "file": f"https://tea.example/{n}.jpg"} for n in range(3)]},
         "editMessageCaption", "caption"),
        ({"text": "", "copied": {"chat_id": 7, "message_id": 9}}, "editMessageReplyMarkup", "reply_markup"),
    ],
)  # fmt: skip
async def test_each_kind_of_message_is_edited_in_its_own_way(app, draft, method, field):
    _, broadcast_id = await _went_out(app, 1, **draft)
    telegram = FakeTelegram()
    await _edit(app, broadcast_id, text="" if "copied" in draft else "Anew")

    await _changed(app, telegram, broadcast_id)

    ((called, payload),) = telegram.calls
    assert called == method
    assert field in payload


async def test_everyones_copy_is_taken_back_and_what_is_gone_anyway_counts_as_taken(app):
    (first, *_), broadcast_id = await _went_out(app, 3)
    telegram = FakeTelegram()
    telegram.will_say([first.telegram_id], Rejected("Bad Request: message to delete not found"))
    await _delete(app, broadcast_id)

    state, counts, _ = await _changed(app, telegram, broadcast_id)

    assert (state, counts) == (RevisionState.FINISHED, (0, 3, 0))
    assert {method for method, _ in telegram.calls} == {"deleteMessage"}


async def test_of_an_album_every_picture_is_taken_back(app):
    _, broadcast_id = await _went_out(
        app, 1, media=[{"kind": "photo", "file": f"https://tea.example/{n}.jpg"} for n in range(3)]
    )
    telegram = FakeTelegram()
    await _delete(app, broadcast_id)

    await _changed(app, telegram, broadcast_id)

    assert telegram.calls[0][1]["message_ids"] == [101, 102, 103]


async def test_what_is_older_than_two_days_cannot_be_taken_back_and_is_said_so(app, clock):
    _, broadcast_id = await _went_out(app, 2)
    clock.pass_(hours=49)

    await _delete(app, broadcast_id)

    assert await _standing(app, broadcast_id) == (RevisionState.FINISHED, (0, 0, 2), {"too_old": 2})


async def test_a_line_that_breaks_costs_nobody_their_turn(app):
    (first, second, third), broadcast_id = await _went_out(app, 3)
    telegram = FakeTelegram()
    telegram.will_say([first.telegram_id], SlowDown(0.05))
    telegram.will_say([second.telegram_id], Unknown(), Unknown())
    telegram.will_say([third.telegram_id], NOT_FOUND)
    await _edit(app, broadcast_id)

    state, counts, why = await _changed(app, telegram, broadcast_id)

    assert (state, counts, why) == (RevisionState.FINISHED, (0, 2, 1), {"not_there": 1})
    assert telegram.calls_per_fan()[second.telegram_id] == 3


async def test_nobody_is_tried_for_ever(app):
    (fan,), broadcast_id = await _went_out(app, 1)
    telegram = FakeTelegram()
    telegram.will_say([fan.telegram_id], *[Unknown()] * 50)
    await _edit(app, broadcast_id)

    assert await _changed(app, telegram, broadcast_id) == (RevisionState.FINISHED, (0, 0, 1), {"no_answer": 1})
    assert len(telegram.calls) == revising.MOST_ATTEMPTS


async def test_words_that_telegram_refuses_stop_it_before_the_list_is_gone(app):
    community, broadcast_id = await _went_out(app, 60)
    telegram = FakeTelegram()
    telegram.will_say([fan.telegram_id for fan in community], Rejected("Bad Request: can't parse entities"))
    await _edit(app, broadcast_id)

    state, (pending, done, failed), _ = await _changed(app, telegram, broadcast_id)

    assert (state, done) == (RevisionState.STOPPED, 0)
    assert (failed, pending) == (20, 40)


async def test_stopped_by_an_operator_nobody_elses_message_is_touched(app):
    _, broadcast_id = await _went_out(app, 3)
    revision = await _edit(app, broadcast_id)

    async with app.database.writing() as session:
        await revising.stop(session, revision.id, actor=MEI, now=app.clock())
    async with app.database.reading() as session:
        assert await revising.next_lines(session, limit=10) == []

    assert (await _standing(app, broadcast_id))[:2] == (RevisionState.STOPPED, (3, 0, 0))
    with pytest.raises(Conflict):
        async with app.database.writing() as session:
            await revising.stop(session, revision.id, actor=MEI, now=app.clock())


async def test_what_a_dead_reviser_left_is_done_by_the_next(app, clock):
    community, broadcast_id = await _went_out(app, 3)
    telegram = FakeTelegram()
    await _edit(app, broadcast_id)
    async with app.database.writing() as session:
        (line,) = await revising.next_lines(session, limit=1)
        await revising.note(session, [(line, Sent())], now=app.clock())
        await leases.hold(session, "reviser", "somebody dead", now=app.clock(), seconds=30)
    clock.pass_(seconds=31)

    await _changed(app, telegram, broadcast_id)

    assert telegram.calls_per_fan() == {fan.telegram_id: 1 for fan in community[1:]}


async def test_without_a_line_to_telegram_everybody_keeps_their_turn(app):
    (fan,), broadcast_id = await _went_out(app, 1)
    await _edit(app, broadcast_id)
    async with app.database.writing() as session:
        (line,) = await revising.next_lines(session, limit=1)
        await revising.note(session, [(line, NotSent())], now=app.clock())

    async with app.database.reading() as session:
        (again,) = await revising.next_lines(session, limit=1)
    assert (again.fan_id, again.attempts) == (fan.id, 0)


@pytest.mark.parametrize(
    ("text", "buttons", "place"),
    [
        ("<b>open", (), ("text",)),
        ("", (), ("text",)),
        ("x" * 4097, (), ("text",)),
        ("{shoe_size}", (), ("text",)),
        ("Hello {first_name}", (), ("text",)),
        ("fine", [[{"text": "Look", "url": "ftp://x.example"}]], ("buttons", 0, 0, "url")),
    ],
)
async def test_what_could_not_be_sent_is_refused_at_its_place(app, text, buttons, place):
    _, broadcast_id = await _went_out(app, 1)

    with pytest.raises(Invalid) as refusal:
        await _edit(app, broadcast_id, text, buttons)

    assert refusal.value.where == place


async def test_one_change_at_a_time_and_none_of_what_nobody_got(app):
    _, broadcast_id = await _went_out(app, 1)
    unsent = await started(app)
    await _edit(app, broadcast_id)

    with pytest.raises(Conflict) as second:
        await _delete(app, broadcast_id)
    with pytest.raises(Conflict) as nobody:
        await _delete(app, unsent)

    assert (second.value.reason, nobody.value.reason) == ("under_way", "nobody")
    async with app.database.reading() as session:
        assert (await broadcasts.get_broadcast(session, unsent)).state == "running"
