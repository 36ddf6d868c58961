"""Cells that no spreadsheet runs as a formula, and the way back.

Spreadsheets evaluate a cell that starts with one of these signs, also behind blanks, also in its full-width form
(a Chinese input method types `＝`); an apostrophe in front makes it text. The way back takes exactly that one away.
"""

import re

# A cell somebody already wrote with apostrophes gets one more, so that the way back is exact.
_DANGEROUS = re.compile(r"'*[\s\x00-\x20\u00a0\u200b\ufeff]*[=+\-@\t\r\n\x00＝＋－＠﹢﹣﹦﹫−]|'*\s")
_ESCAPED = re.compile(rf"'(?={_DANGEROUS.pattern})")
_NUL = re.compile("\x00")


def cell(value: object) -> str:
    """The value as text for a CSV cell; nothing for None. A NUL, which ends the text in some programs, goes."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = str(value)
    safe = f"'{text}" if _DANGEROUS.match(text) else text
    return _NUL.sub("", safe)


def uncell(text: str) -> str:
    """What a cell of ours said before it was made safe; other people's cells stay as they are."""
    return text[1:] if _ESCAPED.match(text) else text
