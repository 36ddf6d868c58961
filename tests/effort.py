"""How hard tests of invented histories try: a little in the suite, and so many times as hard in `make torture`."""

import os

EFFORT = int(os.environ.get("EFFORT", "1"))


def examples(usual: int) -> int:
    """So many invented cases in the suite."""
    return usual * EFFORT
