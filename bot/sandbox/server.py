"""Runs a sandbox until it is told to stop."""

import asyncio
import gc
import signal
import sys

from bot.sandbox.options import SandboxOptions
from bot.sandbox.sandbox import Sandbox

# Telegram does not stand still to look for garbage. This one keeps every call, and walking through all of them took it
# 100 ms every other minute: what arrived meanwhile counted as a crowd. What is young is still collected.
NEVER = 1_000_000


def run(options: SandboxOptions | None = None) -> None:
    """Serve until SIGINT or SIGTERM; one line on standard output tells the address."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)
    asyncio.run(_serve(options or SandboxOptions()))


async def _serve(options: SandboxOptions) -> None:
    told_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    async with Sandbox(options) as sandbox:
        sys.stdout.write(f"sandbox ready at {sandbox.url}\n")
        sys.stdout.flush()
        await told_to_stop.wait()
