"""The pages of broadcasts, as an operator's browser meets them, without any script."""

import asyncio
import socket
from contextlib import AsyncExitStack

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col

from admin.security import cookie_name
from siyu import broadcasts
from siyu.app import App
from siyu.serving import web_part
from siyu.tables import Broadcast, Delivery, DeliveryState, Role
from tests.admin.community import given_purchase
from tests.admin.visitors import browser, employ, sign_in
from tests.broadcasting import MEI, SEGMENT, composed, counted, given_fans, started, state_of

FORM = {"title": "Come back", "segment": SEGMENT, "text": "We <b>miss</b> you", "on_unknown": "leave"}


async def test_pause_resume_and_cancel_follow_the_buttons(app: App) -> None:
    await given_fans(app, 2)
    broadcast_id = await started(app)
    states = []

    async with browser(app, Role.OPERATOR) as operator:
        for deed in ("pause", "resume", "cancel"):
            answer = await operator.post(f"/broadcasts/{broadcast_id}/{deed}")
            assert answer.status_code == 303
            states.append(await state_of(app, broadcast_id))
        late = await operator.post(f"/broadcasts/{broadcast_id}/pause")
        page = await operator.get(late.headers["location"])

    assert states == ["paused", "running", "cancelled"]
    assert await counted(app, broadcast_id) == {"skipped": 2}
    assert "this broadcast was cancelled" in page.text


async def test_what_nobody_can_know_waits_for_a_choice(app: App) -> None:
    await given_fans(app, 2)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        await session.run(update(Delivery).values(state=DeliveryState.UNKNOWN, reason="no_answer", attempts=1))
        await session.run(update(Broadcast).values(state="finished", finished_at=app.clock()))

    async with browser(app, Role.OPERATOR) as operator:
        asked = await operator.get(f"/broadcasts/{broadcast_id}")
        await operator.post(f"/broadcasts/{broadcast_id}/unknown", data={"choice": "resend"})

    assert "For 2 fans nobody can know whether it arrived" in asked.text
    assert "no answer came; it may have arrived" in asked.text
    assert await counted(app, broadcast_id) == {"pending": 2}
    assert await state_of(app, broadcast_id) == "running"


async def test_why_it_paused_by_itself_is_said_in_words(app: App) -> None:
    await given_fans(app, 1)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        await session.run(update(Broadcast).values(state="paused", state_reason="rejected: Bad Request: no"))

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get(f"/broadcasts/{broadcast_id}")

    assert "It paused by itself. Telegram refused messages: Bad Request: no." in page.text
    assert "Resume" not in page.text


async def test_the_ledger_is_filtered_and_turned_page_by_page(app: App) -> None:
    fans = await given_fans(app, 30)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        blocked = update(Delivery).where(col(Delivery.fan_id) == fans[4].id)
        await session.run(blocked.values(state=DeliveryState.BLOCKED, reason="blocked"))
    part = {"HX-Request-Type": "partial"}

    async with browser(app, Role.VIEWER) as viewer:
        first = await viewer.get(f"/broadcasts/{broadcast_id}", headers=part)
        more = first.text.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
        second = await viewer.get(more, headers=part)
        only = await viewer.get(f"/broadcasts/{broadcast_id}?state=blocked", headers=part)

    assert [page.text.count("data-row") for page in (first, second, only)] == [25, 5, 1]
    assert "Fan 4" in only.text
    assert "<html" not in first.text


async def test_the_list_counts_each_broadcast_from_its_ledger(app: App) -> None:
    fans = await given_fans(app, 4)
    broadcast_id = await started(app, title="Counted")
    await composed(app, title="Only drafted")
    async with app.database.writing() as session:
        delivered = update(Delivery).where(col(Delivery.broadcast_id) == broadcast_id)
        await session.run(delivered.values(state=DeliveryState.SENT, sent_at=app.clock()))
        await session.run(delivered.where(col(Delivery.fan_id) != fans[0].id).values(clicked_at=app.clock()))
    for _ in range(2):
        await given_purchase(app, fans[1])
    await given_purchase(app, fans[2], days_ago=1)

    async with app.database.reading() as session:
        figures = await broadcasts.figures(session, [broadcast_id])
    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get("/broadcasts")
        drafts = await viewer.get("/broadcasts?state=draft")

    assert figures == {broadcast_id: broadcasts.Figures(audience=4, sent=4, clicks=3, purchases=1)}
    assert "Counted" in page.text
    assert "At risk" in page.text
    assert "Counted" not in drafts.text
    assert "Only drafted" in drafts.text


