"""Fans: found by name, shown with all that is known, tagged, and given their money back."""

import re

import pytest
from sqlmodel import col, select

from siyu import audit, fans
from siyu.app import App
from siyu.kit.money import Money
from siyu.purchases import ask_refund
from siyu.tables import Fan, FanTag, Outbox, Reach, RefundRequest, Role
from tests.admin.community import given_friend, given_many, given_purchase, given_regular, recomputed
from tests.admin.seen import forms, links, next_page, seen
from tests.admin.visitors import browser
from tests.people import given_fan, given_interactions, given_tags, given_values
from tests.trading import a_product, an_offer, breaches, claims

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
STARS = Money(68, "XTR")


async def test_the_newest_fans_come_first_with_what_one_looks_for(app: App) -> None:
    await given_regular(app, name="Mei", username="mei", source_channel="search")
    await given_fan(app, name="Newcomer")
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        words = seen((await visitor.get("/fans")).text)

    assert words.index("Newcomer") < words.index("Mei")
    assert "Mei @mei Loyal search just now 1 day ago ¥116.40" in words


@pytest.mark.parametrize("q", ["雨桐", "RAIN", "@rain", "7001"])
async def test_a_fan_is_found_by_name_username_or_number(app: App, q: str) -> None:
    await given_fan(app, 7001, name="徐雨桐", username="rainy")
    await given_fan(app, 7002, name="Mina")

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get("/fans", params={"q": q})

    assert _listed(page.text) == ["/fans/7001"]


