"""Tracked links: whose they are is known to us, to nobody else, and they lead where the operator said."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from siyu.broadcasts import links
from siyu.broadcasts.links import Aim, Tracking, Visit
from siyu.settings import Settings
from tests.broadcasting import composed

SECRET = bytes(range(32))
URL_SAFE = frozenset(string.ascii_letters + string.digits + "-_")
ids = st.integers(1, 2**40 - 1)
numbers = st.integers(0, 2**16 - 1)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1"
CUBOT = "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36"


@settings(deadline=None)
@given(ids, ids, numbers)
def test_a_token_says_to_us_what_we_wrote_into_it(broadcast_id, fan_id, button):
    token = links.token(SECRET, broadcast_id, fan_id, button)

    assert links.read_token(SECRET, token) == Aim(broadcast_id, fan_id, button)
    assert len(token) == 28
    assert set(token) <= URL_SAFE


@settings(deadline=None)
@given(ids, ids, numbers, st.integers(0, 27), st.sampled_from(sorted(URL_SAFE)))
def test_a_token_with_one_other_sign_is_none(broadcast_id, fan_id, button, place, sign):
    token = links.token(SECRET, broadcast_id, fan_id, button)
    other = token[:place] + sign + token[place + 1 :]

    assert other == token or links.read_token(SECRET, other) is None


@settings(deadline=None)
@given(st.text(max_size=40) | st.text(alphabet=sorted(URL_SAFE), min_size=28, max_size=28))
def test_nothing_that_we_did_not_make_is_a_token(text):
    assert links.read_token(SECRET, text) is None


@settings(deadline=None)
@given(ids, ids, numbers)
def test_another_house_cannot_read_it(broadcast_id, fan_id, button):
    assert links.read_token(bytes(32), links.token(SECRET, broadcast_id, fan_id, button)) is None


def test_tokens_of_neighbours_have_nothing_in_common():
    made = [links.token(SECRET, 7, fan_id, 0) for fan_id in range(1, 1_001)]

    assert len({token[:8] for token in made}) == len({token[-8:] for token in made}) == 1_000


@pytest.mark.parametrize(
    ("browser", "purpose", "counts"),
    [
        (IPHONE, "", True),
        (CUBOT, "", True),
        (IPHONE, "prefetch", False),
        (IPHONE, "prefetch;prerender", False),
        ("TelegramBot (like TwitterBot)", "", False),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "", False),
        ("facebookexternalhit/1.1", "", False),
        ("WhatsApp/2.23.20.0", "", False),
        ("curl/8.5.0", "", False),
        ("python-requests/2.32", "", False),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0", "", False),
        ("", "", False),
    ],
)
def test_people_count_and_programs_that_look_ahead_do_not(browser, purpose, counts):
    assert Visit("GET", browser, purpose).counts is counts
    assert Visit("HEAD", browser, purpose).counts is False


@pytest.mark.parametrize(
    ("url", "tracked"),
    [
        ("https://tea.example/spring?a=1", True),
        ("http://tea.example", True),
        ("https://t.me/our_bot?start=o_SPRING", False),
        ("tg://resolve?domain=our_bot", False),
    ],
)
def test_telegrams_own_links_stay_as_they_are(url, tracked):
    address = Tracking("https://siyu.example", SECRET).address(7, 8, 0, url)

    assert (address != url) is tracked
    assert address == url or address.startswith("https://siyu.example/r/")


@pytest.mark.parametrize(
    ("site", "public"), [("https://siyu.example", True), ("http://127.0.0.1:8000", True), ("http://siyu:80", False)]
)
def test_links_are_tracked_where_somebody_said_how_we_are_reached(site, public):
    assert links.is_public(Settings(bot_token=SecretStr("42:SANDBOX"), public_url=site)) is public
    assert links.is_public(Settings(bot_token=SecretStr("42:SANDBOX"))) is False


async def test_the_secret_is_made_once(app):
    async with app.database.writing() as session:
        first = await links.make_secret(session, now=app.clock())
        second = await links.make_secret(session, now=app.clock())

    async with app.database.reading() as session:
        assert first == second == await links.find_secret(session)
    assert len(first) == 32


async def test_every_button_of_every_version_has_a_number_of_its_own(app):
    def look(where):
        return [[{"text": "Look", "url": f"https://tea.example/{where}"}]]

    broadcast = await composed(
        app,
        buttons=look("en"),
        versions={"zh": {"text": "你好", "buttons": look("zh")}, "de": {"text": "Hallo"}},
        variants=[{"key": "a", "share": 50}, {"key": "b", "text": "Other", "buttons": look("b"), "share": 50}],
    )

    async with app.database.reading() as session:
        found = [await links.destination(session, Aim(broadcast.id, 1, number)) for number in range(5)]
        nowhere = await links.destination(session, Aim(404, 1, 0))

    assert found == [
        ("0.0", "https://tea.example/en"),
        ("0.0", "https://tea.example/en"),
        ("0.0", "https://tea.example/zh"),
        ("0.0", "https://tea.example/b"),
        None,
    ]
    assert nowhere is None
