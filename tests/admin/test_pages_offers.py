"""The pages of offers: drafted in a form, opened, handed out, redeemed at the counter."""

import re
from html import unescape

from sqlalchemy import update
from sqlmodel import select

from siyu import coupons, purchases, segments
from siyu.app import App
from siyu.coupons import Issued, NewOffer
from siyu.kit.wording import words
from siyu.tables import AuditEntry, Coupon, Offer, OfferKind, OfferState, Purchase, Role
from tests.admin.visitors import browser
from tests.broadcasting import MEI, SEGMENT, given_fans
from tests.trading import a_fan, a_sale, records

FORM = {
    "title": "Anniversary", "kind": "percent", "value": "20", "max_discount": "15.00", "min_spend": "50", "budget": "",
    "stock": "500", "per_fan": "1", "ends_at": "2026-03-08T23:59", "valid_days": "",
}  # fmt: skip


async def given_offer(app: App, *, is_open: bool = True, **changes: object) -> Offer:
    told: dict[str, object] = {"title": "Anniversary", "kind": OfferKind.PERCENT, "value": 20, "currency": "CNY"}
    told |= {"budget_minor": 1_000_000}
    told |= {"stock": 500, "ends_at": app.clock().replace(year=2027), **changes}
    async with app.database.writing() as session:
        offer = await coupons.create(session, MEI, NewOffer(**told), now=app.clock())  # type: ignore[arg-type]  # by keyword
        if is_open:
            await coupons.activate(session, MEI, offer.id or 0, now=app.clock())
    return offer


async def given_coupon(app: App, offer: Offer) -> str:
    (fan,) = await given_fans(app, 1)
    async with app.database.writing() as session:
        claimed = await coupons.claim(session, offer, fan, claim_key="tap", zone=app.settings.zone, now=app.clock())
    return claimed.coupon.code


