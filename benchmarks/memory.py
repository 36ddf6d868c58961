"""What a sending process holds in memory: a small broadcast against a large one, each sent to the end by a process.

`python -m benchmarks.memory [--few N] [--many N] [--database sqlite|postgresql]`
"""

import argparse
import asyncio
import json
import subprocess
import sys

import aiohttp

from benchmarks.databases import KINDS, fresh_database
from benchmarks.findings import write_findings
from benchmarks.telegrams import Json, given_broadcast, introduce, pretend_telegram

TARGET_MIB = 30
RATE = 1000  # the highest a setting may be


def main() -> None:
    """Measure, print the table, write `var/bench/memory.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--database", choices=KINDS, nargs="*", default=["sqlite"])
    chosen = parser.parse_args()
    found = {kind: _measure(kind, chosen.few, chosen.many) for kind in chosen.database}
    _print(found)
    write_findings("memory", found)


def _measure(kind: str, few: int, many: int) -> Json:
    small, large = _sent(kind, few), _sent(kind, many)
    growth = large["mib"] - small["mib"]
    return {"few": small, "many": large, "growth_mib": growth, "ratio": large["mib"] / small["mib"],
            "target_mib": TARGET_MIB, "reached": growth <= TARGET_MIB}  # fmt: skip


def _sent(kind: str, number: int) -> Json:
    """What a process tells that sent so many."""
    with fresh_database(kind) as url, pretend_telegram(limit=None, delay=0) as telegram:
        asyncio.run(_introduce(telegram, number))
        broadcast_id = asyncio.run(given_broadcast(url, number))
        command = [sys.executable, "-m", "benchmarks.sending", url, telegram, str(broadcast_id), str(RATE)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {"fans": number, **json.loads(told)}


async def _introduce(telegram: str, number: int) -> None:
    async with aiohttp.ClientSession(telegram) as world:
        await introduce(world, number)


def _print(found: dict[str, Json]) -> None:
    print("\nmemory of a sending process, MiB at most")
    for kind, one in found.items():
        few, many = one["few"], one["many"]
        print(
            f"{kind:12} {few['fans']:>7} recipients {few['mib']:6.1f}   {many['fans']:>7} recipients {many['mib']:6.1f}"
        )
        print(f"{'growth':12} {one['growth_mib']:6.1f}, ratio {one['ratio']:.2f}   (target: at most {TARGET_MIB})")


if __name__ == "__main__":
    main()
