"""What the bot tells about itself: names, descriptions, commands, menu buttons."""

from dataclasses import dataclass, field

from bot.sandbox.shapes import Payload

DEFAULT_SCOPE = "default"
_PRIVATE_SCOPE = "all_private_chats"


@dataclass(slots=True)
class Profile:
    """Commands are kept by scope and language, words by kind and language."""

    commands: dict[tuple[str, str], list[Payload]] = field(default_factory=dict)
    words: dict[tuple[str, str], str] = field(default_factory=dict)
    menu_buttons: dict[int, Payload] = field(default_factory=dict)

    def word(self, kind: str, language: str) -> str:
        """A name or description in a language, else in the one for everybody."""
        return self.words.get((kind, language)) or self.words.get((kind, ""), "")

    def commands_for(self, chat_id: int, language: str | None) -> list[Payload]:
        """The command list a person sees: the narrowest scope, then their language, wins."""
        spoken = (language or "")[:2].lower()
        for scope in (f"chat:{chat_id}", _PRIVATE_SCOPE, DEFAULT_SCOPE):
            for tongue in (spoken, ""):
                if commands := self.commands.get((scope, tongue)):
                    return commands
        return []

    def menu_button(self, chat_id: int) -> Payload:
        """The button beside the typing box in a chat; chat 0 is everybody's."""
        return self.menu_buttons.get(chat_id) or self.menu_buttons.get(0) or {"type": "default"}
