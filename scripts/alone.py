"""Asks those tests again, by themselves, that failed beside three others.

A machine with two cores may stand still for longer than a promise in seconds allows. A fault fails again, and more than
two at once are a fault.
"""

import json
import subprocess
import sys
from pathlib import Path

FAILED = Path(".pytest_cache/v/cache/lastfailed")
MOST = 2


def main() -> None:
    """Exit as the second asking does."""
    failed = list(json.loads(FAILED.read_text(encoding="utf-8"))) if FAILED.exists() else []
    if not 0 < len(failed) <= MOST:
        sys.exit(f"{len(failed)} tests failed")
    asked = "\n  ".join(["asked again, alone; what passes now is unsteady, and wants mending:", *failed])
    sys.stderr.write(f"{asked}\n")
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *failed]))


if __name__ == "__main__":
    main()
