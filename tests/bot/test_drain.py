"""Handling updates: a hundred at once, and one that fails spoils nothing for the others."""

import asyncio
from collections import Counter

import pytest
from aiogram import Bot, Router
from aiogram.methods import AnswerCallbackQuery, SendMessage
from aiogram.types import CallbackQuery, FSInputFile, Message, PreCheckoutQuery
from sqlalchemy import text
from sqlmodel import select

from bot.dispatcher import SORRY, Desk
from bot.drain import Drain
from bot.messenger import Me
from siyu import audit, mailroom
from siyu.app import App
from siyu.kit.database import WriteSession
from siyu.kit.errors import Conflict
from siyu.tables import AuditEntry, Fan, Inbox, InboxState, Interaction, Outbox, Reach, Referral
from tests.bot.running import press
from tests.clocks import FakeClock
from tests.people import Update, given_fan, person

MEI, BO = person(name="Mei"), person(name="Bo")
ME = Me(42, "siyu_bot", "Siyu")


def desk_with(app: App, root: Router) -> Drain:
    return Drain(app, Desk(app, ME, root, press))


def house() -> Router:
    """Does what its fans tell it to."""
    router = Router()

    @router.message()
    async def on_message(message: Message, session: WriteSession, fan: Fan, newcomer: bool, bot: Bot) -> object:
        await audit.note(session, audit.SIYU, "heard", "message", message.text, now=message.date)
        match message.text:
            case "crash":
                raise RuntimeError("a bug")
            case "refuse":
                raise Conflict("that is gone")
            case "break the database":
                await session.run(text("INSERT INTO audit_entry (actor) VALUES (NULL)"))
            case "call":
                await message.answer("hello")
            case "file":
                return message.answer_document(FSInputFile("x.pdf"))
            case "nonsense":
                return "a text"
            case "quiet":
                return None
            case "say two":
                return [message.answer("first"), message.answer("second")]
        return message.answer(f"{fan.name}: {message.text}{' (new)' if newcomer else ''}")

    @router.callback_query()
    async def on_press(query: CallbackQuery) -> AnswerCallbackQuery | None:
        if query.data == "refuse":
            raise Conflict("that is gone " * 40)
        return query.answer("done") if query.data == "answered" else None

    @router.pre_checkout_query()
    async def on_paying(query: PreCheckoutQuery) -> object:
        if query.invoice_payload == "refuse":
            raise Conflict("that is gone")
        return query.answer(ok=True)

    return router


async def receive(app: App, *updates: Update) -> None:
    async with app.database.writing() as session:
        await mailroom.put_in_inbox(session, 42, updates, now=app.clock())


async def handle_all(app: App, clock: FakeClock | None = None, root: Router | None = None) -> None:
    drain = desk_with(app, root or house())
    for _ in range(4):
        while await drain.handle_batch():
            pass
        if clock is not None:
            clock.pass_(seconds=10)


async def replies(app: App) -> list[tuple[str, str]]:
    async with app.database.reading() as session:
        rows = await session.all(select(Outbox).order_by(Outbox.id))
    return [(row.method, row.payload.get("text", "")) for row in rows]


async def notes(app: App) -> Counter[str]:
    async with app.database.reading() as session:
        return Counter(await session.all(select(AuditEntry.subject)))


async def states(app: App) -> list[InboxState]:
    async with app.database.reading() as session:
        return list(await session.all(select(Inbox.state).order_by(Inbox.id)))


async def test_a_batch_is_facts_effects_and_replies_in_one_commit(app: App) -> None:
    await receive(app, *[who.says(f"{n}") for n in range(30) for who in (MEI, BO)])

    assert await desk_with(app, house()).handle_batch()

    assert set(await states(app)) == {InboxState.DONE}
    assert sum((await notes(app)).values()) == 60
    said = await replies(app)
    assert len(said) == 60
    assert said[0] == ("sendMessage", "Mei: 0 (new)")
    assert said[2] == ("sendMessage", "Mei: 1")
    async with app.database.reading() as session:
        assert len(await session.all(select(Interaction))) == 60
        assert len(await session.all(select(Fan))) == 2


async def test_one_that_raises_undoes_only_itself(app: App) -> None:
    await receive(app, MEI.says("one"), BO.says("crash"), MEI.says("two"))

    await desk_with(app, house()).handle_batch()

    assert await states(app) == [InboxState.DONE, InboxState.WAITING, InboxState.DONE]
    assert await notes(app) == {"one": 1, "two": 1}
    assert [text for _, text in await replies(app)] == ["Mei: one (new)", "Mei: two"]


