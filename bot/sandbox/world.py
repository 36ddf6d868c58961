"""The pretend world: the bot, the people, their chats, and what passes between them."""

import secrets
import time
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from bot.sandbox.calls import CallLog
from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults
from bot.sandbox.files import Files
from bot.sandbox.found_entities import find_entities
from bot.sandbox.messages import ChatMessage
from bot.sandbox.options import SandboxOptions
from bot.sandbox.pacing import Pacer
from bot.sandbox.payments import Till
from bot.sandbox.people import Person, Toast
from bot.sandbox.profile import Profile
from bot.sandbox.refusals import bad_request, blocked, forbidden
from bot.sandbox.shapes import Payload
from bot.sandbox.update_queue import UpdateQueue
from bot.sandbox.webhook import Webhook

_FIRST_PERSON_ID = 700_000_001
_TELEGRAM_HOSTS = frozenset({"t.me", "telegram.me", "www.t.me"})


@dataclass(slots=True)
class _Press:
    person: Person
    asked_at: float
    answered: bool = False


class World:
    """Everything the sandbox remembers."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.bot: Payload = {
            "id": options.bot_id,
            "is_bot": True,
            "first_name": options.bot_name,
            "username": options.bot_username,
        }
        self.people: dict[int, Person] = {}
        self.changes = Changes()
        self.queue = UpdateQueue(query_lifetime=options.query_lifetime)
        self.webhook = Webhook(self.queue)
        self.pacer = Pacer(options)
        self.faults = Faults(options.fault_seed)
        self.calls = CallLog()
        self.files = Files()
        self.till = Till()
        self.profile = Profile()
        # A restarted sandbox must not count from 1 again: message ids of a chat never repeat.
        self._last_message_id = int(time.time()) - 1_700_000_000
        self._last_person_id = _FIRST_PERSON_ID - 1
        self._presses: dict[str, _Press] = {}

    def add_person(
        self,
        *,
        name: str,
        telegram_id: int | None = None,
        username: str | None = None,
        language: str | None = "en",
        known: bool = False,
    ) -> Person:
        """Bring somebody in; `known` if they have written to the bot before."""
        telegram_id = telegram_id or self._free_id()
        if telegram_id in self.people:
            raise ValueError(f"there is already a person {telegram_id}")
        person = Person(self, telegram_id, name, username, language, known, stars=self.options.stars)
        self.people[telegram_id] = person
        self.changed(person)
        return person

    def push_update(self, update: Payload) -> int:
        """Queue an update for the bot as it is; returns its id, 0 if the bot does not want its kind."""
        return self.queue.push(update)

    def sent_to(self, telegram_id: int) -> list[ChatMessage]:
        """Every message the bot ever got through to a person, oldest first."""
        person = self.people.get(telegram_id)
        return [message for message in person.messages if message.from_bot] if person else []

    def reachable(self, chat_id: str) -> Person:
        """The person to whom the bot may write, or the reason why not."""
        person = self.find_person(chat_id)
        if person.deactivated:
            raise forbidden("user is deactivated")
        if person.blocked:
            raise blocked()
        if not person.known:
            raise forbidden("bot can't initiate conversation with a user")
        return person

    def find_person(self, chat_id: str) -> Person:
        """The person with this chat."""
        person = self.people.get(int(chat_id)) if chat_id.isdecimal() else None
        if person is None:
            raise bad_request("chat not found" if chat_id else "chat_id is empty")
        return person

    def deliver(self, person: Person, content: Payload, *, silent: bool = False) -> ChatMessage:
        """Put a message from the bot into a chat."""
        message = self._write(person, self.bot, content, from_bot=True)
        message.silent = silent
        person.unread += 1
        person.received += 1
        return message

    def receive(self, person: Person, content: Payload) -> ChatMessage:
        """Put a message from a person into the chat and queue it for the bot."""
        message = self._write(person, person.user, content, from_bot=False)
        self.push_update({"message": message.body})
        return message

    def changed(self, person: Person, message: ChatMessage | None = None) -> None:
        """Let everybody who watches know that a chat looks different."""
        person.revision = self.changes.touch()
        if message is not None:
            message.revision = person.revision

    def plain_text(self, text: str) -> Payload:
        """A typed text with the links and commands that Telegram finds in it."""
        entities = find_entities(text)
        return {"text": text, "entities": entities} if entities else {"text": text}

    def start_payload(self, link: str) -> str | None:
        """The payload of a link to this bot, empty if it has none; None for other links."""
        parts = urlsplit(link if "://" in link else f"https://{link}")
        names = {"host": parts.hostname or "", "bot": parts.path.strip("/").lower()}
        query = parse_qs(parts.query)
        if parts.scheme == "tg" and parts.hostname == "resolve":
            names = {"host": "t.me", "bot": query.get("domain", [""])[0].lower()}
        if names["host"] not in _TELEGRAM_HOSTS or names["bot"] != self.options.bot_username.lower():
            return None
        return query.get("start", [""])[0]

    def ask_press(self, person: Person, data: str, message: ChatMessage | None) -> str:
        """Queue a press of a button; returns the question's id."""
        self._forget_old_presses()
        query_id = str(10**17 + secrets.randbelow(9 * 10**17))
        self._presses[query_id] = _Press(person, time.monotonic())
        query: Payload = {
            "id": query_id,
            "from": person.user,
            "chat_instance": str(-person.telegram_id * 7919),
            "data": data,
        }
        if message is not None:
            query["message"] = message.body
        self.push_update({"callback_query": query})
        return query_id

    def answer_press(self, query_id: str, *, text: str, alert: bool, url: str | None) -> None:
        """Show the bot's answer to whoever pressed."""
        self._forget_old_presses()
        press = self._presses.get(query_id)
        if press is None:
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        if press.answered:
            return  # accepted by Telegram too, and not shown
        press.answered = True
        person = press.person
        self.changed(person)
        person.toasts.append(Toast(query_id, text, alert, url, person.revision))

    def invoice_terms(self, message: ChatMessage) -> Payload:
        """What a payment for this invoice carries."""
        invoice = message.invoice or {}
        return {
            "currency": invoice["currency"],
            "total_amount": invoice["total_amount"],
            "invoice_payload": message.secret,
        }

    def _free_id(self) -> int:
        self._last_person_id += 1
        while self._last_person_id in self.people:
            self._last_person_id += 1
        return self._last_person_id

    def _forget_old_presses(self) -> None:
        # Kept in order of time, so the first young one ends the search.
        oldest = time.monotonic() - self.options.query_lifetime
        while self._presses and next(iter(self._presses.values())).asked_at < oldest:
            del self._presses[next(iter(self._presses))]

    def _write(self, person: Person, author: Payload, content: Payload, *, from_bot: bool) -> ChatMessage:
        self._last_message_id += 1
        body = {
            "message_id": self._last_message_id,
            "from": author,
            "chat": person.chat,
            "date": int(time.time()),
            **content,
        }
        message = ChatMessage(body, from_bot)
        person.messages.append(message)
        self.changed(person, message)
        return message
