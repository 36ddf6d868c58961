"""A fan writes, operators are told, a reply to the notice answers; what is no talk stays out of it."""

from datetime import timedelta
from itertools import count

from sqlalchemy import select, update
from sqlmodel import col

from siyu import conversations, fans
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.conversations import Box
from siyu.tables import (
    Conversation,
    ConversationLine,
    ConversationNotice,
    ConversationState,
    Delivery,
    DeliveryState,
    Operator,
    Outbox,
    Reach,
    Role,
)
from tests.admin.visitors import employ
from tests.bot.chatting import Json, Phone, of
from tests.broadcasting import composed
from tests.trading import a_product

_message_ids = count(70_001)
PHOTO = {"photo": [{"file_id": "small", "file_unique_id": "s", "width": 1, "height": 1},
                   {"file_id": "large", "file_unique_id": "l", "width": 9, "height": 9}]}  # fmt: skip


async def lines(app: App) -> list[ConversationLine]:
    async with app.database.reading() as session:
        return list(await session.all(select(ConversationLine).order_by(col(ConversationLine.id))))


async def talk(app: App) -> Conversation:
    async with app.database.reading() as session:
        return await session.one(select(Conversation))


async def given_hearer(app: App, telegram_id: int = 900, role: Role = Role.OPERATOR) -> Operator:
    """Somebody who works here and wants to read fans in their own chat."""
    operator = await employ(app, role, telegram_id=telegram_id)
    async with app.database.writing() as session:
        await conversations.want_notices(session, COMMAND_LINE, operator.id or 0, wanted=True, now=app.clock())
    return operator


async def posted(app: App) -> None:
    """The courier has sent everything: each message has a number now."""
    async with app.database.writing() as session:
        for row in await session.all(select(Outbox).where(col(Outbox.message_id).is_(None))):
            row.message_id = next(_message_ids)
            session.add(row)


async def notice_to(app: App, operator: Operator) -> Outbox:
    await posted(app)
    async with app.database.reading() as session:
        rows = await session.all(select(Outbox).where(col(Outbox.person_id) == operator.telegram_id))
    return next(row for row in rows if (row.cause or "").startswith("notice:"))


async def given_sent(app: App, phone: Phone, message_id: int) -> int:
    """A broadcast that reached this fan as that message."""
    broadcast, fan = await composed(app), await phone.fan()
    async with app.database.writing() as session:
        session.add(
            Delivery(
                broadcast_id=broadcast.id or 0,
                fan_id=fan.id or 0,
                state=DeliveryState.SENT,
                attempts=1,
                message_id=message_id,
                sent_at=app.clock(),
            )
        )
    return broadcast.id or 0


async def test_what_a_fan_writes_is_kept_and_the_fan_hears_once_that_it_was_heard(app: App) -> None:
    mei = Phone(app)

    first = await mei.write("Is the tea in stock?")
    second = await mei.write("The green one")

    assert [(line.text, line.kind, line.from_fan) for line in await lines(app)] == [
        ("Is the tea in stock?", "text", True),
        ("The green one", "text", True),
    ]
    stands = await talk(app)
    assert (stands.state, stands.unread, stands.waiting_since) == (ConversationState.OPEN, 2, app.clock())
    assert "We have your message" in of(first, "sendMessage")["text"]
    assert second == []


async def test_commands_presses_and_payments_are_no_talk(app: App) -> None:
    await a_product(app)
    mei = Phone(app)

    await mei.write("/start")
    await mei.write("/nosuch command")
    await mei.press("m:wallet")
    await mei.send(web_app_data={"data": "x", "button_text": "y"})
    await mei.send(pinned_message={"message_id": 3, "date": 0, "chat": {"id": 501, "type": "private"}})
    await mei.get_back(5)

    assert await lines(app) == []


async def test_media_are_kept_with_their_caption_and_file(app: App) -> None:
    mei = Phone(app)

    await mei.send(**PHOTO, caption="Broken cup")
    await mei.send(location={"latitude": 31.2, "longitude": 121.5})
    await mei.send(voice={"file_id": "v", "file_unique_id": "v", "duration": 3})

    assert [(line.kind, line.text, line.file) for line in await lines(app)] == [
        ("photo", "Broken cup", "large"),
        ("location", "31.2, 121.5", None),
        ("voice", "", "v"),
    ]


async def test_an_edited_message_has_its_new_words_and_counts_once(app: App) -> None:
    mei = Phone(app)
    await mei.write("Order 12")
    (line,) = await lines(app)

    await mei.edit(line.message_id or 0, "Order 13")

    assert [line.text for line in await lines(app)] == ["Order 13"]
    assert (await talk(app)).unread == 1


async def test_a_reply_to_a_broadcast_is_threaded_to_it(app: App) -> None:
    mei, ken = Phone(app), Phone(app, 502, name="Ken")
    await mei.write("/start")
    await ken.write("/start")
    number = await given_sent(app, mei, 4711)

    await mei.send(text="How much?", replying_to=4711)
    await ken.send(text="Mine is another", replying_to=4711)  # the same number in another chat

    assert [line.broadcast_id for line in await lines(app)] == [number, None]
    async with app.database.reading() as session:
        replied = await conversations.list_talks(session, Box.OPEN, operator_id=1, broadcast_id=number)
        assert await conversations.count_replies(session, number) == 1
    assert [talk.fan.name for talk in replied.items] == ["Mei"]


