"""The people who talk with the bot, and what they can do in their chat."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.sandbox.messages import Button, ChatMessage
from bot.sandbox.payments import Payment, pay
from bot.sandbox.shapes import Payload

if TYPE_CHECKING:
    from bot.sandbox.world import World

_TOASTS_KEPT = 50


class Impossible(Exception):
    """A person cannot do this in their chat; the message says why."""


@dataclass(frozen=True)
class Toast:
    """What the bot answered to a press of a button."""

    query_id: str
    text: str
    alert: bool
    url: str | None
    revision: int


@dataclass(slots=True, eq=False)
class Person:
    """
    Somebody with a private chat with the bot.

    `known` says that they have written to the bot before, so that it may write to them.
    """

    world: "World"
    telegram_id: int
    name: str
    username: str | None = None
    language: str | None = None
    known: bool = False
    blocked: bool = False
    deactivated: bool = False
    stars: int = 0
    messages: list[ChatMessage] = field(default_factory=list)
    toasts: deque[Toast] = field(default_factory=lambda: deque(maxlen=_TOASTS_KEPT))
    reply_keyboard: Payload | None = None
    clipboard: str | None = None
    opened_url: str | None = None
    unread: int = 0
    received: int = 0
    bot_is_doing: tuple[str, float] = ("", 0.0)
    revision: int = 0
    acted_at: int = 0
    user: Payload = field(init=False)
    chat: Payload = field(init=False)

    def __post_init__(self) -> None:
        named = {"username": self.username} if self.username else {}
        spoken = {"language_code": self.language} if self.language else {}
        self.user = {"id": self.telegram_id, "is_bot": False, "first_name": self.name, **named, **spoken}
        self.chat = {"id": self.telegram_id, "type": "private", "first_name": self.name, **named}

    @property
    def last(self) -> ChatMessage | None:
        """The newest message from the bot that is still there."""
        return next((m for m in reversed(self.messages) if m.from_bot and not m.deleted), None)

    @property
    def toast(self) -> Toast | None:
        """The newest answer to a press."""
        return self.toasts[-1] if self.toasts else None

    def find(self, message_id: int) -> ChatMessage | None:
        """A message of this chat by its number, unless it was deleted."""
        return next((m for m in reversed(self.messages) if m.message_id == message_id and not m.deleted), None)

    async def hears(self, words: str = "", *, within: float = 10.0) -> ChatMessage:
        """Wait for a message from the bot, new or edited since this person last did something."""
        found = await self.world.changes.until(lambda: self._news(words), within=within)
        if found is None:
            raise Impossible(f"{self.name} heard nothing with {words!r} within {within} s")
        return found

    def start(self, payload: str = "") -> ChatMessage:
        """Press START, with a link's payload or without; a blocked bot is unblocked by it."""
        if self.blocked:
            self.unblocks()
        return self.says(f"/start {payload}".rstrip())

    def opens(self, link: str) -> ChatMessage:
        """Follow a link of the form t.me/BOT?start=PAYLOAD."""
        payload = self.world.start_payload(link)
        if payload is None:
            raise Impossible(f"{link} does not lead to this bot")
        return self.start(payload)

    def says(self, text: str) -> ChatMessage:
        """Write a text."""
        if not text.strip():
            raise Impossible("an empty message cannot be sent")
        return self._sends(self.world.plain_text(text.strip()))

    def sends_photo(self, caption: str = "") -> ChatMessage:
        """Send a picture."""
        return self._sends({"photo": [self.world.files.invent_photo()]} | self._captioned(caption))

    def sends_video(self, caption: str = "") -> ChatMessage:
        """Send a film."""
        return self._sends({"video": self.world.files.invent(duration=30)} | self._captioned(caption))

    def sends_document(self, file_name: str = "document.pdf", caption: str = "") -> ChatMessage:
        """Send a file."""
        return self._sends({"document": self.world.files.invent(file_name=file_name)} | self._captioned(caption))

    def sends_voice(self, seconds: int = 3) -> ChatMessage:
        """Send a voice message."""
        return self._sends({"voice": self.world.files.invent(duration=seconds)})

    def sends_sticker(self, emoji: str = "👍") -> ChatMessage:
        """Send a sticker."""
        looks = {"width": 512, "height": 512, "is_animated": False, "is_video": False, "type": "regular"}
        return self._sends({"sticker": self.world.files.invent(emoji=emoji, **looks)})

    def sends_location(self, latitude: float, longitude: float) -> ChatMessage:
        """Share a place."""
        return self._sends({"location": {"latitude": latitude, "longitude": longitude}})

    def sends_contact(self, phone: str) -> ChatMessage:
        """Share one's own telephone number."""
        owner = {"first_name": self.name, "user_id": self.telegram_id}
        return self._sends({"contact": {"phone_number": phone, **owner}})

    def edits(self, message_id: int, text: str) -> ChatMessage:
        """Change the words of one's own message."""
        message = self.find(message_id)
        if message is None or message.from_bot or not message.text:
            raise Impossible("only one's own text messages can be edited")
        message.body = message.body | self.world.plain_text(text) | {"edit_date": int(time.time())}
        self.world.changed(self, message)
        self.world.push_update({"edited_message": message.body})
        return message

    def reacts(self, message_id: int, emoji: str = "") -> None:
        """Put an emoji under a message, or take it off with an empty one."""
        message = self._message(message_id)
        old, message.reaction = message.reaction, emoji or None
        self._acts()
        self.world.changed(self, message)
        happened = {"chat": self.chat, "message_id": message_id, "user": self.user, "date": int(time.time())}
        before, after = _reactions(old), _reactions(message.reaction)
        self.world.push_update({"message_reaction": happened | {"old_reaction": before, "new_reaction": after}})

    def presses(self, button: str, message_id: int | None = None) -> str | None:
        """
        Press a button by its text or its data; returns the id of the question put to the bot.

        Without a message the newest one that has such a button is meant.
        """
        message, pressed = self._button(button, message_id)
        if message is None:
            self._answers_keyboard(pressed)
        elif pressed.data is not None:
            return self.presses_data(pressed.data, message)
        elif pressed.copies is not None:
            self._acts()
            self.clipboard = pressed.copies
        elif pressed.url is not None:
            self._follows(pressed.url)
        elif pressed.pays:
            raise Impossible("this button pays: use pays()")
        return None

    def presses_data(self, data: str, message: ChatMessage | None = None) -> str:
        """Send a press with any data, as a forged client could; returns the question's id."""
        self._acts()
        return self.world.ask_press(self, data, message or self.last)

    async def pays(self, message_id: int | None = None) -> Payment:
        """
        Pay an invoice from pre-checkout to the message of success.

        Without a message the newest unpaid invoice is meant. Named, an invoice can be paid again.
        """
        message = self._invoice(message_id)
        self._must_be_open()
        self._acts()
        return await pay(self.world, self, message)

    def blocks(self) -> None:
        """Block the bot."""
        if not self.blocked:
            self.blocked = True
            self._tells_membership("member", "kicked")

    def unblocks(self) -> None:
        """Let the bot write again."""
        if self.blocked:
            self.blocked = False
            self._tells_membership("kicked", "member")

    def deletes_account(self) -> None:
        """Leave Telegram for good."""
        self.deactivated = True
        self.world.changed(self)

    def reads(self) -> None:
        """Look at the chat."""
        if self.unread:
            self.unread = 0
            self.world.changed(self)

    def _news(self, words: str) -> ChatMessage | None:
        for message in reversed(self.messages):
            fresh = message.from_bot and not message.deleted and message.revision > self.acted_at
            if fresh and words in message.text:
                return message
        return None

    def _acts(self) -> None:
        self.acted_at = self.world.changes.revision

    def _must_be_open(self) -> None:
        if self.deactivated:
            raise Impossible(f"{self.name} has deleted their account")
        if self.blocked:
            raise Impossible(f"{self.name} has blocked the bot")

    def _sends(self, content: Payload) -> ChatMessage:
        self._must_be_open()
        self._acts()
        self.known = True
        return self.world.receive(self, content)

    def _captioned(self, caption: str) -> Payload:
        return {"caption": caption} if caption else {}

    def _message(self, message_id: int) -> ChatMessage:
        message = self.find(message_id)
        if message is None:
            raise Impossible(f"there is no message {message_id} in this chat")
        return message

    def _invoice(self, message_id: int | None) -> ChatMessage:
        if message_id is not None:
            message = self._message(message_id)
            if message.invoice is None:
                raise Impossible(f"message {message_id} is not an invoice")
            return message
        for message in reversed(self.messages):
            if message.invoice is not None and message.charge_id is None and not message.deleted:
                return message
        raise Impossible("there is no unpaid invoice in this chat")

    def _button(self, wanted: str, message_id: int | None) -> tuple[ChatMessage | None, Button]:
        candidates = [self._message(message_id)] if message_id is not None else reversed(self.messages)
        for message in candidates:
            for button in () if message.deleted else message.each_button():
                if wanted in (button.text, button.data):
                    return message, button
        for row in (self.reply_keyboard or {}).get("keyboard", ()):
            for button in map(Button.read, row):
                if button.text == wanted:
                    return None, button
        raise Impossible(f"there is no button {wanted!r}")

    def _answers_keyboard(self, button: Button) -> None:
        if button.asks_for == "contact":
            self.sends_contact(f"+86{self.telegram_id % 10**11:011d}")
        elif button.asks_for == "location":
            self.sends_location(31.2304, 121.4737)
        else:
            self.says(button.text)

    def _follows(self, url: str) -> None:
        self._acts()
        if self.world.start_payload(url) is not None:
            self.opens(url)
        else:
            self.opened_url = url

    def _tells_membership(self, old: str, new: str) -> None:
        self._acts()
        self.world.changed(self)
        self.world.push_update(
            {
                "my_chat_member": {
                    "chat": self.chat,
                    "from": self.user,
                    "date": int(time.time()),
                    "old_chat_member": self._bot_as(old),
                    "new_chat_member": self._bot_as(new),
                }
            }
        )

    def _bot_as(self, status: str) -> Payload:
        until = {"until_date": 0} if status == "kicked" else {}
        return {"user": self.world.bot, "status": status, **until}

    # What programs see of a person.
    def as_json(self) -> Payload:
        """The person without their messages."""
        return {
            "telegram_id": self.telegram_id,
            "name": self.name,
            "username": self.username,
            "language": self.language,
            "known": self.known,
            "blocked": self.blocked,
            "deactivated": self.deactivated,
            "stars": self.stars,
            "unread": self.unread,
            "received": self.received,
            "revision": self.revision,
        }


def _reactions(emoji: str | None) -> list[Payload]:
    return [{"type": "emoji", "emoji": emoji}] if emoji else []
