"""What became of a broadcast whose senders were killed, and the table of all such tales in `var/kills.md`."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

LEAVE, RESEND = "leave", "resend"
PROMISES = {LEAVE: "at most once", RESEND: "at least once"}
TABLE = Path("var/kills.md")


@dataclass(frozen=True)
class Tale:
    """One broadcast. `missing`: who got nothing though the books do not say so, or, at least once, though they must."""

    policy: str
    database: str
    where: str
    kills: int
    recipients: int
    sent: int
    twice: int
    missing: int
    unknown: int


def tale_of(
    policy: str, database: str, where: str, kills: int, got: Mapping[int, int], states: Mapping[int, str]
) -> Tale:
    """From how many messages each fan has, and what the ledger says of them."""
    excused = {fan for fan, state in states.items() if state == "unknown" and policy == LEAVE}
    told = list(states.values())
    return Tale(
        PROMISES[policy], database, where, kills,
        recipients=len(got),
        sent=told.count("sent"),
        twice=sum(number > 1 for number in got.values()),
        missing=sum(number == 0 for fan, number in got.items() if fan not in excused),
        unknown=told.count("unknown"),
    )  # fmt: skip


_told: list[Tale] = []


def write_down(tale: Tale) -> None:
    """The whole table anew, with this one: a run that is broken off leaves what it has seen."""
    _told.append(tale)
    TABLE.parent.mkdir(exist_ok=True)
    header = [field.name for field in fields(Tale)]
    lines = [header, ["---"] * len(header), *(astuple(one) for one in _told), _sum(_told)]
    TABLE.write_text("\n".join(_line(cells) for cells in lines) + "\n", encoding="utf-8")


def _sum(tales: Sequence[Tale]) -> list[object]:
    numbers = [astuple(one)[3:] for one in tales]
    return ["together", "", "", *(sum(column) for column in zip(*numbers, strict=True))]


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
