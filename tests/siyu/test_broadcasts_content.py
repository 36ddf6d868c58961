"""What a broadcast says fits what Telegram takes, before anybody is written to, and for each fan."""

import pytest
from sqlalchemy import update
from sqlmodel import col

from siyu import broadcasts
from siyu.broadcasts import content, placeholders
from siyu.broadcasts.content import Checked
from siyu.kit.errors import Invalid
from siyu.tables import Fan
from tests.broadcasting import composed, given_fans, row_of, started

PHOTO = {"kind": "photo", "file": "https://tea.example/a.jpg"}
VIDEO = {"kind": "video", "file": "https://tea.example/a.mp4"}
DOCUMENT = {"kind": "document", "file": "BQACAgIAAxkBAAIB"}
POST = {"chat_id": 7, "message_id": 9}
COPY = {"text": "Copy", "action": "copy"}
ANSWER = {"text": "Yes!", "action": "answer"}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"text": "Hello {shoe_size}"}, ("text",)),
        ({"text": "Hello {level:shoe_size|you}"}, ("text",)),
        ({"text": "Your code: {coupon}"}, ("text",)),
        ({"text": "{first_name|" + "x" * 4097 + "}"}, ("text",)),
        ({"media": [PHOTO, VIDEO], "text": "x" * 1000}, ("text",)),
        ({"media": [{**PHOTO, "kind": "sticker"}]}, ("media", 0)),
        ({"media": [PHOTO, {"kind": "photo", "file": "../a"}]}, ("media", 1)),
        ({"media": [PHOTO] * 11}, ("media",)),
        ({"media": [PHOTO, DOCUMENT]}, ("media",)),
        ({"media": [PHOTO, VIDEO], "buttons": [[{"text": "Look", "action": "shop"}]]}, ("buttons",)),
        ({"copied": POST}, ("text",)),
        ({"copied": POST, "text": "", "media": [PHOTO]}, ("media",)),
        ({"copied": {"chat_id": "x"}, "text": ""}, ("copied",)),
        ({"versions": {"zh": {"text": "<b>你好"}}}, ("versions", "zh", "text")),
        ({"versions": {"zh": {"buttons": [[{"text": "看", "url": "x"}]]}}}, ("versions", "zh", "buttons", 0, 0, "url")),
        ({"versions": {"Chinese!": {"text": "你好"}}}, ("versions", "Chinese!")),
        ({"variants": [{"key": "b", "text": "{nobody}"}]}, ("variants", 0, "text")),
        ({"variants": [{"key": "b"}, {"key": "b"}]}, ("variants", 1)),
        ({"variants": [{"key": "bee"}]}, ("variants", 0)),
        ({"variants": [{"key": "b", "buttons": [[{"text": "Mine", "action": "claim"}]]}]}, ("offer",)),
        ({"buttons": [[ANSWER]]}, ("buttons", 0, 0, "value")),
        ({"buttons": [[{**ANSWER, "value": "two words"}]]}, ("buttons", 0, 0, "value")),
        ({"buttons": [[{**ANSWER, "value": "下" * 11}]]}, ("buttons", 0, 0, "value")),
        ({"buttons": [[{**ANSWER, "value": "a:b"}]]}, ("buttons", 0, 0, "value")),
        ({"buttons": [[COPY]]}, ("buttons", 0, 0, "value")),
        ({"buttons": [[{**COPY, "value": "x" * 257}]]}, ("buttons", 0, 0, "value")),
        ({"buttons": [[{**COPY, "value": "{coupon}"}]]}, ("buttons",)),
        ({"buttons": [[{**COPY, "value": "{shoe_size}"}]]}, ("buttons",)),
    ],
)  # fmt: skip
async def test_each_mistake_is_refused_at_its_place(app, changes, place):
    with pytest.raises(Invalid) as refusal:
        await composed(app, **changes)

    assert refusal.value.where == place


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "Hello {first_name|friend}, {{ and {level:loyalty|dear fan}"},
        {"text": "{first_name|friend}"},
        {"media": [VIDEO]},
        {"media": [DOCUMENT, DOCUMENT]},
        {"media": [PHOTO, VIDEO], "text": "x" * 960},
        {"copied": POST, "text": ""},
        {"copied": POST, "text": "", "buttons": [[{"text": "Look", "action": "shop"}]]},
        {"versions": {"zh": {"text": "你好"}, "pt-br": {"text": "Oi"}}},
        {"variants": [{"key": "a", "share": 50}, {"key": "b", "text": "Other", "share": 50}]},
        {"buttons": [[{**ANSWER, "value": "下次再说吧"}, {**COPY, "value": "SPRING-{first_name|YOU}"}]]},
        {"buttons": [[{"text": "Tell a friend", "action": "share"}]]},
    ],
)
async def test_what_telegram_takes_is_taken(app, changes):
    assert (await composed(app, **changes)).state == "draft"


