"""Where findings are kept: one JSON file for each benchmark in `var/bench/`."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path("var/bench")


def write_findings(name: str, found: dict[str, Any]) -> None:  # Any: numbers by name
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
