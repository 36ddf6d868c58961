"""Buttons under the bot's messages: at most three rows, each button's data below Telegram's 64 bytes."""

from collections.abc import Iterable, Sequence
from typing import Literal

from aiogram.types import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup

Row = Sequence[InlineKeyboardButton]
Style = Literal["primary", "success", "danger"]


def keyboard(*rows: Row) -> InlineKeyboardMarkup:
    """Rows from top to bottom; empty ones are left out."""
    return InlineKeyboardMarkup(inline_keyboard=[list(row) for row in rows if row])


def press(text: str, *data: object, style: Style | None = None) -> InlineKeyboardButton:
    """A button that tells us `data`, joined by colons."""
    return InlineKeyboardButton(text=text, callback_data=":".join(map(str, data)), style=style)


def link(text: str, url: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=text, url=url)


def copy(text: str, copied: str) -> InlineKeyboardButton:
    """A button that puts text into the fan's clipboard."""
    return InlineKeyboardButton(text=text, copy_text=CopyTextButton(text=copied))


def in_rows(buttons: Iterable[InlineKeyboardButton], *, width: int) -> list[list[InlineKeyboardButton]]:
    """Side by side, `width` in a row."""
    all_of_them = list(buttons)
    return [all_of_them[n : n + width] for n in range(0, len(all_of_them), width)]
