"""Runs a sandbox until it is told to stop."""

import asyncio
import signal
import sys

from bot.sandbox.options import SandboxOptions
from bot.sandbox.sandbox import Sandbox


def run(options: SandboxOptions | None = None) -> None:
    """Serve until SIGINT or SIGTERM; one line on standard output tells the address."""
    asyncio.run(_serve(options or SandboxOptions()))


async def _serve(options: SandboxOptions) -> None:
    told_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    async with Sandbox(options) as sandbox:
        sys.stdout.write(f"sandbox ready at {sandbox.url}\n")
        sys.stdout.flush()
        await told_to_stop.wait()
