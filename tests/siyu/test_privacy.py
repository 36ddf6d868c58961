"""A fan sees what is kept, is forgotten at their wish, and is brought back by nobody else."""

import json
from base64 import b64decode

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from siyu import conversations, fans, privacy
from siyu.app import App
from siyu.segments import recompute
from siyu.tables import (
    AuditEntry,
    Coupon,
    CouponState,
    Delivery,
    DeliveryState,
    Fan,
    FanLevel,
    Interaction,
    LevelSize,
    Purchase,
    Role,
    metadata,
)
from siyu.transfer.facts import take_interactions, take_purchases
from siyu.transfer.people import take_fans
from siyu.transfer.rows import FanRow, InteractionRow, PurchaseRow, Verdict
from tests.bot.chatting import Phone, of, presses
from tests.bot.test_chat_wallet import hire
from tests.broadcasting import composed
from tests.clocks import FakeClock
from tests.people import given_tags, given_values
from tests.trading import BOSS, a_product, a_sale, an_offer, breaches, claims, is_allowed, opens, records


async def a_life(app: App, phone: Phone) -> Fan:
    """Somebody with something in every room."""
    await phone.write("/start poster-7")
    await phone.write("my knee hurts, and my name is Mei Ling")
    mei = await phone.fan()
    await given_tags(app, mei, "vip")
    await given_values(app, mei, city="Hangzhou")
    await claims(app, await an_offer(app), mei)
    await records(app, a_sale(app, mei))
    return mei


async def forgets(app: App, phone: Phone) -> str:
    """Send /forgetme and press yes; the last words."""
    asked = of(await phone.write("/forgetme"), "sendMessage")
    yes = next(data for data in presses(asked) if data.startswith("e:yes"))
    return str(of(await phone.press(yes), "editMessageText")["text"])


async def everything_about(app: App, words: str) -> list[str]:
    """Tables in which these words stand."""
    found = []
    async with app.database.reading() as session:
        for table in metadata.sorted_tables:
            rows = await session.rows(table.select())
            if any(words in str(value) for row in rows for value in row):
                found.append(table.name)
    return found


async def settled(app: App) -> None:
    await recompute(app.database, zone=app.settings.zone, currency=app.settings.currency, now=app.clock())


def test_every_table_about_fans_says_what_becomes_of_it() -> None:
    about = {table.name for table in metadata.tables.values() if list(privacy.people_in(table))}

    assert about == {*privacy.PERSONAL, *privacy.KEPT_WITHOUT_A_NAME}


async def test_a_fan_reads_what_is_kept_and_gets_every_row(app: App) -> None:
    phone = Phone(app, name="Mei <3")
    await a_life(app, phone)

    sent = of(await phone.write("/mydata"), "sendDocument")

    rows = json.loads(b64decode(sent["document"]["base64"]))
    assert sent["document"]["file"] == "my-data.json"
    assert "Mei &lt;3" in sent["caption"]
    assert "city: Hangzhou" in sent["caption"]
    assert rows["fan"][0]["telegram_id"] == 501
    assert rows["conversation_line"][0]["text"] == "my knee hurts, and my name is Mei Ling"
    assert [row["amount_minor"] for row in rows["purchase"]] == [1990]
    assert {"interaction", "fan_tag", "fan_attribute", "coupon"} <= rows.keys()


async def test_nobody_elses_rows_are_in_it(app: App) -> None:
    mei, bo = Phone(app, 501, name="Mei"), Phone(app, 502, name="Bo")
    await a_life(app, mei)
    await bo.write("/start")
    await bo.write("Bo's own secret")

    sent = of(await mei.write("/mydata"), "sendDocument")

    assert "secret" not in b64decode(sent["document"]["base64"]).decode()


async def test_whoever_is_forgotten_is_nowhere_any_more_and_the_books_still_add_up(app: App) -> None:
    phone = Phone(app, 8_123_456_789, name="Mei-Unmistakable")
    mei = await a_life(app, phone)
    await settled(app)

    told = await forgets(app, phone)
    await settled(app)

    assert "we have forgotten you" in told
    # What is on its way to the fan just now, and the press it answers, go with the next pruning.
    assert set(await everything_about(app, "Mei-Unmistakable")) <= {"inbox"}
    assert set(await everything_about(app, "8123456789")) <= {"inbox", "outbox"}
    for words in ("my knee hurts", "Hangzhou", "poster-7"):
        assert await everything_about(app, words) == [], words
    assert await breaches(app) == []
    async with app.database.reading() as session:
        assert await session.one(select(func.sum(col(Purchase.amount_minor)))) == 1990
        assert await session.all(select(Coupon.state).where(Coupon.fan_id == mei.id)) == [CouponState.REVOKED]
        assert (await fans.list_fans(session)).items == []


async def test_copies_of_their_words_for_people_who_work_here_go_too(app: App) -> None:
    staff, phone = Phone(app, 900), Phone(app)
    await staff.write("/start")
    operator = await hire(app, staff)
    async with app.database.writing() as session:
        await conversations.want_notices(session, BOSS, operator.id or 0, wanted=True, now=app.clock())
    await a_life(app, phone)
    shown = await everything_about(app, "my knee hurts")

    await forgets(app, phone)

    assert "outbox" in shown
    assert await everything_about(app, "my knee hurts") == []


async def test_levels_and_sizes_agree_with_a_full_count_after_it(app: App) -> None:
    phone = Phone(app)
    mei = await a_life(app, phone)
    await settled(app)
    await forgets(app, phone)
    await settled(app)

    async with app.database.reading() as session:
        level = await session.one(
            select(FanLevel.level).where(FanLevel.fan_id == mei.id, FanLevel.dimension == "interaction_frequency")
        )
        sizes = await session.rows(
            select(LevelSize.level, LevelSize.size, LevelSize.reachable).where(
                LevelSize.dimension == "interaction_frequency", LevelSize.size > 0
            )
        )
    assert level == "none"
    assert list(map(tuple, sizes)) == [("none", 1, 0)]
    again = await recompute(
        app.database, zone=app.settings.zone, currency=app.settings.currency, now=app.clock(), mode="full"
    )
    assert again.changed == 0


