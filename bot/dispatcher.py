"""The dispatcher: takes an update to its handler, and turns what the handler returns into calls for the outbox.

Handlers are handed by name: `session`, `fan`, `newcomer`, `now`, `app`, `words` (in the fan's language)
and `me` (the bot). They return a Telegram method, several, or None, and never call Telegram. A SiyuError
they let through is undone with everything they wrote, and said to the fan in their language.
"""

from base64 import b64encode
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from aiogram import Bot, Router
from aiogram.client.default import Default
from aiogram.client.session.base import BaseSession
from aiogram.dispatcher.event.bases import UNHANDLED
from aiogram.methods import AnswerCallbackQuery, AnswerPreCheckoutQuery, SendMessage, TelegramMethod
from aiogram.types import BufferedInputFile, InputFile, Update
from pydantic import BaseModel

from bot.messenger import Me
from bot.recorder import KindOf
from siyu.app import App
from siyu.kit.database import WriteSession
from siyu.kit.errors import SiyuError
from siyu.kit.wording import Words, choose_locale, phrase, words
from siyu.mailroom import ANSWER, NOTICE, REPLY
from siyu.tables import Fan

AnyMethod = TelegramMethod[Any]  # Any: each method names its own result
Json = dict[str, Any]  # Any: fields as Telegram spells them

SORRY = phrase("Something went wrong on our side, and we are looking into it. Please try again a little later.")
# Telegram's limit for what pops up over a press; a pre-checkout's reason has none that short.
LONGEST_TOAST = 200


@dataclass(frozen=True)
class Call:
    """One method for the outbox."""

    method: str
    payload: Json
    person_id: int
    lane: int


class Refused(Exception):
    """A handler said no: undo what it wrote, and make these calls instead."""

    def __init__(self, calls: list[Call]) -> None:
        super().__init__("a handler said no")
        self.calls = calls


class Desk:
    """Where every update is handled."""

    def __init__(self, app: App, me: Me, root: Router, kind_of: KindOf) -> None:
        self.kind_of = kind_of
        self._app = app
        self._me = me
        self._bot = Bot(app.settings.token, session=_NoCalls())
        # The routers without aiogram's Dispatcher around them: dialogues keep their place in the fan's own rows, and
        # who wrote is in the facts already; its middlewares would cost a sixth of an update's time.
        self._root = root

    async def handle(self, raw: Json, *, session: WriteSession, fan: Fan, newcomer: bool, now: datetime) -> list[Call]:
        """Route one update; raises Refused, or whatever its handler raises."""
        update = Update.model_validate(raw, context={"bot": self._bot})
        kind = _kind(raw)
        said = words_for(fan)
        try:
            answer = await self._root.propagate_event(
                kind, getattr(update, kind), bot=self._bot, app=self._app, me=self._me, session=session, fan=fan,
                newcomer=newcomer, now=now, words=said,
            )  # fmt: skip
        except SiyuError as error:
            raise Refused(_calls(_reply(update, said.gettext(error.sentence) % error.values), fan)) from error
        return _calls(_completed(update, answer), fan)

    def apologize(self, raw: Json, fan: Fan) -> list[Call]:
        """What a fan hears when we gave up on their update."""
        update = Update.model_validate(raw, context={"bot": self._bot})
        return _calls(_reply(update, words_for(fan).gettext(SORRY)), fan)


def _kind(raw: Json) -> str:
    """What the update is about: Telegram sends one field beside its number. A kind nobody handles finds no handler."""
    return next(name for name in raw if name != "update_id")


def words_for(fan: Fan) -> Words:
    """The fan's choice, else Telegram's hint, else English."""
    return words(fan.chosen_language or choose_locale(fan.language))


def _completed(update: Update, answer: object) -> list[AnyMethod]:
    """What the handler returned; and a press is always answered, or its button goes on spinning."""
    methods = list(_methods(answer))
    if update.callback_query and not any(isinstance(method, AnswerCallbackQuery) for method in methods):
        methods.append(AnswerCallbackQuery(callback_query_id=update.callback_query.id))
    return methods


def _methods(answer: object) -> Iterable[AnyMethod]:
    if answer is None or answer is UNHANDLED:
        return ()
    if isinstance(answer, TelegramMethod):
        return (answer,)
    if isinstance(answer, list | tuple):
        return [method for part in answer for method in _methods(part)]
    raise TypeError(f"a handler returned {type(answer).__name__}, not a Telegram method")


def _reply(update: Update, text: str) -> list[AnyMethod]:
    """A sentence, the way this kind of update can be answered."""
    if update.callback_query:
        toast = text if len(text) <= LONGEST_TOAST else text[: LONGEST_TOAST - 1] + "…"
        return [AnswerCallbackQuery(callback_query_id=update.callback_query.id, text=toast, show_alert=True)]
    if update.pre_checkout_query:
        return [
            AnswerPreCheckoutQuery(pre_checkout_query_id=update.pre_checkout_query.id, ok=False, error_message=text)
        ]
    if update.message:
        return [SendMessage(chat_id=update.message.chat.id, text=text)]
    return []


def _calls(methods: Iterable[AnyMethod], fan: Fan) -> list[Call]:
    return [_call(method, fan) for method in methods]


def _call(method: AnyMethod, fan: Fan) -> Call:
    payload = _plain(method)
    chat_id = payload.get("chat_id")
    person_id = chat_id if isinstance(chat_id, int) else fan.telegram_id
    return Call(method.__api_method__, payload, person_id, _lane(method.__api_method__, person_id, fan))


def _lane(method: str, person_id: int, fan: Fan) -> int:
    if method.startswith("answer"):
        return ANSWER
    return REPLY if person_id == fan.telegram_id else NOTICE


def _plain(value: Any) -> Any:  # Any: a model's fields, whatever they are, and the JSON they make
    """What Telegram takes: no empty fields, no defaults; a small file of our own waits in the outbox as text."""
    if value.__class__ in _SIMPLE:
        return value
    if isinstance(value, BaseModel):
        given = value.__dict__ | (value.__pydantic_extra__ or {})
        return {name: _plain(field) for name, field in given.items() if field is not None and not _is_default(field)}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, BufferedInputFile):
        return {"file": value.filename, "base64": b64encode(value.data).decode()}
    if isinstance(value, InputFile):
        raise TypeError("a file cannot wait in the outbox: send its file_id or an address")
    return value


# Most values are these; asking for the class of one is 20 times cheaper than the chain of isinstance.
_SIMPLE = frozenset({str, int, bool, float})


def _is_default(value: object) -> bool:
    return value.__class__ is Default


class _NoCalls(BaseSession):
    """Refuses to call: a message sent from within a transaction could not be undone."""

    async def close(self) -> None:
        """There is nothing to close."""

    async def make_request(self, bot: Bot, method: AnyMethod, timeout: int | None = None) -> NoReturn:  # noqa: ASYNC109 - aiogram's
        raise RuntimeError(f"handlers return {method.__api_method__} instead of calling it")

    async def stream_content(
        self,
        url: str,
        headers: Json | None = None,
        timeout: int = 30,  # noqa: ASYNC109 - aiogram's
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        raise RuntimeError("handlers do not fetch files")
        yield b""
