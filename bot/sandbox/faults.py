"""Misfortunes that befall calls on purpose, so that a bot's recovery can be tested."""

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from zlib import crc32


class FaultKind(StrEnum):
    """What goes wrong with a call."""

    TOO_MANY = "too_many"  # 429 with retry_after
    SERVER_ERROR = "server_error"  # 500 as JSON
    BAD_GATEWAY = "bad_gateway"  # 502 as an HTML page
    DROP_BEFORE = "drop_before"  # connection cut, nothing done
    DROP_AFTER = "drop_after"  # done, then the connection is cut: the reply is lost
    HANG = "hang"  # done, then never answered
    BLOCKED = "blocked"  # 403
    BAD_CONTENT = "bad_content"  # 400


@dataclass(frozen=True, kw_only=True)
class Fault:
    """
    Strikes the next `next` calls, and beyond them `share` (0 to 1) of all calls.

    Without `methods` only calls that send a message are struck; `telegram_ids` narrows them to
    some people.
    """

    kind: FaultKind
    share: float = 0.0
    next: int = 0
    retry_after: int = 1
    methods: tuple[str, ...] = ()
    telegram_ids: tuple[int, ...] = ()

    def concerns(self, method: str, chat_id: int, *, sends: bool) -> bool:
        """Whether this call is one of those that the fault may strike."""
        named = method in self.methods if self.methods else sends
        return named and (not self.telegram_ids or chat_id in self.telegram_ids)


class Faults:
    """The faults now in force."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.struck: Counter[FaultKind] = Counter()
        self._active: list[Fault] = []
        self._tries: Counter[int] = Counter()

    def set(self, *faults: Fault, seed: int | None = None) -> None:
        """Replace all faults; a seed also starts the count of calls anew."""
        self._active = list(faults)
        if seed is not None:
            self.seed = seed
            self._tries.clear()

    def clear(self) -> None:
        """From now on everything works."""
        self._active.clear()

    @property
    def active(self) -> tuple[Fault, ...]:
        """What is in force, with `next` counted down."""
        return tuple(self._active)

    def strike(self, method: str, chat_id: int, *, sends: bool) -> Fault | None:
        """The fault that befalls this call, if any."""
        if not self._active:
            return None
        concerning = [fault for fault in self._active if fault.concerns(method, chat_id, sends=sends)]
        fault = self._counted(concerning) or self._drawn(concerning, chat_id)
        if fault is not None:
            self.struck[fault.kind] += 1
        return fault

    def _counted(self, faults: list[Fault]) -> Fault | None:
        fault = next((fault for fault in faults if fault.next > 0), None)
        if fault is not None:
            self._active[self._active.index(fault)] = replace(fault, next=fault.next - 1)
        return fault

    def _drawn(self, faults: list[Fault], chat_id: int) -> Fault | None:
        # By chat and by the number of its calls, not by the order of arrival: a run with many
        # sends in flight meets the same faults each time.
        self._tries[chat_id] += 1
        lot = crc32(f"{self.seed}:{chat_id}:{self._tries[chat_id]}".encode()) / 2**32
        for fault in faults:
            if lot < fault.share:
                return fault
            lot -= fault.share
        return None
