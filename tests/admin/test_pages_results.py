"""What a broadcast did, how it stands, and what can be done with it now: as a browser without scripts meets it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from siyu import broadcasts
from siyu.app import App
from siyu.broadcasts import comparing, revising
from siyu.tables import Broadcast, BroadcastRevision, BroadcastState, Fan, RevisionLine, RevisionState, Role
from tests.admin.visitors import browser
from tests.broadcasting import MEI, SEGMENT, composed, counted, given_fans, row_of, started, state_of
from tests.ledgers import buys, given_broadcast, given_rows, presses

PART = {"HX-Request-Type": "partial"}
TWO = {"variants": [{"key": "b", "text": "Or so"}], "winner_by": "clicks", "winner_after_minutes": 60}


async def _page(app: App, address: str, role: Role = Role.OPERATOR) -> str:
    async with browser(app, role) as visitor:
        return (await visitor.get(address)).text


async def _posted(app: App, address: str, role: Role = Role.OPERATOR, **fields: Any) -> str:  # Any: a form
    """What the page says to which one is led after the form."""
    async with browser(app, role) as visitor:
        answer = await visitor.post(address, data=fields)
        return (await visitor.get(answer.headers["location"])).text if answer.status_code == 303 else answer.text


async def _is(app: App, broadcast_id: int, **columns: Any) -> None:  # Any: columns of the broadcast
    async with app.database.writing() as session:
        await session.run(update(Broadcast).where(col(Broadcast.id) == broadcast_id).values(columns))


async def _given_winner_to_choose(app: App) -> tuple[int, list[Fan]]:
    """Two of each version have it, two wait."""
    fans = await given_fans(app, 6)
    broadcast_id = await given_broadcast(app, **TWO, test_percent=60)
    await given_rows(app, broadcast_id, fans[:2], "sent", variant="a")
    await given_rows(app, broadcast_id, fans[2:4], "sent", variant="b")
    waiting = {"reason": comparing.WAITS_FOR_WINNER, "not_before": comparing.UNDECIDED}
    await given_rows(app, broadcast_id, fans[4:], "pending", **waiting)
    return broadcast_id, fans


async def test_the_list_counts_its_states_and_is_found_by_title(app: App) -> None:
    await given_fans(app, 1)
    await started(app, title="Spring tea")
    await composed(app, title="Autumn tea 100%")
    await composed(app, title="Something else")

    async with browser(app, Role.VIEWER) as viewer:
        whole = (await viewer.get("/broadcasts")).text
        found = (await viewer.get("/broadcasts", params={"q": "TEA"}, headers=PART)).text
        literal = (await viewer.get("/broadcasts", params={"q": "100%"}, headers=PART)).text

    assert 'Drafts<span class="tabular-nums">2</span>' in whole
    assert 'Being sent<span class="tabular-nums">1</span>' in whole
    assert "Paused" not in whole
    assert ("Spring tea" in found, "Autumn tea" in found, "Something else" in found) == (True, True, False)
    assert 'Drafts<span class="tabular-nums">1</span>' in found
    assert ("Spring tea" in literal, "Autumn tea" in literal) == (False, True)
    assert "<html" not in found


async def test_what_was_put_away_leaves_the_list_and_comes_back(app: App) -> None:
    broadcast_id = await given_broadcast(app, title="Long ago", state=BroadcastState.FINISHED)

    away = await _posted(app, f"/broadcasts/{broadcast_id}/archival", archived="1")
    listed, archive = await _page(app, "/broadcasts"), await _page(app, "/broadcasts?shelf=archived")
    await _posted(app, f"/broadcasts/{broadcast_id}/archival", archived="0")

    assert "Put away; it is in the archive." in away
    assert "It is in the archive" in away
    assert ("Long ago" in listed, "Long ago" in archive) == (False, True)
    assert "Long ago" in await _page(app, "/broadcasts")


async def test_what_is_on_its_way_is_not_put_away(app: App) -> None:
    broadcast_id = await given_broadcast(app)

    assert "what is on its way cannot be archived" in await _posted(app, f"/broadcasts/{broadcast_id}/archival")


async def test_a_series_says_how_often_it_comes_when_next_and_what_came_of_it(app: App) -> None:
    series = {"every": "weekly", "at": "18:00", "on": [1]}
    send_at = app.clock() + timedelta(days=3)
    series_id = await given_broadcast(
        app, title="Mondays", state=BroadcastState.SCHEDULED, timing="series", series=series, send_at=send_at,
        started_at=None, state_by=MEI.key, state_at=app.clock(),
    )  # fmt: skip
    last = await given_broadcast(app, title="Mondays · 2026-03-02", series_id=series_id, occurrence="2026-03-02")

    page, own = await _page(app, "/broadcasts"), await _page(app, f"/broadcasts/{series_id}")

    assert f'<a href="/broadcasts/{last}"' in own
    assert f'<a href="/broadcasts/{series_id}"' in await _page(app, f"/broadcasts/{last}")
    assert "weekly at 18:00 · next Mar 7, 2026" in " ".join(page.split())


async def test_a_running_broadcast_is_there_at_once_and_what_it_did_comes_after(app: App) -> None:
    fans = await given_fans(app, 3)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, fans, "sent")
    await buys(app, fans[0], amount=1990)

    async with browser(app, Role.VIEWER) as viewer:
        page = (await viewer.get(f"/broadcasts/{broadcast_id}")).text
        part = (await viewer.get(f"/broadcasts/{broadcast_id}/results", headers=PART)).text
        alone = (await viewer.get(f"/broadcasts/{broadcast_id}/results")).text

    assert f'hx-get="/broadcasts/{broadcast_id}/results"' in page
    assert "From the audience to the till" not in page
    assert "From the audience to the till" in part
    assert "¥19.90" in part
    assert ("<html" in part, "<html" in alone) == (False, True)
    assert "33.3% of the delivered" in alone


async def test_a_finished_one_says_all_of_it_at_once(app: App) -> None:
    fans = await given_fans(app, 8)
    broadcast_id = await given_broadcast(
        app, state=BroadcastState.FINISHED, finished_at=app.clock(), attribution_days=3,
        buttons=[[{"text": "To the shop", "action": "shop"}, {"text": "Look", "url": "https://example.com"}],
                 [{"text": "I will come", "action": "answer", "value": "coming"}]],
    )  # fmt: skip
    await given_rows(app, broadcast_id, fans[:5], "sent")
    await given_rows(app, broadcast_id, fans[5:7], "blocked", reason="blocked")
    await given_rows(app, broadcast_id, fans[7:], "skipped", reason="muted")
    await presses(app, broadcast_id, fans[0], fans[1], button="0.1")
    await presses(app, broadcast_id, fans[2], button="coming")
    await presses(app, broadcast_id, fans[3], button="shop")

    page = await _page(app, f"/broadcasts/{broadcast_id}")

    assert "80.0% of the delivered" in page
    assert "within 3 days of a fan’s turn" in page
    for words in ("To the shop", "Look", "I will come"):
        assert f'aria-label="{words}"' in page
    assert f"/broadcasts/{broadcast_id}?reason=blocked#ledger" in page
    assert f"/broadcasts/{broadcast_id}?reason=muted#ledger" in page
    assert "Nobody was held out" in page


@pytest.mark.parametrize(
    ("treated", "bought", "held", "held_bought", "told"),
    [
        (20, 0, 10, 0, ["Not enough data yet", "So few bought"]),
        (20, 1, 10, 0, ["Not enough data yet", "it takes about 450 fans to tell", "there are 30"]),
        (60, 30, 60, 30, ["No difference can be told from chance", "difference is 0.0 points"]),
        (
            60,
            40,
            60,
            10,
            ["About 30 fans bought who would not have", "+50.0 points", "lies between +33.0 points and +62.9 points"],
        ),
    ],
)
async def test_what_it_changed_is_told_with_its_interval_or_honestly_not(
    app: App, treated: int, bought: int, held: int, held_bought: int, told: list[str]
) -> None:
    fans = await given_fans(app, treated + held)
    broadcast_id = await given_broadcast(app, state=BroadcastState.FINISHED, holdout_percent=30)
    await given_rows(app, broadcast_id, fans[:treated], "sent")
    await given_rows(app, broadcast_id, fans[treated:], "holdout", reason="holdout")
    await buys(app, *fans[:bought], *fans[treated : treated + held_bought])

    page = " ".join((await _page(app, f"/broadcasts/{broadcast_id}")).split())
    listed = await _page(app, "/broadcasts")

    assert [one for one in told if one not in page] == []
    assert ("too early to say" in listed) is ("Not enough data yet" in page)


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        ("paused", "late", "Its time passed while nobody was here."),
        ("paused", "restored", "A backup was put back"),
        ("paused", "unauthorized", "does not accept the bot’s token"),
        (
            "paused",
            "rejected: Bad Request: no",
            "Telegram refused messages: Bad Request: no. The others were not tried.",
        ),
        ("paused", "server_error", "Too many of the latest messages failed: Telegram had trouble of its own."),
        ("paused", "broken", "Something went wrong that should not"),
        ("paused", None, "Paused by Mei on"),
        ("cancelled", None, "Cancelled by Mei on"),
        ("failed", "empty", "It failed before the first message. Nobody could get it"),
        ("failed", "offer_not_open", "Its offer was not open"),
    ],
)
async def test_how_it_stands_and_what_helps_is_said_in_words(
    app: App, state: str, reason: str | None, told: str
) -> None:
    by = {"state_by": "token:Mei", "state_at": app.clock()}
    broadcast_id = await given_broadcast(app, state=BroadcastState(state), state_reason=reason, **by)

    page = await _page(app, f"/broadcasts/{broadcast_id}", Role.VIEWER)

    assert told in page
    assert "Nobody was written to, and nobody’s turn has come." in page


async def test_a_line_of_the_ledger_says_what_was_pressed_and_paid_and_is_found_by_reason_and_version(app: App) -> None:
    fans = await given_fans(app, 4)
    broadcast_id = await given_broadcast(app, **TWO)
    await given_rows(app, broadcast_id, fans[:1], "sent", variant="a", message_id=4711)
    await given_rows(app, broadcast_id, fans[1:2], "sent", variant="b")
    await given_rows(app, broadcast_id, fans[2:3], "failed", variant="b", reason="rejected: Bad Request: & no")
    await given_rows(app, broadcast_id, fans[3:], "skipped", reason="declined")
    await presses(app, broadcast_id, fans[0], button="claim")
    await buys(app, fans[0], amount=1234)

    async with browser(app, Role.VIEWER) as viewer:
        address = f"/broadcasts/{broadcast_id}"
        whole = (await viewer.get(address, headers=PART)).text
        refused = (await viewer.get(address, params={"reason": "rejected: Bad Request: & no"}, headers=PART)).text
        b = (await viewer.get(address, params={"variant": "b", "state": "sent"}, headers=PART)).text

    for words in ("🎁 Claim the coupon", "¥12.34", "4711", "/fans/1001", "does not want this topic"):
        assert words in whole
    assert [page.count("data-row") for page in (whole, refused, b)] == [4, 1, 1]
    assert "Fan 2" in refused
    assert "state=sent&amp;variant=a&amp;" in b


async def test_an_operator_names_the_winner_and_the_others_get_it(app: App) -> None:
    broadcast_id, fans = await _given_winner_to_choose(app)
    await presses(app, broadcast_id, fans[0])

    asked = await _page(app, f"/broadcasts/{broadcast_id}/results")
    chosen = await _posted(app, f"/broadcasts/{broadcast_id}/winner", key="b")
    late = await _posted(app, f"/broadcasts/{broadcast_id}/winner", key="a")

    assert "2 fans wait for the winner" in asked
    assert "not before Mar 4, 2026" in asked
    assert "Chosen: the others get this version." in chosen
    assert "the winner is decided already" in late
    row = await row_of(app, broadcast_id, fans[5])
    assert (row.variant, row.reason) == ("b", None)
    assert app.bells.broadcasts.is_set()


async def test_the_failed_are_tried_again(app: App) -> None:
    fans = await given_fans(app, 3)
    broadcast_id = await given_broadcast(app, state=BroadcastState.FINISHED)
    await given_rows(app, broadcast_id, fans[:2], "failed", reason="rejected: no")
    await given_rows(app, broadcast_id, fans[2:], "sent")

    told = await _posted(app, f"/broadcasts/{broadcast_id}/retry")
    again = await _posted(app, f"/broadcasts/{broadcast_id}/retry")

    assert "They are tried again" in told
    assert "there is nobody to try again" in again
    assert await counted(app, broadcast_id) == {"pending": 2, "sent": 1}
    assert await state_of(app, broadcast_id) == "running"


@pytest.mark.parametrize(
    ("verb", "follows", "told"),
    [
        ("rest", "not_reached", "A draft for those who did not get it."),
        ("follow-up", "not_pressed", "A draft for those who got it and pressed nothing"),
        ("copy", None, "A draft with the same words and people."),
    ],
)
async def test_a_broadcast_is_followed_by_a_draft_that_opens(
    app: App, verb: str, follows: str | None, told: str
) -> None:
    fans = await given_fans(app, 2)
    broadcast_id = await given_broadcast(app, state=BroadcastState.FINISHED, include=[SEGMENT], title="First")
    await given_rows(app, broadcast_id, fans[:1], "sent")
    await given_rows(app, broadcast_id, fans[1:], "blocked", reason="blocked")

    page = await _posted(app, f"/broadcasts/{broadcast_id}/{verb}")

    async with app.database.reading() as session:
        draft = await broadcasts.get_broadcast(session, broadcast_id + 1)
    assert told in page
    assert (draft.state, draft.follows) == (BroadcastState.DRAFT, follows)


async def test_who_may_still_get_it_is_not_written_to_by_another(app: App) -> None:
    broadcast_id = await given_broadcast(app)

    assert "wait until it is over" in await _posted(app, f"/broadcasts/{broadcast_id}/rest")


async def test_it_is_kept_as_a_template(app: App) -> None:
    broadcast_id = await given_broadcast(app, include=[SEGMENT], title="Every year")

    told = await _posted(app, f"/broadcasts/{broadcast_id}/template")

    async with app.database.reading() as session:
        templates = (await broadcasts.list_broadcasts(session, templates=True)).items
    assert "Kept as a template." in told
    assert [one.title for one in templates] == ["Every year"]


async def test_what_was_sent_is_written_anew_and_the_page_follows_it(app: App) -> None:
    fans = await given_fans(app, 3)
    broadcast_id = await given_broadcast(app, buttons=[[{"text": "Shop", "action": "shop"}]], text="Old words")
    await given_rows(app, broadcast_id, fans, "sent", message_id=9)
    address = f"/broadcasts/{broadcast_id}/revisions"

    form = await _page(app, address)
    wrong = await _posted(app, address, text="<b>open", buttons="1")
    begun = await _posted(app, address, text="New words", buttons="1")
    twice = await _posted(app, address, text="Newer words")

    assert "Old words</textarea>" in form
    assert ("&lt;b&gt; is never closed" in wrong, "&lt;b&gt;open</textarea>" in wrong) == (True, True)
    assert "It is being changed for everyone who got it." in begun
    assert 'hx-trigger="every 2s"' in begun
    assert "another change of this broadcast is under way" in twice
    async with app.database.reading() as session:
        (revision,) = await session.all(select(BroadcastRevision))
    assert (revision.text, revision.buttons) == ("New words", [[{"text": "Shop", "action": "shop"}]])


async def test_a_change_is_stopped_and_says_what_failed(app: App) -> None:
    fans = await given_fans(app, 3)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, fans, "sent", message_id=9)
    async with app.database.writing() as session:
        revision = await revising.start_edit(session, broadcast_id, "New", actor=MEI, now=app.clock())
        one = update(RevisionLine).where(col(RevisionLine.fan_id) == fans[0].id)
        await session.run(one.values(state="failed", reason="blocked"))
    address = f"/broadcasts/{broadcast_id}/revisions"

    stopped = await _posted(app, f"{address}/{revision.id}/stop")
    late = await _posted(app, f"{address}/{revision.id}/stop")

    assert "Stopped. What was changed stays so." in stopped
    assert "blocked the bot" in stopped
    assert 'hx-trigger="every 2s"' not in stopped
    assert "this change is over already" in late


async def test_taking_it_back_leaves_what_is_too_old(app: App) -> None:
    fans = await given_fans(app, 2)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, fans[:1], "sent", message_id=9)
    await given_rows(app, broadcast_id, fans[1:], "sent", message_id=9, sent_at=app.clock() - timedelta(hours=49))

    page = await _posted(app, f"/broadcasts/{broadcast_id}/deletion")

    assert "It is being taken back from everyone who got it." in page
    assert "older than 48 hours" in page
    async with app.database.reading() as session:
        (progress,) = await revising.revisions_of(session, broadcast_id)
    assert (progress.pending, progress.failed, progress.revision.state) == (1, 1, RevisionState.RUNNING)


async def test_a_viewer_sees_everything_and_changes_nothing(app: App) -> None:
    broadcast_id, _ = await _given_winner_to_choose(app)
    address = f"/broadcasts/{broadcast_id}"

    page = await _page(app, address, Role.VIEWER) + await _page(app, f"{address}/results", Role.VIEWER)
    page += await _page(app, f"{address}/revisions", Role.VIEWER)
    async with browser(app, Role.VIEWER) as viewer:
        verbs = ("retry", "rest", "follow-up", "copy", "template", "archival", "winner", "revisions", "deletion")
        refused = [(await viewer.post(f"{address}/{verb}", data={"key": "a"})).status_code for verb in verbs]

    assert "2 fans wait for the winner" in page
    assert f'action="{address}' not in page
    assert refused == [403] * len(verbs)


async def test_a_fans_page_tells_what_they_got_and_what_not_and_why(app: App) -> None:
    fan, other = await given_fans(app, 2)
    for title, state, reason in (
        ("Got", "sent", None), ("Left out", "skipped", "muted"), ("Held", "holdout", "control"),
    ):  # fmt: skip
        await given_rows(app, await given_broadcast(app, title=title), (fan,), state, reason=reason)
    await given_rows(app, await given_broadcast(app, title="Not mine"), (other,), "sent")
    for n in range(4):
        await given_rows(app, await given_broadcast(app, title=f"Newer {n}"), (fan,), "sent")

    async with browser(app, Role.VIEWER) as viewer:
        first = (await viewer.get(f"/fans/{fan.telegram_id}")).text
        more = first.split('aria-label="Pages of broadcasts"')[1].split('rel="next"')[0].rsplit('href="', 1)[1]
        second = (await viewer.get(more.split('"')[0].split("#")[0], headers=PART)).text

    assert "in the control group, which gets no broadcast" in first
    assert "opted out of broadcasts" in second
    assert "Got" in second
    assert "<html" not in second
    assert "Not mine" not in first + second


async def test_the_stream_lets_the_page_look_anew_when_somebody_pauses_it(app: App, streamed: asyncio.Event) -> None:
    await given_fans(app, 2)
    broadcast_id = await started(app)

    async with browser(app, Role.VIEWER) as viewer:
        watching = asyncio.ensure_future(viewer.get(f"/broadcasts/{broadcast_id}/progress"))
        await asyncio.wait_for(streamed.wait(), 30)
        async with app.database.writing() as session:
            await broadcasts.pause(session, broadcast_id, actor=MEI, now=app.clock())
        stream = await asyncio.wait_for(watching, 30)

    first, *_, last, done = stream.text.strip().split("\n\n")
    assert ("hx-trigger" in first, "hx-trigger" in last) == (False, True)
    assert done.startswith("event: done")
