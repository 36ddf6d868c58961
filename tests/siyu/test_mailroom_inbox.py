"""The inbox: each update once, in every fan's order, and what fails is set aside without holding up others."""

import pytest
from sqlmodel import select

from siyu import mailroom
from siyu.app import App
from siyu.kit.errors import Conflict, NotFound
from siyu.mailroom import Letter, NotHandled
from siyu.tables import Inbox, InboxState, PollOffset
from tests.clocks import FakeClock
from tests.people import Update, person

BOT = 42
MEI, BO = person(name="Mei"), person(name="Bo")


async def receive(app: App, *updates: Update) -> int:
    async with app.database.writing() as session:
        return await mailroom.put_in_inbox(session, BOT, updates, now=app.clock())


async def next_letters(app: App, limit: int = 100) -> list[Letter]:
    async with app.database.writing() as session:
        return await mailroom.next_batch(session, BOT, now=app.clock(), limit=limit)


async def fail(app: App, letter: Letter) -> None:
    async with app.database.writing() as session:
        await mailroom.set_back(session, [NotHandled(letter, "KeyError: 'x'")], now=app.clock())


async def finish(app: App, *letters: Letter) -> None:
    async with app.database.writing() as session:
        await mailroom.finish(session, letters, now=app.clock())


def ids(letters: list[Letter]) -> list[int]:
    return [letter.update_id for letter in letters]


async def test_the_same_update_twice_is_one(app: App) -> None:
    hello, more = MEI.says("hello"), MEI.says("more")

    assert await receive(app, hello) == 1
    assert await receive(app, hello, more) == 1

    assert ids(await next_letters(app)) == [hello["update_id"], more["update_id"]]


async def test_an_update_is_kept_exactly_as_it_came(app: App) -> None:
    await receive(app, {"update_id": 7, "something_new": {"from": {"id": MEI.telegram_id}, "é": "雨"}})

    (letter,) = await next_letters(app)

    assert letter.payload == f'{{"update_id":7,"something_new":{{"from":{{"id":{MEI.telegram_id}}},"é":"雨"}}}}'
    assert letter.person_id == MEI.telegram_id


async def test_what_is_done_does_not_come_again(app: App) -> None:
    await receive(app, MEI.says("one"), MEI.says("two"))
    first, second = await next_letters(app)

    await finish(app, first)

    assert await next_letters(app) == [second]


async def test_a_pre_checkout_goes_before_everything_that_waits(app: App) -> None:
    talk, pay = MEI.says("hello"), BO.pays("basket")
    await receive(app, talk, pay)

    assert ids(await next_letters(app)) == [pay["update_id"], talk["update_id"]]


async def test_a_fans_later_update_waits_for_the_one_that_failed_and_nobody_elses_does(
    app: App, clock: FakeClock
) -> None:
    first, second, other = MEI.says("one"), MEI.says("two"), BO.says("three")
    await receive(app, first, second, other)
    await fail(app, (await next_letters(app))[0])

    assert ids(await next_letters(app)) == [other["update_id"]]

    clock.pass_(seconds=2)
    assert ids(await next_letters(app)) == [first["update_id"], second["update_id"], other["update_id"]]


async def test_a_payment_is_not_kept_waiting_by_a_failed_message(app: App) -> None:
    await receive(app, MEI.says("one"))
    await fail(app, (await next_letters(app))[0])
    pay = MEI.pays("basket")

    await receive(app, pay)

    assert ids(await next_letters(app)) == [pay["update_id"]]


async def test_what_fails_three_times_is_set_aside_and_its_fan_goes_on(app: App, clock: FakeClock) -> None:
    bad, good = MEI.says("one"), MEI.says("two")
    await receive(app, bad, good)
    for _ in range(3):
        await fail(app, (await next_letters(app))[0])
        clock.pass_(seconds=10)

    assert ids(await next_letters(app)) == [good["update_id"]]
    async with app.database.reading() as session:
        (row,) = (await mailroom.quarantined(session)).items
    assert (row.update_id, row.state, row.attempts, row.error) == (
        bad["update_id"],
        InboxState.QUARANTINED,
        3,
        "KeyError: 'x'",
    )


async def test_a_quarantined_update_can_be_replayed_once(app: App, clock: FakeClock) -> None:
    await receive(app, MEI.says("one"))
    for _ in range(3):
        await fail(app, (await next_letters(app))[0])
        clock.pass_(seconds=10)
    async with app.database.reading() as session:
        (row,) = (await mailroom.quarantined(session)).items

    async with app.database.writing() as session:
        await mailroom.replay(session, row.id, now=clock())

    assert [letter.attempts for letter in await next_letters(app)] == [0]
    with pytest.raises(Conflict):
        async with app.database.writing() as session:
            await mailroom.replay(session, row.id, now=clock())
    with pytest.raises(NotFound):
        async with app.database.writing() as session:
            await mailroom.replay(session, 999, now=clock())


async def test_the_quarantine_is_read_by_pages(app: App) -> None:
    await receive(app, *[person().says("x") for _ in range(5)])
    for _ in range(3):
        for letter in await next_letters(app):
            await fail(app, letter)
        app.clock.pass_(seconds=10)

    async with app.database.reading() as session:
        first = await mailroom.quarantined(session, limit=3)
        second = await mailroom.quarantined(session, limit=3, cursor=first.next)

    assert [len(first.items), len(second.items), second.next] == [3, 2, None]
    assert len({row.id for row in (*first.items, *second.items)}) == 5


async def test_two_processes_never_have_a_batch_at_once(app: App) -> None:
    if app.database.dialect != "postgresql":
        pytest.skip("on SQLite a transaction has the whole database")
    await receive(app, MEI.says("one"))

    async with app.database.writing() as session:
        mine = await mailroom.next_batch(session, BOT, now=app.clock())
        theirs = await next_letters(app)

    assert (len(mine), theirs) == (1, [])
    assert len(await next_letters(app)) == 1


async def test_another_bots_updates_are_not_ours(app: App) -> None:
    await receive(app, MEI.says("one"))

    async with app.database.writing() as session:
        assert await mailroom.next_batch(session, BOT + 1, now=app.clock()) == []


async def test_the_offset_is_committed_with_the_updates_below_it_or_not_at_all(app: App) -> None:
    with pytest.raises(RuntimeError):
        async with app.database.writing() as session:
            await mailroom.put_in_inbox(session, BOT, [MEI.says("one")], now=app.clock())
            await mailroom.confirm_up_to(session, BOT, 8, now=app.clock())
            raise RuntimeError("the power goes")

    async with app.database.reading() as session:
        assert await session.all(select(Inbox)) == []
        assert await session.all(select(PollOffset)) == []


async def test_old_and_done_is_forgotten_and_nothing_else(app: App, clock: FakeClock) -> None:
    await receive(app, MEI.says("old"), BO.says("never handled"))
    await finish(app, (await next_letters(app))[0])
    clock.pass_(hours=47)
    await receive(app, MEI.says("young"))
    await finish(app, (await next_letters(app))[1])

    clock.pass_(hours=2)
    async with app.database.writing() as session:
        assert await mailroom.prune(session, now=clock()) == 1

    async with app.database.reading() as session:
        assert len(await session.all(select(Inbox))) == 2
