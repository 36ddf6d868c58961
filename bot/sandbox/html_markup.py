"""Reads Telegram's HTML, as strictly as Telegram does."""

import re
from dataclasses import dataclass, field
from html import unescape

from bot.sandbox.marked_text import MarkedText, byte_offset, link_kind, unparsable
from bot.sandbox.shapes import Payload

_KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
_SPECIAL = re.compile(r"[<&]")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,8}|#x[0-9a-fA-F]{1,6}|lt|gt|amp|quot);?")
_NAME = re.compile(r"[^\s>/]*")
_ATTRIBUTE = re.compile(r"""\s+([^\s=>/"']+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>"']+))?""")
_LANGUAGE = "language-"


@dataclass(frozen=True)
class _Tag:
    name: str
    start: int
    attributes: dict[str, str] = field(default_factory=dict)


def parse_html(source: str) -> tuple[str, list[Payload]]:
    """The text without its tags, and the formatting that the tags meant."""
    text, stack, place = MarkedText(), list[_Tag](), 0
    while found := _SPECIAL.search(source, place):
        text.write(source[place : found.start()])
        place = found.start()
        if source[place] == "&":
            place = _read_reference(source, place, text)
        elif source.startswith("</", place):
            place = _read_end(source, place, text, stack)
        else:
            place = _read_start(source, place, text, stack)
    text.write(source[place:])
    if stack:
        raise unparsable(f'Can\'t find end tag corresponding to start tag "{stack[-1].name}"')
    return text.finished()


def _read_reference(source: str, place: int, text: MarkedText) -> int:
    reference = _REFERENCE.match(source, place)
    if reference is None:
        text.write("&")
        return place + 1
    written = reference.group()
    text.write(unescape(written if written.endswith(";") else f"{written};"))
    return reference.end()


def _read_start(source: str, place: int, text: MarkedText, stack: list[_Tag]) -> int:
    where = byte_offset(source, place)
    name, place = _name(source, place + 1)
    if place >= len(source):
        raise unparsable(f"Unclosed start tag at byte offset {where}")
    if name not in _KINDS:
        raise unparsable(f'Unsupported start tag "{name}" at byte offset {where}')
    attributes = {}
    while attribute := _ATTRIBUTE.match(source, place):
        attributes[attribute[1].lower()] = unescape((attribute[2] or "").strip("\"'"))
        place = attribute.end()
    end = source.find(">", place)
    if end < 0 or source[place:end].strip(" \n\t/"):
        raise unparsable(f"Unclosed start tag at byte offset {where}")
    _must_say_enough(name, attributes, where)
    stack.append(_Tag(name, text.length, attributes))
    return end + 1


def _must_say_enough(name: str, attributes: dict[str, str], where: int) -> None:
    if name == "span" and attributes.get("class") != "tg-spoiler":
        raise unparsable(f'Tag "span" must have class "tg-spoiler" at byte offset {where}')
    if name == "tg-emoji" and not attributes.get("emoji-id", "").isdecimal():
        raise unparsable("Invalid custom emoji identifier specified")
    if name == "tg-time" and not attributes.get("unix", "").isdecimal():
        raise unparsable(f'Tag "tg-time" must have attribute "unix" at byte offset {where}')


def _read_end(source: str, place: int, text: MarkedText, stack: list[_Tag]) -> int:
    where = byte_offset(source, place)
    if not stack:
        raise unparsable(f"Unexpected end tag at byte offset {where}")
    name, place = _name(source, place + 2)
    end = source.find(">", place)
    if end < 0 or source[place:end].strip():
        raise unparsable(f"Unclosed end tag at byte offset {where}")
    tag = stack.pop()
    if name and name != tag.name:
        raise unparsable(f'Unmatched end tag at byte offset {where}, expected "</{tag.name}>", found "</{name}>"')
    _close(tag, text, inside=stack[-1].name if stack else "")
    return end + 1


def _close(tag: _Tag, text: MarkedText, *, inside: str) -> None:
    match tag.name:
        case "a":
            link = link_kind(tag.attributes.get("href") or _written_since(text, tag.start))
            if link is not None:
                text.mark(link[0], tag.start, **link[1])
        case "code" if inside == "pre" and tag.attributes.get("class", "").startswith(_LANGUAGE):
            text.mark("code", tag.start, language=tag.attributes["class"].removeprefix(_LANGUAGE))
        case "pre":
            _close_pre(tag, text)
        case "blockquote" if "expandable" in tag.attributes:
            text.mark("expandable_blockquote", tag.start)
        case "tg-emoji":
            text.mark("custom_emoji", tag.start, custom_emoji_id=tag.attributes["emoji-id"])
        case "tg-time":
            text.mark("date_time", tag.start, unix_time=int(tag.attributes["unix"]))
        case name:
            text.mark(_KINDS[name], tag.start)


def _close_pre(tag: _Tag, text: MarkedText) -> None:
    inner = text.entities[-1] if text.entities else {}
    if inner.get("type") == "code" and (inner["offset"], inner["length"]) == (tag.start, text.length - tag.start):
        text.entities.pop()
        spoken = {"language": inner["language"]} if "language" in inner else {}
        text.mark("pre", tag.start, **spoken)
    else:
        text.mark("pre", tag.start)


def _name(source: str, place: int) -> tuple[str, int]:
    name = _NAME.match(source, place)
    return (name.group().lower(), name.end()) if name else ("", place)


def _written_since(text: MarkedText, start: int) -> str:
    units = "".join(text.pieces).encode("utf-16-le")
    return units[2 * start :].decode("utf-16-le")
