"""Cursors go out and come back; broken ones are refused in words."""

import pytest

from siyu.kit.errors import Invalid
from siyu.kit.paging import cursor_of, key_of, moment_of


def test_a_cursor_comes_back_as_its_key() -> None:
    assert key_of(cursor_of((12, 1_772_596_800)), length=2) == (12, 1_772_596_800)


@pytest.mark.parametrize("cursor", ["", "x", "é", cursor_of((1, 2, 3)), "bnVsbA", "W251bGxd", "WyJhIl0", "WzllOTld"])
def test_a_broken_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        key_of(cursor, length=1)


def test_a_number_no_database_holds_is_refused() -> None:
    with pytest.raises(Invalid):
        key_of(cursor_of((2**80,)), length=1)


def test_a_second_no_calendar_has_is_refused() -> None:
    with pytest.raises(Invalid):
        moment_of(2**51)
