"""Cursors go out and come back; broken ones are refused in words."""

import pytest

from siyu.kit.errors import Invalid
from siyu.kit.paging import cursor_of, key_of


def test_a_cursor_comes_back_as_its_key() -> None:
    assert key_of(cursor_of((12, "2026-03-04")), length=2) == (12, "2026-03-04")


@pytest.mark.parametrize("cursor", ["", "x", "é", cursor_of((1, 2, 3)), "bnVsbA", "W251bGxd"])
def test_a_broken_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        key_of(cursor, length=1)
