"""The shapes of Telegram's JSON that pass through the sandbox."""

from typing import Any

# Any: these objects are Telegram's own, of some three hundred types; they are built, passed on and
# shown, and every value that comes from outside is checked where it is read.
Payload = dict[str, Any]


def utf16_length(text: str) -> int:
    """How long a text is in UTF-16 units, which is how Telegram counts entity offsets."""
    if text.isascii():
        return len(text)
    return len(text) + sum(character > "\uffff" for character in text)
