"""The inbox in the browser: who waits longest stands first, answers go out once, closing never hides a line."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from siyu import conversations, fans, home
from siyu.app import App
from siyu.conversations import Heard
from siyu.tables import (
    AuditEntry,
    Conversation,
    ConversationLine,
    ConversationState,
    Fan,
    Operator,
    Outbox,
    OutboxState,
    Reach,
    Role,
)
from tests.admin.seen import forms, links, next_page, seen
from tests.admin.visitors import browser, employ
from tests.broadcasting import composed
from tests.people import given_fan


async def given_line(
    app: App, fan: Fan, text: str = "Hello?", *, minutes_ago: int = 0, broadcast_id: int | None = None, **fields: object
) -> int:
    """Something the fan wrote; its number."""
    at = app.clock() - timedelta(minutes=minutes_ago)
    async with app.database.writing() as session:
        known = len(await session.all(select(ConversationLine)))
        heard = Heard(f"message:{fan.telegram_id}:{known}", fan.id or 0, at, text, message_id=known + 1, **fields)
        await conversations.hear(session, [heard])
        written = await session.one(select(ConversationLine).where(col(ConversationLine.cause) == heard.cause))
        written.broadcast_id = broadcast_id
        return written.id or 0


async def sent(app: App) -> list[tuple[str, dict[str, object]]]:
    async with app.database.reading() as session:
        return [(row.method, row.payload) for row in await session.all(select(Outbox).order_by(col(Outbox.id)))]


async def standing(app: App, fan: Fan) -> Conversation:
    async with app.database.reading() as session:
        return await session.one(select(Conversation).where(col(Conversation.fan_id) == fan.id))


def key_in(html: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', html)
    assert found
    return found[1]


def listed(html: str) -> list[str]:
    return [href.removeprefix("/conversations/") for href in links(html) if re.fullmatch(r"/conversations/\d+", href)]


async def test_who_waits_longest_stands_first_and_who_was_answered_last(app: App) -> None:
    late, early, calm = [await given_fan(app, name=name) for name in ("Late", "Early", "Calm")]
    await given_line(app, late, minutes_ago=5)
    await given_line(app, early, minutes_ago=50)
    await given_line(app, early, "Anybody?", minutes_ago=1)
    await given_line(app, calm, minutes_ago=90)

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post(f"/conversations/{calm.telegram_id}/answer", data={"text": "Hi"})
        page = await operator.get("/conversations")
        mine = await operator.get("/conversations", params={"box": "mine"})

    assert listed(page.text) == [str(fan.telegram_id) for fan in (early, late, calm)]
    assert "2 new" in seen(page.text)
    assert "You: Hi" in seen(page.text)
    assert listed(mine.text) == [str(calm.telegram_id)]
    async with app.database.reading() as session:
        assert (await home.waiting(session))["conversations"] == 2


async def test_the_inbox_is_turned_page_by_page_and_loses_nobody(app: App) -> None:
    everybody = [await given_fan(app) for _ in range(70)]
    async with app.database.writing() as session:
        for number, fan in enumerate(everybody):
            at = app.clock() - timedelta(minutes=number // 3)  # three share each moment
            await conversations.hear(session, [Heard(f"m{number}", fan.id or 0, at, "hello")])
        answered = [fan.id for fan in everybody[::2]]
        await session.run(update(Conversation).where(col(Conversation.fan_id).in_(answered)).values(waiting_since=None))

    found: list[str] = []
    async with browser(app, Role.VIEWER) as viewer:
        page, here = await viewer.get("/conversations"), "/conversations"
        found += listed(page.text)
        for _ in range(2):
            here = next_page(page.text, here)
            page = await viewer.get(here)
            found += listed(page.text)

    assert len(found) == 70
    assert set(found) == {str(fan.telegram_id) for fan in everybody}
    waiting = [str(fan.telegram_id) for fan in everybody[1::2]]
    assert set(found[:35]) == set(waiting)


async def test_an_answer_goes_out_once_however_often_it_is_pressed(app: App) -> None:
    fan = await given_fan(app, name="Mei")
    await given_line(app, fan)
    address = f"/conversations/{fan.telegram_id}"

    async with browser(app, Role.OPERATOR) as operator:
        key = key_in((await operator.get(address)).text)
        for _ in range(2):
            answer = await operator.post(f"{address}/answer", data={"text": " <b>Yes</b>\r\n& no ", "key": key})
        page = await operator.get(answer.headers["location"])

    assert await sent(app) == [("sendMessage", {"chat_id": fan.telegram_id, "text": "<b>Yes</b>\n& no"})]
    assert "&lt;b&gt;Yes&lt;/b&gt;" in page.text
    assert "on its way" in seen(page.text)
    stands = await standing(app, fan)
    assert (stands.unread, stands.waiting_since) == (0, None)
    async with app.database.reading() as session:
        noted = await session.all(select(AuditEntry.action).where(col(AuditEntry.subject_kind) == "conversation"))
    assert noted == ["conversation.answered"]


async def test_what_became_of_an_answer_stands_beside_it(app: App) -> None:
    fan = await given_fan(app)
    async with browser(app, Role.OPERATOR) as operator:
        address = f"/conversations/{fan.telegram_id}"
        await operator.post(f"{address}/answer", data={"text": "Hello, this is the tea house"})
        for state, told in ((OutboxState.FAILED, "did not arrive"), (OutboxState.UNKNOWN, "may have arrived, or not")):
            async with app.database.writing() as session:
                await session.run(update(Outbox).values(state=state))
            assert told in seen((await operator.get(address)).text)


async def test_an_answer_and_closing_leave_what_the_fan_wrote_meanwhile_waiting(app: App) -> None:
    fan = await given_fan(app)
    seen_line = await given_line(app, fan, "One", minutes_ago=9)
    await given_line(app, fan, "Two", minutes_ago=2)
    address = f"/conversations/{fan.telegram_id}"

    async with browser(app, Role.OPERATOR) as operator:
        answer = {"text": "To one", "seen": str(seen_line)}
        await operator.post(f"{address}/answer", data=answer)
        answered = await standing(app, fan)
        refused = await operator.post(f"{address}/answer", data={**answer, "text": "Bye", "then": "close"})
        closing = await operator.post(f"{address}/closing", data={"seen": str(seen_line)})
        told = await operator.get(closing.headers["location"])

    assert (answered.unread, answered.waiting_since) == (1, app.clock() - timedelta(minutes=2))
    assert refused.status_code == 422
    assert "the fan wrote again meanwhile" in seen(refused.text)
    assert ">\nBye</textarea>" in refused.text
    assert "the fan wrote again meanwhile" in seen(told.text)
    assert (await standing(app, fan)).state is ConversationState.OPEN
    assert [payload["text"] for _, payload in await sent(app)] == ["To one"]


async def test_answering_and_closing_in_one_go_and_opening_again(app: App) -> None:
    fan = await given_fan(app)
    line = await given_line(app, fan)
    address = f"/conversations/{fan.telegram_id}"

    async with browser(app, Role.OPERATOR) as operator:
        done = await operator.post(f"{address}/answer", data={"text": "Bye", "seen": str(line), "then": "close"})
        closed = await operator.get("/conversations", params={"box": "closed"})
        twice = await operator.post(f"{address}/closing", data={"seen": str(line)})
        told = await operator.get(twice.headers["location"])
        await operator.post(f"{address}/reopening")

    assert done.headers["location"] == "/conversations"
    assert listed(closed.text) == [str(fan.telegram_id)]
    assert "somebody else was quicker" in seen(told.text)
    assert (await standing(app, fan)).state is ConversationState.OPEN


BAD = [("", "write something first"), ("  \n ", "write something first"), ("x" * 4097, "at most 4096 characters")]


@pytest.mark.parametrize(("text", "told"), BAD)
async def test_a_wrong_answer_comes_back_with_what_was_typed(app: App, text: str, told: str) -> None:
    fan = await given_fan(app)
    await given_line(app, fan)

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post(f"/conversations/{fan.telegram_id}/answer", data={"text": text})

    assert answer.status_code == 422
    assert told in seen(answer.text)
    assert text.strip() in answer.text
    assert await sent(app) == []


REACHES = [
    (Reach.BLOCKED, "this fan has blocked the bot"),
    (Reach.GONE, "account is gone"),
    (Reach.IMPORTED, "has never talked to the bot"),
]


@pytest.mark.parametrize(("reach", "told"), REACHES)
async def test_a_fan_who_cannot_be_reached_is_told_of_instead_of_a_form(app: App, reach: Reach, told: str) -> None:
    fan = await given_fan(app)
    await given_line(app, fan)
    async with app.database.writing() as session:
        await fans.change_reach(session, fan.telegram_id, reach, now=app.clock())

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get(f"/conversations/{fan.telegram_id}")
        refused = await operator.post(f"/conversations/{fan.telegram_id}/answer", data={"text": "Hi"})

    assert told in seen(page.text)
    assert f"/conversations/{fan.telegram_id}/answer" not in forms(page.text)
    assert refused.status_code == 422
    assert await sent(app) == []


async def test_whoever_opted_out_of_broadcasts_still_gets_answers(app: App) -> None:
    fan = await given_fan(app)
    async with app.database.writing() as session:
        known = await fans.get_fan(session, fan.telegram_id)
        await fans.mute(session, known, now=app.clock())

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post(f"/conversations/{fan.telegram_id}/answer", data={"text": "Hi"})

    assert answer.status_code == 303
    assert len(await sent(app)) == 1


async def test_somebody_is_put_in_charge_but_nobody_who_may_not_answer(app: App) -> None:
    fan = await given_fan(app)
    await given_line(app, fan)
    admin, viewer = await employ(app, Role.ADMIN), await employ(app, Role.VIEWER)
    address = f"/conversations/{fan.telegram_id}"

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post(f"{address}/assignment", data={"operator_id": str(admin.id)})
        taken = (await standing(app, fan)).assigned_to
        refused = await operator.post(f"{address}/assignment", data={"operator_id": str(viewer.id)})
        told = await operator.get(refused.headers["location"])
        kept = (await standing(app, fan)).assigned_to
        await operator.post(f"{address}/assignment", data={"operator_id": ""})

    assert (taken, kept) == (admin.id, admin.id)
    assert "choose one of these" in seen(told.text)
    assert (await standing(app, fan)).assigned_to is None


async def test_a_viewer_reads_and_changes_nothing(app: App) -> None:
    fan = await given_fan(app)
    line = await given_line(app, fan, kind="photo", file="f")
    address = f"/conversations/{fan.telegram_id}"
    paths = ("answer", "assignment", "closing", "reopening", f"lines/{line}/copy")

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get(address)
        refused = [(await viewer.post(f"{address}/{path}", data={"text": "x"})).status_code for path in paths]
        notices = await viewer.post("/conversations/notices", data={"wanted": "1"})

    assert "Hello?" in seen(page.text)
    assert "photo" in seen(page.text)
    assert forms(page.text) == []
    assert [*refused, notices.status_code] == [403] * 6
    assert await sent(app) == []


async def test_an_operator_says_whether_fans_are_to_be_heard_in_their_own_chat(app: App) -> None:
    async def wanted() -> bool:
        async with app.database.reading() as session:
            return await session.one(select(Operator.hears_fans).where(col(Operator.role) == Role.OPERATOR))

    async with browser(app, Role.OPERATOR) as operator:
        before = await wanted()
        answer = await operator.post("/conversations/notices", data={"wanted": "1"})
        page = await operator.get(answer.headers["location"])
        during = await wanted()
        await operator.post("/conversations/notices")

    assert (before, during, await wanted()) == (False, True, False)
    assert "Not in my chat any more" in page.text


async def test_a_photo_is_shown_in_the_operator_s_own_chat_where_a_reply_answers(app: App) -> None:
    fan = await given_fan(app)
    line = await given_line(app, fan, "Broken", kind="photo", file="f")

    async with browser(app, Role.OPERATOR, telegram_id=977) as operator:
        await operator.post(f"/conversations/{fan.telegram_id}/lines/{line}/copy")
        other = await operator.post(f"/conversations/{(await given_fan(app)).telegram_id}/lines/{line}/copy")
    async with app.database.writing() as session:
        await session.run(update(Outbox).values(message_id=5))
        meant = await conversations.fan_meant(session, 977, 5)

    assert [(method, payload["chat_id"], payload["from_chat_id"]) for method, payload in await sent(app)] == [
        ("copyMessage", 977, fan.telegram_id)
    ]
    assert meant is not None
    assert meant.id == fan.id
    assert other.status_code == 404


async def test_earlier_lines_are_a_page_away_and_a_broadcast_is_named(app: App) -> None:
    fan, broadcast = await given_fan(app), await composed(app)
    async with app.database.writing() as session:
        heard = [Heard(f"m{n}", fan.id or 0, app.clock(), f"line {n:03}") for n in range(60)]
        await conversations.hear(session, heard)
    await given_line(app, fan, "How much?", broadcast_id=broadcast.id)
    address = f"/conversations/{fan.telegram_id}"

    async with browser(app, Role.OPERATOR) as operator:
        latest = await operator.get(address)
        earlier = await operator.get(next_page(latest.text, address))
        part = await operator.get(address, headers={"HX-Request-Type": "partial"})
        replied = await operator.get("/conversations", params={"broadcast": broadcast.id})

    assert "in reply to Come back How much?" in seen(latest.text)
    assert ("line 059" in latest.text, "line 010" in latest.text) == (True, False)
    assert ("line 010" in earlier.text, "line 059" in earlier.text) == (True, False)
    assert 'hx-trigger="every 10s"' in latest.text
    assert 'hx-trigger="every 10s"' not in earlier.text
    assert part.text.lstrip().startswith('<div id="lines"')
    assert listed(replied.text) == [str(fan.telegram_id)]


async def test_the_fan_s_page_shows_the_last_lines_and_the_way_to_answer(app: App) -> None:
    fan = await given_fan(app)
    await given_line(app, fan, "Is it <i>fresh</i>?")

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get(f"/fans/{fan.telegram_id}")
        today = await operator.get("/")

    assert "Is it &lt;i&gt;fresh&lt;/i&gt;?" in page.text
    assert f"/conversations/{fan.telegram_id}" in links(page.text)
    assert "1 fan waits for an answer" in seen(today.text)


async def test_empty_boxes_teach_and_a_broken_link_is_told_of(app: App) -> None:
    async with browser(app, Role.VIEWER) as viewer:
        pages = [await viewer.get("/conversations", params={"box": box}) for box in ("open", "mine", "closed")]
        broken = await viewer.get("/conversations", params={"cursor": "x"})
        nobody = await viewer.get("/conversations/999999999")

    assert "Nobody waits for an answer" in seen(pages[0].text)
    assert "You are in charge of nobody" in seen(pages[1].text)
    assert "Nothing is closed yet" in seen(pages[2].text)
    assert (broken.status_code, nobody.status_code) == (422, 404)
