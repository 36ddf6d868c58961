"""Facts go out as CSV: nothing runs in a spreadsheet, and what went out can come in again."""

import csv
import io
import os
from pathlib import Path

import pytest

from siyu import segments
from siyu.app import App
from siyu.kit.errors import Invalid, NotFound
from siyu.transfer.cells import cell, uncell
from siyu.transfer.exporting import spread, take_out, write
from siyu.transfer.importing import Kind, Setting, bring_in, open_sheet
from siyu.transfer.rows import Verdict
from tests.broadcasting import given_fans
from tests.ledgers import buys, given_broadcast, given_rows, presses
from tests.people import given_fan
from tests.siyu.test_transfer_import import FANS, PURCHASES, _import

DANGEROUS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\x00=1", " =1", "   +1", "\u00a0=1", "\ufeff=1",
    "＝1", "＋1", "－1", "＠x", "\u3000=1", " \t @x", "'=1", "''=1", "\tx", "\rx", "\nx", "-", "=",
]  # fmt: skip
HARMLESS = ["", "Mei", "林", "1-1", "a=b", "mei@example.org", "'tis", "7", "0.5", "#1", "&x", "|x", "%x"]


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_cell_that_would_run_becomes_text_and_comes_back_as_it_was(text: str) -> None:
    assert cell(text).startswith("'")
    assert "\x00" not in cell(text)
    assert uncell(cell(text)) == text.replace("\x00", "")


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_cell_stays_as_it_is(text: str) -> None:
    assert cell(text) == text
    assert uncell(text) == text


def test_numbers_are_numbers_and_nothing_is_nothing() -> None:
    assert [cell(-5), cell(0), cell(None)] == ["-5", "0", ""]


@pytest.mark.parametrize(
    ("total", "shares", "expected"),
    [
        (100, [60, 40], [60, 40]),
        (90, [60, 40], [54, 36]),
        (10, [1, 1, 1], [3, 3, 4]),
        (5, [0, 0], [5, 0]),
        (0, [3, 3], [0, 0]),
        (7, [], []),
    ],
)
def test_a_discount_is_spread_over_lines_and_nothing_is_lost(
    total: int, shares: list[int], expected: list[int]
) -> None:
    assert spread(total, shares) == expected


async def _taken(app: App, what: str, key: str = "") -> str:
    stream = io.StringIO()
    async with app.database.reading() as session:
        await write(take_out(session, what, key, zone=app.settings.zone), stream)
    return stream.getvalue()


@pytest.mark.parametrize(("kind", "text"), [(Kind.FANS, FANS), (Kind.PURCHASES, PURCHASES)])
async def test_what_went_out_comes_in_again_as_nothing_new(app: App, kind: Kind, text: str) -> None:
    await _import(app, kind, text)

    again = await _import(app, kind, await _taken(app, kind.value))

    assert {row.ruling.verdict for row in again} == {Verdict.DUPLICATE}


async def test_hostile_names_do_no_harm_in_a_spreadsheet_and_survive_the_round_trip(app: App) -> None:
    hostile = ["=cmd|'/c calc'!A1", "＝1＋1", "-2", "@x", "'=quoted", 'a"b,c\nd']
    for number, name in enumerate(hostile, start=1):
        await given_fan(app, number, name=name, talks=False)

    taken = await _taken(app, "fans")
    again = await _import(app, Kind.FANS, taken)

    names = [row["name"] for row in csv.DictReader(io.StringIO(taken))]
    assert all(name[0] in "'a" for name in names)
    assert {row.ruling.verdict for row in again} == {Verdict.DUPLICATE}


async def test_interactions_and_empty_lists_have_a_header(app: App) -> None:
    await _import(app, Kind.INTERACTIONS, "external_id,telegram_id,at,kind\nI,7,2026-03-01T12:00:00,view\n")

    taken, coupons = await _taken(app, "interactions"), await _taken(app, "coupons")

    assert taken.splitlines() == [
        "external_id,telegram_id,at,kind,detail,source",
        "I,7,2026-03-01T12:00:00+08:00,view,,shop",
    ]
    assert coupons.startswith("code,offer,title,telegram_id,state")


async def test_a_segment_goes_out_with_its_members_and_no_others(app: App) -> None:
    await given_fan(app, 7, name="Mei")
    await segments.recompute(app.database, zone=app.settings.zone, currency="CNY", now=app.clock())

    none, lost = await _taken(app, "segment", "loyalty.none"), await _taken(app, "segment", "loyalty.lost")

    assert [row["telegram_id"] for row in csv.DictReader(io.StringIO(none))] == ["7"]
    assert len(lost.splitlines()) == 1


@pytest.mark.parametrize(("what", "key"), [("segment", "loyalty.nonsense"), ("segment", "x"), ("deliveries", "404")])
async def test_an_export_of_nothing_known_says_so(app: App, what: str, key: str) -> None:
    with pytest.raises(NotFound):
        await _taken(app, what, key)


async def test_a_ledger_goes_out_with_versions_presses_and_who_bought(app: App) -> None:
    mei, bo = await given_fans(app, 2)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, (mei,), "sent", variant="b", message_id=77)
    await given_rows(app, broadcast_id, (bo,), "holdout", reason="holdout")
    await presses(app, broadcast_id, mei, button="0.1")
    await presses(app, broadcast_id, mei, button="claim")
    await buys(app, bo)

    first, second = csv.DictReader(io.StringIO(await _taken(app, "deliveries", str(broadcast_id))))

    noon = "2026-03-04T12:00:00+08:00"
    assert (first["state"], first["message_id"], first["variant"], first["buttons"]) == ("sent", "77", "b", "0.1;claim")
    assert (first["planned_at"], first["sent_at"], first["clicked_at"], first["bought"]) == (noon, noon, noon, "no")
    assert (second["state"], second["reason"], second["buttons"], second["bought"]) == ("holdout", "holdout", "", "yes")


async def test_deliveries_are_named_by_number(app: App) -> None:
    with pytest.raises(Invalid):
        await _taken(app, "deliveries", "all")


async def test_an_export_that_fails_leaves_no_half_file(app: App, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    target = folder / "out.csv"
    target.write_text("yesterday's")

    async with app.database.reading() as session:
        with pytest.raises(NotFound):
            await write(take_out(session, "segment", "loyalty.nonsense", zone=app.settings.zone), target)

    assert target.read_text() == "yesterday's"
    assert os.listdir(folder) == ["out.csv"]


async def test_more_rows_than_a_page_all_go_out(app: App) -> None:
    rows = "".join(f"{number},Fan {number}\n" for number in range(1, 2502))
    sheet = open_sheet(io.BytesIO(f"telegram_id,name\n{rows}".encode()), Kind.FANS)
    setting = Setting("shop", app.settings.zone, "CNY", app.clock())
    async for _ in bring_in(sheet, Kind.FANS, app.database.writing, setting):
        pass

    assert len((await _taken(app, "fans")).splitlines()) == 2502
