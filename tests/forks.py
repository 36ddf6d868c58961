"""Processes to be killed at any moment: forked from a server that has imported everything once.

A fresh start costs 5 seconds, most of it importing aiogram; a fork of the prepared server 0.05.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier
from typing import Any

# What cannot be imported here is imported by the child that needs it.
PREPARED = ["__main__", "siyu.app", "bot.sender", "bot.run"]


class Child:
    """A process that does one thing, until it ends or is killed. The function must be importable by name."""

    def __init__(self, does: Callable[..., object], *args: Any) -> None:  # Any: whatever the function takes
        self._process = _server().Process(target=does, args=args, daemon=True)
        self._process.start()

    def freeze(self) -> None:
        """SIGSTOP: whatever reaches it now, it does nothing about it any more."""
        os.kill(self._process.pid or 0, signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self._process.kill()
        self._process.join()

    def has_ended(self, within: float = 0) -> bool:
        """Whether it ended by itself; an error in it fails the test."""
        self._process.join(within)
        if self._process.exitcode is None:
            return False
        assert self._process.exitcode == 0, f"the child failed with {self._process.exitcode}"
        return True


def starting_line(children: int) -> Barrier:
    """Where so many children wait for each other."""
    return _server().Barrier(children)


async def in_processes(children: Sequence[Child]) -> None:
    """Until all have ended; an error in one fails the test."""
    try:
        for child in children:
            assert await asyncio.to_thread(child.has_ended, 100), "a process hangs"
    finally:
        for child in children:
            child.kill()


def run_until_killed(does: Callable[..., object], after_seconds: float, *args: Any) -> bool:  # Any: as in Child
    """Let it run for so long and kill it; False if it ended by itself before."""
    child = Child(does, *args)
    ended = child.has_ended(within=after_seconds)
    child.kill()
    return not ended


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PREPARED)
    return context
