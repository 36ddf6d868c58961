"""The cast: fans by keyword, with defaults that never matter to the test; and what Telegram would say of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from siyu import attributes, fans, interactions, tags
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.fans import Newcomer
from siyu.interactions import Interacted
from siyu.tables import Fan
from tests.clocks import NOON

Update = dict[str, Any]  # Any: JSON as Telegram sends it

_update_ids = count(500_000_001)
_keys: Iterator[int] = count(1)


@dataclass(frozen=True)
class Person:
    """Somebody with Telegram, and the updates they cause."""

    telegram_id: int
    name: str = "Mei"
    username: str | None = None
    language: str | None = "en"
    _message_ids: Iterator[int] = field(default_factory=lambda: count(1), repr=False, compare=False)

    @property
    def user(self) -> Update:
        username = {"username": self.username} if self.username else {}
        language = {"language_code": self.language} if self.language else {}
        return {"id": self.telegram_id, "is_bot": False, "first_name": self.name, **username, **language}

    @property
    def chat(self) -> Update:
        return {"id": self.telegram_id, "type": "private", "first_name": self.name}

    def says(self, text: str = "hello", *, at: datetime = NOON, **content: object) -> Update:
        """A message; other content than text by keyword, such as `photo=[…]`."""
        message = {"message_id": next(self._message_ids), "from": self.user, "chat": self.chat, "date": _seconds(at)}
        return update(message={**message, **(content or _text(text))})

    def starts(self, payload: str = "", *, at: datetime = NOON) -> Update:
        return self.says(f"/start {payload}".rstrip(), at=at)

    def presses(self, data: str, *, on: int = 1) -> Update:
        message = {"message_id": on, "chat": self.chat, "date": _seconds(NOON), "text": "look"}
        query = {"id": f"q{next(_keys)}", "from": self.user, "chat_instance": "1", "data": data}
        return update(callback_query={**query, "message": message})

    def pays(self, payload: str, *, stars: int = 50) -> Update:
        query = {"id": f"c{next(_keys)}", "from": self.user, "currency": "XTR", "total_amount": stars}
        return update(pre_checkout_query={**query, "invoice_payload": payload})

    def reacts(self, emoji: str = "👍", *, on: int = 1, at: datetime = NOON) -> Update:
        new = [{"type": "emoji", "emoji": emoji}] if emoji else []
        reaction = {"chat": self.chat, "message_id": on, "user": self.user, "date": _seconds(at)}
        return update(message_reaction={**reaction, "old_reaction": [], "new_reaction": new})

    def blocks(self) -> Update:
        return self._changes("member", "kicked")

    def unblocks(self) -> Update:
        return self._changes("kicked", "member")

    def _changes(self, old: str, new: str) -> Update:
        bot = {"id": 42, "is_bot": True, "first_name": "Siyu"}
        change = {"chat": self.chat, "from": self.user, "date": _seconds(NOON)}
        until = {"kicked": {"until_date": 0}}
        before = {"user": bot, "status": old, **until.get(old, {})}
        after = {"user": bot, "status": new, **until.get(new, {})}
        return update(my_chat_member={**change, "old_chat_member": before, "new_chat_member": after})


def person(telegram_id: int | None = None, **fields: Any) -> Person:  # Any: fields of Person
    """Somebody, with a number nobody else has."""
    return Person(telegram_id or 9_000_000_000 + next(_keys), **fields)


def update(**body: object) -> Update:
    """An update with the next number."""
    return {"update_id": next(_update_ids), **body}


async def given_fan(app: App, telegram_id: int | None = None, **fields: Any) -> Fan:  # Any: fields of Newcomer
    """A fan who is written down."""
    newcomer = Newcomer(telegram_id or 9_000_000_000 + next(_keys), **{"name": "Mei", **fields})
    async with app.database.writing() as session:
        admitted = await fans.admit(session, [newcomer], zone=app.settings.zone, now=app.clock())
    return admitted[newcomer.telegram_id]


async def given_interactions(app: App, fan: Fan, times: int = 1, *, days_ago: float = 0, kind: str = "message") -> None:
    """Things the fan did, some days before now."""
    at = app.clock() - timedelta(days=days_ago)
    facts = [Interacted("test", f"i{next(_keys)}", fan.id or 0, at, kind) for _ in range(times)]
    async with app.database.writing() as session:
        await interactions.record(session, facts, zone=app.settings.zone)


async def given_tags(app: App, fan: Fan, *words: str) -> None:
    """Words an operator hung on the fan, one after another."""
    async with app.database.writing() as session:
        for word in words:
            await tags.tag(session, COMMAND_LINE, fan, word, now=app.clock())


async def given_values(app: App, fan: Fan, **values: str) -> None:
    """Attributes of the fan."""
    async with app.database.writing() as session:
        await attributes.set_values(session, COMMAND_LINE, fan, values, now=app.clock())


def _text(text: str) -> Update:
    if not text.startswith("/"):
        return {"text": text}
    return {"text": text, "entities": [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
