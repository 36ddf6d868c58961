"""What Telegram refuses, in its own words."""

import pytest


@pytest.fixture
def fan(sandbox):
    return sandbox.add_person(name="小雨", known=True)


def _button(**button: object) -> dict:
    return {"inline_keyboard": [[{"text": "Press", **button}]]}


async def test_a_text_of_4096_emoji_passes_and_one_more_does_not(fan, bot):
    await bot.result("sendMessage", chat_id=fan.telegram_id, text="😀" * 4096)
    refused = await bot.refusal("sendMessage", chat_id=fan.telegram_id, text="😀" * 4097)

    assert refused == "400 Bad Request: message is too long"
    assert len(fan.last.text) == 4096


async def test_length_is_counted_after_the_markup_is_read(fan, bot):
    text = f"<b>{'a' * 4096}</b>"

    await bot.result("sendMessage", chat_id=fan.telegram_id, text=text, parse_mode="HTML")

    assert fan.last.entities == [{"type": "bold", "offset": 0, "length": 4096}]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": " \n "}, "message text is empty"),
        ({"text": "<b></b>", "parse_mode": "HTML"}, "message text is empty"),
        ({"text": "x", "parse_mode": "BBCode"}, "unsupported parse_mode"),
        ({"text": "x", "reply_markup": _button(callback_data="")}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "reply_markup": _button(callback_data="é" * 33)}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "reply_markup": _button(copy_text={"text": "c" * 257})}, "BUTTON_COPY_TEXT_INVALID"),
        ({"text": "x", "reply_markup": _button()}, "text buttons are unallowed in the inline keyboard"),
        ({"text": "x", "reply_markup": "{"}, "can't parse reply markup JSON object"),
        (
            {"text": "x", "reply_markup": _button(url="http://localhost:8000/")},
            "inline keyboard button URL 'http://localhost:8000/' is invalid: Wrong HTTP URL",
        ),
        (
            {"text": "hi", "entities": [{"type": "bold", "offset": 1, "length": 2}]},
            "entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 2",
        ),
        ({"text": "x", "reply_parameters": {"message_id": 999}}, "message to be replied not found"),
    ],
)
async def test_a_message_telegram_would_not_take(fan, bot, params, why):
    refused = await bot.refusal("sendMessage", chat_id=fan.telegram_id, **params)

    assert refused == f"400 Bad Request: {why}"
    assert fan.messages == []


async def test_64_bytes_of_callback_data_and_256_copied_characters_pass(fan, bot):
    buttons = {
        "inline_keyboard": [[{"text": "A", "callback_data": "é" * 32}, {"text": "B", "copy_text": {"text": "c" * 256}}]]
    }

    await bot.result("sendMessage", chat_id=fan.telegram_id, text="x", reply_markup=buttons)

    fan.presses("B")
    assert fan.clipboard == "c" * 256


async def test_a_caption_has_1024_characters(fan, bot):
    photo = "https://shop.example/tea.jpg"

    await bot.result("sendPhoto", chat_id=fan.telegram_id, photo=photo, caption="x" * 1024)
    refused = await bot.refusal("sendPhoto", chat_id=fan.telegram_id, photo=photo, caption="x" * 1025)

    assert refused == "400 Bad Request: message caption is too long"


async def test_whom_the_bot_cannot_write_to(sandbox, bot):
    stranger = sandbox.add_person(name="Stranger")
    blocker = sandbox.add_person(name="Blocker", known=True)
    leaver = sandbox.add_person(name="Leaver", known=True)
    blocker.blocks()
    leaver.deletes_account()

    async def why(chat_id):
        return await bot.refusal("sendMessage", chat_id=chat_id, text="hello")

    assert await why(12345) == "400 Bad Request: chat not found"
    assert await why(stranger.telegram_id) == "403 Forbidden: bot can't initiate conversation with a user"
    assert await why(blocker.telegram_id) == "403 Forbidden: bot was blocked by the user"
    assert await why(leaver.telegram_id) == "403 Forbidden: user is deactivated"


async def test_an_edit_that_changes_nothing_is_refused(fan, bot):
    sent = await bot.result("sendMessage", chat_id=fan.telegram_id, text="one", reply_markup=_button(callback_data="a"))
    place = {"chat_id": fan.telegram_id, "message_id": sent["message_id"]}

    refused = await bot.refusal("editMessageText", **place, text="one", reply_markup=_button(callback_data="a"))
    await bot.result("editMessageText", **place, text="two")

    assert refused.startswith("400 Bad Request: message is not modified")
    assert (fan.last.text, fan.last.edited, fan.last.buttons) == ("two", True, [])