async def test_a_draft_is_read_exactly_and_told_in_one_sentence(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        saved = await operator.post("/offers", data=FORM)
        page = await operator.get(saved.headers["location"])

    async with app.database.reading() as session:
        offer = await session.one(select(Offer))
    assert (offer.value, offer.max_discount_minor, offer.min_spend_minor, offer.stock) == (20, 1500, 5000, 500)
    assert offer.ends_at.isoformat() == "2026-03-08T15:59:00+00:00"
    assert offer.state is OfferState.DRAFT
    sentence = "20 % off, at most ¥15.00, from ¥50.00, 500 pieces, one each, ends Mar 8, 2026, 23:59 (Asia/Shanghai)"
    assert sentence in " ".join(page.text.split())
    assert "¥7,500.00" in page.text


async def test_every_unreadable_field_is_named_and_nothing_is_lost(app: App) -> None:
    typed = {**FORM, "value": "a fifth", "min_spend": "12.345", "stock": "", "ends_at": "tomorrow"}

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/offers", data=typed)

    assert answer.status_code == 422
    assert "4 things are not right yet" in answer.text
    assert "12.345 has more digits than CNY knows" in answer.text
    assert 'value="a fifth"' in answer.text
    assert 'value="12.345"' in answer.text


async def test_what_the_domain_refuses_stands_at_its_field(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/offers", data={**FORM, "value": "120"})

    assert answer.status_code == 422
    assert 'href="#value"' in answer.text
    assert "must lie between 1 and 100" in answer.text


async def test_the_preview_warns_of_a_discount_without_a_limit(app: App) -> None:
    part = {"HX-Request-Type": "partial"}

    async with browser(app, Role.OPERATOR) as operator:
        capped = await operator.post("/offers/preview", data=FORM, headers=part)
        boundless = await operator.post("/offers/preview", data={**FORM, "max_discount": ""}, headers=part)
        unfinished = await operator.post("/offers/preview", data={"title": "x"}, headers=part)

    assert "¥7,500.00" in capped.text
    assert "No limit" in boundless.text
    assert "one sentence" in unfinished.text
    assert "<html" not in capped.text


async def test_an_offer_is_opened_paused_and_never_rewritten_once_open(app: App) -> None:
    offer = await given_offer(app, is_open=False)

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post(f"/offers/{offer.id}/activate")
        late = await operator.post(f"/offers/{offer.id}", data={**FORM, "title": "Something else"})
        page = await operator.get(late.headers["location"])
        await operator.post(f"/offers/{offer.id}/pause")

    async with app.database.reading() as session:
        after = await coupons.get_offer(session, offer.id or 0)
    assert "only a draft can be changed" in page.text
    assert (after.title, after.state) == ("Anniversary", OfferState.PAUSED)


async def test_handing_out_is_foreseen_then_done_once_for_one_look(app: App) -> None:
    await given_fans(app, 5)
    offer = await given_offer(app, stock=3)
    address = f"/offers/{offer.id}/issue"

    async with browser(app, Role.OPERATOR) as operator:
        look = await operator.get(address, params={"segment": SEGMENT})
        key = re.search(r'name="key" value="([^"]+)"', look.text)
        assert key
        answers = [await operator.post(address, data={"segment": SEGMENT, "key": key[1]}) for _ in range(2)]
        page = await operator.get(answers[0].headers["location"])

    async with app.database.reading() as session:
        codes = await session.all(select(Coupon.code))
        noted = await session.first(select(AuditEntry).where(AuditEntry.action == "offer.issued"))
    assert "Hand out 3 coupons" in look.text
    assert "The stock is too small for everybody" in look.text
    assert len(codes) == 3
    assert noted
    assert noted.details == {"issued": 3, "already": 0, "refused": 2}
    assert all(code in page.text for code in codes)


async def test_foreseeing_says_what_handing_out_then_does(app: App) -> None:
    fans = await given_fans(app, 4)
    offer = await given_offer(app, stock=3)
    async with app.database.writing() as session:
        await coupons.claim(session, offer, fans[0], claim_key="tap", zone=app.settings.zone, now=app.clock())

    async with app.database.writing() as session:
        audience = await segments.audience(session, SEGMENT)
        foreseen = await coupons.foresee(session, await coupons.get_offer(session, offer.id or 0), audience)
        ids = await session.all(audience)
    zone, clock = app.settings.zone, app.clock
    done = await coupons.hand_out(app.database, MEI, offer.id or 0, ids, key="k", zone=zone, clock=clock)

    assert foreseen == done == Issued(issued=2, already=1, refused=1)


async def test_a_coupon_is_redeemed_at_the_counter_once(app: App) -> None:
    code = await given_coupon(app, await given_offer(app))
    sale = {"code": code.lower(), "amount": "75.00", "key": "first"}

    async with browser(app, Role.OPERATOR) as operator:
        done = await operator.post("/offers/redeem", data=sale)
        page = await operator.get(done.headers["location"])
        twice = await operator.post("/offers/redeem", data=sale)
        again = await operator.post("/offers/redeem", data={**sale, "key": "second"})

    assert done.status_code == 303
    assert "¥60.00" in page.text
    assert "Redeemed." in page.text
    assert twice.status_code == 303
    assert again.status_code == 422
    assert "this coupon has been used already" in again.text


async def test_a_redemption_at_the_counter_can_be_taken_back(app: App) -> None:
    code = await given_coupon(app, await given_offer(app))

    async with browser(app, Role.OPERATOR) as operator:
        sold = await operator.post("/offers/redeem", data={"code": code, "amount": "75.00", "key": "first"})
        page = await operator.get(sold.headers["location"])
        (undo,) = set(re.findall(r"/offers/redeem/\d+/undo", page.text))
        undone = await operator.post(undo, data={"code": code})
        after = await operator.get(undone.headers["location"])
        again = await operator.post(undo, data={"code": code})
        refused = await operator.get(again.headers["location"])

    assert "Undone: the coupon can be used again." in after.text
    assert "/undo" not in after.text
    assert "this was undone already" in refused.text.lower()
    async with app.database.reading() as session:
        assert (await session.one(select(Offer))).redeemed == 0
        assert "coupon.undone" in await session.all(select(AuditEntry.action))


async def test_a_refusal_at_the_counter_keeps_what_was_typed(app: App) -> None:
    code = await given_coupon(app, await given_offer(app, min_spend_minor=10_000))

    async with browser(app, Role.OPERATOR) as operator:
        cheap = await operator.post("/offers/redeem", data={"code": code, "amount": "75", "key": "k"})
        unknown = await operator.post("/offers/redeem", data={"code": "NOSUCHCODE", "amount": "75", "key": "k"})
        unread = await operator.post("/offers/redeem", data={"code": code, "amount": "much", "key": "k"})

    assert "this coupon is good from" in cheap.text
    assert f'value="{code}"' in cheap.text
    assert 'value="75"' in cheap.text
    assert "there is no coupon with this code" in unknown.text
    assert "much is not an amount" in unread.text
    assert {cheap.status_code, unknown.status_code, unread.status_code} == {422}


async def test_only_looking_at_a_code_takes_nothing(app: App) -> None:
    code = await given_coupon(app, await given_offer(app))

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get("/offers/redeem", params={"code": code})

    async with app.database.reading() as session:
        offer = await session.one(select(Offer))
    assert "Fan 0" in page.text
    assert "claimed" in page.text
    assert offer.redeemed == 0


async def test_the_books_say_that_they_are_right_and_what_that_means(app: App) -> None:
    await given_coupon(app, await given_offer(app))

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get("/offers/books")

    assert "The books are right" in page.text
    assert "claimed ≤ stock" in page.text


async def test_the_books_page_names_every_check_of_the_command_in_both_languages(app: App) -> None:
    rules = [rule for room in purchases.RULES.values() for rule in room]

    async with browser(app, Role.VIEWER) as viewer:
        english = unescape((await viewer.get("/offers/books")).text)
        viewer.cookies.set("locale", "zh_CN")
        chinese = unescape((await viewer.get("/offers/books")).text)

    assert len(rules) == len(set(rules)) > 30
    assert [rule for rule in rules if f"<span>{rule}</span>" not in english] == []
    assert [rule for rule in rules if f"<span>{words('zh_CN').gettext(rule)}</span>" not in chinese] == []
    assert "claimed ≤ stock" not in chinese


async def test_a_breach_in_another_room_stands_on_the_books_page(app: App) -> None:
    fan = await a_fan(app)
    await records(app, a_sale(app, fan))
    async with app.database.writing() as session:
        await session.run(update(Purchase).values(refunded_minor=1))

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get("/offers/books")

    assert "1 promise does not hold" in page.text
    assert "<td>refunds = refunded ≤ paid</td>" in page.text
    assert "0 against 1" in page.text


async def test_the_segment_somebody_came_from_is_remembered_until_handing_out(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        form = await operator.get("/offers/new", params={"segment": SEGMENT})
        saved = await operator.post("/offers", data={**FORM, "segment": SEGMENT})

    assert f'name="segment" value="{SEGMENT}"' in form.text
    assert saved.headers["location"].endswith(f"?segment={SEGMENT}")


async def test_a_viewer_looks_and_changes_nothing(app: App) -> None:
    offer = await given_offer(app)

    async with browser(app, Role.VIEWER) as viewer:
        seen = [await viewer.get(path) for path in ("/offers", f"/offers/{offer.id}")]
        refused = [
            await viewer.post("/offers", data=FORM),
            await viewer.post(f"/offers/{offer.id}/pause"),
            await viewer.post(f"/offers/{offer.id}/issue", data={"segment": SEGMENT, "key": "k"}),
            await viewer.get("/offers/redeem"),
        ]

    assert [page.status_code for page in seen] == [200, 200]
    assert {answer.status_code for answer in refused} == {403}


async def test_a_draft_whose_cost_nobody_can_say_is_refused_at_its_field(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        refused = await operator.post("/offers", data={**FORM, "max_discount": ""})
        with_budget = await operator.post("/offers", data={**FORM, "max_discount": "", "budget": "500"})

    assert refused.status_code == 422
    assert 'href="#budget"' in refused.text
    assert "say what it may cost at the most" in refused.text
    assert with_budget.status_code == 303


async def test_every_term_is_kept_and_told_back(app: App) -> None:
    terms = {
        "value": "12.5", "products": "oolong, puer", "categories": "ware", "daily_cap": "20", "stack_group": "spring",
        "shared_code": "Spring", "holdout": "10",
    }  # fmt: skip

    async with browser(app, Role.OPERATOR) as operator:
        saved = await operator.post("/offers", data={**FORM, **terms})
        page = await operator.get(saved.headers["location"])
        form = await operator.get(f"{saved.headers['location']}/edit")

    async with app.database.reading() as session:
        offer = await session.one(select(Offer))
    assert (offer.basis_points, offer.products, offer.categories) == (1250, ["oolong", "puer"], ["ware"])
    assert (offer.daily_cap, offer.stack_group, offer.shared_code, offer.holdout_percent) == (
        20,
        "spring",
        "SPRING",
        10,
    )
    assert "12.5 % off, at most ¥15.00, from ¥50.00, only for oolong · puer · ware, 500 pieces, one each, 20 a day" in (
        " ".join(page.text.split())
    )
    assert 'value="12.5"' in form.text


async def test_codes_are_printed_imported_and_taken_along(app: App) -> None:
    offer = await given_offer(app, stock=5)
    address = f"/offers/{offer.id}"
    file = {"file": ("codes.csv", b"code\nPARTNER01\nbad!\n", "text/csv")}

    async with browser(app, Role.OPERATOR) as operator:
        await operator.post(f"{address}/codes", data={"number": "3"})
        imported = await operator.post(f"{address}/codes/import", files=file)
        page = await operator.get(imported.headers["location"])
        too_many = await operator.post(f"{address}/codes", data={"number": "2"})
        refused = await operator.get(too_many.headers["location"])
        taken_along = await operator.get(f"{address}/codes.csv")

    assert "1 codes added, 0 were there already. Not taken: lines 3." in page.text
    assert "there would be more codes than pieces" in refused.text.lower()
    assert len(taken_along.text.splitlines()) == 5
    assert "PARTNER01," in taken_along.text
    assert "attachment" in taken_along.headers["content-disposition"]


async def test_all_offers_are_paused_at_once_and_unused_coupons_taken_back(app: App) -> None:
    offer = await given_offer(app)
    code = await given_coupon(app, offer)

    async with browser(app, Role.OPERATOR) as operator:
        listed = await operator.get("/offers")
        await operator.post("/offers/pause")
        page = await operator.get(f"/offers/{offer.id}")
        await operator.post(f"/offers/{offer.id}/revoke")
        after = await operator.post("/offers/redeem", data={"code": code, "amount": "75", "key": "k"})

    assert "Pause every open offer?" in listed.text
    assert "Take back 1 unused coupon?" in page.text
    assert "this coupon was withdrawn" in after.text


async def test_a_viewer_pulls_no_switch(app: App) -> None:
    offer = await given_offer(app)

    async with browser(app, Role.VIEWER) as viewer:
        answers = [
            await viewer.post(path)
            for path in ("/offers/pause", f"/offers/{offer.id}/revoke", f"/offers/{offer.id}/codes")
        ]
        answers.append(await viewer.get(f"/offers/{offer.id}/codes.csv"))

    assert {answer.status_code for answer in answers} == {403}
