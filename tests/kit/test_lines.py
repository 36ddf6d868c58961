"""One line of text is any script and any emoji, and nothing that nobody sees."""

import pytest

from siyu.kit.lines import is_line


@pytest.mark.parametrize("text", ["VIP", "茶　会", "👨‍👩‍👧 family", "❤️", "ça va", "عميل"])
def test_whatever_people_type_is_a_line(text: str) -> None:
    assert is_line(text, least=1, most=40)


@pytest.mark.parametrize("text", ["", "x" * 41, "a\nb", "a\0b", "a\tb", "a\u2028b", "a\x85b", "\ud83d"])
def test_what_is_no_line_is_seen(text: str) -> None:
    assert not is_line(text, least=1, most=40)
