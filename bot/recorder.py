"""The recorder: what an update says about a fan, written down as facts before anybody answers.

It reads Telegram's JSON itself: facts do not wait for a handler, and a handler that fails loses none.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from siyu import conversations, fans, interactions, operators, referrals, sources
from siyu.broadcasts.presses import answers_to, were_sent
from siyu.conversations import Heard
from siyu.fans import Admitted, Newcomer
from siyu.interactions import Interacted
from siyu.kit.database import ReadSession, WriteSession
from siyu.operators import Permission
from siyu.tables import Reach

Json = dict[str, Any]  # Any: as Telegram sent it; what is missing raises, and the update is set aside

SOURCE = "telegram"
# What `allowed_updates` names: these and no more. Reactions come only if named, and a kind that is not
# listed once stays off for good.
KINDS = (
    "message",
    "edited_message",
    "callback_query",
    "pre_checkout_query",
    "message_reaction",
    "poll_answer",
    "my_chat_member",
)
# What a fan can put into a message; anything else in one is Telegram's own note (a payment, a pinned message).
_CONTENTS = (
    "text", "photo", "video", "animation", "audio", "voice", "video_note", "document", "sticker", "story",
    "paid_media", "contact", "location", "venue", "poll", "dice", "game", "checklist", "web_app_data",
)  # fmt: skip
# Of these, what a person is to read; the other one is what a page of ours sent.
TALK = tuple(content for content in _CONTENTS if content != "web_app_data")


class Did(Protocol):
    """What a press counts as; the broadcast is what its data claims."""

    @property
    def kind(self) -> str: ...
    @property
    def detail(self) -> str | None: ...
    @property
    def broadcast_id(self) -> int | None: ...


# None for data that no button of ours carries.
KindOf = Callable[[str], Did | None]


@dataclass(frozen=True)
class Deed:
    """Something a fan did."""

    key: str
    kind: str
    at: datetime
    detail: str | None = None
    broadcast_id: int | None = None  # as the press claims


@dataclass(frozen=True)
class Line:
    """Words, or something else that a person is to read."""

    key: str
    at: datetime
    message_id: int
    kind: str
    text: str
    file: str | None = None
    replies_to: int | None = None
    edited: bool = False


@dataclass(frozen=True)
class Reading:
    """What one update says, before anybody looked into the database."""

    telegram_id: int | None = None  # None: nobody's business, such as a group or another bot
    person: Newcomer | None = None
    payload: str = ""  # of /start
    deed: Deed | None = None
    line: Line | None = None
    reach: Reach | None = None


def read(update: Json, *, received_at: datetime, kind_of: KindOf) -> Reading:
    """What the update says. Raises KeyError, TypeError or ValueError when it is not what Telegram promised."""
    if "callback_query" in update:
        return _pressed(update["callback_query"], received_at, kind_of)
    for kind, reader in _READERS.items():
        if kind in update:
            return reader(update[kind], received_at)
    return Reading()


async def record(session: WriteSession, readings: Sequence[Reading], *, zone: ZoneInfo, now: datetime) -> Admitted:
    """Write down everything they say, in their order; returns everybody who appeared."""
    people = await _people(session, readings)
    admitted = await fans.admit(session, list(people.values()), zone=zone, now=now)
    for telegram_id, reach in _last_reach(readings).items():
        await fans.change_reach(session, telegram_id, reach, now=now)
    for telegram_id in admitted.newcomers:
        if people[telegram_id].source.startswith("i_"):
            code = people[telegram_id].source.removeprefix("i_")
            await referrals.connect(session, admitted[telegram_id], code, now=now)
    await interactions.record(session, await _interactions(session, readings, admitted), zone=zone)
    await conversations.hear(session, await _heard(session, readings, admitted))
    return admitted


async def _people(session: ReadSession, readings: Iterable[Reading]) -> dict[int, Newcomer]:
    """Everybody once: named as they are called last, coming from where they came first."""
    people: dict[int, Newcomer] = {}
    for reading in readings:
        if reading.person is None:
            continue
        first = people.get(reading.person.telegram_id)
        if first is None:
            channel = await sources.channel_of(session, reading.payload) if reading.payload else "direct"
            person = replace(reading.person, source=reading.payload, source_channel=channel)
        else:
            person = replace(
                reading.person,
                joined_at=first.joined_at,
                source=first.source,
                source_channel=first.source_channel,
                phone=reading.person.phone or first.phone,
                talks=first.talks or reading.person.talks,
            )
        people[person.telegram_id] = person
    return people


def _last_reach(readings: Iterable[Reading]) -> dict[int, Reach]:
    """Who blocked or unblocked; whoever wrote after it has been welcomed back already."""
    last: dict[int, Reach | None] = {}
    for reading in readings:
        if reading.telegram_id is not None and (reading.reach or reading.person):
            last[reading.telegram_id] = reading.reach
    return {telegram_id: reach for telegram_id, reach in last.items() if reach is not None}


async def _interactions(session: ReadSession, readings: Iterable[Reading], admitted: Admitted) -> list[Interacted]:
    deeds = [
        (admitted[reading.person.telegram_id].id or 0, reading.deed)
        for reading in readings
        if reading.person and reading.deed
    ]
    # A forged press may name any broadcast; only one that went to this fan counts as its click.
    claims = {(deed.broadcast_id, fan_id) for fan_id, deed in deeds if deed.broadcast_id is not None}
    true = await were_sent(session, claims) if claims else set()
    deeds = [(fan_id, deed) for fan_id, deed in deeds if not await _is_made_up(session, fan_id, deed, true)]
    return [
        Interacted(
            source=SOURCE,
            external_id=deed.key,
            fan_id=fan_id,
            at=deed.at,
            kind=deed.kind,
            detail=deed.detail,
            broadcast_id=deed.broadcast_id if (deed.broadcast_id, fan_id) in true else None,
        )
        for fan_id, deed in deeds
    ]


async def _heard(session: ReadSession, readings: Iterable[Reading], admitted: Admitted) -> list[Heard]:
    """What fans wrote to us; who answers them is not in the inbox themselves."""
    lines = [(reading.person.telegram_id, reading.line) for reading in readings if reading.person and reading.line]
    if not lines:
        return []
    colleagues = {one.telegram_id for one in await operators.who_may(session, Permission.OPERATE)}
    return [
        Heard(
            cause=line.key,
            fan_id=admitted[telegram_id].id or 0,
            at=line.at,
            text=line.text,
            kind=line.kind,
            file=line.file,
            message_id=line.message_id,
            replies_to=line.replies_to,
            edited=line.edited,
        )
        for telegram_id, line in lines
        if telegram_id not in colleagues
    ]


async def _is_made_up(session: ReadSession, fan_id: int, deed: Deed, true: Collection[tuple[int, int]]) -> bool:
    """An answer that no button under a message to this fan gives says nothing of them."""
    if deed.kind != "answer" or deed.broadcast_id is None:
        return False
    return (deed.broadcast_id, fan_id) not in true or deed.detail not in await answers_to(session, deed.broadcast_id)


def _message(message: Json, received_at: datetime) -> Reading:
    sender = message.get("from")
    if message["chat"]["type"] != "private" or sender is None or sender["is_bot"]:
        return Reading()
    at = _moment(message["date"])
    person = replace(_person(sender), joined_at=at, phone=_own_phone(message, sender))
    word, _, rest = _command(message)
    deed = _written(message, word, at)
    payload = rest.strip() if word == "start" else ""
    return Reading(person.telegram_id, person, payload=payload, deed=deed, line=_line(message, at))


def _edited(message: Json, received_at: datetime) -> Reading:
    """The same message once more: who wrote it is seen, but nothing new was done."""
    reading = _message(message, received_at)
    line = replace(reading.line, edited=True) if reading.line else None
    return replace(reading, deed=None, payload="", line=line)


def _pressed(query: Json, received_at: datetime, kind_of: KindOf) -> Reading:
    chat = query.get("message", {}).get("chat")
    if query["from"]["is_bot"] or (chat is not None and chat["type"] != "private"):
        return Reading()
    person = replace(_person(query["from"]), joined_at=received_at, talks=chat is not None)
    did = kind_of(query.get("data", ""))
    key = f"press:{query['id']}"
    # Forged data carries no deed: nobody can press a button that is not there.
    deed = Deed(key, did.kind, received_at, detail=did.detail, broadcast_id=did.broadcast_id) if did else None
    return Reading(person.telegram_id, person, deed=deed)


def _paying(query: Json, received_at: datetime) -> Reading:
    """Paying is no interaction, and from an invoice somebody forwarded it does not even open a chat."""
    person = replace(_person(query["from"]), joined_at=received_at, talks=False)
    return Reading(person.telegram_id, person)


def _reacted(reaction: Json, received_at: datetime) -> Reading:
    sender = reaction.get("user")
    if reaction["chat"]["type"] != "private" or sender is None or sender["is_bot"]:
        return Reading()
    at = _moment(reaction["date"])
    person = replace(_person(sender), joined_at=at)
    marks = [mark.get("emoji") or mark.get("custom_emoji_id") or mark["type"] for mark in reaction["new_reaction"]]
    key = f"reaction:{reaction['chat']['id']}:{reaction['message_id']}:{reaction['date']}:{','.join(marks)}"
    # Taking a reaction away leaves none: nothing was said.
    deed = Deed(key, "reaction", at, detail=marks[-1]) if marks else None
    return Reading(person.telegram_id, person, deed=deed)


def _polled(answer: Json, received_at: datetime) -> Reading:
    sender = answer.get("user")
    if sender is None or sender["is_bot"]:
        return Reading()
    person = replace(_person(sender), joined_at=received_at, talks=False)
    key = f"poll:{answer['poll_id']}:{person.telegram_id}"
    deed = Deed(key, "answer", received_at, detail=f"poll:{answer['poll_id']}") if answer["option_ids"] else None
    return Reading(person.telegram_id, person, deed=deed)


def _membership(change: Json, received_at: datetime) -> Reading:
    """In a private chat it means that the bot was blocked or let in again."""
    if change["chat"]["type"] != "private" or change["from"]["is_bot"]:
        return Reading()
    blocked = change["new_chat_member"]["status"] == "kicked"
    return Reading(change["chat"]["id"], reach=Reach.BLOCKED if blocked else Reach.REACHABLE)


_READERS = {
    "message": _message,
    "edited_message": _edited,
    "pre_checkout_query": _paying,
    "message_reaction": _reacted,
    "poll_answer": _polled,
    "my_chat_member": _membership,
}


def _person(user: Json) -> Newcomer:
    name = " ".join(part for part in (user["first_name"], user.get("last_name")) if part)
    return Newcomer(
        telegram_id=user["id"], name=name, username=user.get("username"), language=user.get("language_code")
    )


def _own_phone(message: Json, sender: Json) -> str | None:
    """A shared contact is the fan's own number only if Telegram says so."""
    contact = message.get("contact", {})
    return contact["phone_number"] if contact.get("user_id") == sender["id"] else None


