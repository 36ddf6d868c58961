"""The composer, as an operator's browser meets it without any script."""

import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col, select

from siyu import broadcasts, preferences, surveys, topics
from siyu.app import App
from siyu.broadcasts import draft_of
from siyu.surveys import Kind
from siyu.tables import AuditEntry, Broadcast, Fan, Offer, Outbox, OutboxState, Role
from tests.admin.forms import filled
from tests.admin.seen import seen
from tests.admin.visitors import browser
from tests.asking import a_draft, a_question, a_survey
from tests.broadcasting import MEI, SEGMENT, composed, given_fans, started, state_of
from tests.trading import an_offer

FORM = {"title": "Come back", "include": SEGMENT, "text": "We <b>miss</b> you", "on_unknown": "leave"}
PART = {"HX-Request-Type": "partial"}
BUTTONS = {
    "b0-0-0-kind": "shop", "b0-0-0-text": "Shop",
    "b0-0-1-kind": "url", "b0-0-1-text": "Site", "b0-0-1-value": "https://example.com",
    "b0-1-0-kind": "wallet", "b0-1-0-text": "My coupons",
}  # fmt: skip


async def test_a_draft_is_saved_and_shown_as_it_was_typed(app: App) -> None:
    await given_fans(app, 3)

    async with browser(app, Role.OPERATOR) as operator:
        saved = await operator.post("/broadcasts", data={**FORM, **BUTTONS})
        page = await operator.get(saved.headers["location"])

    assert saved.status_code == 303
    fields = filled(page.text, "composer")
    assert fields["text"] == ["We <b>miss</b> you"]
    assert {name: fields[name] for name in BUTTONS} == {name: [value] for name, value in BUTTONS.items()}
    assert "Send to 3 fans" in page.text


async def test_whatever_a_program_composed_survives_the_page(app: App) -> None:
    await given_fans(app, 1)
    offer = await an_offer(app)
    async with app.database.writing() as session:
        await topics.create_topic(session, MEI, "news", "News", now=app.clock())
    first = await started(app, title="The first")
    draft = await composed(
        app, topic="news", exclude=["loyalty.none"], rule={"dimension": "loyalty", "in": ["at_risk"]},
        text="Hi {first_name|friend}\n\n{coupon}", offer_id=offer.id, rate=3.0, silent=True, link_preview=False,
        media=[{"kind": "video", "file": "https://example.com/a.mp4"}],
        buttons=[[{"text": "Yes", "action": "answer", "value": "yes"}]],
        versions={"zh": {"text": "你好"}},
        variants=[
            {"key": "a", "share": 30},
            {"key": "b", "text": "Hello", "share": 70, "versions": {"zh": {"text": "您好"}}},
        ],
        test_percent=20, winner_by="clicks", winner_after_minutes=60, holdout_percent=5, attribution_days=3,
        timing="series", series={"every": "weekly", "at": "18:00", "on": [1, 4], "zone": "Europe/Paris"},
        spread_minutes=30, paid=True, ignores_quiet=True, freeze_early=True, on_unknown="resend",
        follows_id=first, follows="not_pressed",
    )  # fmt: skip

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get(f"/broadcasts/{draft.id}")
        saved = await operator.post(f"/broadcasts/{draft.id}", data=filled(page.text, "composer"))

    assert saved.status_code == 303
    assert await kept(app, draft.id) == draft_of(draft)


async def test_a_title_is_made_of_the_first_words(app: App) -> None:
    await given_fans(app, 1)

    async with browser(app, Role.OPERATOR) as operator:
        saved = await operator.post("/broadcasts", data={**FORM, "title": "", "text": "\n<b>Spring tea</b>\nis here"})
        page = await operator.get(saved.headers["location"])

    assert filled(page.text, "composer")["title"] == ["Spring tea"]


async def test_every_mistake_stands_at_its_field_and_nothing_is_lost(app: App) -> None:
    await given_fans(app, 1)
    wrong = {
        **FORM, "title": "", "text": "<b>open", "b0-0-0-kind": "shop", "b0-0-0-text": "Fine",
        "b0-1-0-kind": "url", "b0-1-0-text": "Wrong", "b0-1-0-value": "ftp://example.com", "spread_minutes": "soon",
    }  # fmt: skip

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/broadcasts", data=wrong)

    assert answer.status_code == 422
    assert "3 things are not right yet" in answer.text
    assert "&lt;b&gt; is never closed" in answer.text
    assert "Row 2: a link starts with https://, http:// or tg://" in answer.text
    assert '<details id="fold-when" class="group/fold" open>' in answer.text
    assert '<details id="fold-compare" class="group/fold" >' in answer.text
    assert filled(answer.text, "composer")["b0-1-0-value"] == ["ftp://example.com"]