async def test_searching_for_nobody_says_so_and_leads_back(app: App) -> None:
    await given_fan(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get("/fans", params={"q": "<zzz>"})

    assert "Nobody is called “<zzz>”" in seen(page.text)
    assert "/fans" in links(page.text)


async def test_the_list_goes_on_page_by_page_each_once(app: App) -> None:
    await given_many(app, 120, name="Tea")
    await given_fan(app, name="Somebody else")

    async with browser(app, Role.VIEWER) as visitor:
        here, found = "/fans?q=tea", list[str]()
        while len(found) < 120:
            page = await visitor.get(here)
            found += _listed(page.text)
            here = next_page(page.text, here) if len(found) < 120 else here

    assert sorted(found) == sorted(f"/fans/{8_000_000 + n}" for n in range(120))
    assert "/fans?q=tea" in links(page.text)  # back to the beginning


async def test_a_search_while_typing_answers_with_the_table_alone(app: App) -> None:
    await given_fan(app)

    async with browser(app, Role.VIEWER) as visitor:
        part = await visitor.get("/fans", params={"q": "mei"}, headers=PARTIAL)

    assert part.text.strip().startswith('<div id="rows">')


async def test_a_portrait_tells_levels_with_reasons_purchases_coupons_and_friends(app: App) -> None:
    fan = await given_regular(app, name="Mei", username="mei", language="zh-hans", source="s_poster")
    friend = await given_friend(app, of=fan, name="Lin")
    coupon = await claims(app, await an_offer(app, title="Twenty off"), fan)
    await given_values(app, fan, city="杭州")
    await given_tags(app, fan, "VIP")
    await recomputed(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/fans/{fan.telegram_id}")

    words = seen(page.text)
    assert "Spent in all ¥116.40 Purchases 3 Interactions in 30 days 24 Last seen 1 day ago" in words
    assert "Loyalty Loyal since Mar 4, 2026 bought 3 times in 365 days" in words
    assert "Spring tea Feb 22, 2026 ¥38.80" in words
    assert f"Twenty off active {coupon.code} until" in words
    assert "Link s_poster Language zh-hans city 杭州" in words
    assert "Brought 1 friend" in words
    assert {f"/fans/{friend.telegram_id}", f"/segments/loyalty.loyal/why/{fan.telegram_id}"} <= set(links(page.text))
    assert "VIP" in words


async def test_a_friend_s_page_leads_to_who_brought_them(app: App) -> None:
    fan = await given_fan(app, name="Mei")
    friend = await given_friend(app, of=fan)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/fans/{friend.telegram_id}")

    assert "Brought by Mei" in seen(page.text)
    assert f"/fans/{fan.telegram_id}" in links(page.text)


async def test_a_newcomer_s_page_stands_before_anything_is_computed(app: App) -> None:
    fan = await given_fan(app)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/fans/{fan.telegram_id}")

    assert "Not classified yet" in seen(page.text)
    assert "What happened Nothing yet." in seen(page.text)


@pytest.mark.parametrize(
    ("reach", "told"),
    [(Reach.REACHABLE, "can be reached"), (Reach.BLOCKED, "blocked the bot"), (Reach.GONE, "account is gone")],
)
async def test_the_page_tells_whether_a_broadcast_would_arrive(app: App, reach: Reach, told: str) -> None:
    fan = await given_fan(app)
    async with app.database.writing() as session:
        await fans.change_reach(session, fan.telegram_id, reach, now=app.clock())

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/fans/{fan.telegram_id}")

    assert told in seen(page.text)


async def test_a_long_past_is_turned_page_by_page_purchases_and_events_each_on_their_own(app: App) -> None:
    fan = await given_fan(app)
    for days_ago in range(12):
        await given_purchase(app, fan, days_ago=days_ago, what=f"Tea {days_ago:02}")
        await given_interactions(app, fan, 2, days_ago=days_ago)

    async with browser(app, Role.VIEWER) as visitor:
        first = (await visitor.get(f"/fans/{fan.telegram_id}")).text
        bought, since = (next(href for href in links(first) if word in href) for word in ("bought=", "since="))
        older = seen((await visitor.get(bought, headers=PARTIAL)).text)
        earlier = seen((await visitor.get(since)).text)

    assert "Tea 09" in seen(first)
    assert "Bought Tea 11" not in seen(first)
    assert "Tea 10" in older
    assert "Tea 09" not in older
    assert "Bought Tea 11" in earlier


async def test_an_operator_hangs_a_tag_on_a_fan_and_takes_it_off_again(app: App) -> None:
    fan = await given_fan(app)

    async with browser(app, Role.OPERATOR) as visitor:
        await visitor.post(f"/fans/{fan.telegram_id}/tags", data={"word": "  茶会 "})
        hung = await _tags(app, fan)
        await visitor.post(f"/fans/{fan.telegram_id}/tags", data={"word": "茶会"})
        await visitor.post(f"/fans/{fan.telegram_id}/tags/removal", data={"word": "茶会"})

    assert hung == ["茶会"]
    assert await _tags(app, fan) == []
    assert await _audited(app, fan.telegram_id) == ["fan.untagged", "fan.tagged"]


@pytest.mark.parametrize("word", ["", "  ", "a;b", "x" * 41])
async def test_a_word_that_is_no_tag_is_refused_in_a_sentence(app: App, word: str) -> None:
    fan = await given_fan(app)

    async with browser(app, Role.OPERATOR) as visitor:
        asked = await visitor.post(f"/fans/{fan.telegram_id}/tags", data={"word": word})
        page = await visitor.get(asked.headers["location"])

    assert "a tag has 1 to 40 characters and no semicolon" in seen(page.text)
    assert await _tags(app, fan) == []


async def test_a_viewer_changes_nothing_about_a_fan(app: App) -> None:
    fan = await given_fan(app)
    paid = await given_purchase(app, fan, amount=STARS, source="telegram")

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(f"/fans/{fan.telegram_id}")
        refused = [
            await visitor.post(path, data={"word": "x"})
            for path in (
                f"/fans/{fan.telegram_id}/tags",
                f"/fans/{fan.telegram_id}/tags/removal",
                f"/purchases/{paid}/refund",
                f"/purchases/{paid}/refusal",
            )
        ]

    assert forms(page.text) == []
    assert [answer.status_code for answer in refused] == [403, 403, 403, 403]
    assert await _tags(app, fan) == []
    assert await _calls(app) == []


async def test_an_admin_gives_stars_back_through_telegram(app: App) -> None:
    fan = await given_fan(app, 7001)
    paid = await given_purchase(app, fan, amount=STARS, source="telegram")

    async with browser(app, Role.ADMIN) as visitor:
        before = await visitor.get("/fans/7001")
        asked = await visitor.post(f"/purchases/{paid}/refund")
        after = await visitor.get(asked.headers["location"])

    assert f"/purchases/{paid}/refund" in forms(before.text)
    assert await _calls(app) == [("refundStarPayment", 7001)]
    assert "Telegram was asked to give the Stars back" in seen(after.text)
    assert app.bells.outbox.is_set()


async def test_an_operator_may_not_give_money_back(app: App) -> None:
    fan = await given_fan(app)
    paid = await given_purchase(app, fan, amount=STARS, source="telegram")

    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.get(f"/fans/{fan.telegram_id}")
        refused = await visitor.post(f"/purchases/{paid}/refund")

    assert refused.status_code == 403
    assert f"/purchases/{paid}/refund" not in forms(page.text)
    assert await _calls(app) == []


async def test_what_was_not_paid_in_stars_is_not_refunded_from_here(app: App) -> None:
    fan = await given_fan(app)
    paid = await given_purchase(app, fan)

    async with browser(app, Role.ADMIN) as visitor:
        page = await visitor.get(f"/fans/{fan.telegram_id}")
        asked = await visitor.post(f"/purchases/{paid}/refund")
        told = await visitor.get(asked.headers["location"])

    assert f"/purchases/{paid}/refund" not in forms(page.text)
    assert "only purchases paid in Stars can be refunded from here" in seen(told.text)


async def test_a_request_for_money_back_is_declined_once(app: App) -> None:
    fan = await given_fan(app)
    paid = await given_purchase(app, fan, amount=STARS, source="telegram")
    async with app.database.writing() as session:
        await ask_refund(session, fan, paid, now=app.clock())

    async with browser(app, Role.ADMIN) as visitor:
        before = seen((await visitor.get(f"/fans/{fan.telegram_id}")).text)
        await visitor.post(f"/purchases/{paid}/refusal")
        declined = seen((await visitor.get(f"/fans/{fan.telegram_id}")).text)
        await visitor.post(f"/purchases/{paid}/refusal")
        again = seen((await visitor.get(f"/fans/{fan.telegram_id}")).text)

    assert "wants the money back" in before
    assert "The request was declined." in declined
    assert "wants the money back" not in declined
    assert "this request was answered already" in again
    async with app.database.reading() as session:
        assert await session.all(select(RefundRequest.answer)) == ["declined"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fans/77", 404),
        ("/fans/abc", 422),
        ("/fans/99999999999999999999", 422),
        ("/fans?cursor=zzz", 422),
        ("/fans?cursor=WyJhIl0", 422),
        ("/fans/7001?since=zzz", 422),
        ("/fans/7001?bought=zzz", 422),
    ],
)
async def test_a_wrong_address_gets_one_clear_sentence(app: App, path: str, status: int) -> None:
    await given_fan(app, 7001)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get(path)

    assert page.status_code == status
    assert page.text.count("<h1") == 1


async def test_nothing_a_fan_is_called_is_read_as_markup(app: App) -> None:
    fan = await given_fan(app, name="<img src=x onerror=alert(1)>", source='"><script>')
    await given_purchase(app, fan, what="<b>tea</b>")

    async with browser(app, Role.OWNER) as visitor:
        pages = [(await visitor.get(path)).text for path in ("/fans", f"/fans/{fan.telegram_id}")]

    assert not [page for page in pages if "<img src=x" in page or '"><script>' in page or "<b>tea" in page]


def _listed(html: str) -> list[str]:
    return [href for href in links(html) if href.startswith("/fans/")]


async def _tags(app: App, fan: Fan) -> list[str]:
    async with app.database.reading() as session:
        return list(await session.all(select(FanTag.tag).where(FanTag.fan_id == fan.id)))


async def _audited(app: App, telegram_id: int) -> list[str]:
    async with app.database.reading() as session:
        lines = await audit.entries(session, subject=("fan", str(telegram_id)))
    return [line.action for line in lines.items]


async def _calls(app: App) -> list[tuple[str, int]]:
    async with app.database.reading() as session:
        queued = await session.all(select(Outbox).order_by(col(Outbox.id)))
    return [(call.method, call.payload["user_id"]) for call in queued]


# ---- the counter -----------------------------------------------------------------------------------------------------


async def test_an_operator_enters_a_purchase_once_and_undoes_it(app: App) -> None:
    fan = await given_fan(app, name="Mei")
    await a_product(app, "cup", kind="physical", price_minor=4500, currency="CNY", stars_price=None, stock=3)
    address = f"/fans/{fan.telegram_id}"

    async with browser(app, Role.OPERATOR) as operator:
        form = await operator.get(f"{address}/purchases/new")
        key = re.findall(r'name="key" value="(.+?)"', form.text)[0]
        for _ in range(2):
            await operator.post(f"{address}/purchases", data={"key": key, "sku": "cup", "quantity": "2"})
        page = await operator.get(address)
        undo = next(action for action in forms(page.text) if action.endswith("/undo"))
        await operator.post(undo)
        after = await operator.get(address)

    assert seen(page.text).count("Cup × 2") == 1
    assert "¥90.00" in seen(page.text)
    assert "refunded" in seen(after.text)
    assert await breaches(app) == []


async def test_a_wrong_purchase_comes_back_with_what_was_typed(app: App) -> None:
    fan = await given_fan(app)

    async with browser(app, Role.OPERATOR) as operator:
        wrong = {"key": "a-key-of-its-own", "name": "Cake & <tea>", "quantity": "many", "amount": "-3"}
        unread = await operator.post(f"/fans/{fan.telegram_id}/purchases", data=wrong)
        huge = await operator.post(
            f"/fans/{fan.telegram_id}/purchases", data={**wrong, "quantity": "1", "amount": "10000001"}
        )
        unknown = await operator.post(
            f"/fans/{fan.telegram_id}/purchases",
            data={**wrong, "quantity": "1", "amount": "3", "coupon": "AAAAAAAAAA"},
        )

    assert [page.status_code for page in (unread, huge, unknown)] == [422, 422, 422]
    assert "Cake &amp; &lt;tea&gt;" in unread.text
    assert "an amount lies between 0 and 10,000,000" in huge.text
    assert "there is no coupon with this code" in unknown.text


async def test_an_admin_notes_money_that_went_back_in_parts(app: App) -> None:
    fan = await given_fan(app)
    purchase = await given_purchase(app, fan, amount=Money(1800, "CNY"))

    async with browser(app, Role.ADMIN) as admin:
        page = f"/purchases/{purchase}/return"
        asked = await admin.get(page)
        await admin.post(page, data={"key": "part-one", "amount": "7.00"})
        too_much = await admin.post(page, data={"key": "part-two", "amount": "11.01"})
        await admin.post(page, data={"key": "part-two", "amount": ""})
        portrait = await admin.get(f"/fans/{fan.telegram_id}")

    assert "¥18.00" in asked.text
    assert too_much.status_code == 422
    assert "so much is not left of this purchase" in too_much.text
    assert "refunded" in seen(portrait.text)
    assert await breaches(app) == []


async def test_a_viewer_neither_sells_nor_sees_the_button(app: App) -> None:
    fan = await given_fan(app)

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get(f"/fans/{fan.telegram_id}")
        refused = await viewer.post(f"/fans/{fan.telegram_id}/purchases", data={"key": "a-key-of-its-own"})

    assert "purchases/new" not in page.text
    assert refused.status_code == 403