def _command(message: Json) -> tuple[str, str, str]:
    """`/start@our_bot s_7` is ("start", " ", "s_7"); a text that is none has no word."""
    text = message.get("text", "")
    entity: Json = next(iter(message.get("entities", ())), {})
    if not text.startswith("/") or entity.get("type") != "bot_command" or entity.get("offset") != 0:
        return "", "", ""
    word, space, rest = text.partition(" ")
    return word[1:].partition("@")[0].lower(), space, rest


def _written(message: Json, command: str, at: datetime) -> Deed | None:
    content = next((content for content in _CONTENTS if content in message), None)
    if content is None:
        return None
    key = f"message:{message['chat']['id']}:{message['message_id']}"
    return Deed(key, "command", at, detail=command) if command else Deed(key, "message", at, detail=content)


def _line(message: Json, at: datetime) -> Line | None:
    """What a person is to read; a command is for us."""
    kind = next((content for content in TALK if content in message), None)
    if kind is None or message.get("text", "").startswith("/"):
        return None
    return Line(
        key=f"message:{message['chat']['id']}:{message['message_id']}",
        at=at,
        message_id=message["message_id"],
        kind=kind,
        text=_words(message, kind),
        file=_file(message[kind]),
        replies_to=message.get("reply_to_message", {}).get("message_id"),
    )


def _words(message: Json, kind: str) -> str:
    """Its text or caption, else what can be said of it in words; PostgreSQL takes no zero character."""
    told = _TOLD[kind](message[kind]) if kind in _TOLD else ""
    return str(message.get("text") or message.get("caption") or told).replace("\x00", "")


_TOLD: Mapping[str, Callable[[Json], object]] = {
    "contact": lambda contact: f"{contact['first_name']} {contact['phone_number']}",
    "location": lambda place: f"{place['latitude']}, {place['longitude']}",
    "venue": lambda venue: f"{venue['title']}, {venue['address']}",
    "poll": lambda poll: poll["question"],
    "sticker": lambda sticker: sticker.get("emoji", ""),
    "dice": lambda dice: dice["emoji"],
}


def _file(content: Any) -> str | None:  # Any: text, an object, or a photo in several sizes
    largest = content[-1] if isinstance(content, list) and content else content
    return largest.get("file_id") if isinstance(largest, dict) else None


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
