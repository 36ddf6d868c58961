"""Columns that would break only on the other database, or only with real Telegram ids, are refused."""

from sqlalchemy import BigInteger, Column, Date, DateTime, Enum, Float, Integer

from siyu.tables import metadata

COLUMNS = [column for table in metadata.tables.values() for column in table.columns]


def named(columns: list[Column[object]]) -> list[str]:
    return [f"{column.table.name}.{column.name}" for column in columns]


def test_every_id_is_64_bits_wide() -> None:
    ids = [column for column in COLUMNS if column.name == "id" or column.name.endswith("_id")]
    narrow = [column for column in ids if type(column.type) is Integer]

    assert named(narrow) == []


def test_every_amount_of_money_is_a_wide_whole_number() -> None:
    amounts = [column for column in COLUMNS if column.name.endswith(("_minor", "_price")) or "spend_" in column.name]

    assert named([column for column in amounts if not isinstance(column.type, BigInteger)]) == []
    assert amounts


def test_time_is_stored_as_our_own_types() -> None:
    foreign = [column for column in COLUMNS if isinstance(column.type, DateTime | Date | Enum)]

    assert named(foreign) == []


def test_only_paces_signals_and_chances_are_floats() -> None:
    floats = {column.name for column in COLUMNS if isinstance(column.type, Float)}

    paces, signals = {"rate", "next_at", "paused_until", "eased_until"}, {"heat", "intent_heat"}
    assert floats == paces | signals | {"p_alive", "expected_purchases_90d"}


def test_every_foreign_key_has_the_type_of_what_it_points_to() -> None:
    for column in COLUMNS:
        for key in column.foreign_keys:
            assert type(column.type) is type(key.column.type), f"{column} and {key.column}"