async def test_an_error_of_the_database_in_one_handler_spares_the_others(app: App) -> None:
    await receive(app, MEI.says("one"), BO.says("break the database"), MEI.says("two"))

    await desk_with(app, house()).handle_batch()

    assert await notes(app) == {"one": 1, "two": 1}


async def test_a_fans_next_update_waits_behind_the_one_that_failed(app: App, clock: FakeClock) -> None:
    await receive(app, BO.says("crash"), BO.says("after"))

    await desk_with(app, house()).handle_batch()
    assert await replies(app) == []

    await handle_all(app, clock)
    assert await states(app) == [InboxState.QUARANTINED, InboxState.DONE]
    assert [text for _, text in await replies(app)] == [SORRY, "Bo: after"]


async def test_what_could_not_be_answered_is_still_a_fact(app: App, clock: FakeClock) -> None:
    await receive(app, BO.says("crash"))

    await handle_all(app, clock)

    async with app.database.reading() as session:
        assert await session.all(select(Interaction.kind)) == ["message"]
        (row,) = (await mailroom.quarantined(session)).items
    assert "RuntimeError: a bug" in (row.error or "")
    assert await notes(app) == {}


async def test_a_replay_after_the_repair_answers_and_counts_nothing_twice(app: App, clock: FakeClock) -> None:
    await receive(app, BO.says("crash"))
    await handle_all(app, clock)
    async with app.database.writing() as session:
        (row,) = (await mailroom.quarantined(session)).items
        await mailroom.replay(session, row.id or 0, now=clock())
    repaired = Router()
    repaired.message.register(lambda message: message.answer("repaired"))

    await handle_all(app, clock, repaired)

    assert [text for _, text in await replies(app)] == [SORRY, "repaired"]
    async with app.database.reading() as session:
        assert len(await session.all(select(Interaction))) == 1


@pytest.mark.parametrize(
    "poison",
    [
        {"message": {"message_id": 1, "chat": {"type": "private"}, "from": {"id": 1}}},
        {"message": "text"},
        {"callback_query": {"id": "1"}},
        {"message": {**MEI.says("x")["message"], "entities": "none"}},
    ],
)
async def test_an_update_that_cannot_be_read_is_set_aside_and_holds_up_nobody(
    app: App, clock: FakeClock, poison: Update
) -> None:
    await receive(app, {"update_id": 1, **poison}, BO.says("hello"))

    await handle_all(app, clock)

    assert await states(app) == [InboxState.QUARANTINED, InboxState.DONE]
    assert ("sendMessage", "Bo: hello (new)") in await replies(app)


async def test_an_update_of_a_kind_nobody_knows_is_simply_done(app: App) -> None:
    await receive(app, {"update_id": 1, "hologram": {"from": MEI.user}})

    await handle_all(app)

    assert await states(app) == [InboxState.DONE]


async def test_a_refusal_is_said_to_the_fan_and_undoes_what_was_written(app: App) -> None:
    await receive(app, MEI.says("refuse"), MEI.presses("refuse"), MEI.pays("refuse"))

    await handle_all(app)

    assert await notes(app) == {}
    assert set(await states(app)) == {InboxState.DONE}
    async with app.database.reading() as session:
        rows = {row.method: row.payload for row in await session.all(select(Outbox))}
        assert len(await session.all(select(Interaction))) == 2
    assert rows["sendMessage"]["text"] == "that is gone"
    assert len(rows["answerCallbackQuery"]["text"]) == 200
    assert rows["answerPreCheckoutQuery"]["error_message"] == "that is gone"
    assert rows["answerPreCheckoutQuery"]["ok"] is False


async def test_every_press_is_answered_exactly_once(app: App) -> None:
    await receive(app, MEI.presses("answered"), MEI.presses("forgotten by its handler"))

    await handle_all(app)

    async with app.database.reading() as session:
        rows = await session.all(select(Outbox))
    assert [row.payload.get("text") for row in rows] == ["done", None]
    assert {row.lane for row in rows} == {mailroom.ANSWER}


@pytest.mark.parametrize("deed", ["call", "file", "nonsense"])
async def test_what_a_handler_must_not_do_is_a_failure_that_is_seen(app: App, clock: FakeClock, deed: str) -> None:
    await receive(app, MEI.says(deed))

    await handle_all(app, clock)

    assert await states(app) == [InboxState.QUARANTINED]


