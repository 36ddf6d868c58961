"""Every benchmark, one after another, each in a process of its own; tables here, numbers in var/bench/."""

import subprocess
import sys

BENCHMARKS = ("updates", "recompute", "visible", "broadcast", "throughput", "ledger", "coupons", "memory", "pages")


def main() -> int:
    finished = [subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False) for name in BENCHMARKS]
    return max(run.returncode for run in finished)


if __name__ == "__main__":
    sys.exit(main())
