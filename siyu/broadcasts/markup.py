"""Telegram's HTML, read as strictly as Telegram reads it, so that a mistake shows before the first fan sees it."""

import re
from html import unescape

from siyu.kit.errors import Invalid

MOST_MARKS = 100  # Telegram silently drops formatting beyond the hundredth
SPACES = " \n\t\r\v\f"

_PLAIN = frozenset("b strong i em u ins s strike del tg-spoiler code pre blockquote".split())
_SPEAKING = {"a": "href", "span": "class", "tg-emoji": "emoji-id"}  # worth nothing without this attribute
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z-]*)((?:\s[^<>]*)?)>")
# Nothing is read twice: with plain + and * 20,000 spaces took 12 s.
_ATTRIBUTE = re.compile(r"""(?<!\s)\s++([A-Za-z-]+)(?:\s*+=\s*+("[^"]*"|'[^']*'))?""")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|lt|gt|amp|quot);")
_LINK = re.compile(r"(?:https?://[^\s/.]+\.[^\s]+|tg://\S+)", re.IGNORECASE)


def read(source: str) -> str:
    """The words a fan will see, without tags and outer spaces. Raises Invalid for what Telegram would refuse."""
    words, place, open_tags, marks = [], 0, list[str](), 0
    while (start := source.find("<", place)) >= 0:
        words.append(source[place:start])
        tag = _TAG.match(source, start)
        if tag is None:
            raise Invalid("write a plain < as &lt; (near “%(near)s”)", near=source[start : start + 20])
        place, marks = tag.end(), marks + 1
        _close(tag, open_tags) if tag[1] else _open(tag, open_tags)
    if open_tags:
        raise Invalid("<%(tag)s> is never closed", tag=open_tags[-1])
    if marks > 2 * MOST_MARKS:
        raise Invalid("more than %(most)d pieces of formatting: Telegram would drop the rest", most=MOST_MARKS)
    return _REFERENCE.sub(_character, "".join([*words, source[place:]])).replace("\r", "").strip(SPACES)


def _open(tag: re.Match[str], open_tags: list[str]) -> None:
    name = tag[2].lower()
    if name not in _PLAIN and name not in _SPEAKING:
        raise Invalid("Telegram knows no <%(tag)s>", tag=name)
    attributes = _attributes(tag)
    if name in _SPEAKING:
        _must_say_enough(name, attributes.get(_SPEAKING[name], ""))
    open_tags.append(name)


def _close(tag: re.Match[str], open_tags: list[str]) -> None:
    name = tag[2].lower()
    if not open_tags or open_tags.pop() != name or tag[3].strip():
        raise Invalid("</%(tag)s> closes nothing that is open there", tag=name)


def _attributes(tag: re.Match[str]) -> dict[str, str]:
    written = tag[3].rstrip()
    found = list(_ATTRIBUTE.finditer(written))
    if "".join(one[0] for one in found) != written:
        raise Invalid('<%(tag)s> is not well formed: attributes are written name="value"', tag=tag[2])
    return {one[1].lower(): unescape((one[2] or "").strip("\"'")) for one in found}


def _must_say_enough(name: str, value: str) -> None:
    if name == "a" and not _LINK.fullmatch(value):
        raise Invalid('a link needs href="https://…", not “%(value)s”', value=value)
    if name == "span" and value != "tg-spoiler":
        raise Invalid('<span> is only known as <span class="tg-spoiler">')
    if name == "tg-emoji" and not value.isdecimal():
        raise Invalid('<tg-emoji> needs emoji-id="…", a number')


def _character(reference: re.Match[str]) -> str:
    return unescape(reference[0])
