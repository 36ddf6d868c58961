"""CSV files come in: every row gets a ruling, the good ones are kept, and repeating changes nothing."""

import io
from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete
from sqlmodel import col, select

from siyu import attributes, audit, fans, tags
from siyu.app import App
from siyu.attributes import NewAttribute
from siyu.audit import COMMAND_LINE
from siyu.kit.errors import Invalid
from siyu.tables import DirtyDay, Fan, FanAttribute, FanTag, Interaction, Purchase, PurchaseItem, Reach, Referral
from siyu.tags import NewTag
from siyu.transfer.importing import Kind, Setting, bring_in, check_source, open_sheet
from siyu.transfer.rehearsal import rehearsal
from siyu.transfer.rows import Verdict
from siyu.transfer.sheets import Ruled
from tests.people import given_fan


async def _import(app: App, kind: Kind, text: str | bytes, *, dry_run: bool = False) -> list[Ruled]:
    file = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    sheet = open_sheet(file, kind)
    setting = Setting("shop", app.settings.zone, "CNY", app.clock())
    if not dry_run:
        return [row async for rows in bring_in(sheet, kind, app.database.writing, setting) for row in rows]
    async with rehearsal(app.database) as transactions:
        return [row async for rows in bring_in(sheet, kind, transactions, setting) for row in rows]


def _verdicts(ruled: list[Ruled]) -> dict[int, Verdict]:
    return {row.line: row.ruling.verdict for row in ruled}


FANS = """telegram_id,name,username,joined_at,referred_by,tags,city
1,Mei,@mei,2026-01-05T10:00:00,,vip;early,杭州
2,"Lin, the second",,2026-01-06,1,,
"""


async def test_fans_come_in_with_tags_attributes_and_who_brought_them(app: App) -> None:
    ruled = await _import(app, Kind.FANS, FANS)

    assert set(_verdicts(ruled).values()) == {Verdict.CREATED}
    async with app.database.reading() as session:
        mei, lin = await session.all(select(Fan).order_by(col(Fan.telegram_id)))
        tags = await session.all(select(FanTag.tag).order_by(col(FanTag.tag)))
        attributes = await session.rows(select(FanAttribute.name, FanAttribute.value))
        edge = await session.one(select(Referral))
    assert (mei.name, mei.username, mei.reach) == ("Mei", "mei", Reach.IMPORTED)
    assert mei.joined_at == datetime(2026, 1, 5, 2, tzinfo=UTC)
    assert lin.name == "Lin, the second"
    assert list(tags) == ["early", "vip"]
    assert [tuple(row) for row in attributes] == [("city", "杭州")]
    assert (edge.referrer_id, edge.referee_id) == (mei.id, lin.id)


async def test_the_same_file_again_changes_nothing_and_says_so(app: App) -> None:
    await _import(app, Kind.FANS, FANS)

    again = await _import(app, Kind.FANS, FANS)

    assert set(_verdicts(again).values()) == {Verdict.DUPLICATE}


async def test_a_changed_fan_is_updated_and_keeps_what_the_file_leaves_out(app: App) -> None:
    await _import(app, Kind.FANS, FANS)

    ruled = await _import(app, Kind.FANS, "telegram_id,name,city,shoe\n1,Mei,,42\n2,Lin,,\n")

    assert _verdicts(ruled) == {2: Verdict.UPDATED, 3: Verdict.UPDATED}
    async with app.database.reading() as session:
        attributes = await session.rows(select(FanAttribute.name, FanAttribute.value).order_by(col(FanAttribute.name)))
        names = await session.all(select(Fan.name).order_by(col(Fan.telegram_id)))
    assert [tuple(row) for row in attributes] == [("city", "杭州"), ("shoe", "42")]
    assert list(names) == ["Mei", "Lin"]


