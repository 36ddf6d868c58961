"""One broadcast, and what each fan is sent of it."""

import pytest
from sqlmodel import select

from siyu import broadcasts
from siyu.broadcasts import letters, trial
from siyu.broadcasts.letters import letter_to
from siyu.broadcasts.links import Tracking
from siyu.kit.wording import CHINESE, ENGLISH, words
from siyu.tables import Broadcast, Outbox
from tests.broadcasting import MEI, SEGMENT, composed, given_fans
from tests.clocks import NOON

PHOTO = {"kind": "photo", "file": "https://tea.example/a.jpg"}
VIDEO = {"kind": "video", "file": "https://tea.example/a.mp4"}
DOCUMENT = {"kind": "document", "file": "BQACAgIAAxkBAAIB"}
LOOK = [[{"text": "Look", "url": "https://tea.example/spring"}]]
EN, ZH = words(ENGLISH), words(CHINESE)


def a_broadcast(**fields) -> Broadcast:
    return Broadcast(**{"id": 7, "title": "Spring", "text": "Hello", "created_at": NOON, "created_by": "me", **fields})


def _keys(letter):
    return [key for row in letter.payload["reply_markup"]["inline_keyboard"] for key in row]


@pytest.mark.parametrize(
    ("media", "method", "kind"),
    [([PHOTO], "sendPhoto", "photo"), ([VIDEO], "sendVideo", "video"), ([DOCUMENT], "sendDocument", "document")],
)
def test_a_file_is_sent_as_what_it_is_with_the_text_below(media, method, kind):
    letter = letter_to(1001, a_broadcast(media=media), EN)

    assert letter.method == method
    assert (letter.payload[kind], letter.payload["caption"]) == (media[0]["file"], "Hello")
    assert letter.payload["parse_mode"] == "HTML"


def test_an_album_has_the_words_and_the_way_out_under_the_first_picture():
    english = letter_to(1001, a_broadcast(media=[PHOTO, VIDEO]), EN)
    chinese = letter_to(1001, a_broadcast(media=[PHOTO, VIDEO]), ZH)

    first, second = english.payload["media"]
    assert english.method == "sendMediaGroup"
    assert first["caption"].startswith("Hello\n\n🔕 ")
    assert "/settings" in first["caption"]
    assert "/settings" in chinese.payload["media"][0]["caption"]
    assert second == {"type": "video", "media": VIDEO["file"]}
    assert "reply_markup" not in english.payload


def test_a_copied_post_is_copied_and_gets_our_buttons():
    letter = letter_to(1001, a_broadcast(text="", copied={"chat_id": 5, "message_id": 9}, buttons=LOOK), EN)

    assert letter.method == "copyMessage"
    assert (letter.payload["from_chat_id"], letter.payload["message_id"]) == (5, 9)
    assert [key["text"] for key in _keys(letter)] == ["Look", "🔕 No more of these"]
    assert "text" not in letter.payload


def test_silence_previews_and_payment_are_said_only_where_they_are_wanted():
    usual = letter_to(1001, a_broadcast(), EN).payload
    special = letter_to(1001, a_broadcast(silent=True, link_preview=False, paid=True), EN).payload
    test = letter_to(1001, a_broadcast(paid=True), EN, test=True).payload

    assert set(usual) == {"chat_id", "text", "parse_mode", "reply_markup"}
    assert special["disable_notification"] is True
    assert special["link_preview_options"] == {"is_disabled": True}
    assert special["allow_paid_broadcast"] is True
    assert "allow_paid_broadcast" not in test


VERSIONS = {"zh": {"text": "你好"}, "zh-hant": {"text": "妳好", "buttons": [[{"text": "看", "action": "shop"}]]}}
VARIANTS = [{"key": "a", "share": 50}, {"key": "b", "text": "Hi", "share": 50, "versions": {"de": {"text": "Hallo"}}}]


