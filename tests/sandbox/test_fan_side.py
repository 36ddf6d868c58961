"""The fans' side, in Python and over HTTP."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

import bot.sandbox
from bot.sandbox import Impossible
from bot.sandbox.wording import LANGUAGES, words_in

STATIC = Path(bot.sandbox.__file__).parent / "static"

_KEYS = {
    "inline_keyboard": [
        [{"text": "Buy", "callback_data": "b:1", "style": "primary"}, {"text": "Copy", "copy_text": {"text": "TEA20"}}],
        [{"text": "Friends", "url": "https://t.me/siyu_sandbox_bot?start=i_ABC"}],
    ]
}


async def test_a_press_reaches_the_bot_with_its_message(sandbox, bot):
    anna = sandbox.add_person(name="Anna", known=True)
    await bot.result("sendMessage", chat_id=anna.telegram_id, text="menu", reply_markup=_KEYS)

    anna.presses("Buy")
    anna.presses_data("forged:999")

    genuine, forged = [update["callback_query"] for update in await bot.updates()]
    assert (genuine["data"], genuine["message"]["text"]) == ("b:1", "menu")
    assert (forged["data"], forged["from"]["id"]) == ("forged:999", anna.telegram_id)


async def test_a_link_in_a_button_starts_the_bot_with_its_payload(sandbox, bot):
    anna = sandbox.add_person(name="Anna", known=True)
    await bot.result("sendMessage", chat_id=anna.telegram_id, text="menu", reply_markup=_KEYS)

    anna.presses("Friends")
    anna.opens("t.me/siyu_sandbox_bot?start=s_POSTER")

    assert [update["message"]["text"] for update in await bot.updates()] == ["/start i_ABC", "/start s_POSTER"]
    with pytest.raises(Impossible):
        anna.opens("https://t.me/another_bot?start=x")


async def test_hearing_waits_for_news_and_sees_edits(sandbox, bot):
    anna = sandbox.add_person(name="Anna", known=True)
    old = await bot.result("sendMessage", chat_id=anna.telegram_id, text="welcome")
    anna.says("hello")

    with pytest.raises(Impossible):
        await anna.hears("welcome", within=0.05)
    await bot.result("editMessageText", chat_id=anna.telegram_id, message_id=old["message_id"], text="welcome back")

    assert (await anna.hears("welcome", within=1)).text == "welcome back"


async def test_a_reply_keyboard_sends_words_or_a_number(sandbox, bot):
    anna = sandbox.add_person(name="Anna", known=True)
    keyboard = {"keyboard": [["Yes"], [{"text": "My number", "request_contact": True}]], "one_time_keyboard": True}
    await bot.result("sendMessage", chat_id=anna.telegram_id, text="?", reply_markup=keyboard)

    anna.presses("Yes")
    anna.presses("My number")

    words, number = await bot.updates()
    assert words["message"]["text"] == "Yes"
    assert number["message"]["contact"]["user_id"] == anna.telegram_id


async def test_who_blocked_the_bot_cannot_write_before_unblocking(sandbox):
    anna = sandbox.add_person(name="Anna", known=True)
    anna.blocks()

    with pytest.raises(Impossible):
        anna.says("hello")


async def test_everything_a_person_does_is_also_a_call(sandbox, bot, client):
    people = f"{sandbox.url}/sandbox/api/people"
    async with client.post(people, json={"name": "小雨", "telegram_id": 5, "language": "zh-hans"}) as made:
        assert (made.status, (await made.json())["telegram_id"]) == (201, 5)
    await client.post(f"{people}/5/start", json={"payload": "s_X"})
    await bot.result("sendMessage", chat_id=5, text="<b>hi</b>", parse_mode="HTML", reply_markup=_KEYS)

    async with client.get(f"{people}/5/messages") as read:
        chat = await read.json()
    await client.post(f"{people}/5/presses", json={"button": "Buy"})
    await client.post(f"{people}/5/sends", json={"kind": "location", "latitude": 31.2, "longitude": 121.4})
    async with client.get(f"{people}/5/messages", params={"after": chat["revision"]}) as read:
        news = await read.json()

    assert [message["text"] for message in chat["messages"]] == ["/start s_X", "hi"]
    assert chat["messages"][1]["entities"] == [{"type": "bold", "offset": 0, "length": 2}]
    assert [list(message)[4] for message in news["messages"]] == ["location"]
    assert len(await bot.updates()) == 3


async def test_calls_and_the_world_can_be_read_from_outside(sandbox, bot, client):
    people = [{"name": f"Fan {number}", "known": True} for number in range(500)]
    async with client.post(f"{sandbox.url}/sandbox/api/people", json=people) as made:
        ids = [person["telegram_id"] for person in (await made.json())["people"]]
    await bot.result("sendMessage", chat_id=ids[0], text="one")
    await bot.result("sendMessage", chat_id=ids[1], text="two")

    async with client.get(f"{sandbox.url}/sandbox/api/calls", params={"method": "sendMessage", "since": 1}) as read:
        calls = await read.json()
    async with client.get(f"{sandbox.url}/sandbox/api/world") as read:
        world = await read.json()

    assert [call["params"]["text"] for call in calls["calls"]] == ["two"]
    assert calls["by_method"] == {"sendMessage": 2}
    assert len(world["people"]) == 500
    assert sum(len(person["messages"]) for person in world["people"]) == 2


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("people", "{", 400),
        ("people", '{"username": "nameless"}', 400),
        ("people/1/says", '{"text": "hi"}', 404),
        ("people/700000001/flies", "{}", 404),
        ("people/700000001/says", "{}", 400),
        ("people/700000001/presses", '{"button": "none such"}', 409),
        ("people/700000001/pays", "{}", 409),
        ("updates", "[1]", 400),
    ],
)
async def test_a_wrong_call_gets_one_clear_sentence(sandbox, client, path, body, status):
    sandbox.add_person(name="Anna", known=True)

    async with client.post(f"{sandbox.url}/sandbox/api/{path}", data=body) as response:
        assert (response.status, bool((await response.json())["error"])) == (status, True)


async def test_another_site_in_the_same_browser_may_not_call(sandbox, client):
    headers = {"Sec-Fetch-Site": "cross-site"}

    async with client.post(f"{sandbox.url}/sandbox/api/people", json={"name": "X"}, headers=headers) as response:
        assert response.status == 403

    assert not sandbox.people


async def test_the_page_speaks_both_languages_and_allows_no_foreign_source(sandbox, client):
    async with client.get(sandbox.url, headers={"Accept-Language": "zh-CN,zh;q=0.9,en"}) as chinese:
        assert "添加人物" in await chinese.text()
    async with client.get(sandbox.url, params={"lang": "en"}) as english:
        page, policy = await english.text(), english.headers["Content-Security-Policy"]

    assert "Add a person" in page
    assert "unsafe" not in policy
    assert "<style" not in page
    assert "https://" not in page


def test_everything_the_page_says_has_words_in_both_languages():
    scripts = "".join(script.read_text(encoding="utf-8") for script in STATIC.glob("*.js"))
    said = set(re.findall(r'\bsay\(\s*"(\w+)"', scripts))

    assert len(said) > 20
    for language in LANGUAGES:
        assert said <= words_in(language).keys()
        assert all(words_in(language).values())


async def test_changes_are_streamed(sandbox, client):
    anna = sandbox.add_person(name="Anna")

    async with client.get(f"{sandbox.url}/sandbox/api/events") as stream:
        first = int((await stream.content.readline()).removeprefix(b"data: "))
        await stream.content.readline()
        anna.says("hello")
        second = int((await asyncio.wait_for(stream.content.readline(), 10)).removeprefix(b"data: "))

    assert second > first


async def test_aiogram_talks_with_it(sandbox):
    from aiogram import Bot
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.exceptions import TelegramForbiddenError, TelegramRetryAfter
    from aiogram.types import BufferedInputFile, InlineKeyboardButton, InlineKeyboardMarkup

    anna = sandbox.add_person(name="Anna")
    anna.start("s_X")
    keys = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="A", callback_data="a", style="success")]])
    session = AiohttpSession(api=TelegramAPIServer.from_base(sandbox.url))
    async with Bot(sandbox.token, session=session) as bot:
        (update,) = await bot.get_updates()
        sent = await bot.send_message(anna.telegram_id, "<b>hi</b>", parse_mode="HTML", reply_markup=keys)
        photo = await bot.send_photo(anna.telegram_id, BufferedInputFile(b"\x89PNG", "tea.png"), caption="tea")
        downloaded = await bot.download(photo.photo[0])
        sandbox.faults.set(*_one_of("too_many"))
        with pytest.raises(TelegramRetryAfter):
            await bot.send_message(anna.telegram_id, "x")
        anna.blocks()
        with pytest.raises(TelegramForbiddenError):
            await bot.send_message(anna.telegram_id, "x")

    assert update.message.text == "/start s_X"
    assert (sent.entities[0].type, anna.messages[1].buttons[0][0].style) == ("bold", "success")
    assert (photo.caption, downloaded.read()) == ("tea", b"\x89PNG")


def _one_of(kind: str):
    from bot.sandbox import Fault, FaultKind

    return [Fault(kind=FaultKind(kind), next=1)]


async def test_it_runs_as_a_process_of_its_own(client):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.sandbox",
        "--port",
        "0",
        "--token",
        "7:T",
        "--rate",
        "none",
        stdout=asyncio.subprocess.PIPE,
    )
    ready = (await process.stdout.readline()).decode()
    url = ready.removeprefix("sandbox ready at ").strip()

    async with client.post(f"{url}/bot7:T/getMe") as response:
        me = (await response.json())["result"]
    process.terminate()

    assert me["id"] == 7
    assert await process.wait() == 0