async def test_a_broadcast_that_waits_skips_them_and_its_rows_still_add_up(app: App) -> None:
    phone = Phone(app)
    mei = await a_life(app, phone)
    broadcast = await composed(app)
    async with app.database.writing() as session:
        session.add(Delivery(broadcast_id=broadcast.id or 0, fan_id=mei.id or 0))

    await forgets(app, phone)

    async with app.database.reading() as session:
        line = (await session.all(select(Delivery)))[0]
    assert (line.state, line.reason) == (DeliveryState.SKIPPED, "gone")


async def test_no_file_and_no_program_brings_them_back(app: App) -> None:
    phone = Phone(app)
    await a_life(app, phone)
    await forgets(app, phone)
    now, zone = app.clock(), app.settings.zone

    async with app.database.writing() as session:
        people = [FanRow(telegram_id=501, name="Mei"), FanRow(telegram_id=777, name="Bo", referred_by=501)]
        as_fans = await take_fans(session, BOSS, people, zone=zone, now=now)
        bought = PurchaseRow(
            source="shop", external_id="s-1", telegram_id=501, amount_minor=100, currency="CNY", purchased_at=now
        )
        as_buyers = await take_purchases(
            session, [bought, bought.model_copy(update={"telegram_id": 777})], zone=zone, now=now
        )
        did = InteractionRow(source="shop", external_id="i-1", telegram_id=501, kind="visit", at=now)
        as_visitors = await take_interactions(
            session, [did, did.model_copy(update={"telegram_id": 777})], zone=zone, now=now
        )

    for rulings in (as_fans, as_buyers, as_visitors):
        assert [ruling.verdict for ruling in rulings] == [Verdict.REJECTED, Verdict.CREATED]
        assert "asked to be forgotten" in rulings[0].sentence
    async with app.database.reading() as session:
        assert await fans.find_fan(session, 501) is None


async def test_who_comes_back_by_themselves_is_somebody_new(app: App) -> None:
    phone = Phone(app)
    before = await a_life(app, phone)
    await forgets(app, phone)

    hello = of(await phone.write("/start"), "sendMessage")
    mei = await phone.fan()
    async with app.database.writing() as session:
        ruling = await take_fans(
            session, BOSS, [FanRow(telegram_id=501, name="Mei")], zone=app.settings.zone, now=app.clock()
        )

    assert "good to have you here" in hello["text"]
    assert mei.id != before.id
    assert ruling[0].verdict is not Verdict.REJECTED


async def test_a_payment_under_way_comes_first(app: App) -> None:
    phone = Phone(app)
    mei = await a_life(app, phone)
    await a_product(app)
    invoice = await opens(app, mei)
    await is_allowed(app, mei, invoice.payload, invoice.total.minor)

    refused = of(await phone.write("/forgetme"), "sendMessage")

    assert "A payment of yours is under way" in refused["text"]


async def test_the_question_grows_old_and_no_changes_nothing(app: App, clock: FakeClock) -> None:
    phone = Phone(app)
    await a_life(app, phone)
    asked = of(await phone.write("/forgetme"), "sendMessage")
    yes, no = presses(asked)

    stays = of(await phone.press(no), "editMessageText")
    clock.pass_(minutes=11)
    late = of(await phone.press(yes), "answerCallbackQuery")

    assert "Everything stays" in stays["text"]
    assert "too old" in late["text"]
    assert (await phone.fan()).name == "Mei"


async def test_two_taps_on_yes_forget_once(app: App) -> None:
    phone = Phone(app)
    await a_life(app, phone)
    yes, _no = presses(of(await phone.write("/forgetme"), "sendMessage"))

    await phone.press(yes)
    again = await phone.press(yes)

    # The second tap comes from somebody we do not know any more; what is forgotten is that tap.
    assert "we have forgotten you" in of(again, "editMessageText")["text"]
    async with app.database.reading() as session:
        assert await fans.find_fan(session, 501) is None
        assert await session.all(select(Interaction)) == []


async def test_somebody_who_works_here_is_not_forgotten_by_a_tap(app: App) -> None:
    phone = Phone(app)
    await phone.write("/start")
    await hire(app, phone, Role.OPERATOR)

    refused = of(await phone.write("/forgetme"), "sendMessage")

    assert "works here" in refused["text"]


async def test_the_audit_tells_that_it_was_done_and_not_to_whom(app: App) -> None:
    phone = Phone(app)
    mei = await a_life(app, phone)

    async with app.database.writing() as session:
        await privacy.forget(session, BOSS, await fans.get_fan(session, 501), now=app.clock())

    async with app.database.reading() as session:
        lines = await session.all(select(AuditEntry).where(AuditEntry.subject_kind == "fan"))
    assert [line.subject for line in lines] == [str(-(mei.id or 0))] * len(lines)
    assert [line.action for line in lines][-1] == "fan.forgotten"
    assert all(not line.details for line in lines)


async def test_half_an_erasure_is_none(app: App) -> None:
    phone = Phone(app)
    mei = await a_life(app, phone)

    with pytest.raises(RuntimeError, match="power"):
        async with app.database.writing() as session:
            await privacy.forget(session, BOSS, await fans.get_fan(session, 501), now=app.clock())
            raise RuntimeError("the power goes")

    assert (await phone.fan()).name == mei.name
    assert await phone.deeds()
