"""What a sandbox can be told before it starts."""

from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_TEMPLATE_HOMES = (_ROOT / "templates", _ROOT / "siyu" / "_assets" / "templates")


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """
    `rate` is messages per second for the whole bot, in any one-second window; None lifts it and
    the limit per chat with it. `chat_rate` refills a chat's allowance of `chat_burst` messages.
    `delay` is how many seconds every answer to a send is held back, to mimic a distant server.
    `query_lifetime` is how long a press or a pre-checkout question may wait for the bot.
    """

    token: str = "42:SANDBOX"
    host: str = "127.0.0.1"
    port: int = 0
    rate: float | None = 30
    chat_rate: float | None = 1.0
    chat_burst: int = 5
    delay: float = 0.0
    fault_seed: int = 0
    bot_username: str = "siyu_sandbox_bot"
    bot_name: str = "Sandbox bot"
    stars: int = 10_000
    query_lifetime: float = 150.0
    checkout_patience: float = 10.0
    templates_dir: Path | None = None

    @property
    def bot_id(self) -> int:
        """The number before the colon, as in every real token."""
        number = self.token.partition(":")[0]
        return int(number) if number.isdecimal() else 42

    @property
    def template_home(self) -> Path:
        """Where the chat page's templates lie: in the source tree, or inside an installed wheel."""
        if self.templates_dir is not None:
            return self.templates_dir
        return next((home for home in _TEMPLATE_HOMES if home.is_dir()), _TEMPLATE_HOMES[0])