async def test_an_operator_who_wants_it_is_told_and_answers_by_replying(app: App) -> None:
    operator = await given_hearer(app)
    await employ(app, Role.ADMIN)  # does not want it
    mei, desk = Phone(app), Phone(app, operator.telegram_id, name="Ann")

    calls = await mei.write("Is <b>tea</b> there?")
    notice = await notice_to(app, operator)
    answers = await desk.send(text="Yes, & fresh", replying_to=notice.message_id)

    assert {call["chat_id"] for call in calls} == {501, operator.telegram_id}
    assert "Is &lt;b&gt;tea&lt;/b&gt; there?" in notice.payload["text"]
    assert [(call["chat_id"], call["text"]) for call in answers] == [
        (501, "Yes, & fresh"),
        (operator.telegram_id, "✓ On its way to Mei."),
    ]
    assert "parse_mode" not in answers[0]
    assert [(line.text, line.by) for line in await lines(app)] == [
        ("Is <b>tea</b> there?", None),
        ("Yes, & fresh", "Operator"),
    ]
    stands = await talk(app)
    assert (stands.unread, stands.waiting_since, stands.assigned_to) == (0, None, operator.id)


async def test_a_photo_goes_both_ways(app: App) -> None:
    operator = await given_hearer(app)
    mei, desk = Phone(app), Phone(app, operator.telegram_id)

    calls = await mei.send(**PHOTO, caption="Broken")
    notice = await notice_to(app, operator)
    answers = await desk.send(**PHOTO, replying_to=notice.message_id)

    assert of(calls, "copyMessage")["chat_id"] == operator.telegram_id
    copied = of(answers, "copyMessage")
    assert (copied["chat_id"], copied["from_chat_id"]) == (501, operator.telegram_id)
    assert [line.kind for line in await lines(app)] == ["photo", "photo"]


async def test_whoever_is_in_charge_is_told_alone(app: App) -> None:
    ann, bob = await given_hearer(app, 900), await given_hearer(app, 901)
    mei = Phone(app)
    everybody = await mei.write("One")
    fan = await mei.fan()
    async with app.database.writing() as session:
        await conversations.assign(session, COMMAND_LINE, fan, bob.id, now=app.clock())

    alone = await mei.write("Two")

    assert {call["chat_id"] for call in everybody} == {501, ann.telegram_id, bob.telegram_id}
    assert [call["chat_id"] for call in alone] == [bob.telegram_id]


async def test_who_works_here_is_no_fan_in_the_inbox_and_a_viewer_hears_nothing(app: App) -> None:
    operator, viewer = await employ(app, Role.OPERATOR), await given_hearer(app, 903, Role.VIEWER)
    mei, desk = Phone(app), Phone(app, operator.telegram_id)

    await desk.write("hello")
    calls = await mei.write("hello")

    assert [line.fan_id for line in await lines(app)] == [(await mei.fan()).id]
    assert viewer.telegram_id not in {call["chat_id"] for call in calls}


async def test_an_answer_to_a_fan_who_blocked_the_bot_is_refused_in_words(app: App) -> None:
    operator = await given_hearer(app)
    mei, desk = Phone(app), Phone(app, operator.telegram_id)
    await mei.write("Bye")
    notice = await notice_to(app, operator)
    async with app.database.writing() as session:
        await fans.change_reach(session, 501, Reach.BLOCKED, now=app.clock())

    (refusal,) = await desk.send(text="Stay!", replying_to=notice.message_id)

    assert refusal["chat_id"] == operator.telegram_id
    assert "This fan has blocked the bot" in refusal["text"]
    assert [line.text for line in await lines(app)] == ["Bye"]


async def test_a_reply_to_anything_else_answers_nobody(app: App) -> None:
    ann, bob = await given_hearer(app, 900), await given_hearer(app, 901)
    mei, desk = Phone(app), Phone(app, bob.telegram_id)
    await mei.write("hello")
    notice = await notice_to(app, ann)

    told = of(await desk.send(text="Not mine", replying_to=notice.message_id), "sendMessage")
    await mei.send(text="Nor the fan’s", replying_to=notice.message_id)

    assert (told["chat_id"], told["text"][:20]) == (bob.telegram_id, "This answers nobody:")
    assert [(line.text, line.from_fan) for line in await lines(app)] == [("hello", True), ("Nor the fan’s", True)]


async def test_an_update_that_is_handled_again_adds_no_line_and_no_notice(app: App) -> None:
    await given_hearer(app)
    mei = Phone(app)
    message: Json = {"message_id": 99, "date": int(app.clock().timestamp()), "chat": mei._chat, "from": mei.person}

    await mei._send({"message": {**message, "text": "once"}})
    again = await mei._send({"message": {**message, "text": "once"}})

    assert [line.text for line in await lines(app)] == ["once"]
    assert (await talk(app)).unread == 1
    assert [call for call in again if call["chat_id"] != 501] == []


async def test_writing_again_opens_what_was_closed(app: App) -> None:
    mei = Phone(app)
    await mei.write("Thanks")
    fan = await mei.fan()
    async with app.database.writing() as session:
        await conversations.close(session, COMMAND_LINE, fan, seen=None, now=app.clock())
    closed = await talk(app)

    await mei.write("One more thing")

    assert (closed.state, closed.waiting_since) == (ConversationState.CLOSED, None)
    assert (await talk(app)).state is ConversationState.OPEN


async def test_old_notices_are_forgotten(app: App) -> None:
    await given_hearer(app)
    await Phone(app).write("hello")

    async with app.database.writing() as session:
        kept = await conversations.forget_notices(session, now=app.clock())
        await session.run(update(ConversationNotice).values(at=app.clock() - timedelta(days=9)))
        gone = await conversations.forget_notices(session, now=app.clock())

    assert (kept, gone) == (0, 1)