async def _checked(app, broadcast, people) -> Checked:
    async with app.database.reading() as session:
        return await content.check_recipients(session, broadcast, [fan.id for fan in people])


async def _rename(app, fan, **fields):
    async with app.database.writing() as session:
        await session.run(update(Fan).where(col(Fan.id) == fan.id).values(**fields))


async def test_who_lacks_a_name_gets_the_fallback_and_is_counted(app):
    people = await given_fans(app, 5)
    for nameless in people[:2]:
        await _rename(app, nameless, name="")
    broadcast = await composed(app, text="Hello {first_name|friend}")

    checked = await _checked(app, broadcast, people)

    assert (checked.bad, checked.counts) == ({}, {"missing:first_name": 2})


async def test_without_a_fallback_nobody_is_written_a_hole(app):
    known, unknown = people = await given_fans(app, 2)
    await _rename(app, known, username="anna")
    broadcast = await composed(app, text="Hello @{username}")

    checked = await _checked(app, broadcast, people)

    assert (checked.bad, checked.counts) == ({unknown.id: "missing:username"}, {"missing:username": 1})


async def test_a_name_too_long_for_the_text_is_found_before_telegram_refuses_it(app):
    short, long = people = await given_fans(app, 2)
    await _rename(app, long, name="L" * 60)
    broadcast = await composed(app, text="{name}" + "x" * 4080)

    checked = await _checked(app, broadcast, people)

    assert (checked.bad, checked.counts) == ({long.id: "too_long"}, {"too_long": 1})
    assert short.id not in checked.bad


async def test_a_code_too_long_to_be_copied_is_found(app):
    (long,) = people = await given_fans(app, 1)
    await _rename(app, long, name="L" * 60)
    broadcast = await composed(app, buttons=[[{**COPY, "value": "{name}" + "x" * 240}]])

    assert (await _checked(app, broadcast, people)).bad == {long.id: "copy_text"}


async def test_each_fan_is_held_against_their_own_language_and_variant(app):
    people = await given_fans(app, 40)
    broadcast_id = await started(
        app,
        text="Hello",
        versions={"zh": {"text": "你好 {username}"}},
        variants=[{"key": "b", "text": "Hi {metric:p_alive}", "share": 50}],
    )
    drew = {fan.id: (await row_of(app, broadcast_id, fan)).variant for fan in people}
    async with app.database.reading() as session:
        broadcast = await broadcasts.get_broadcast(session, broadcast_id)

    checked = await _checked(app, broadcast, people)

    assert set(drew.values()) == {"a", "b"}
    chinese = {fan.id for fan in people if fan.language == "zh-hans" and drew[fan.id] == "a"}
    second = {fan_id for fan_id, variant in drew.items() if variant == "b"}
    assert checked.bad == dict.fromkeys(chinese, "missing:username") | dict.fromkeys(second, "missing:metric:p_alive")


async def test_a_text_for_everybody_needs_no_look_at_anybody(app, monkeypatch):
    people = await given_fans(app, 2)
    broadcast = await composed(app)
    monkeypatch.setattr(placeholders, "values_for", None)

    assert await _checked(app, broadcast, people) == Checked()


def test_what_is_found_chunk_by_chunk_adds_up():
    one = Checked({1: "too_long"}, {"too_long": 1, "missing:name": 2})
    two = Checked({2: "missing:name"}, {"missing:name": 3})

    assert one + two == Checked({1: "too_long", 2: "missing:name"}, {"too_long": 1, "missing:name": 5})