async def test_a_deleted_message_is_gone_for_both(fan, bot):
    sent = await bot.result("sendMessage", chat_id=fan.telegram_id, text="one")
    place = {"chat_id": fan.telegram_id, "message_id": sent["message_id"]}

    await bot.result("deleteMessage", **place)

    assert await bot.refusal("editMessageText", **place, text="two") == "400 Bad Request: message to edit not found"
    assert await bot.refusal("deleteMessage", **place) == "400 Bad Request: message to delete not found"
    assert fan.last is None


async def test_only_the_first_answer_to_a_press_is_shown_and_it_has_at_most_200_characters(fan, bot):
    await bot.result("sendMessage", chat_id=fan.telegram_id, text="x", reply_markup=_button(callback_data="a"))
    query_id = fan.presses("Press")

    too_long = await bot.refusal("answerCallbackQuery", callback_query_id=query_id, text="x" * 201)
    await bot.result("answerCallbackQuery", callback_query_id=query_id, text="x" * 200, show_alert=True)
    await bot.result("answerCallbackQuery", callback_query_id=query_id, text="again")
    unknown = await bot.refusal("answerCallbackQuery", callback_query_id="1")

    assert too_long == "400 Bad Request: MESSAGE_TOO_LONG"
    assert [(len(toast.text), toast.alert) for toast in fan.toasts] == [(200, True)]
    assert unknown == "400 Bad Request: query is too old and response timeout expired or query ID is invalid"


async def test_the_narrowest_command_list_in_the_fans_language_wins(sandbox, fan, bot):
    xiaoyu = sandbox.add_person(name="小雨", language="zh-hans")
    commands = [{"command": "help", "description": "帮助"}]
    await bot.result("setMyCommands", commands=[{"command": "help", "description": "Help"}])
    await bot.result("setMyCommands", commands=commands, language_code="zh", scope={"type": "all_private_chats"})

    refused = await bot.refusal("setMyCommands", commands=[{"command": "Help!", "description": "x"}])

    seen = sandbox.world.profile.commands_for
    assert seen(xiaoyu.telegram_id, xiaoyu.language) == commands
    assert seen(fan.telegram_id, fan.language)[0]["description"] == "Help"
    assert refused == "400 Bad Request: BOT_COMMAND_INVALID"


async def test_a_copy_carries_the_words_but_not_the_buttons(sandbox, fan, bot):
    bob = sandbox.add_person(name="Bob", known=True)
    sent = await bot.result(
        "sendMessage", chat_id=fan.telegram_id, text="news", reply_markup=_button(callback_data="a")
    )
    source = {"from_chat_id": fan.telegram_id, "message_id": sent["message_id"]}

    copied = await bot.result("copyMessage", chat_id=bob.telegram_id, **source)

    assert (bob.last.text, bob.last.buttons) == ("news", [])
    assert copied == {"message_id": bob.last.message_id}


@pytest.mark.parametrize(
    ("method", "kind"), [("sendPhoto", "photo"), ("sendVideo", "video"), ("sendDocument", "document")]
)
async def test_the_caption_of_every_kind_of_file_can_be_edited(fan, bot, method, kind):
    sent = await bot.result(method, chat_id=fan.telegram_id, caption="one", **{kind: "https://tea.example/a"})
    place = {"chat_id": fan.telegram_id, "message_id": sent["message_id"]}

    await bot.result("editMessageCaption", **place, caption="two")

    assert fan.last.text == "two"
    assert kind in fan.last.body


async def test_an_album_is_several_messages_with_the_words_under_the_first(fan, bot):
    media = [
        {"type": "photo", "media": "https://tea.example/a.jpg", "caption": "<b>Spring</b>", "parse_mode": "HTML"},
        {"type": "video", "media": "https://tea.example/b.mp4"},
    ]

    sent = await bot.result("sendMediaGroup", chat_id=fan.telegram_id, media=media)

    first, second = fan.messages[-2:]
    assert [one["message_id"] for one in sent] == [first.message_id, second.message_id]
    assert (first.text, second.text) == ("Spring", "")
    assert first.body["media_group_id"] == second.body["media_group_id"]


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        (["photo"], "media group must include 2-10 items"),
        (["photo"] * 11, "media group must include 2-10 items"),
        (["photo", "document"], "document can't be mixed with other media types"),
        (["photo", "sticker"], "can't parse media: type must be photo, video or document"),
    ],
)
async def test_an_album_that_telegram_would_not_take(fan, bot, kinds, why):
    media = [{"type": kind, "media": f"https://tea.example/{kind}"} for kind in kinds]

    assert await bot.refusal("sendMediaGroup", chat_id=fan.telegram_id, media=media) == f"400 Bad Request: {why}"
