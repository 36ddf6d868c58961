"""A message as the two sides of a chat see it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.sandbox.shapes import Payload


@dataclass(frozen=True)
class Button:
    """One button of an inline or reply keyboard."""

    text: str
    data: str | None = None
    url: str | None = None
    copies: str | None = None
    pays: bool = False
    style: str | None = None
    asks_for: str | None = None

    @classmethod
    def read(cls, button: Payload | str) -> "Button":
        """From Telegram's JSON."""
        if isinstance(button, str):
            return cls(text=button)
        asks_for = next((what for what in ("contact", "location") if button.get(f"request_{what}")), None)
        return cls(
            text=button["text"],
            data=button.get("callback_data"),
            url=button.get("url") or (button.get("web_app") or {}).get("url"),
            copies=(button.get("copy_text") or {}).get("text"),
            pays=bool(button.get("pay")),
            style=button.get("style"),
            asks_for=asks_for,
        )


@dataclass(slots=True, eq=False)
class ChatMessage:
    """A message with Telegram's own body; `revision` grows whenever it changes, `secret` is an invoice's payload."""

    body: Payload
    from_bot: bool
    revision: int = 0
    deleted: bool = False
    charge_id: str | None = None
    secret: str = ""
    reaction: str | None = None
    silent: bool = False

    @property
    def message_id(self) -> int:
        """The number under which the bot knows it."""
        number: int = self.body["message_id"]
        return number

    @property
    def text(self) -> str:
        """The text, or the caption of a picture or file."""
        return self.body.get("text") or self.body.get("caption") or ""

    @property
    def entities(self) -> list[Payload]:
        """The formatting of the text."""
        return self.body.get("entities") or self.body.get("caption_entities") or []

    @property
    def edited(self) -> bool:
        """Whether its words were changed after it was sent."""
        return "edit_date" in self.body

    @property
    def invoice(self) -> Payload | None:
        """What is to be paid, if it is an invoice."""
        return self.body.get("invoice")

    @property
    def buttons(self) -> list[list[Button]]:
        """The inline keyboard, row by row."""
        rows = (self.body.get("reply_markup") or {}).get("inline_keyboard") or []
        return [[Button.read(button) for button in row] for row in rows]

    def each_button(self) -> Iterator[Button]:
        """All inline buttons."""
        for row in self.buttons:
            yield from row

    # Any: JSON for the chat page.
    def as_json(self) -> dict[str, Any]:
        """The message for the chat page and for programs that drive the fan's side."""
        return {
            **self.body,
            "from_bot": self.from_bot,
            "revision": self.revision,
            "deleted": self.deleted,
            "paid": self.charge_id is not None,
            "charge_id": self.charge_id,
            "reaction": self.reaction,
            "silent": self.silent,
        }
