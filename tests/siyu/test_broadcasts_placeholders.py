"""Placeholders: what we know of a fan stands where the operator wanted it, and can do nothing else there."""

from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update
from sqlmodel import col

from siyu import mailroom, segments
from siyu.broadcasts import content, markup, placeholders
from siyu.broadcasts.placeholders import Placeholder
from siyu.kit.errors import Invalid
from siyu.kit.wording import CHINESE, ENGLISH, words
from siyu.tables import Fan, FanLevel
from tests.broadcasting import composed, given_fans
from tests.trading import a_sale, an_offer, claims, records

names = st.sampled_from(["first_name", "name", "username", "points", "coupon", "level:loyalty", "metric:spend_365d"])
plain = st.text(alphabet=st.characters(exclude_characters="{}<>|\x00\r", exclude_categories=["Cs"]))


@settings(deadline=None)
@given(plain, names, plain, plain, st.text())
@example("", "name", "", "", "<b>")
def test_a_value_or_else_the_fallback_stands_between_the_operators_words(before, name, fallback, after, value):
    text = f"{before}{{{name}|{fallback}}}{after}"

    assert placeholders.used(text) == (Placeholder(name, fallback),)
    assert placeholders.fill(text, {}) == before + fallback + after
    assert placeholders.fill_plain(text, {name: value}) == before + (value or fallback) + after


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
@example("<a href='https://evil.example'>win</a>")
@example("&lt;b&gt;&#60;")
@example('" onclick="')
def test_no_value_can_become_markup(value):
    filled = placeholders.fill("<b>{name|x}</b>", {"name": value})

    assert markup.read(filled) == (value or "x").replace("\r", "").strip(markup.SPACES)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused_and_never_anything_else(text):
    try:
        used = placeholders.used(text)
    except Invalid:
        return
    assert used or placeholders.fill(text, {}) == text.replace("{{", "{")


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="{")))
def test_whoever_wants_a_brace_writes_two(text):
    assert placeholders.fill(text + "{{name}", {"name": "Mei"}) == text + "{name}"


@pytest.mark.parametrize(
    "text",
    ["{shoe_size}", "{", "{}", "{name", "{first_name|<b>x</b>}", "{metric:shoe_size}", "{level:}", "{level:Loyalty}",
     "{name.__class__}", "{0}", "{name!r}", "{Name}", '<a href="https://tea.example/{username}">x</a>'],
)  # fmt: skip
def test_what_is_not_on_the_list_is_refused(text):
    with pytest.raises(Invalid):
        placeholders.used(text)


def test_what_a_fan_lacks_is_told():
    lacks = placeholders.missing("{name} {username|friend} {points}", {"name": "Mei", "points": ""})

    assert lacks == [Placeholder("username", "friend"), Placeholder("points")]


async def _values(app, broadcast, people):
    async with app.database.reading() as session:
        return await placeholders.values_for(session, broadcast, [fan.id for fan in people])


async def _named(app, fan, **fields):
    async with app.database.writing() as session:
        await session.run(update(Fan).where(col(Fan.id) == fan.id).values(**fields))


async def test_each_fan_has_their_own_values_in_their_own_language(app):
    english, chinese, nobody = people = await given_fans(app, 3)
    await _named(app, english, name="Anna Maria Berg", username="anna")
    await _named(app, chinese, name="王小明", chosen_language="zh_CN")
    await _named(app, nobody, name=" ")
    broadcast = await composed(app, text="{first_name|friend} {name|you} {username|nobody} {level:loyalty|fan}")

    values = await _values(app, broadcast, people)

    assert values[english.id] == {
        "first_name": "Anna", "name": "Anna Maria Berg", "username": "anna", "level:loyalty": "At risk",
    }  # fmt: skip
    assert values[chinese.id] == {
        "first_name": "王小明", "name": "王小明", "level:loyalty": words(CHINESE).gettext("At risk"),
    }  # fmt: skip
    assert values[nobody.id] == {"level:loyalty": "At risk"}
    assert words(CHINESE).gettext("At risk") != "At risk"


async def test_a_level_that_says_nothing_is_missing(app):
    (fan,) = await given_fans(app, 1)
    now = app.clock()
    row = {"dimension": "gender", "fan_id": fan.id, "level": "unknown", "since": now, "since_day": now.date()}
    async with app.database.writing() as session:
        await session.run_many(insert(FanLevel), [row])
    broadcast = await composed(app, text="{level:gender|dear fan}")

    assert await _values(app, broadcast, [fan]) == {fan.id: {}}


async def test_numbers_are_written_as_people_write_them(app):
    (fan,) = await given_fans(app, 1)
    await records(app, a_sale(app, fan, amount=123_450))
    await segments.recompute(app.database, zone=app.settings.zone, currency="CNY", now=app.clock())
    broadcast = await composed(
        app, text="{metric:spend_365d} {metric:purchases_total} {points} {metric:last_purchase_at|-} {metric:p_alive|-}"
    )

    values = (await _values(app, broadcast, [fan]))[fan.id]

    assert values["metric:spend_365d"] == "¥1,234.50"
    assert values["metric:purchases_total"] == "1"
    assert values["points"] == "0"
    assert "2026" in values["metric:last_purchase_at"]


async def test_the_coupon_is_the_fans_own_of_this_offer(app):
    holder, other = people = await given_fans(app, 2)
    offer = await an_offer(app)
    coupon = await claims(app, offer, holder)
    broadcast = await composed(app, text="Your code: {coupon}", offer_id=offer.id)

    values = await _values(app, broadcast, people)
    async with app.database.reading() as session:
        checked = await content.check_recipients(session, broadcast, [fan.id for fan in people])

    assert values == {holder.id: {"coupon": coupon.code}, other.id: {}}
    assert checked.bad == {other.id: "missing:coupon"}
    assert checked.counts == {"missing:coupon": 1}


async def test_a_name_cannot_turn_the_rest_of_the_message_around(app):
    (fan,) = await given_fans(app, 1)
    await _named(app, fan, name="Eve\u202e\nlive")
    broadcast = await composed(app, text="{name} {username|x}")

    assert (await _values(app, broadcast, [fan]))[fan.id]["name"] == "Eve live"


async def test_what_is_shared_is_the_fans_own_link(app):
    (fan,) = await given_fans(app, 1)
    broadcast = await composed(app, text="Tell a friend", buttons=[[{"text": "Share", "action": "share"}]])

    before = await _values(app, broadcast, [fan])
    async with app.database.writing() as session:
        await mailroom.remember_bot(session, 42, "tea_bot", "Tea", now=app.clock() - timedelta(days=1))
    after = await _values(app, broadcast, [fan])

    assert before == {fan.id: {}}
    assert after == {fan.id: {"referral_link": f"https://t.me/tea_bot?start=i_{fan.referral_code}"}}


def test_a_preview_shows_somebody_invented():
    shown = placeholders.sample(["first_name", "level:loyalty", "metric:spend_365d"], words(ENGLISH))

    assert placeholders.fill("{first_name}, {level:loyalty}", shown) == "Alex, Loyal"
