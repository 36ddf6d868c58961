"""One broadcast, sent by a process that does nothing else; it tells how much memory and time that took, as JSON.

`python -m benchmarks.sending DATABASE_URL TELEGRAM BROADCAST RATE`
"""

import asyncio
import json
import logging
import resource
import sys
import time

import structlog

from benchmarks.broadcast import to_the_end
from benchmarks.telegrams import settings_for
from siyu.app import open_app


def main() -> None:
    url, telegram, broadcast_id, rate = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    asyncio.run(_send(url, telegram, int(broadcast_id), float(rate)))
    print(json.dumps({"mib": _most_memory(), "cpu_seconds": time.process_time()}))


async def _send(url: str, telegram: str, broadcast_id: int, rate: float) -> None:
    app = open_app(settings_for(url, telegram, rate))
    await to_the_end(app, broadcast_id)
    await app.close()


def _most_memory() -> float:
    """The most this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