@pytest.mark.parametrize(
    ("changes", "place", "told"),
    [
        ({"text": "x" * 4097}, "text", "4097 characters are too many: 4096 fit"),
        ({"text": "x" * 1025, "media-0-kind": "photo", "media-0-file": "https://a.example/t.jpg"}, "text", "1024 fit"),
        ({"text": "Hi {nobody}"}, "text", "there is no placeholder {nobody}"),
        ({"text": "", "title": ""}, "title", "give it a title, for yourselves"),
        ({"include": ""}, "include", "choose whom it goes to"),
        ({"include": "no.such"}, "include", "there is no segment no.such"),
        ({"media-0-kind": "photo", "media-0-file": "tea.jpg"}, "media-0-file", "a picture is an https:// address"),
        ({"timing": "at", "send_at": "2020-01-01T10:00"}, "send_at", "this time has passed"),
        ({"timing": "series", "series_at": "18:00", "series_zone": "Mars/Olympus"}, "series_zone", "no time zone Mars"),
        ({"timing": "local", "local_at": ""}, "local_at", "a day and an hour"),
        ({"rule": '{"metric": "nonsense"}'}, "rule", ""),
        ({"topic": "nothing"}, "topic", "there is no topic nothing"),
        ({"piece-0-variant": "b", "piece-0-language": "", "piece-0-text": "<i>"}, "piece-0-text", "is never closed"),
    ],
)
async def test_what_telegram_or_the_house_would_refuse_is_told_at_the_field(
    app: App, changes: dict[str, str], place: str, told: str
) -> None:
    await given_fans(app, 1)

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/broadcasts", data={**FORM, **changes})

    assert answer.status_code == 422
    assert f'href="#{place}"' in answer.text
    assert f'id="{place}"' in answer.text
    assert f'id="{place}-about"' in answer.text
    assert told in answer.text


async def test_the_preview_shows_the_message_and_counts_who_gets_it(app: App) -> None:
    fans = await given_fans(app, 3)
    await mute(app, fans[0])

    async with browser(app, Role.OPERATOR) as operator:
        part = await operator.post("/broadcasts/preview", data=FORM, headers=PART)
        whole = await operator.post("/broadcasts/preview", data=FORM)

    assert "<html" not in part.text
    assert "We <b>miss</b> you" in part.text
    assert "opted out of broadcasts" in part.text
    assert ">2</span>" in part.text
    assert "<html" in whole.text
    assert "We &lt;b&gt;miss&lt;/b&gt; you</textarea>" in whole.text


async def test_the_preview_lets_no_foreign_markup_through(app: App) -> None:
    hostile = {**FORM, "text": '<a href="javascript:alert(1)">x</a><script>alert(1)</script><img src=x onerror=a>'}

    async with browser(app, Role.OPERATOR) as operator:
        part = await operator.post("/broadcasts/preview", data=hostile, headers=PART)

    assert "<script" not in part.text
    assert "<img" not in part.text
    assert 'href="javascript' not in part.text


async def test_it_is_looked_at_as_any_fan_in_any_edition(app: App) -> None:
    fans = await given_fans(app, 2)
    typed = {
        **FORM, "text": "Hi {first_name|friend}", "piece-0-variant": "", "piece-0-language": "zh",
        "piece-0-text": "你好 {first_name|朋友}",
    }  # fmt: skip

    async with browser(app, Role.OPERATOR) as operator:

        async def look(**glance: str) -> str:
            return (await operator.post("/broadcasts/preview", data={**typed, **glance}, headers=PART)).text

        assert "Hi Alex" in await look()
        assert "Hi friend" in await look(reader="nobody")
        assert "Hi Fan" in await look(reader=str(fans[0].telegram_id))
        assert "你好 朋友" in await look(reader="nobody", glance="|zh")


async def test_what_it_costs_in_stars_is_told_before(app: App) -> None:
    await given_fans(app, 11)
    draft = await composed(app, paid=True)

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get(f"/broadcasts/{draft.id}")

    assert "It costs 2 Stars." in page.text


