"""What a broadcast did, gathered for its page: the funnel, the versions, who pressed what, and why not everybody."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from admin.forms.broadcasts import shown
from siyu import broadcasts
from siyu.broadcasts import Action, Button, Earned, Results, Speed, content, links
from siyu.broadcasts.buttons import label
from siyu.broadcasts.comparing import WAITS_FOR_WINNER
from siyu.broadcasts.editions import Edition, Where, pieces_of
from siyu.kit.database import ReadSession
from siyu.kit.wording import Words
from siyu.tables import Broadcast, BroadcastState, DeliveryState

Reasons = Mapping[tuple[DeliveryState, str], int]

# In these a winner can be chosen.
UNDER_WAY = (BroadcastState.RUNNING, BroadcastState.PAUSED)


@dataclass(frozen=True)
class Shown:
    """One edition as it was written: of which version, in which language."""

    variant: str
    language: str
    markup: Markup
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Pressed:
    """A button by its words, or the word answered, and how many fans pressed it."""

    words: str
    fans: int


@dataclass(frozen=True)
class Outcome:
    """Everything the page shows below the progress."""

    results: Results
    earned: Earned
    speed: Speed
    pressed: Sequence[Pressed]
    failures: Sequence[tuple[str, int]]  # tried, and why it did not arrive
    passed_over: Sequence[tuple[str, int]]  # not tried, and why
    later: Sequence[tuple[str, int]]  # still to come, and what for
    decided_at: datetime | None  # when the winner is found at the earliest

    @property
    def waits_for_winner(self) -> int:
        return dict(self.later).get(WAITS_FOR_WINNER, 0)

    @property
    def is_undecided(self) -> bool:
        broadcast = self.results.broadcast
        return broadcast.winner is None and self.waits_for_winner > 0 and broadcast.state in UNDER_WAY


async def outcome(session: ReadSession, broadcast_id: int, *, words: Words) -> Outcome:
    found = await broadcasts.results(session, broadcast_id)
    reasons = await broadcasts.reasons(session, broadcast_id)
    tried = (DeliveryState.FAILED, DeliveryState.BLOCKED, DeliveryState.UNKNOWN)
    return Outcome(
        results=found,
        earned=await broadcasts.earned(session, broadcast_id),
        speed=await broadcasts.speed(session, broadcast_id),
        pressed=await _pressed(session, found.broadcast, words),
        failures=_of(reasons, *tried),
        passed_over=_of(reasons, DeliveryState.SKIPPED, DeliveryState.HOLDOUT),
        later=_of(reasons, DeliveryState.PENDING),
        decided_at=_decided_at(found),
    )


def editions_of(broadcast: Broadcast, *, words: Words) -> list[Shown]:
    """As it was written first, then the others; under an album there are no buttons."""
    return [
        Shown(
            variant=_behind(one.where, "variants"),
            language=_behind(one.where, "versions"),
            markup=shown(one.text),
            rows=[] if content.is_album(broadcast) else _labels(broadcast, one, words),
        )
        for one in pieces_of(broadcast).editions
    ]


def _behind(where: Where, word: str) -> str:
    return str(where[where.index(word) + 1]) if word in where else ""


def _labels(broadcast: Broadcast, edition: Edition, words: Words) -> list[list[str]]:
    keys = broadcasts.keyboard(0, edition.rows, offer=broadcast.offer_id is not None, words=words)
    return [[key["text"] for key in row] for row in keys]


def _of(reasons: Reasons, *states: DeliveryState) -> list[tuple[str, int]]:
    """The reasons in these states, the most first."""
    total = Counter[str]()
    for (state, reason), number in reasons.items():
        if state in states:
            total[reason] += number
    return total.most_common()


def _decided_at(found: Results) -> datetime | None:
    minutes = found.broadcast.winner_after_minutes
    moments = [group.last_planned_at for group in found.groups if group.variant and group.last_planned_at]
    return max(moments) + timedelta(minutes=minutes) if moments and minutes else None


async def _pressed(session: ReadSession, broadcast: Broadcast, words: Words) -> list[Pressed]:
    said = await button_words(session, broadcast, words=words)
    pressed = await broadcasts.clicks_per_button(session, broadcast.id or 0)
    return [Pressed(said.get(one.button, one.button), one.fans) for one in pressed]


async def button_words(session: ReadSession, broadcast: Broadcast, *, words: Words) -> Mapping[str, str]:
    """What stands on each button, by what a press is written down as: its place, its action, or the word answered."""
    ours = {str(action): label(action, words) for action in Action}
    written = await links.numbered(session, broadcast)
    # Of several languages the first, as it was written.
    return ours | {_key(place, button): button.text for place, button in reversed(written)}


def _key(place: str, button: Button) -> str:
    if button.url:
        return place
    return button.value or "" if button.is_(Action.ANSWER) else str(button.action)
