"""What the outside sees of the world, as JSON."""

import time
from dataclasses import asdict

from bot.sandbox.people import Person
from bot.sandbox.shapes import Payload
from bot.sandbox.world import World

_PAGE = 300
_PREVIEW = 80
_KINDS = (
    "photo",
    "video",
    "document",
    "voice",
    "sticker",
    "location",
    "contact",
    "invoice",
    "successful_payment",
    "refunded_payment",
)


def world_portrait(world: World) -> Payload:
    """Everything: people with their chats, balances, counts."""
    return {
        "bot": world.bot,
        "stars": world.till.balance,
        "transactions": world.till.transactions,
        "pending_updates": len(world.queue),
        "calls": world.calls.by_method,
        "answers": world.calls.by_code,
        "people": [
            person.as_json() | {"messages": [message.as_json() for message in person.messages]}
            for person in world.people.values()
        ],
    }


def people_list(world: World, wanted: str, limit: int) -> Payload:
    """The most recently busy people whose name, username or id has the wanted words."""
    people = [person for person in world.people.values() if _is_wanted(person, wanted.strip().lower())]
    people.sort(key=lambda person: person.revision, reverse=True)
    return {
        "revision": world.changes.revision,
        "total": len(people),
        "people": [person.as_json() | {"preview": _preview(person)} for person in people[:limit]],
    }


def chat_portrait(person: Person, *, after: int) -> Payload:
    """One chat: the newest messages, or only what changed after a revision."""
    world = person.world
    messages = [m for m in person.messages if m.revision > after and (after or not m.deleted)]
    return {
        "revision": world.changes.revision,
        "person": person.as_json(),
        "bot": world.bot,
        "messages": [message.as_json() for message in messages[-_PAGE:]],
        "toasts": [asdict(toast) for toast in person.toasts if toast.revision > after],
        "reply_keyboard": person.reply_keyboard,
        "doing": person.bot_is_doing[0] if person.bot_is_doing[1] > time.monotonic() else "",
        "commands": world.profile.commands_for(person.telegram_id, person.language),
        "menu_button": world.profile.menu_button(person.telegram_id),
        "description": world.profile.word("description", (person.language or "")[:2]),
    }


def _is_wanted(person: Person, words: str) -> bool:
    return not words or words in f"{person.name} {person.username or ''} {person.telegram_id}".lower()


def _preview(person: Person) -> Payload | None:
    message = next((m for m in reversed(person.messages) if not m.deleted), None)
    if message is None:
        return None
    text = message.text or (message.invoice or {}).get("title", "")
    kind = next((kind for kind in _KINDS if kind in message.body), "text")
    return {"text": text[:_PREVIEW], "kind": kind, "from_bot": message.from_bot, "date": message.body["date"]}