async def test_a_referrer_who_comes_later_in_the_file_or_not_at_all_still_comes_first(app: App) -> None:
    ruled = await _import(app, Kind.FANS, "telegram_id,name,referred_by\n3,C,2\n2,B,1\n9,Z,77\n1,A,\n")

    assert [row.ruling.verdict for row in ruled] == [Verdict.CREATED] * 4
    async with app.database.reading() as session:
        assert len(await session.all(select(Referral))) == 3
        stranger = await session.one(select(Fan).where(Fan.telegram_id == 77))
    assert stranger.name == "77"


REFERRALS = [
    ("1,A,1", "themselves"),
    ("5,E,1", "by themselves"),
]


@pytest.mark.parametrize(("row", "said"), REFERRALS)
async def test_a_referral_that_cannot_be_is_rejected_with_the_reason(app: App, row: str, said: str) -> None:
    await given_fan(app, 1)
    await given_fan(app, 5)

    [ruled] = await _import(app, Kind.FANS, f"telegram_id,name,referred_by\n{row}\n")

    assert ruled.ruling.verdict is Verdict.REJECTED
    assert ruled.ruling.column == "referred_by"
    assert said in ruled.ruling.sentence


async def test_an_import_never_overwrites_that_a_fan_talks_to_the_bot(app: App) -> None:
    before = await given_fan(app, 7, name="Mei", source="s_X", source_channel="search")

    await _import(app, Kind.FANS, "telegram_id,name,source_channel,joined_at\n7,Mei Lin,ads,2020-01-01\n")

    async with app.database.reading() as session:
        after = await session.one(select(Fan))
    assert after.name == "Mei Lin"
    assert (after.reach, after.source_channel, after.joined_at) == (Reach.REACHABLE, "search", before.joined_at)


PURCHASES = """external_id,telegram_id,purchased_at,amount,sku,product,quantity,coupon_code
A1,7,2026-03-01T12:00:00,19.90,T1,Tea,2,
A1,7,2026-03-01T12:00:00,5.10,C1,Cup,1,
A2,8,2026-02-01T12:00:00Z,100,,,,
A1,7,2026-03-01T12:00:00,1.00,B1,Bag,1,
"""


async def test_rows_of_one_id_are_the_lines_of_one_purchase_wherever_they_stand(app: App) -> None:
    ruled = await _import(app, Kind.PURCHASES, PURCHASES)
    again = await _import(app, Kind.PURCHASES, PURCHASES)

    assert _verdicts(ruled) == dict.fromkeys(range(2, 6), Verdict.CREATED)
    assert _verdicts(again) == dict.fromkeys(range(2, 6), Verdict.DUPLICATE)
    async with app.database.reading() as session:
        purchases = {purchase.external_id: purchase for purchase in await session.all(select(Purchase))}
        lines = await session.all(select(PurchaseItem).order_by(col(PurchaseItem.line)))
    assert (purchases["A1"].amount_minor, purchases["A1"].source) == (2600, "shop")
    assert [(line.sku, line.amount_minor) for line in lines] == [("T1", 1990), ("C1", 510), ("B1", 100)]
    assert purchases["A2"].amount_minor == 10000


async def test_a_fan_known_from_purchases_joined_with_the_earliest(app: App) -> None:
    await _import(
        app, Kind.PURCHASES, "external_id,telegram_id,purchased_at,amount\nA,7,2026-02-01,1\nB,7,2026-01-01,1\n"
    )
    await _import(app, Kind.INTERACTIONS, "external_id,telegram_id,at,kind\nI,7,2025-12-01T08:00:00,view\n")

    async with app.database.reading() as session:
        fan = await session.one(select(Fan))
    assert fan.reach is Reach.IMPORTED
    assert fan.joined_at == datetime(2025, 12, 1, 0, tzinfo=UTC)


