"""Links, commands, names and tags that Telegram finds in a text by itself."""

import re

from bot.sandbox.shapes import Payload, utf16_length

_TRIGGERS = re.compile(r"[/@#$.]")
_TAIL = r"(?:[/?#][^\s<>\"，。；、！？）]*[^\s<>\"，。；、！？）.,;:!?')\]])?"
_FOUND = re.compile(
    rf"(?P<url>(?:https?|tg|ftp)://[^\s<>\"/?#，。；、！？）]+{_TAIL})"
    r"|(?P<email>\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-zA-Z]{2,}\b)"
    rf"|(?P<host>\b(?:[a-zA-Z0-9-]+\.)+(?:com|org|net|me|io|cn|dev|app|info|shop|co|uk|de|ru|xyz)(?::\d+)?\b{_TAIL})"
    r"|(?P<bot_command>(?<![\w/<>])/[a-zA-Z0-9_]{1,64}(?:@\w{3,32})?(?![\w/]))"
    r"|(?P<mention>(?<!\w)@[a-zA-Z]\w{3,31}\b)"
    r"|(?P<hashtag>(?<![\w#])#\w*[^\W\d_]\w*)"
    r"|(?P<cashtag>(?<!\w)\$[A-Z]{1,8}\b)"
)


def find_entities(text: str) -> list[Payload]:
    """What Telegram would mark in a plain text, with offsets in UTF-16 units."""
    if not _TRIGGERS.search(text):
        return []
    return [
        {
            "type": "url" if match.lastgroup == "host" else match.lastgroup,
            "offset": utf16_length(text[: match.start()]),
            "length": utf16_length(match.group()),
        }
        for match in _FOUND.finditer(text)
    ]