async def test_every_small_button_works_by_a_plain_post(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:

        async def press(page: httpx.Response, **more: str) -> httpx.Response:
            return await operator.post("/broadcasts/part", data={**filled(page.text, "composer"), **more})

        page = await operator.get("/broadcasts/new")
        page = await press(page, do="key b0", **{"b0-new": "answer"})
        page = await press(page, do="medium")
        page = await press(page, do="variant")
        page = await press(page, do="own 0")
        page = await press(page, do="language a", **{"language-a": "ja"})

    fields = filled(page.text, "composer")
    assert fields["b0-0-0-kind"] == ["answer"]
    assert fields["media-0-kind"] == ["photo"]
    assert (fields["piece-0-language"], fields["piece-1-variant"]) == (["ja"], ["b"])
    assert fields["b2-0-0-text"] == ["👍 Yes"]


async def test_a_questionnaire_is_chosen_from_those_that_can_be_begun(app: App) -> None:
    await given_fans(app, 1)
    await a_survey(app, a_question(Kind.TEXT), key="hello")
    await a_draft(app, a_question(Kind.TEXT), key="unfinished")
    gone = await a_survey(app, a_question(Kind.TEXT), key="gone")
    async with app.database.writing() as session:
        await surveys.archive(session, MEI, gone.id or 0, now=app.clock())
    begins = {"b0-0-0-kind": "survey", "b0-0-0-text": "Begin"}

    async with browser(app, Role.OPERATOR) as operator:
        chosen = await operator.post("/broadcasts", data={**FORM, **begins, "b0-0-0-value": "hello"})
        page = await operator.get(chosen.headers["location"])
        wrong = await operator.post("/broadcasts", data={**FORM, **begins, "b0-0-0-value": "gone", "do": "start"})

    assert options(page.text, "b0-0-0-value") == ["", "hello"]
    assert filled(page.text, "composer")["b0-0-0-value"] == ["hello"]
    assert "Getting to know you · hello" in page.text
    assert options(wrong.text, "b0-0-0-value") == ["", "hello", "gone"]
    assert filled(wrong.text, "composer")["b0-0-0-value"] == ["gone"]


def options(page: str, select: str) -> list[str]:
    """What can be chosen there."""
    begun = page[page.index(f'<select name="{select}"') :]
    return re.findall(r'<option value="([^"]*)"', begun[: begun.index("</select>")])


async def test_what_is_being_written_is_kept_with_its_mistakes(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        empty = await operator.post("/broadcasts/draft", data={"include": SEGMENT}, headers=PART)
        begun = await operator.post("/broadcasts/draft", data={"text": "<b>We mi"}, headers=PART)
        named = filled(f"<form id=f>{begun.text}</form>", "f")
        again = await operator.post(
            "/broadcasts/draft",
            data={"text": "<b>We miss you</b>", "id": named["id"], "version": named["version"]},
            headers=PART,
        )
        same = await operator.post(
            "/broadcasts/draft",
            data={"text": "<b>We miss you</b>", "title": "We miss you", "id": named["id"], "version": "2"},
            headers=PART,
        )

    async with app.database.reading() as session:
        found = await session.all(select(Broadcast))
        edits = await session.all(select(AuditEntry.action).order_by(col(AuditEntry.id)))
    assert filled(f"<form id=f>{empty.text}</form>", "f")["id"] == [""]
    assert [(one.title, one.text, one.version) for one in found] == [("We miss you", "<b>We miss you</b>", 2)]
    assert "Saved" in begun.text
    assert 'value="2"' in again.text
    assert 'value="2"' in same.text
    assert edits.count("broadcast.edited") == 1


async def test_an_hour_of_typing_is_a_line_or_two_of_the_audit(app: App) -> None:
    draft = await composed(app)

    async with browser(app, Role.OPERATOR) as operator:
        for n in range(5):
            data = {**FORM, "text": f"Words {n}", "id": str(draft.id)}
            await operator.post("/broadcasts/draft", data=data, headers=PART)

    async with app.database.reading() as session:
        edits = await session.all(select(AuditEntry).where(col(AuditEntry.action) == "broadcast.edited"))
    assert len(edits) == 1


async def test_two_operators_do_not_write_over_each_other(app: App) -> None:
    await given_fans(app, 1)
    draft = await composed(app)

    async with browser(app, Role.OPERATOR) as first, browser(app, Role.ADMIN) as second:
        mine = filled((await first.get(f"/broadcasts/{draft.id}")).text, "composer")
        theirs = filled((await second.get(f"/broadcasts/{draft.id}")).text, "composer")
        await second.post("/broadcasts/draft", data={**theirs, "text": ["Theirs"]}, headers=PART)
        typing = await first.post("/broadcasts/draft", data={**mine, "text": ["Mine"]}, headers=PART)
        saving = await first.post(f"/broadcasts/{draft.id}", data={**mine, "text": ["Mine"]})
        between = await kept(app, draft.id)
        sending = await first.post(f"/broadcasts/{draft.id}/start", data={**mine, "text": ["Mine"]})
        insisting = await first.post(f"/broadcasts/{draft.id}", data={**mine, "text": ["Mine"], "version": ["1", "2"]})

    assert "Admin changed this a moment ago" in typing.text
    assert saving.status_code == sending.status_code == 409
    assert "Admin changed this a moment ago" in saving.text
    assert filled(saving.text, "composer")["text"] == ["Mine"]
    assert between.text == "Theirs"
    assert insisting.status_code == 303
    assert (await kept(app, draft.id)).text == "Mine"
    assert await state_of(app, draft.id or 0) == "draft"


async def test_my_own_keystrokes_are_no_other_person(app: App) -> None:
    draft = await composed(app)
    typed = {**FORM, "id": str(draft.id), "version": "1"}

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post("/broadcasts/draft", data={**typed, "text": "One"}, headers=PART)
        late = await operator.post("/broadcasts/draft", data={**typed, "text": "One two"}, headers=PART)

    assert "changed this" not in late.text
    assert (await kept(app, draft.id)).text == "One two"


async def test_my_own_other_tab_does_not_hide_what_a_colleague_wrote(app: App) -> None:
    draft = await composed(app)

    async with browser(app, Role.OPERATOR) as me, browser(app, Role.ADMIN) as colleague:
        stale = filled((await me.get(f"/broadcasts/{draft.id}")).text, "composer")
        await colleague.post("/broadcasts/draft", data={**stale, "text": ["Theirs"]}, headers=PART)
        fresh = filled((await me.get(f"/broadcasts/{draft.id}")).text, "composer")
        await me.post("/broadcasts/draft", data={**fresh, "text": ["Theirs, and mine"]}, headers=PART)
        typing = await me.post("/broadcasts/draft", data={**stale, "text": ["Stale"]}, headers=PART)

    assert "changed this a moment ago" in typing.text
    assert (await kept(app, draft.id)).text == "Theirs, and mine"


@pytest.mark.parametrize(
    "typed", [{"rule": '{"fans":[1001]'}, {"holdout_percent": "5o"}, {"rate": "nan"}, {"media-0-file": "https://["}]
)
async def test_what_cannot_be_read_yet_is_not_kept_as_nothing(app: App, typed: dict[str, str]) -> None:
    """A rule half typed was no rule, and the draft went to the whole segment."""
    await given_fans(app, 2)
    draft = await composed(app, rule={"fans": [1001]}, holdout_percent=50)

    async with browser(app, Role.OPERATOR) as operator:
        form = filled((await operator.get(f"/broadcasts/{draft.id}")).text, "composer")
        typing = await operator.post("/broadcasts/draft", data={**form, "media-0-kind": "photo", **typed}, headers=PART)
        again = await operator.get(f"/broadcasts/{draft.id}")

    there = await kept(app, draft.id)
    assert (typing.status_code, again.status_code) == (200, 200)
    assert (there.rule, there.holdout_percent) == ({"fans": [1001]}, 50)


async def test_what_was_sent_meanwhile_is_not_changed(app: App) -> None:
    await given_fans(app, 1)
    broadcast_id = await started(app)

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/broadcasts/draft", data={**FORM, "id": str(broadcast_id)}, headers=PART)

    assert "it cannot be changed any more" in answer.text


async def test_what_stands_on_the_screen_is_what_goes_out(app: App) -> None:
    await given_fans(app, 2)
    draft = await composed(app, text="old words")

    async with browser(app, Role.OPERATOR) as operator:
        sent = await operator.post(f"/broadcasts/{draft.id}/start", data={**FORM, "text": "new words"})
        page = await operator.get(sent.headers["location"])

    assert await state_of(app, draft.id or 0) == "scheduled"
    assert "It is scheduled, and can still be taken back." in page.text
    assert "It leaves in" in page.text
    assert "new words" in page.text
    assert "old words" not in page.text
    assert app.bells.broadcasts.is_set()


async def test_it_is_taken_back_within_the_window(app: App) -> None:
    await given_fans(app, 2)
    draft = await composed(app)

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post(f"/broadcasts/{draft.id}/start", data=FORM)
        undone = await operator.post(f"/broadcasts/{draft.id}/undo")
        page = await operator.get(undone.headers["location"])

    assert await state_of(app, draft.id or 0) == "draft"
    assert "Taken back" in page.text
    assert filled(page.text, "composer")["text"] == ["We <b>miss</b> you"]


async def test_above_the_limit_a_second_person_approves(app: App) -> None:
    await given_fans(app, 3)
    await prefer(app, approve_above=2)
    draft = await composed(app)

    async with browser(app, Role.OPERATOR) as first, browser(app, Role.ADMIN) as second:
        form = await first.get(f"/broadcasts/{draft.id}")
        asked = await first.post(f"/broadcasts/{draft.id}/start", data=FORM)
        waits = await first.get(asked.headers["location"])
        self_made = await first.post(f"/broadcasts/{draft.id}/approve")
        refused = await first.get(self_made.headers["location"])
        reads = await second.get(f"/broadcasts/{draft.id}")
        await second.post(f"/broadcasts/{draft.id}/approve")

    assert "Ask for approval" in form.text
    assert "Operator asks for approval" in waits.text
    assert f'action="/broadcasts/{draft.id}/approve"' not in waits.text
    assert "somebody else than who wrote it approves it" in refused.text
    assert f'action="/broadcasts/{draft.id}/approve"' in reads.text
    assert await state_of(app, draft.id or 0) == "scheduled"


async def test_what_was_declined_comes_back_to_its_writer(app: App) -> None:
    await given_fans(app, 3)
    await prefer(app, approve_above=2)
    draft = await composed(app)

    async with browser(app, Role.OPERATOR) as first, browser(app, Role.ADMIN) as second:
        await first.post(f"/broadcasts/{draft.id}/start", data=FORM)
        await second.post(f"/broadcasts/{draft.id}/decline")
        page = await first.get(f"/broadcasts/{draft.id}")

    assert "A second person declined it." in page.text


async def test_an_empty_audience_is_told_at_the_field(app: App) -> None:
    draft = await composed(app)

    async with browser(app, Role.OPERATOR) as operator:
        refused = await operator.post(f"/broadcasts/{draft.id}/start", data={**FORM, "text": "better words"})

    assert refused.status_code == 422
    assert await state_of(app, draft.id or 0) == "draft"
    assert 'id="include-about"' in refused.text
    assert "nobody would get this broadcast" in refused.text
    assert (await kept(app, draft.id)).text == "better words"


async def test_an_offer_that_ended_is_told_at_the_field(app: App) -> None:
    await given_fans(app, 1)
    offer = await an_offer(app)
    draft = await composed(app, offer_id=offer.id)
    async with app.database.writing() as session:
        await session.run(update(Offer).values(ends_at=app.clock()))

    async with browser(app, Role.OPERATOR) as operator:
        refused = await operator.post(f"/broadcasts/{draft.id}/start", data={**FORM, "offer": str(offer.id)})

    assert refused.status_code == 422
    assert 'id="offer-about"' in refused.text
    assert "this offer has ended" in refused.text


async def test_a_test_goes_to_whoever_asked_and_to_nobody_else(app: App) -> None:
    await given_fans(app, 2)
    draft = await composed(app)

    async with browser(app, Role.OPERATOR, telegram_id=77) as operator:
        answer = await operator.post(f"/broadcasts/{draft.id}/test", data={**FORM, "text": "tried out"})

    async with app.database.reading() as session:
        waiting = await session.all(select(Outbox))
    assert answer.status_code == 303
    assert [(row.person_id, row.payload["text"]) for row in waiting] == [(77, "tried out")]
    assert await state_of(app, draft.id or 0) == "draft"


async def test_why_telegram_refused_the_test_is_told_at_its_field_until_it_is_changed(app: App) -> None:
    draft = await composed(app, media=[{"kind": "photo", "file": "https://tea.example/a.jpg"}])
    refusal, told = "Bad Request: failed to get HTTP URL content", "Telegram could not fetch this address"

    async with browser(app, Role.OPERATOR, telegram_id=77) as operator:
        form = {**FORM, "media-0-kind": "photo", "media-0-file": "https://tea.example/a.jpg"}
        await operator.post(f"/broadcasts/{draft.id}/test", data=form)
        waiting = await operator.get(f"/broadcasts/{draft.id}/test", headers=PART)
        async with app.database.writing() as session:
            values = {"state": OutboxState.FAILED, "error": refusal, "finished_at": app.clock()}
            await session.run(update(Outbox).values(values))
        refused = await operator.get(f"/broadcasts/{draft.id}")
        async with app.database.writing() as session:
            await session.run(update(Broadcast).values(edited_at=app.clock() + timedelta(seconds=1)))
        changed = await operator.get(f"/broadcasts/{draft.id}")

    assert "on its way" in waiting.text
    assert f"Telegram refused your test copy: {told}" in refused.text
    assert refused.text.count(told) > changed.text.count(told) == 1


async def test_each_line_of_the_funnel_opens_the_people_behind_it(app: App) -> None:
    fans = await given_fans(app, 25)
    await mute(app, fans[3])
    draft = await composed(app)

    async with browser(app, Role.OPERATOR) as operator:
        muted = await operator.get(f"/broadcasts/{draft.id}/funnel/muted")
        first = await operator.get(f"/broadcasts/{draft.id}/funnel/will_get", headers=PART)
        nonsense = await operator.get(f"/broadcasts/{draft.id}/funnel/nonsense")

    assert "Fan 3" in seen(muted.text)
    assert "Fan 4" not in seen(muted.text)
    assert "<html" not in first.text
    assert "Next" in first.text
    assert nonsense.status_code == 404


async def test_a_dry_run_says_who_lacks_what(app: App) -> None:
    await given_fans(app, 3)
    draft = await composed(app, text="Hi {username|friend}, {points}")

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get(f"/broadcasts/{draft.id}/rehearsal")

    told = seen(page.text)
    assert "3 fans lack {username} and get the fallback." in told
    assert "3 fans lack {points} and are left out: give it a fallback." in told


async def test_a_broadcast_becomes_a_template_and_a_template_a_broadcast(app: App) -> None:
    await given_fans(app, 1)
    draft = await composed(app, title="Every spring")

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post(f"/broadcasts/{draft.id}/template")
        listed = await operator.get("/broadcasts/templates")
        fresh = await operator.get("/broadcasts/new")
        template = await operator.get(f"/broadcasts/{(draft.id or 0) + 1}")
        made = await operator.post(f"/broadcasts/{(draft.id or 0) + 1}/copy")
        page = await operator.get(made.headers["location"])

    assert "Every spring" in seen(listed.text)
    assert "Start from a template" in fresh.text
    assert "it is never sent itself" in template.text
    assert "ask-send" not in template.text
    assert "ask-send" in page.text


async def test_a_post_sent_to_the_bot_is_shown_as_what_it_is(app: App) -> None:
    await given_fans(app, 1)
    draft = await composed(app, text="", include=(), rule={"fans": [1001]}, copied={"chat_id": 77, "message_id": 5})

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get(f"/broadcasts/{draft.id}")
        saved = await operator.post(f"/broadcasts/{draft.id}", data=filled(page.text, "composer"))
        deed = {**filled(page.text, "composer"), "do": ["rule-off"]}
        without = filled((await operator.post("/broadcasts/part", data=deed)).text, "composer")

    assert "The post you sent to the bot" in page.text
    assert "Only to 1 person named in its rule." in page.text
    assert without["rule"] == [""]
    assert saved.status_code == 303
    assert await kept(app, draft.id) == draft_of(draft)


async def test_a_segment_that_went_is_told_before_anything_is_sent(app: App) -> None:
    await given_fans(app, 1)

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/broadcasts", data={**FORM, "include": "buyers_that_went"})

    assert answer.status_code == 422
    assert "there is no segment buyers_that_went" in answer.text


async def kept(app: App, broadcast_id: int | None) -> broadcasts.Draft:
    async with app.database.reading() as session:
        return draft_of(await broadcasts.get_broadcast(session, broadcast_id or 0))


async def mute(app: App, fan: Fan) -> None:
    async with app.database.writing() as session:
        await session.run(update(Fan).where(col(Fan.id) == fan.id).values(muted_at=app.clock() - timedelta(days=1)))


async def prefer(app: App, **values: int) -> None:
    async with app.database.writing() as session:
        await preferences.change(session, MEI, now=app.clock(), **values)
