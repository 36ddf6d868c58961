"""A line of text as somebody types it: any script, any emoji, nothing that no database or page would show."""

import re

# Control signs, line ends of any kind, and halves of signs, which no database keeps.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def is_line(text: str, *, least: int, most: int) -> bool:
    """Whether it is one line of so many characters."""
    return least <= len(text) <= most and not _UNSEEN.search(text)
