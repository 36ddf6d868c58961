"""A text under construction together with its formatting."""

from dataclasses import dataclass, field

from bot.sandbox.refusals import Refusal, bad_request
from bot.sandbox.shapes import Payload, utf16_length


@dataclass(slots=True)
class MarkedText:
    """Grows piece by piece; `length` counts UTF-16 units."""

    pieces: list[str] = field(default_factory=list)
    length: int = 0
    entities: list[Payload] = field(default_factory=list)

    def write(self, piece: str) -> None:
        """Add plain text."""
        if piece:
            self.pieces.append(piece)
            self.length += utf16_length(piece)

    def mark(self, kind: str, start: int, **details: object) -> None:
        """Format everything since `start`; nothing is marked where nothing was written."""
        if self.length > start:
            self.entities.append({"type": kind, "offset": start, "length": self.length - start, **details})

    def finished(self) -> tuple[str, list[Payload]]:
        """The text and its formatting, outer before inner."""
        self.entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
        return "".join(self.pieces), self.entities


def unparsable(why: str) -> Refusal:
    """The markup is wrong; Telegram says so with a place."""
    return bad_request(f"can't parse entities: {why}")


def byte_offset(source: str, place: int) -> int:
    """Where a character stands in UTF-8, which is how Telegram tells places in markup."""
    return len(source[:place].encode())


def link_kind(url: str) -> tuple[str, dict[str, object]] | None:
    """How a link is kept: as a mention of a person, as a link, or not at all."""
    if url.startswith("tg://user?id=") and (number := url.removeprefix("tg://user?id=")).isdecimal():
        return "text_mention", {"user": {"id": int(number), "is_bot": False, "first_name": number}}
    address = url if "://" in url else f"http://{url}"
    host = address.partition("://")[2].partition("/")[0]
    if "." not in host and not address.startswith("tg://"):
        return None
    return "text_link", {"url": address}
