"""Programs write all a broadcast can be, read what it did, and follow it up."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from siyu import broadcasts, preferences, topics
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.broadcasts import comparing
from siyu.operators import Scope
from siyu.tables import Broadcast, BroadcastState
from tests.admin.visitors import program
from tests.broadcasting import MEI, SEGMENT, composed, counted, given_fans, state_of
from tests.ledgers import buys, given_broadcast, given_rows, presses

Json = dict[str, Any]  # Any: JSON
API = "/api/v1/broadcasts"
PLAIN: Json = {"title": "Hello", "segment": SEGMENT, "text": "Hi"}


async def test_everything_a_draft_can_be_is_kept_as_it_was_written(app: App) -> None:
    async with app.database.writing() as session:
        await topics.create_topic(session, COMMAND_LINE, "tea", "Tea", now=app.clock())
    draft = {
        "title": "All of it", "segments": [SEGMENT, "loyalty.lost"], "exclude": ["loyalty.loyal"],
        "rule": {"metric": "purchases_total", "op": ">=", "value": 0}, "topic": "tea", "text": "Hi {first_name|friend}",
        "media": [{"kind": "video", "file": "https://example.com/a.mp4"}],
        "buttons": [[{"text": "I come", "action": "answer", "value": "coming"}]],
        "versions": {"zh": {"text": "你好"}}, "link_preview": False, "silent": True, "ignores_quiet": True,
        "freeze_early": True, "local_at": "2026-12-24T18:00", "spread_minutes": 90, "holdout_percent": 10,
        "variants": [{"text": "Or so", "share": 30, "versions": {"zh": {"text": "或者"}}}], "test_percent": 20,
        "winner_by": "clicks", "winner_after_minutes": 120, "attribution_days": 3, "on_unknown": "resend", "rate": 5,
    }  # fmt: skip

    async with program(app) as shop:
        answer = await shop.post(API, json=draft)
        shown = (await shop.get(f"{API}/{answer.json()['id']}")).json()

    assert answer.status_code == 200, answer.text
    async with app.database.reading() as session:
        kept = await broadcasts.get_broadcast(session, answer.json()["id"])
    same = set(draft) - {"segments", "variants"}
    assert {name: getattr(kept, name) for name in same} == {name: draft[name] for name in same}
    assert (kept.include, kept.timing) == ([SEGMENT, "loyalty.lost"], "local")
    assert kept.variants == [{"key": "b", "text": "Or so", "share": 30, "versions": {"zh": {"text": "或者"}}}]
    assert (shown["segments"], shown["exclude"], shown["topic"]) == (
        [SEGMENT, "loyalty.lost"],
        ["loyalty.loyal"],
        "tea",
    )


async def test_a_post_is_copied_and_a_series_comes_again(app: App) -> None:
    series = {"every": "weekly", "at": "18:00", "on": [1, 4]}
    draft = {"title": "Mondays", "segment": SEGMENT, "copied": {"chat_id": 7, "message_id": 12}, "series": series}
    await given_fans(app, 1)

    async with program(app) as shop:
        made = (await shop.post(API, json=draft)).json()
        started = (await shop.post(f"{API}/{made['id']}/start")).json()
        shown = (await shop.get(f"{API}/{made['id']}")).json()

    assert started["state"] == "scheduled"
    assert (shown["timing"], shown["series"]) == ("series", series)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"segments": ["loyalty.lost"]}, "rule"),
        ({"segment": None, "segments": ["nobody"]}, "segments"),
        ({"exclude": ["nobody"]}, "exclude"),
        ({"topic": "nothing"}, "topic"),
        ({"versions": {"zh": {"text": "<b>"}}}, "versions"),
        ({"media": [{"kind": "photo", "file": "x"}]}, "media"),
        ({"photo": "x"}, "photo"),
        ({"photo": "https://example.com/a.jpg", "media": [{"kind": "photo", "file": "https://a.example/b"}]}, "body"),
        ({"copied": {"chat_id": 7, "message_id": 0}}, "message_id"),
        ({"local_at": "tomorrow"}, "local_at"),
        ({"local_at": "2020-01-01T10:00"}, "local_at"),
        ({"series": {"every": "hourly", "at": "18:00"}}, "every"),
        ({"series": {"every": "daily", "at": "18:00", "zone": "Mars/Olympus"}}, "zone"),
        ({"series": {"every": "daily", "at": "18:00"}, "local_at": "2026-12-24T18:00"}, "body"),
        ({"spread_minutes": 99999}, "spread_minutes"),
        ({"winner_by": "luck"}, "winner_by"),
        ({"winner_by": "clicks", "variants": [{"text": "Or so"}]}, "winner_after_minutes"),
        ({"test_percent": 20}, "variants"),
        ({"attribution_days": 0}, "attribution_days"),
    ],
)
async def test_a_mistake_is_refused_with_its_place(app: App, change: Json, place: str) -> None:
    async with program(app) as shop:
        answer = await shop.post(API, json={**PLAIN, **change})

    assert answer.status_code == 422, answer.text
    assert place in [part for error in answer.json()["errors"] for part in error["loc"]]


async def test_a_draft_is_written_anew_and_what_was_started_is_not(app: App) -> None:
    running = await given_broadcast(app)

    async with program(app) as shop:
        made = (await shop.post(API, json=PLAIN)).json()
        anew = await shop.put(f"{API}/{made['id']}", json={**PLAIN, "title": "Better"})
        late = await shop.put(f"{API}/{running}", json=PLAIN)
        listed = (await shop.get(API, params={"q": "bet"})).json()

    assert anew.json() == {"id": made["id"], "state": "draft"}
    assert (late.status_code, late.json()["reason"]) == (409, "not_a_draft")
    assert [one["title"] for one in listed["items"]] == ["Better"]


async def test_a_follow_up_written_anew_still_follows(app: App) -> None:
    fans = await given_fans(app, 2)
    first = await given_broadcast(app, include=[SEGMENT], state=BroadcastState.FINISHED)
    await given_rows(app, first, fans[:1], "sent")
    await given_rows(app, first, fans[1:], "failed", reason="rejected: no")

    async with program(app) as shop:
        rest = (await shop.post(f"{API}/{first}/rest")).json()
        follow = (await shop.post(f"{API}/{first}/follow-up")).json()
        await shop.put(f"{API}/{follow['id']}", json={**PLAIN, "title": "Once more"})

    async with app.database.reading() as session:
        drafts = {one.id: one.follows for one in await session.all(select(Broadcast).where(col(Broadcast.id) > first))}
    assert drafts == {rest["id"]: "not_reached", follow["id"]: "not_pressed"}


async def test_what_it_did_is_told_in_numbers(app: App) -> None:
    fans = await given_fans(app, 40)
    broadcast_id = await given_broadcast(
        app, state=BroadcastState.FINISHED, variants=[{"key": "b", "text": "Or"}], attribution_days=2
    )
    await given_rows(app, broadcast_id, fans[:10], "sent", variant="a")
    await given_rows(app, broadcast_id, fans[10:18], "sent", variant="b")
    await given_rows(app, broadcast_id, fans[18:20], "blocked", variant="b", reason="blocked")
    await given_rows(app, broadcast_id, fans[20:], "holdout", reason="holdout")
    await presses(app, broadcast_id, fans[0], fans[10], button="shop")
    await buys(app, fans[0], fans[1], fans[10], fans[25], amount=500)

    async with program(app) as shop:
        did = (await shop.get(f"{API}/{broadcast_id}/results")).json()
        ledger = (
            await shop.get(f"{API}/{broadcast_id}/deliveries", params={"variant": "b", "reason": "blocked"})
        ).json()

    assert did["funnel"] == {"audience": 40, "sent": 18, "clicked": 2, "bought": 3}
    assert did["revenue"] == [{"minor": 1500, "currency": "CNY"}]
    assert (did["attribution_days"], did["uplift_over_control"], did["winner"]) == (2, None, None)
    uplift = did["uplift"]
    assert [uplift[name] for name in ("treated", "bought", "held", "held_bought", "enough", "needs")] == [
        20, 3, 20, 1, False, 100,
    ]  # fmt: skip
    assert (uplift["difference"], uplift["low"] < 0.1 < uplift["high"]) == (pytest.approx(0.1), True)
    assert [(one["key"], one["sent"], one["clicks"], one["purchases"]) for one in did["variants"]] == [
        ("a", 10, 1, 2), ("b", 8, 1, 1),
    ]  # fmt: skip
    assert did["clicks"] == [{"button": "shop", "fans": 2}]
    assert did["failures"] == [
        {"state": "holdout", "reason": "holdout", "fans": 20},
        {"state": "blocked", "reason": "blocked", "fans": 2},
    ]
    assert did["speed"]["rate"] is None
    assert len(ledger["items"]) == 2


async def test_a_program_settles_retries_and_chooses(app: App) -> None:
    fans = await given_fans(app, 5)
    broadcast_id = await given_broadcast(app, variants=[{"key": "b", "text": "Or"}])
    await given_rows(app, broadcast_id, fans[:1], "failed", reason="rejected: no")
    await given_rows(app, broadcast_id, fans[1:3], "unknown", reason="no_answer")
    waiting = {"reason": comparing.WAITS_FOR_WINNER, "not_before": comparing.UNDECIDED}
    await given_rows(app, broadcast_id, fans[3:], "pending", **waiting)
    address = f"{API}/{broadcast_id}"

    async with program(app) as shop:
        fans_concerned = [
            (await shop.post(f"{address}/{verb}", json=body)).json()["fans"]
            for verb, body in (("unknown", {"choice": "leave"}), ("retry", {}), ("winner", {"key": "b"}))
        ]
        wrong = await shop.post(f"{address}/unknown", json={"choice": "shrug"})
        again = await shop.post(f"{address}/winner", json={"key": "a"})
        nobody = await shop.post(f"{address}/winner", json={"key": "z"})

    assert fans_concerned == [2, 1, 2]
    assert (wrong.status_code, wrong.json()["errors"][0]["loc"][-1]) == (422, "choice")
    assert (again.status_code, again.json()["reason"]) == (409, "decided")
    assert (nobody.status_code, nobody.json()["errors"][0]["loc"][-1]) == (422, "winner")
    assert await counted(app, broadcast_id) == {"pending": 3, "unknown": 2}


async def test_a_second_one_approves_and_the_first_does_not(app: App) -> None:
    await given_fans(app, 2)
    async with app.database.writing() as session:
        await preferences.change(session, COMMAND_LINE, now=app.clock(), approve_above=0)
    people = await composed(app)

    async with program(app) as shop:
        made = (await shop.post(API, json=PLAIN)).json()
        await shop.post(f"{API}/{made['id']}/start")
        own = await shop.post(f"{API}/{made['id']}/approve")
        async with app.database.writing() as session:
            await broadcasts.submit(session, people.id or 0, actor=MEI, now=app.clock())
        theirs = await shop.post(f"{API}/{people.id}/approve")
        declined = await shop.post(f"{API}/{made['id']}/decline")

    assert (own.status_code, own.json()["reason"]) == (403, "same_person")
    assert theirs.json()["state"] == "running"
    assert declined.json()["state"] == "draft"


async def test_what_is_scheduled_is_taken_back_and_what_is_over_put_away_and_used_again(app: App) -> None:
    await given_fans(app, 1)
    over = await given_broadcast(app, include=[SEGMENT], state=BroadcastState.FINISHED)

    async with program(app) as shop:
        at = (app.clock() + timedelta(days=1)).isoformat()
        made = (await shop.post(API, json={**PLAIN, "scheduled_at": at})).json()
        states = [(await shop.post(f"{API}/{made['id']}/{verb}")).json()["state"] for verb in ("start", "unschedule")]
        copied = (await shop.post(f"{API}/{over}/copy")).json()
        await shop.post(f"{API}/{over}/archive")
        shown = (await shop.get(API)).json()["items"]
        archived = (await shop.get(API, params={"archived": True})).json()["items"]

    assert states == ["scheduled", "draft"]
    assert copied["state"] == "draft"
    assert [one["id"] for one in shown] == [copied["id"], made["id"]]
    assert [one["id"] for one in archived] == [over]


async def test_what_was_sent_is_edited_for_everyone_and_stopped(app: App) -> None:
    fans = await given_fans(app, 3)
    broadcast_id, other = await given_broadcast(app), await given_broadcast(app)
    await given_rows(app, broadcast_id, fans, "sent", message_id=5)
    address = f"{API}/{broadcast_id}/revisions"

    async with program(app) as shop:
        wrong = await shop.post(address, json={"kind": "edit", "text": "<b>"})
        begun = (await shop.post(address, json={"kind": "edit", "text": "New"})).json()
        twice = await shop.post(address, json={"kind": "delete"})
        lost = await shop.post(f"{API}/{other}/revisions/{begun['id']}/stop")
        stopped = (await shop.post(f"{address}/{begun['id']}/stop")).json()
        all_of_them = (await shop.get(address)).json()

    assert (wrong.status_code, wrong.json()["errors"][0]["loc"][-1]) == (422, "text")
    assert (begun["kind"], begun["state"], begun["pending"]) == ("edit", "running", 3)
    assert (twice.status_code, twice.json()["reason"]) == (409, "under_way")
    assert lost.status_code == 404
    assert stopped["state"] == "stopped"
    assert all_of_them == [stopped]


async def test_a_program_with_a_reading_key_changes_nothing(app: App) -> None:
    broadcast_id = await given_broadcast(app)
    verbs = ("approve", "decline", "unschedule", "retry", "rest", "follow-up", "copy", "archive", "revisions")

    async with program(app, Scope.READ) as shop:
        looked = (await shop.get(f"{API}/{broadcast_id}/results")).status_code
        refused = [(await shop.post(f"{API}/{broadcast_id}/{verb}", json={})).status_code for verb in verbs]

    assert looked == 200
    assert set(refused) == {403}
    assert await state_of(app, broadcast_id) == "running"
