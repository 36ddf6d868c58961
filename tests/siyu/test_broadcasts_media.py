"""Pictures, videos and documents that cannot be sent are told at their field: before Telegram is asked, or after."""

import pytest

from siyu.broadcasts import media, refusals
from siyu.kit.errors import Invalid
from tests.broadcasting import composed

SITE = "https://tea.example"
PHOTO, VIDEO, DOCUMENT = (
    {"kind": "photo", "file": f"{SITE}/a.jpg"}, {"kind": "video", "file": f"{SITE}/a.mp4"},
    {"kind": "document", "file": f"{SITE}/a.pdf"},
)  # fmt: skip


@pytest.mark.parametrize(
    "file",
    [
        "", "   ", None, 7, "a.jpg", "/tmp/a.jpg", "../a", "ftp://tea.example/a.jpg", "file:///etc/passwd",
        "javascript:alert(1)", "data:image/png;base64,AAAA", "//tea.example/a.jpg", "https://", "https:///a.jpg",
        "https://localhost/a.jpg", "https://tea/a.jpg", "http://127.0.0.1/a.jpg", "http://192.168.1.4/a.jpg",
        "http://10.0.0.1:8000/a.jpg", "http://[::1]/a.jpg", "http://[nowhere/a.jpg", "https://tea.example/a b.jpg",
        f"{SITE}/{'x' * 2100}.jpg", "short",
    ],
)  # fmt: skip
async def test_what_telegram_cannot_fetch_is_no_picture(app, file):
    with pytest.raises(Invalid) as refusal:
        await composed(app, media=[PHOTO, {"kind": "photo", "file": file}])

    assert refusal.value.where == ("media", 1)


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("photo", "mp4"), ("photo", "pdf"), ("photo", "SVG"), ("photo", "heic"), ("video", "jpg"), ("video", "mov"),
        ("document", "docx"), ("document", "jpg"), ("sticker", "webp"), ("", "jpg"), (None, "jpg"),
    ],
)  # fmt: skip
async def test_what_is_called_like_something_else_is_something_else(app, kind, ending):
    with pytest.raises(Invalid) as refusal:
        await composed(app, media=[{"kind": kind, "file": f"{SITE}/tea.{ending}?size=large"}])

    assert refusal.value.where == ("media", 0)


@pytest.mark.parametrize(
    "album",
    [
        [PHOTO] * 11,
        [PHOTO, DOCUMENT],
        [VIDEO, DOCUMENT],
    ],
)
async def test_an_album_telegram_would_not_take_is_refused(app, album):
    with pytest.raises(Invalid) as refusal:
        await composed(app, media=album)

    assert refusal.value.where == ("media",)


@pytest.mark.parametrize(
    "files",
    [
        [PHOTO],
        [VIDEO],
        [DOCUMENT],
        [PHOTO, VIDEO] * 5,
        [DOCUMENT, DOCUMENT],
        [{"file": f"{SITE}/a.jpg"}],
        [{"kind": "photo", "file": f"{SITE}/picture?id=7"}],
        [{"kind": "photo", "file": f"{SITE}/spring.2026"}],
        [{"kind": "photo", "file": "HTTPS://TEA.EXAMPLE:8443/A.JPG"}],
        [{"kind": "photo", "file": "https://8.8.8.8/a.jpg"}],
        [{"kind": "photo", "file": "https://茶.example/茶.png"}],
        [{"kind": "document", "file": "BQACAgIAAxkBAAIBdocx"}],
    ],
)
def test_what_telegram_may_take_is_left_to_telegram(files):
    assert list(media.mistakes(files)) == []


def test_something_that_is_no_file_at_all_is_a_mistake_and_no_crash():
    places = [mistake.where for mistake in media.mistakes(["a.jpg", None, {}])]  # type: ignore[list-item]

    assert places == [("media", 0), ("media", 1), ("media", 2)]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("Bad Request: wrong file identifier/HTTP URL specified", "media"),
        ("Bad Request: failed to get HTTP URL content", "media"),
        ("Bad Request: wrong type of the web page content", "media"),
        ("Bad Request: PHOTO_INVALID_DIMENSIONS", "media"),
        ("Bad Request: IMAGE_PROCESS_FAILED", "media"),
        ("Bad Request: file is too big", "media"),
        ("Request Entity Too Large", "media"),
        ("Bad Request: type of file mismatch", "media"),
        ('Bad Request: failed to send message #2 with the error message "WEBPAGE_CURL_FAILED"', "media"),
        ("rejected: Bad Request: MEDIA_EMPTY", "media"),
        ("Bad Request: message to copy not found", "copied"),
        ("Bad Request: message caption is too long", "text"),
        ("Bad Request: can't parse entities: unclosed tag", "text"),
        ("Bad Request: BUTTON_URL_INVALID", "buttons"),
        ("Bad Request: inline keyboard button URL 'x' is invalid", "buttons"),
    ],
)
def test_what_telegram_refused_is_told_at_its_field_in_our_words(said, place):
    mistake = refusals.explained(said)

    assert mistake.where == (place,)
    assert "Bad Request" not in str(mistake)


def test_what_nobody_knows_stays_in_telegrams_words():
    assert str(refusals.explained("rejected: Bad Request: chat is on fire")).endswith("Bad Request: chat is on fire")
    assert refusals.explained("rejected: Bad Request: chat is on fire").where == ()


@pytest.mark.parametrize("why", ["blocked", "unreachable", "gone"])
def test_an_operator_who_cannot_get_a_copy_is_told_why(why):
    assert why != str(refusals.explained(why))
