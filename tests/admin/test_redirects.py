"""A fan presses a link under a broadcast: they get where it leads, and we learn of it once."""

from contextlib import asynccontextmanager

import pytest
from sqlmodel import select

from siyu.broadcasts import answers, ledger, letters, links
from siyu.broadcasts.links import Tracking
from siyu.broadcasts.tasks import Noted
from siyu.kit.wording import ENGLISH, words
from siyu.outcomes import Sent, Unknown
from siyu.tables import Broadcast, BroadcastClick, Interaction
from tests.admin.visitors import SITE, browser
from tests.broadcasting import counted, given_fans, row_of, started

LOOK = [[{"text": "Look", "url": "https://tea.example/spring?x=1&y=2"}, {"text": "Shop", "action": "shop"}]]
IPHONE = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile Safari/604.1"}


async def _went_out(app, number=1, *, outcome=None):
    """A broadcast with a link went out; the addresses its fans found under the button."""
    community = await given_fans(app, number)
    broadcast_id = await started(app, buttons=LOOK)
    async with app.database.writing() as session:
        tracking = Tracking(SITE, await links.make_secret(session, now=app.clock()))
        broadcast = await session.get(Broadcast, broadcast_id)
        tasks = await ledger.claim(session, broadcast_id, "me", limit=number, now=app.clock())
        await answers.note(session, [Noted(task, outcome or Sent(5)) for task in tasks], "me", now=app.clock())
        addresses = [_address(broadcast, fan, tracking) for fan in community]
    return community, broadcast_id, addresses


def _address(broadcast, fan, tracking):
    letter = letters.letter_to(fan.telegram_id, broadcast, words(ENGLISH), fan_id=fan.id, tracking=tracking)
    return letter.payload["reply_markup"]["inline_keyboard"][0][0]["url"]


@asynccontextmanager
async def a_telephone(app):
    async with browser(app) as visitor:
        visitor.headers.update(IPHONE)
        yield visitor


async def _clicks(app):
    async with app.database.reading() as session:
        presses = await session.all(select(BroadcastClick))
        deeds = await session.all(select(Interaction).where(Interaction.kind == "click"))
    return [(press.fan_id, press.button) for press in presses], [(deed.fan_id, deed.broadcast_id) for deed in deeds]


async def test_the_first_press_counts_and_every_press_arrives(app, clock):
    (fan, _), broadcast_id, (address, _) = await _went_out(app, 2)

    async with a_telephone(app) as phone:
        first = await phone.get(address)
        clock.pass_(minutes=5)
        second = await phone.get(address)

    for answer in (first, second):
        assert (answer.status_code, answer.headers["location"]) == (302, "https://tea.example/spring?x=1&y=2")
        assert answer.headers["cache-control"] == "no-store"
    assert await _clicks(app) == ([(fan.id, "0.0")], [(fan.id, broadcast_id)])
    assert (await row_of(app, broadcast_id, fan)).clicked_at is not None


async def test_each_fan_has_an_address_of_their_own(app):
    community, _, addresses = await _went_out(app, 3)

    async with a_telephone(app) as phone:
        for address in addresses:
            await phone.get(address)

    assert len(set(addresses)) == 3
    assert sorted((await _clicks(app))[0]) == sorted((fan.id, "0.0") for fan in community)


async def test_who_only_looks_ahead_gets_there_and_is_not_counted(app):
    _, _, (address,) = await _went_out(app)

    async with a_telephone(app) as phone:
        answers = [
            await phone.head(address),
            await phone.get(address, headers={"User-Agent": "TelegramBot (like TwitterBot)"}),
            await phone.get(address, headers={"Sec-Purpose": "prefetch"}),
        ]

    assert [answer.status_code for answer in answers] == [302, 302, 302]
    assert await _clicks(app) == ([], [])


@pytest.mark.parametrize("token", ["x" * 28, "short", "a" * 2000, "https:%2F%2Fevil.example", "-" * 28])
async def test_what_we_did_not_make_leads_nowhere(app, token):
    await _went_out(app)

    async with a_telephone(app) as phone:
        answer = await phone.get(f"/r/{token}")
        redirected = await phone.get(f"/r/{token}?url=https://evil.example")

    assert (answer.status_code, redirected.status_code) == (404, 404)
    assert "location" not in answer.headers


async def test_before_anything_was_sent_no_link_leads_anywhere(app):
    async with a_telephone(app) as phone:
        assert (await phone.get("/r/" + "x" * 28)).status_code == 404


async def test_a_press_tells_that_a_message_arrived_of_which_nobody_knew(app):
    (fan,), broadcast_id, (address,) = await _went_out(app, outcome=Unknown())

    async with a_telephone(app) as phone:
        await phone.get(address)

    assert await counted(app, broadcast_id) == {"sent": 1}
    assert (await row_of(app, broadcast_id, fan)).clicked_at is not None


async def test_a_button_that_is_no_link_leads_nowhere(app):
    (fan,), broadcast_id, _ = await _went_out(app)
    async with app.database.reading() as session:
        secret = await links.find_secret(session)

    async with a_telephone(app) as phone:
        answer = await phone.get("/r/" + links.token(secret, broadcast_id, fan.id, 1))

    assert answer.status_code == 404
