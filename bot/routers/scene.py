"""A scene: everything a handler is handed about one update, and the ways of answering it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from aiogram.enums import ParseMode
from aiogram.methods import AnswerCallbackQuery, EditMessageText, SendMessage, TelegramMethod
from aiogram.types import (
    CallbackQuery,
    InaccessibleMessage,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
)

from bot.wording import Voice
from siyu.app import App
from siyu.kit.database import WriteSession
from siyu.kit.wording import Words, choose_locale, words
from siyu.tables import Fan

Method = TelegramMethod[Any]  # Any: what Telegram answers, which nobody here waits for
Answer = Method | Sequence[Method] | None
# What stands behind a command or the first word of a button's data; the text is the rest of it.
Verb = Callable[["Scene", str], Awaitable[Answer]]

Board = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
LONGEST_TOAST = 200  # characters in the answer to a press


class Myself(Protocol):
    """The bot as Telegram knows it."""

    @property
    def username(self) -> str: ...


@dataclass(frozen=True)
class Scene:
    """One update of one fan, inside its transaction."""

    session: WriteSession
    fan: Fan
    now: datetime
    app: App
    words: Words
    newcomer: bool
    me: Myself
    cause: str = ""  # the update's own key: the same tap delivered twice is one
    pressed: CallbackQuery | None = None
    replied: Message | None = None  # what the fan's message is a reply to
    living: bool = True  # whether the pressed message may be changed in place

    def aside(self) -> "Scene":
        """The same, answering beside the pressed message instead of in it."""
        return replace(self, living=False)

    def heard_by(self, *languages: str | None) -> "Scene":
        """The same in somebody else's language: the first that is known."""
        return replace(self, words=words(choose_locale(next(filter(None, languages), None))))

    @property
    def voice(self) -> Voice:
        return Voice(self.words, self.app.settings.zone, self.now)

    @property
    def _(self) -> Callable[[str], str]:
        return self.words.gettext

    def link(self, payload: str) -> str:
        """A link that opens this bot with a start payload."""
        return f"https://t.me/{self.me.username}?start={payload}"

    def say(self, text: str, keyboard: Board | None = None, *, to: int | None = None, picture: str = "") -> SendMessage:
        """A new message, to the fan unless somebody else is named."""
        return SendMessage(
            chat_id=to or self.fan.telegram_id,
            text=text,
            parse_mode=ParseMode.HTML,
            reply_markup=keyboard,
            link_preview_options=_preview(picture),
        )

    def show(self, text: str, keyboard: InlineKeyboardMarkup | None = None, *, picture: str = "") -> Method:
        """The living message: changed in place after a press, sent new otherwise; a picture is an address."""
        message = self.pressed.message if self.pressed and self.living else None
        # Telegram hands out neither old messages nor those of other kinds for a change of text.
        if message is None or isinstance(message, InaccessibleMessage) or message.text is None:
            return self.say(text, keyboard, picture=picture)
        return EditMessageText(
            chat_id=message.chat.id,
            message_id=message.message_id,
            text=text,
            parse_mode=ParseMode.HTML,
            reply_markup=keyboard,
            link_preview_options=_preview(picture),
        )

    def toast(self, text: str | None = None, *, alert: bool = False) -> AnswerCallbackQuery:
        """The answer to a press: a word at the top of the screen, or a box to close."""
        assert self.pressed is not None, "only a press can be answered"
        said = text[:LONGEST_TOAST] if text else None
        return AnswerCallbackQuery(callback_query_id=self.pressed.id, text=said, show_alert=alert or None)


def _preview(picture: str) -> LinkPreviewOptions:
    """A message of words cannot become one with a photo; a large preview above it can come and go in place."""
    if not picture:
        return NO_PREVIEW
    return LinkPreviewOptions(url=picture, prefer_large_media=True, show_above_text=True)