@pytest.mark.parametrize(
    ("variant", "language", "text", "first_key"),
    [
        (None, None, "Hello", "Look"),
        (None, "en", "Hello", "Look"),
        (None, "zh-hans", "你好", "Look"),
        ("a", "zh", "你好", "Look"),
        (None, "zh-Hant", "妳好", "看"),
        (None, "zh_hant_tw", "妳好", "看"),
        ("b", "en", "Hi", "Look"),
        ("b", "de-at", "Hallo", "Look"),
        ("nobody", "de", "Hello", "Look"),
    ],
)
def test_each_fan_reads_their_variant_in_their_language(variant, language, text, first_key):
    broadcast = a_broadcast(buttons=LOOK, versions=VERSIONS, variants=VARIANTS)

    letter = letter_to(1001, broadcast, EN, variant=variant, language=language)

    assert (letter.payload["text"], _keys(letter)[0]["text"]) == (text, first_key)


def test_once_there_is_a_winner_everybody_gets_it():
    broadcast = a_broadcast(variants=VARIANTS, winner="b")

    assert letter_to(1001, broadcast, EN, variant="a").payload["text"] == "Hi"


def test_what_we_know_of_the_fan_stands_in_the_text_and_in_what_is_copied():
    broadcast = a_broadcast(
        text="Hello {first_name|friend}", buttons=[[{"text": "Copy", "action": "copy", "value": "{coupon}"}]]
    )

    known = letter_to(1001, broadcast, EN, values={"first_name": "<Anna>", "coupon": "7KQ2"})
    unknown = letter_to(1001, broadcast, EN)

    assert known.payload["text"] == "Hello &lt;Anna&gt;"
    assert _keys(known)[0] == {"text": "Copy", "copy_text": {"text": "7KQ2"}}
    assert unknown.payload["text"] == "Hello friend"
    assert [key["text"] for key in _keys(unknown)] == ["🔕 No more of these"]


def test_buttons_answer_and_share():
    broadcast = a_broadcast(
        buttons=[[{"text": "Soon", "action": "answer", "value": "soon"}], [{"text": "Tell", "action": "share"}]]
    )

    answer, share, _ = _keys(letter_to(1001, broadcast, EN, values={"referral_link": "https://t.me/tea?start=i_X"}))
    test = _keys(letter_to(1001, broadcast, EN, test=True))[0]

    assert answer == {"text": "Soon", "callback_data": "b:7:=soon"}
    assert share["url"].startswith("https://t.me/share/url?url=https%3A%2F%2Ft.me%2Ftea%3Fstart%3Di_X&text=")
    assert test["callback_data"] == "b:7:=soon:test"


def test_links_are_tracked_for_a_fan_and_never_in_a_test():
    tracking = Tracking("https://siyu.example", bytes(32))
    broadcast = a_broadcast(buttons=LOOK)

    tracked = letter_to(1001, broadcast, EN, fan_id=3, tracking=tracking)
    test = letter_to(1001, broadcast, EN, fan_id=3, tracking=tracking, test=True)

    assert _keys(tracked)[0]["url"].startswith("https://siyu.example/r/")
    assert _keys(test)[0]["url"] == "https://tea.example/spring"


def test_a_preview_is_written_to_somebody_invented():
    letter = letters.preview(a_broadcast(text="Hello {first_name}", versions=VERSIONS), EN)

    assert letter.payload["text"] == "Hello Alex"


async def test_an_operator_tries_the_version_they_want_with_what_is_known_of_them(app):
    (mei,) = await given_fans(app, 1)
    broadcast = await composed(
        app, text="Hello {first_name} {username}", versions={"zh": {"text": "你好 {first_name} {username}"}}
    )

    async with app.database.writing() as session:
        await broadcasts.test_to(session, MEI, broadcast, mei.telegram_id, words=EN, language="zh", now=app.clock())

    async with app.database.reading() as session:
        (errand,) = await session.all(select(Outbox))
    assert errand.payload["text"] == "你好 Fan alex"


async def test_a_rehearsal_tells_what_would_be_found_and_sends_nothing(app, monkeypatch):
    monkeypatch.setattr(trial, "AT_ONCE", 2)
    await given_fans(app, 5)
    broadcast = await composed(app, include=(SEGMENT,), text="Hello {username} {first_name|friend}")

    async with app.database.reading() as session:
        found = await trial.rehearse(session, broadcast)
        nothing = await session.all(select(Outbox))

    assert found.counts == {"missing:username": 5}
    assert len(found.bad) == 5
    assert not nothing
