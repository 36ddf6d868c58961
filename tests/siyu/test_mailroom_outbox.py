"""The outbox: decided with the commit, made after it, in each person's order, never twice by itself."""

import pytest
from sqlmodel import select

from siyu import mailroom
from siyu.app import App
from siyu.mailroom import ANSWER, NOTICE, REPLY, Errand, Report, Verdict
from siyu.tables import Outbox, OutboxState
from tests.clocks import FakeClock

LETTERS = (REPLY, NOTICE)


async def queue(app: App, text: str, *, person: int = 1, lane: int = REPLY, cause: str | None = None) -> None:
    async with app.database.writing() as session:
        payload = {"chat_id": person, "text": text}
        await mailroom.send(session, "sendMessage", payload, person_id=person, lane=lane, cause=cause, now=app.clock())


async def take(app: App, limit: int = 10, *, owner: str = "me", lanes: tuple[int, ...] = LETTERS) -> list[Errand]:
    async with app.database.writing() as session:
        return await mailroom.take_errands(session, owner, lanes, limit=limit, now=app.clock())


async def report(app: App, errand: Errand, verdict: Verdict, **more: object) -> None:
    async with app.database.writing() as session:
        await mailroom.note_reports(session, [Report(errand, verdict, **more)], now=app.clock())


async def rows(app: App) -> list[Outbox]:
    async with app.database.reading() as session:
        return list(await session.all(select(Outbox).order_by(Outbox.id)))


def texts(errands: list[Errand]) -> list[str]:
    return [errand.payload["text"] for errand in errands]


async def test_what_is_undone_is_never_sent(app: App) -> None:
    with pytest.raises(RuntimeError):
        async with app.database.writing() as session:
            await mailroom.send(session, "sendMessage", {"text": "no"}, person_id=1, now=app.clock())
            raise RuntimeError

    assert await take(app) == []


async def test_one_cause_sends_once(app: App) -> None:
    await queue(app, "first", cause="welcome:1")
    await queue(app, "second", cause="welcome:1")
    await queue(app, "third")
    await queue(app, "fourth")

    assert texts(await take(app)) == ["first", "third", "fourth"]


async def test_replies_go_before_notices_and_answers_are_taken_apart(app: App) -> None:
    await queue(app, "notice", person=1, lane=NOTICE)
    await queue(app, "reply", person=2)
    await queue(app, "answer", person=3, lane=ANSWER)

    assert texts(await take(app)) == ["reply", "notice"]
    assert texts(await take(app, lanes=(ANSWER,))) == ["answer"]


async def test_taken_is_written_down_and_not_taken_again(app: App) -> None:
    await queue(app, "hello")

    await take(app, owner="me")

    (row,) = await rows(app)
    assert (row.state, row.owner) == (OutboxState.SENDING, "me")
    assert await take(app, owner="you") == []


async def test_while_one_message_is_under_way_the_persons_next_waits(app: App) -> None:
    await queue(app, "one", person=1)
    (one,) = await take(app)
    await queue(app, "two", person=1)
    await queue(app, "other", person=2)

    assert texts(await take(app)) == ["other"]

    await report(app, one, Verdict.SENT, message_id=5)
    assert texts(await take(app)) == ["two"]


async def test_an_answer_is_held_up_by_nothing(app: App) -> None:
    await queue(app, "one", person=1)
    await take(app)
    await queue(app, "answer", person=1, lane=ANSWER)

    assert texts(await take(app, lanes=(ANSWER,))) == ["answer"]


async def test_one_that_must_wait_keeps_the_persons_order(app: App, clock: FakeClock) -> None:
    await queue(app, "one", person=1)
    (one,) = await take(app)
    await queue(app, "two", person=1)
    later = clock().replace(second=30)

    await report(app, one, Verdict.NOT_TRIED, not_before=later)
    assert await take(app) == []

    clock.pass_(seconds=31)
    taken = await take(app)
    assert texts(taken) == ["one", "two"]
    assert [errand.attempts for errand in taken] == [0, 0]


async def test_an_attempt_is_counted_only_when_it_was_one(app: App) -> None:
    await queue(app, "one")
    (one,) = await take(app)
    await report(app, one, Verdict.AGAIN)
    (again,) = await take(app)
    await report(app, again, Verdict.NOT_TRIED)

    assert [errand.attempts for errand in await take(app)] == [1]


async def test_a_message_of_a_dead_process_is_unknown_and_is_not_sent_again(app: App) -> None:
    await queue(app, "mine", person=1)
    await take(app, owner="living")
    await queue(app, "theirs", person=2)
    await take(app, owner="dead")

    async with app.database.writing() as session:
        assert await mailroom.declare_lost(session, living=["living"], now=app.clock()) == 1

    assert [row.state for row in await rows(app)] == [OutboxState.SENDING, OutboxState.UNKNOWN]
    assert await take(app) == []


async def test_what_may_be_repeated_is_repeated_after_a_death(app: App) -> None:
    async with app.database.writing() as session:
        for method in ("answerPreCheckoutQuery", "editMessageText", "refundStarPayment"):
            await mailroom.send(session, method, {"text": method}, lane=ANSWER, now=app.clock())
    await take(app, owner="dead", lanes=(ANSWER,))

    async with app.database.writing() as session:
        assert await mailroom.declare_lost(session, living=[], now=app.clock()) == 0

    assert len(await take(app, lanes=(ANSWER,))) == 3


async def test_after_a_death_the_persons_next_message_goes_on(app: App) -> None:
    await queue(app, "one", person=1)
    await take(app, owner="dead")
    await queue(app, "two", person=1)

    async with app.database.writing() as session:
        await mailroom.declare_lost(session, living=[], now=app.clock())

    assert texts(await take(app)) == ["two"]


async def test_sent_is_forgotten_after_a_week_and_what_went_wrong_after_a_month(app: App, clock: FakeClock) -> None:
    for number, verdict in enumerate((Verdict.SENT, Verdict.FAILED, Verdict.UNKNOWN)):
        await queue(app, verdict, person=number)
        (errand,) = await take(app)
        await report(app, errand, verdict, error="x")

    clock.pass_(days=8)
    async with app.database.writing() as session:
        assert await mailroom.prune(session, now=clock()) == 1

    assert [row.state for row in await rows(app)] == [OutboxState.FAILED, OutboxState.UNKNOWN]
    clock.pass_(days=23)
    async with app.database.writing() as session:
        assert await mailroom.prune(session, now=clock()) == 2
    assert await rows(app) == []


async def test_how_much_is_due_is_counted_without_taking_it(app: App) -> None:
    for person in range(3):
        await queue(app, "x", person=person)

    async with app.database.reading() as session:
        assert await mailroom.count_due(session, LETTERS, now=app.clock()) == 3
        assert await mailroom.count_due(session, (ANSWER,), now=app.clock()) == 0
