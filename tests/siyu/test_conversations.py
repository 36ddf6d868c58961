"""What holds however fans' lines and operators' answers meet: each line once, in its own thread, each answer once."""

import asyncio

from sqlalchemy import select
from sqlmodel import col

from siyu import conversations
from siyu.app import App
from siyu.conversations import Heard, Said
from siyu.tables import Conversation, ConversationLine, Delivery, DeliveryState, Fan, Outbox
from tests.broadcasting import MEI, composed
from tests.people import given_fan

MESSAGE = 4711


async def heard(app: App, *lines: Heard) -> None:
    async with app.database.writing() as session:
        await conversations.hear(session, lines)


async def given_sent(app: App, fan: Fan, message_id: int) -> int:
    broadcast = await composed(app)
    async with app.database.writing() as session:
        row = {"broadcast_id": broadcast.id or 0, "fan_id": fan.id or 0, "message_id": message_id}
        session.add(Delivery(**row, state=DeliveryState.SENT, attempts=1, sent_at=app.clock()))
    return broadcast.id or 0


async def test_fans_who_reply_to_the_same_number_in_one_batch_reply_to_their_own_broadcasts(app: App) -> None:
    mei, ken, ann = await given_fan(app), await given_fan(app), await given_fan(app)
    first, second = await given_sent(app, mei, MESSAGE), await given_sent(app, ken, MESSAGE)

    replies = [
        Heard(f"{n}", fan.id or 0, app.clock(), "?", replies_to=MESSAGE) for n, fan in enumerate((mei, ken, ann))
    ]
    await heard(app, *replies)

    async with app.database.reading() as session:
        threads = await session.all(select(ConversationLine.broadcast_id).order_by(col(ConversationLine.cause)))
    assert list(threads) == [first, second, None]


async def test_the_same_answer_from_two_tabs_at_once_goes_out_once(app: App) -> None:
    fan = await given_fan(app)
    await heard(app, Heard("1", fan.id or 0, app.clock(), "Hello?"))

    async def answer() -> bool:
        async with app.database.writing() as session:
            return await conversations.answer(session, MEI, fan, Said("k", "Hi"), operator_id=None, now=app.clock())

    first, second = await asyncio.gather(answer(), answer())

    assert sorted((first, second)) == [False, True]
    async with app.database.reading() as session:
        assert len(await session.all(select(Outbox))) == 1
        assert (await session.one(select(Conversation))).waiting_since is None


async def test_no_line_is_lost_or_counted_twice_while_an_operator_answers(app: App) -> None:
    fan = await given_fan(app)
    lines = [Heard(f"{n}", fan.id or 0, app.clock(), f"line {n}") for n in range(12)]
    await heard(app, lines[0])

    async def answer(number: int) -> None:
        async with app.database.writing() as session:
            said = Said(f"k{number}", "Hi", seen=1)
            await conversations.answer(session, MEI, fan, said, operator_id=None, now=app.clock())

    await asyncio.gather(*(heard(app, line, line) for line in lines[1:]), *(heard(app, line) for line in lines[1:]))
    async with app.database.reading() as session:
        waits = await session.one(select(Conversation))
    await asyncio.gather(*(answer(number) for number in range(3)))

    async with app.database.reading() as session:
        written = await session.all(select(ConversationLine.text).where(col(ConversationLine.from_fan)))
        talk = await session.one(select(Conversation))
    assert sorted(written) == sorted(line.text for line in lines)
    assert (waits.unread, waits.waiting_since) == (12, app.clock())
    assert (talk.unread, talk.waiting_since) == (11, app.clock())