MISTAKES = [
    ("A1,7,2026-03-01,19.905,CNY,paid", "amount", "more digits"),
    ("A1,7,2026-03-01,19.90,JPY,paid", "amount", "more digits"),
    ("A1,7,2026-03-01,1e400,CNY,paid", "amount", "10,000,000"),
    ("A1,7,2026-03-01,NaN,CNY,paid", "amount", "not an amount"),
    ("A1,7,2026-03-01,-5,CNY,paid", "amount", "between"),
    ("A1,7,2026-03-01,,CNY,paid", "amount", "empty"),
    ("A1,7,2026-03-01,5,YUAN,paid", "currency", "not a currency"),
    ("A1,seven,2026-03-01,5,CNY,paid", "telegram_id", "whole number"),
    ("A1,-7,2026-03-01,5,CNY,paid", "telegram_id", "greater"),
    ("A1,7,01.03.2026,5,CNY,paid", "purchased_at", "ISO 8601"),
    ("A1,7,0001-01-01,5,CNY,paid", "purchased_at", "years"),
    (",7,2026-03-01,5,CNY,paid", "external_id", "empty"),
    ("A1,7,2026-03-01,5,CNY,pending", "status", "neither"),
    ("A1,7,2026-03-01,5,CNY", "", "5 cells where the header has 6"),
    ("A1,7,2026-03-01,5,CNY,paid,extra", "", "7 cells where the header has 6"),
]


@pytest.mark.parametrize(("row", "column", "said"), MISTAKES)
async def test_a_bad_row_is_named_with_its_column_and_the_good_ones_are_kept(
    app: App, row: str, column: str, said: str
) -> None:
    header = "external_id,telegram_id,purchased_at,amount,currency,status"

    ruled = await _import(app, Kind.PURCHASES, f"{header}\nG1,7,2026-03-01,1,CNY,\n{row}\nG2,7,2026-03-01,1,CNY,\n")

    by_line = {found.line: found.ruling for found in ruled}
    assert [by_line[line].verdict for line in (2, 3, 4)] == [Verdict.CREATED, Verdict.REJECTED, Verdict.CREATED]
    assert by_line[3].column == column
    assert said in by_line[3].sentence


async def test_one_bad_line_takes_its_purchase_out_whole(app: App) -> None:
    text = (
        "external_id,telegram_id,purchased_at,amount,sku\nA,7,2026-03-01,1,T\nA,8,2026-03-01,1,C\nB,7,2026-03-01,1,\n"
    )

    ruled = {row.line: row.ruling for row in await _import(app, Kind.PURCHASES, text)}

    assert [ruled[line].verdict for line in (2, 3, 4)] == [Verdict.REJECTED, Verdict.REJECTED, Verdict.CREATED]
    assert ruled[3].column == "telegram_id"
    assert "row 3" in ruled[2].sentence


async def test_the_same_id_with_another_content_is_a_conflict_and_changes_nothing(app: App) -> None:
    header = "external_id,telegram_id,purchased_at,amount\n"
    await _import(app, Kind.PURCHASES, header + "A,7,2026-03-01,1\n")

    ruled = await _import(app, Kind.PURCHASES, header + "A,7,2026-03-01,2\n")

    assert _verdicts(ruled) == {2: Verdict.CONFLICT}
    async with app.database.reading() as session:
        assert await session.one(select(Purchase.amount_minor)) == 100


async def test_a_purchase_that_the_file_calls_refunded_later_is_given_back_once(app: App) -> None:
    header = "external_id,telegram_id,purchased_at,amount,status\n"
    await _import(app, Kind.PURCHASES, header + "A,7,2026-03-01,1,paid\n")

    refunded = await _import(app, Kind.PURCHASES, header + "A,7,2026-03-01,1,refunded\n")
    again = await _import(app, Kind.PURCHASES, header + "A,7,2026-03-01,1,refunded\n")

    assert _verdicts(refunded) == {2: Verdict.UPDATED}
    assert _verdicts(again) == {2: Verdict.DUPLICATE}
    async with app.database.reading() as session:
        assert await session.one(select(Purchase.refunded_minor)) == 100