async def test_several_replies_keep_their_order_and_silence_is_allowed(app: App) -> None:
    await receive(app, MEI.says("say two"), MEI.says("quiet"))

    await handle_all(app)

    assert [text for _, text in await replies(app)] == ["first", "second"]


async def test_groups_and_other_bots_are_nobodys_business(app: App) -> None:
    in_group = MEI.says("hello")
    in_group["message"]["chat"] = {"id": -100, "type": "supergroup", "title": "Shop"}
    from_bot = BO.says("hello")
    from_bot["message"]["from"]["is_bot"] = True
    await receive(app, in_group, from_bot)

    await handle_all(app)

    async with app.database.reading() as session:
        assert await session.all(select(Fan)) == []
    assert await replies(app) == []


async def test_the_first_touch_counts_and_is_never_overwritten(app: App) -> None:
    await receive(app, MEI.starts("s_poster"), MEI.starts("s_later"), MEI.says("hi"))
    await handle_all(app)
    await receive(app, MEI.starts("s_even_later"))
    await handle_all(app)

    async with app.database.reading() as session:
        assert await session.all(select(Fan.source)) == ["s_poster"]


async def test_a_friends_link_connects_a_newcomer_and_nobody_else(app: App) -> None:
    friend = await given_fan(app, name="Friend")
    known = await given_fan(app, BO.telegram_id)
    await receive(app, MEI.starts(f"i_{friend.referral_code}"), BO.starts(f"i_{friend.referral_code}"))

    await handle_all(app)

    async with app.database.reading() as session:
        ((referrer, referee),) = [(r.referrer_id, r.referee_id) for r in await session.all(select(Referral))]
        mei = await session.one(select(Fan).where(Fan.telegram_id == MEI.telegram_id))
    assert (referrer, referee, mei.source_channel) == (friend.id, mei.id, "referral")
    assert known.id != referee


async def test_who_blocks_and_comes_back_in_one_batch_is_back(app: App) -> None:
    await receive(app, MEI.says("hi"), MEI.blocks(), MEI.unblocks(), BO.says("hi"), BO.blocks())

    await handle_all(app)

    async with app.database.reading() as session:
        fans = {fan.telegram_id: fan.reach for fan in await session.all(select(Fan))}
    assert fans == {MEI.telegram_id: Reach.REACHABLE, BO.telegram_id: Reach.BLOCKED}


async def test_what_counts_as_an_interaction_and_what_does_not(app: App) -> None:
    message = MEI.says("hi")
    edited = {"update_id": message["update_id"] + 10**6, "edited_message": message["message"]}
    payment = {"currency": "XTR", "total_amount": 5, "invoice_payload": "x", "telegram_payment_charge_id": "c",
               "provider_payment_charge_id": "p"}  # fmt: skip
    await receive(
        app, message, edited, MEI.starts(), MEI.reacts("👍"), MEI.reacts(""), MEI.presses("x"), MEI.pays("x"),
        MEI.says(successful_payment=payment), MEI.blocks(), MEI.unblocks(),
    )  # fmt: skip

    await handle_all(app)

    async with app.database.reading() as session:
        kinds = Counter(await session.all(select(Interaction.kind)))
    assert kinds == {"message": 1, "command": 1, "reaction": 1, "press": 1}


async def test_the_same_updates_twice_and_shuffled_leave_the_same_facts(app: App) -> None:
    updates = [who.says(str(n)) for n in range(5) for who in (MEI, BO)] + [MEI.presses("x"), BO.reacts()]
    await receive(app, *updates)
    await handle_all(app)
    again = [{**update, "update_id": update["update_id"] + 10**7} for update in reversed(updates)]

    await receive(app, *again)
    await handle_all(app)

    async with app.database.reading() as session:
        assert len(await session.all(select(Interaction))) == 12
        assert len(await session.all(select(Fan))) == 2


async def test_a_stopped_drain_has_finished_its_batch(app: App) -> None:
    await receive(app, *[MEI.says(str(n)) for n in range(20)])
    stop = asyncio.Event()
    slow = Router()

    @slow.message()
    async def on_message(message: Message) -> SendMessage:
        stop.set()
        await asyncio.sleep(0.005)
        return message.answer("slow")

    await desk_with(app, slow).run(stop)

    assert set(await states(app)) == {InboxState.DONE}
    assert len(await replies(app)) == 20
