"""What became of a call to Telegram: a closed set, matched to the end by whoever made it."""

from dataclasses import dataclass, field
from typing import Any

from siyu.tables import Reach


@dataclass(frozen=True)
class Sent:
    """Telegram did it; a message has an id, other calls only a result."""

    message_id: int | None = None
    result: Any = field(default=None, compare=False)  # Any: the method's own answer


@dataclass(frozen=True)
class Blocked:
    """The fan blocked the bot; true until `my_chat_member` says otherwise."""


@dataclass(frozen=True)
class Gone:
    """The account is deactivated; nothing will ever arrive."""


@dataclass(frozen=True)
class Unreachable:
    """There is no such chat, or the fan never started the bot."""


@dataclass(frozen=True)
class Migrated:
    """The chat has another id now; send again there."""

    to: int


@dataclass(frozen=True)
class SlowDown:
    """Too fast: the whole bot waits, and it was not an attempt."""

    seconds: float


@dataclass(frozen=True)
class Rejected:
    """Our own content is wrong; sending it to the next fan will not help."""

    description: str


@dataclass(frozen=True)
class NotSent:
    """The connection was refused: surely not delivered, and not an attempt."""

    description: str = ""


@dataclass(frozen=True)
class ServerError:
    """Telegram answered 5xx in JSON: probably not delivered."""

    description: str = ""


@dataclass(frozen=True)
class Unknown:
    """The line broke after the request left: it may have arrived."""

    description: str = ""


@dataclass(frozen=True)
class Unauthorized:
    """The token was revoked: stop, and tell the owner."""


Outcome = (
    Sent
    | Blocked
    | Gone
    | Unreachable
    | Migrated
    | SlowDown
    | Rejected
    | NotSent
    | ServerError
    | Unknown
    | Unauthorized
)


def reach_after(outcome: Outcome) -> Reach | None:
    """What an answer says about whether this fan can be written to; None: nothing new."""
    match outcome:
        case Blocked():
            return Reach.BLOCKED
        case Gone():
            return Reach.GONE
        case Unreachable():
            # Known to us, but has no chat with the bot: exactly what an imported fan is.
            return Reach.IMPORTED
    return None