async def test_interactions_come_in_once(app: App) -> None:
    text = (
        "external_id,telegram_id,at,kind,detail,browser\nI1,7,2026-03-01T12:00:00,view,T1,x\nI2,7,2026-03-01,Buy!,,\n"
    )

    first = _verdicts(await _import(app, Kind.INTERACTIONS, text))
    again = _verdicts(await _import(app, Kind.INTERACTIONS, text))

    assert first == {2: Verdict.CREATED, 3: Verdict.REJECTED}
    assert again == {2: Verdict.DUPLICATE, 3: Verdict.REJECTED}
    async with app.database.reading() as session:
        assert (await session.one(select(Interaction))).detail == "T1"


async def test_a_byte_order_mark_windows_lines_quotes_and_blank_lines_do_no_harm(app: App) -> None:
    text = '\ufefftelegram_id,name\r\n\r\n1,"Mei ""M"" Lin"\r\n,\r\n2,"two\r\nlines"\r\n'.encode()

    ruled = await _import(app, Kind.FANS, text)

    assert _verdicts(ruled) == {3: Verdict.CREATED, 5: Verdict.CREATED}
    async with app.database.reading() as session:
        names = await session.all(select(Fan.name).order_by(col(Fan.telegram_id)))
    assert list(names) == ['Mei "M" Lin', "two\r\nlines"]


async def test_an_open_quote_costs_its_own_row_and_no_other(app: App) -> None:
    rows = "".join(f"{number},Fan {number}\n" for number in range(3, 40))

    ruled = await _import(app, Kind.FANS, f'telegram_id,name\n1,Mei\n2,"Lin\n{rows}')

    verdicts = _verdicts(ruled)
    assert verdicts.pop(3) is Verdict.REJECTED
    assert set(verdicts.values()) == {Verdict.CREATED}
    assert len(verdicts) == 38


async def test_a_row_in_another_encoding_is_rejected_and_the_others_are_kept(app: App) -> None:
    ruled = await _import(app, Kind.FANS, b"telegram_id,name\n1,Mei\n2," + "林".encode("gbk") + b"\n3,\x00\n")

    assert _verdicts(ruled) == {2: Verdict.CREATED, 3: Verdict.REJECTED, 4: Verdict.REJECTED}
    assert "UTF-8" in ruled[1].ruling.sentence


UNREADABLE = [
    (b"", "no header"),
    (b"\n\n", "no header"),
    (b"1,Mei\n", "lacks telegram_id, name"),
    (b"telegram_id;name\n1;Mei\n", "separated by commas"),
    (b"telegram_id,name,name\n1,a,b\n", "more than once"),
    ("telegram_id,name\n1,Mei\n".encode("utf-16"), "UTF-16"),
    (b"telegram_id,name,\xc1\xd6\n", "not UTF-8"),
]