async def test_the_stream_ends_when_there_is_nothing_more_to_tell(app: App) -> None:
    await given_fans(app, 2)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        await broadcasts.cancel(session, broadcast_id, actor=MEI, now=app.clock())

    async with browser(app, Role.VIEWER) as viewer:
        stream = await viewer.get(f"/broadcasts/{broadcast_id}/progress")
        nothing = await viewer.get("/broadcasts/999/progress")

    messages = stream.text.strip().split("\n\n")
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert "Left out" in messages[0]
    assert messages[-1].startswith("event: done")
    assert nothing.status_code == 404


async def test_the_stream_of_a_running_broadcast_ends_when_the_house_closes(app: App, streamed: asyncio.Event) -> None:
    await given_fans(app, 2)
    broadcast_id = await started(app)
    async with browser(app, Role.VIEWER) as viewer:
        web = viewer._transport.app  # type: ignore[attr-defined]  # the only way to the app behind a client
        watching = asyncio.ensure_future(viewer.get(f"/broadcasts/{broadcast_id}/progress"))
        await asyncio.wait_for(streamed.wait(), 30)
        await asyncio.sleep(0.3)
        still_open = not watching.done()

        web.state.closing.set()
        stream = await asyncio.wait_for(watching, 30)

    assert still_open
    assert "Waiting" in stream.text
    assert "event: done" not in stream.text


async def test_the_ledger_goes_out_as_csv(app: App) -> None:
    await given_fans(app, 2)
    broadcast_id = await started(app)

    async with browser(app, Role.OPERATOR) as operator:
        file = await operator.get(f"/broadcasts/{broadcast_id}/deliveries.csv")

    lines = file.text.removeprefix("\ufeff").splitlines()
    assert file.headers["content-disposition"] == f'attachment; filename="broadcast-{broadcast_id}.csv"'
    assert lines[0].startswith("telegram_id,name,state")
    assert len(lines) == 3


async def test_a_viewer_sees_drafts_but_writes_none(app: App) -> None:
    draft = await composed(app, title="Not yet")

    async with browser(app, Role.VIEWER) as viewer:
        seen = await viewer.get(f"/broadcasts/{draft.id}")
        refused = [
            await viewer.get("/broadcasts/new"),
            await viewer.post("/broadcasts", data=FORM),
            await viewer.post(f"/broadcasts/{draft.id}/start", data=FORM),
        ]

    assert "This is a draft. Nobody was written to." in seen.text
    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert await state_of(app, draft.id or 0) == "draft"


async def test_a_stop_of_the_house_closes_open_streams_at_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siyu.serving.SECONDS_TO_FINISH", 100)
    await given_fans(app, 2)
    broadcast_id = await started(app)
    cookies = {cookie_name(app.settings): await sign_in(app, await employ(app, Role.VIEWER))}
    stop = asyncio.Event()

    with socket.create_server(("127.0.0.1", 0)) as sock:
        site = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with AsyncExitStack() as opened, asyncio.TaskGroup() as house:
            house.create_task(web_part(sock)(app, stop))
            viewer = await opened.enter_async_context(httpx.AsyncClient(base_url=site, cookies=cookies))
            stream = await opened.enter_async_context(viewer.stream("GET", f"/broadcasts/{broadcast_id}/progress"))
            lines = stream.aiter_lines()
            first = await anext(lines)
            stop.set()
            async with asyncio.timeout(30):
                rest = [line async for line in lines]

    assert first.startswith("data:")
    assert not any(line.startswith("event: done") for line in rest)


async def test_how_fast_it_goes_and_how_long_still_is_told(app: App) -> None:
    fans = await given_fans(app, 25)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        twenty = update(Delivery).where(col(Delivery.fan_id).in_([fan.id for fan in fans[:20]]))
        await session.run(twenty.values(state=DeliveryState.SENT, sent_at=app.clock()))

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get(f"/broadcasts/{broadcast_id}")
        did = await viewer.get(f"/broadcasts/{broadcast_id}/results")

    assert "2.0 a second" in page.text
    assert "about 2 seconds left" in page.text
    assert "80.0% of them" in did.text
