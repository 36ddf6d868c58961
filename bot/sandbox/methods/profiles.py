"""The methods about who the bot and the people are."""

import re
from collections.abc import Callable

from bot.sandbox.parameters import Parameters
from bot.sandbox.profile import DEFAULT_SCOPE
from bot.sandbox.refusals import bad_request
from bot.sandbox.shapes import Payload
from bot.sandbox.world import World

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
_CHAT_SCOPES = frozenset({"chat", "chat_administrators", "chat_member"})
_SCOPES = frozenset({DEFAULT_SCOPE, "all_private_chats", "all_group_chats", "all_chat_administrators"}) | _CHAT_SCOPES


def get_me(world: World, parameters: Parameters) -> Payload:
    """The bot itself."""
    return world.bot | {
        "can_join_groups": False,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def get_chat(world: World, parameters: Parameters) -> Payload:
    """A person's chat in full."""
    person = world.find_person(parameters.text("chat_id"))
    return person.chat | {
        "accent_color_id": person.telegram_id % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(_GIFTS, False),
    }


def get_file(world: World, parameters: Parameters) -> Payload:
    """Where a file can be fetched."""
    file = world.files.find(parameters.text("file_id"))
    if file is None:
        raise bad_request("invalid file_id")
    return {
        "file_id": file.file_id,
        "file_unique_id": f"AQ{file.file_id[4:18]}",
        "file_size": len(file.content),
        "file_path": file.path,
    }


def set_my_commands(world: World, parameters: Parameters) -> bool:
    """The command list of a scope and language."""
    commands = [_command(command) for command in parameters.rows("commands")]
    if len(commands) > 100:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    world.profile.commands[_scope(world, parameters), _language(parameters)] = commands
    world.changes.touch()
    return True


def get_my_commands(world: World, parameters: Parameters) -> list[Payload]:
    """Exactly the list set for a scope and language."""
    return world.profile.commands.get((_scope(world, parameters), _language(parameters)), [])


def delete_my_commands(world: World, parameters: Parameters) -> bool:
    """Go back to the wider list."""
    world.profile.commands.pop((_scope(world, parameters), _language(parameters)), None)
    world.changes.touch()
    return True


def set_chat_menu_button(world: World, parameters: Parameters) -> bool:
    """The button beside the typing box."""
    button = parameters.data("menu_button") or {"type": "default"}
    if not isinstance(button, dict) or button.get("type") not in ("commands", "web_app", "default"):
        raise bad_request("unsupported menu button type")
    world.profile.menu_buttons[parameters.number("chat_id")] = button
    world.changes.touch()
    return True


def get_chat_menu_button(world: World, parameters: Parameters) -> Payload:
    """What set_chat_menu_button set."""
    return world.profile.menu_button(parameters.number("chat_id"))


def setter(kind: str, most: int) -> Callable[[World, Parameters], bool]:
    """A method that sets the bot's name or one of its descriptions, `most` characters long."""

    def set_words(world: World, parameters: Parameters) -> bool:
        words = parameters.text(kind)
        if len(words) > most:
            raise bad_request(f"BOT_{kind.upper()}_TOO_LONG")
        world.profile.words[kind, _language(parameters)] = words
        world.changes.touch()
        return True

    return set_words


def getter(kind: str) -> Callable[[World, Parameters], Payload]:
    """A method that tells the bot's name or one of its descriptions."""

    def get_words(world: World, parameters: Parameters) -> Payload:
        default = world.options.bot_name if kind == "name" else ""
        return {kind: world.profile.word(kind, _language(parameters)) or default}

    return get_words


def _command(command: object) -> Payload:
    if not isinstance(command, dict):
        raise bad_request("can't parse BotCommand: expected an Object")
    name, description = str(command.get("command", "")).removeprefix("/"), str(command.get("description", ""))
    if not _COMMAND.fullmatch(name):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": description}


def _scope(world: World, parameters: Parameters) -> str:
    scope = parameters.data("scope") or {"type": DEFAULT_SCOPE}
    kind = scope.get("type") if isinstance(scope, dict) else None
    if kind not in _SCOPES:
        raise bad_request("unsupported BotCommandScope type specified")
    if kind in _CHAT_SCOPES:
        return f"{kind}:{world.find_person(str(scope.get('chat_id', ''))).telegram_id}"
    return str(kind)


def _language(parameters: Parameters) -> str:
    language = parameters.text("language_code")
    if language and not _LANGUAGE.fullmatch(language):
        raise bad_request("invalid language code specified")
    return language
