"""Checks the buttons that a bot sends, as Telegram would."""

from urllib.parse import urlsplit

from bot.sandbox.parameters import Parameters
from bot.sandbox.refusals import bad_request
from bot.sandbox.shapes import Payload

_MOST_BUTTONS = 100
_STYLES = frozenset({"primary", "success", "danger"})
_ACTIONS = (
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
)
_REPLY_KINDS = ("keyboard", "remove_keyboard", "force_reply")


def read_markup(parameters: Parameters) -> Payload | None:
    """The checked reply markup, None where there is none."""
    markup = parameters.data("reply_markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in markup:
        rows = [[_inline(button) for button in _row(row)] for row in _rows(markup["inline_keyboard"])]
        return {"inline_keyboard": _counted(rows)}
    if "keyboard" in markup:
        rows = [[_reply(button) for button in _row(row)] for row in _rows(markup["keyboard"])]
        return markup | {"keyboard": _counted(rows)}
    return markup


def inline_part(markup: Payload | None) -> Payload:
    """What of a markup stays with the message itself."""
    return {"reply_markup": markup} if markup and markup.get("inline_keyboard") else {}


def is_reply_keyboard(markup: Payload) -> bool:
    """Whether a markup changes the keyboard below the chat."""
    return any(kind in markup for kind in _REPLY_KINDS)


def _rows(rows: object) -> list[object]:
    if not isinstance(rows, list):
        raise bad_request("field of the keyboard must be an Array of Arrays")
    return rows


def _row(row: object) -> list[object]:
    if not isinstance(row, list):
        raise bad_request("can't parse keyboard: expected an Array of buttons")
    return row


def _counted(rows: list[list[Payload]]) -> list[list[Payload]]:
    if sum(map(len, rows)) > _MOST_BUTTONS:
        raise bad_request("REPLY_MARKUP_TOO_LONG")
    return [row for row in rows if row]


def _reply(button: object) -> Payload:
    if isinstance(button, str):
        button = {"text": button}
    return _named(button)


def _inline(button: object) -> Payload:
    button = _named(button)
    actions = [action for action in _ACTIONS if button.get(action) is not None]
    if not actions:
        raise bad_request("text buttons are unallowed in the inline keyboard")
    match actions[0]:
        case "callback_data":
            _must_be_callback_data(button["callback_data"])
        case "url":
            _must_be_url(button["url"])
        case "copy_text":
            _must_be_copied(button["copy_text"])
        case _:
            pass  # the other actions carry nothing that Telegram limits
    return button


def _named(button: object) -> Payload:
    if not isinstance(button, dict) or not isinstance(button.get("text"), str):
        raise bad_request("can't parse keyboard button: expected an Object with a text")
    if not button["text"].strip():
        raise bad_request("can't parse keyboard button: inline keyboard button text must be non-empty")
    if button.get("style") is not None and button["style"] not in _STYLES:
        raise bad_request("can't parse keyboard button: invalid button style specified")
    return {name: value for name, value in button.items() if value is not None}


def _must_be_callback_data(data: object) -> None:
    if not isinstance(data, str) or not 1 <= len(data.encode()) <= 64:
        raise bad_request("BUTTON_DATA_INVALID")


def _must_be_copied(copied: object) -> None:
    text = copied.get("text") if isinstance(copied, dict) else None
    if not isinstance(text, str) or not 1 <= len(text) <= 256:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")


def _must_be_url(url: object) -> None:
    address = str(url) if "://" in str(url) else f"http://{url}"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https", "tg", "ton"):
        raise _wrong_url(url, "Unsupported URL protocol")
    if not parts.netloc:
        raise _wrong_url(url, "URL host is empty")
    if parts.scheme.startswith("http") and "." not in (parts.hostname or ""):
        raise _wrong_url(url, "Wrong HTTP URL")


def _wrong_url(url: object, why: str) -> Exception:
    return bad_request(f"inline keyboard button URL '{url}' is invalid: {why}")
