"""A log of the calls that the bot made."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

_KEPT = 100_000


@dataclass(slots=True, frozen=True)
class Call:
    """One call: what was asked, what was answered, and when by the monotonic clock."""

    number: int
    method: str
    params: dict[str, Any]  # Any: as the bot sent them
    code: int
    answer: object
    at: float

    def as_json(self) -> dict[str, object]:
        """The call for programs."""
        return {name: getattr(self, name) for name in self.__slots__}


class CallLog:
    """The last 100,000 calls, and counts of all of them by method and by answer."""

    def __init__(self) -> None:
        self.by_method: Counter[str] = Counter()
        self.by_code: Counter[int] = Counter()
        self._calls: deque[Call] = deque(maxlen=_KEPT)
        self._number = 0

    def __len__(self) -> int:
        return self._number

    # Any: as in Call.
    def note(self, method: str, params: dict[str, Any], code: int, answer: object, at: float) -> None:
        """Write a call down."""
        self._number += 1
        self.by_method[method] += 1
        self.by_code[code] += 1
        self._calls.append(Call(self._number, method, params, code, answer, at))

    def find(self, method: str | None = None, *, since: int = 0, code: int | None = None) -> list[Call]:
        """The calls after number `since`, of one method or with one answer if wanted."""
        return [
            call
            for call in self._calls
            if call.number > since and (method is None or call.method == method) and (code is None or call.code == code)
        ]
