"""Reads Telegram's MarkdownV2, as strictly as Telegram does."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from bot.sandbox.marked_text import MarkedText, byte_offset, link_kind, unparsable
from bot.sandbox.shapes import Payload

_RESERVED = frozenset("_*[]()~`>#+-=|{}.!")
_KINDS = {
    "*": ("bold", "Bold"),
    "_": ("italic", "Italic"),
    "__": ("underline", "Underline"),
    "~": ("strikethrough", "Strikethrough"),
    "||": ("spoiler", "Spoiler"),
    "[": ("text_link", "TextUrl"),
    "![": ("custom_emoji", "CustomEmoji"),
}


@dataclass(frozen=True)
class _Open:
    mark: str
    start: int
    where: int


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.place = 0
        self.text = MarkedText()
        self.stack: list[_Open] = []
        self.quote: _Open | None = None

    def read(self) -> tuple[str, list[Payload]]:
        while self.place < len(self.source):
            self._step()
        if self.stack:
            last = self.stack[-1]
            raise unparsable(f"Can't find end of {_KINDS[last.mark][1]} entity at byte offset {last.where}")
        self._close_quote()
        return self.text.finished()

    def _step(self) -> None:
        character = self.source[self.place]
        if self._at_line_start() and self._reads_quote():
            return
        if character == "\\" and self.place + 1 < len(self.source) and ord(self.source[self.place + 1]) <= 126:
            self._write(self.source[self.place + 1], skip=2)
        elif character not in _RESERVED:
            self._write(character, skip=1)
        elif character == "`":
            self._read_code("```" if self._sees("```") else "`")
        elif mark := self._mark():
            self._toggle(mark)
        elif character == "]" and self.stack and self.stack[-1].mark in ("[", "!["):
            self._close_link(self.stack.pop())
        else:
            raise unparsable(f"Character '{character}' is reserved and must be escaped with the preceding '\\'")

    def _write(self, piece: str, *, skip: int) -> None:
        self.text.write(piece)
        self.place += skip

    def _sees(self, mark: str) -> bool:
        return self.source.startswith(mark, self.place)

    def _where(self) -> int:
        return byte_offset(self.source, self.place)

    def _at_line_start(self) -> bool:
        return self.place == 0 or self.source[self.place - 1] == "\n"

    def _reads_quote(self) -> bool:
        for opening in ("**>", ">"):
            if self._sees(opening):
                if opening == "**>" or self.quote is None:
                    self._close_quote()
                    self.quote = _Open(opening, self.text.length, self._where())
                self.place += len(opening)
                return True
        self._close_quote()
        return False

    def _close_quote(self, kind: str = "blockquote") -> None:
        if self.quote is not None:
            self.text.mark(kind, self.quote.start)
            self.quote = None

    def _mark(self) -> str | None:
        return next((mark for mark in ("__", "||", "![", "*", "_", "~", "[") if self._sees(mark)), None)

    def _toggle(self, mark: str) -> None:
        if self.stack and self.stack[-1].mark == mark and mark not in ("[", "!["):
            opened = self.stack.pop()
            self.text.mark(_KINDS[mark][0], opened.start)
        elif mark == "||" and self._ends_quote():
            self._close_quote("expandable_blockquote")
        else:
            self.stack.append(_Open(mark, self.text.length, self._where()))
        self.place += len(mark)

    def _ends_quote(self) -> bool:
        end = self.place + 2
        return self.quote is not None and (end == len(self.source) or self.source[end] == "\n")

    def _read_code(self, fence: str) -> None:
        where, start = self._where(), self.text.length
        self.place += len(fence)
        language = self._language() if fence == "```" else ""
        while not self._sees(fence):
            if self.place >= len(self.source):
                kind = "Code" if fence == "`" else "PreCode" if language else "Pre"
                raise unparsable(f"Can't find end of {kind} entity at byte offset {where}")
            escaped = self._sees("\\") and self.place + 1 < len(self.source)
            self._write(self.source[self.place + escaped], skip=1 + escaped)
        self.place += len(fence)
        spoken = {"language": language} if language else {}
        self.text.mark("code" if fence == "`" else "pre", start, **spoken)

    def _language(self) -> str:
        line, newline, _ = self.source[self.place :].partition("\n")
        if not newline or "`" in line:
            return ""
        self.place += len(line) + 1
        return line.strip()

    def _close_link(self, opened: _Open) -> None:
        self.place += 1
        url = self._address(opened.where)
        if opened.mark == "![":
            emoji = parse_qs(urlsplit(url).query).get("id", [""])[0]
            if not emoji.isdecimal():
                raise unparsable("Custom emoji URL must have an emoji identifier")
            self.text.mark("custom_emoji", opened.start, custom_emoji_id=emoji)
        elif link := link_kind(url):
            self.text.mark(link[0], opened.start, **link[1])

    def _address(self, where: int) -> str:
        if not self._sees("("):
            return ""
        self.place += 1
        address = []
        while not self._sees(")"):
            if self.place >= len(self.source):
                raise unparsable(f"Can't find end of a URL at byte offset {where}")
            escaped = self._sees("\\") and self.place + 1 < len(self.source)
            address.append(self.source[self.place + escaped])
            self.place += 1 + escaped
        self.place += 1
        return "".join(address)


def parse_markdown(source: str) -> tuple[str, list[Payload]]:
    """The text without its marks, and the formatting that the marks meant."""
    return _Reader(source).read()