@pytest.mark.parametrize(("content", "said"), UNREADABLE)
def test_a_file_without_a_usable_header_is_refused_in_clear_words(content: bytes, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        open_sheet(io.BytesIO(content), Kind.FANS)

    assert said in str(refused.value)


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_rehearsal_says_the_same_and_writes_nothing(app: App, kind: Kind) -> None:
    text = {
        Kind.FANS: FANS + "x,Bad,,,,,\n1,Mei,,,,,\n",
        Kind.PURCHASES: PURCHASES + "A2,8,2026-02-01T12:00:00Z,7,,,,\nA9,x,2026-02-01,1,,,,\n",
        Kind.INTERACTIONS: "external_id,telegram_id,at,kind\nI,7,2026-03-01,view\nI,7,2026-03-01,press\n",
    }[kind]

    rehearsed = await _import(app, kind, text, dry_run=True)
    async with app.database.reading() as session:
        nothing = await session.all(select(Fan))
    done = await _import(app, kind, text)

    assert list(nothing) == []
    assert rehearsed == done
    assert len(Counter(row.ruling.verdict for row in done)) > 1


async def test_more_rows_than_one_transaction_takes_all_come_in(app: App) -> None:
    rows = "".join(f"P{number},{number % 50 + 1},2026-03-01,1.00\n" for number in range(2500))

    ruled = await _import(app, Kind.PURCHASES, f"external_id,telegram_id,purchased_at,amount\n{rows}")

    assert Counter(row.ruling.verdict for row in ruled) == {Verdict.CREATED: 2500}
    async with app.database.reading() as session:
        assert len(await session.all(select(Fan))) == 50


@pytest.mark.parametrize("name", ["telegram", "staff", "siyu"])
def test_no_file_can_pass_for_our_own_facts(name: str) -> None:
    with pytest.raises(Invalid):
        check_source(name)


GRADED = "telegram_id,name,tags,age\n"


async def test_tags_and_values_of_a_file_follow_the_rules_of_the_house(app: App) -> None:
    await _define(app)

    ruled = await _import(app, Kind.FANS, f"{GRADED}1,Mei,gold;early;silver,30.0\n2,Lin,silver,\n")
    again = await _import(app, Kind.FANS, f"{GRADED}1,Mei,gold;early;silver,30.0\n2,Lin,silver,\n")
    moved = await _import(app, Kind.FANS, f"{GRADED}2,Lin,gold,\n")

    assert set(_verdicts(ruled).values()) == {Verdict.CREATED}
    assert set(_verdicts(again).values()) == {Verdict.DUPLICATE}
    assert set(_verdicts(moved).values()) == {Verdict.UPDATED}
    async with app.database.reading() as session:
        mei, lin = await session.all(select(Fan).order_by(col(Fan.telegram_id)))
        hung = [[tag.word for tag in await tags.tags_of(session, fan.id or 0)] for fan in (mei, lin)]
        lines = (await audit.entries(session, subject=("fan", "2"))).items
        assert await fans.attributes_of(session, mei.id or 0) == {"age": "30"}
    assert hung == [["early", "silver"], ["gold"]]
    assert [(line.actor, line.details) for line in lines] == [("cli", {"tag": "silver", "instead": "gold"})]


REFUSED = [
    ("1,Mei,,thirty", "age", "“thirty” is not a number"),
    ("1,Mei,,2026-03-04", "age", "is not a number"),
    (f"1,Mei,{'x' * 41},30", "tags", "a tag has 1 to 40 characters"),
]


@pytest.mark.parametrize(("row", "column", "said"), REFUSED)
async def test_a_row_whose_value_or_tag_does_not_fit_is_rejected_alone(
    app: App, row: str, column: str, said: str
) -> None:
    await _define(app)

    bad, good = await _import(app, Kind.FANS, f"{GRADED}{row}\n2,Lin,,40\n")

    assert (bad.ruling.verdict, bad.ruling.column) == (Verdict.REJECTED, column)
    assert said in bad.ruling.sentence
    assert good.ruling.verdict is Verdict.CREATED
    async with app.database.reading() as session:
        assert await session.all(select(Fan.telegram_id)) == [2]


async def test_tags_and_values_of_a_file_are_looked_at_again(app: App) -> None:
    fan = await given_fan(app, 1, name="Mei")
    seen = []
    for row in ("1,Mei,vip,", "1,Mei,vip,", "1,Mei,,30", "1,Mei,,30"):
        async with app.database.writing() as session:
            await session.run(delete(DirtyDay))
        await _import(app, Kind.FANS, f"{GRADED}{row}\n")
        async with app.database.reading() as session:
            seen.append(list(await session.all(select(DirtyDay.fan_id))))

    assert seen == [[fan.id], [], [fan.id], []]


async def _define(app: App) -> None:
    """A grade of which a fan has one, and an age that is a number."""
    async with app.database.writing() as session:
        group = await tags.create_group(session, COMMAND_LINE, "Grade", exclusive=True, now=app.clock())
        for word in ("gold", "silver"):
            await tags.create_tag(session, COMMAND_LINE, NewTag(word, group_id=group.id), now=app.clock())
        await attributes.define_attribute(session, COMMAND_LINE, NewAttribute("age", "number"), now=app.clock())
