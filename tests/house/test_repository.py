"""The repository speaks of the project alone, and its pins are complete."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Written in pieces, so that this file does not find itself.
FOREIGN = re.compile(
    "://[a-z0-9.-]*("
    + "|".join(["py" + "pi", "python" + "hosted", "npm" + "js"])
    + r")|(?<![\w.])/(ho"
    + "me|ro"
    + "ot)/"
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return [ROOT / line for line in listed.splitlines()]


def requirements(name: str) -> str:
    return (ROOT / "requirements" / name).read_text()


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    found = []
    for path in tracked():
        if path.is_file() and path.suffix not in {".png", ".ico", ".woff2"} and "vendor" not in path.parts:
            text = path.read_text(encoding="utf-8", errors="ignore")
            found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in FOREIGN.finditer(text)]

    assert found == []


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_every_pin_has_a_hash_and_no_host(name: str) -> None:
    pins = re.findall(r"^([a-z0-9_.-]+)==", requirements(name), re.MULTILINE | re.IGNORECASE)

    assert len(pins) > 20
    assert requirements(name).count("--hash=sha256:") >= len(pins)
    assert "://" not in requirements(name)


def test_everything_we_depend_on_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        "run.txt": project["project"]["dependencies"],
        "dev.txt": project["project"]["dependencies"] + project["dependency-groups"]["dev"],
    }

    for name, dependencies in wanted.items():
        pins = {
            pin.lower().replace("_", "-") for pin in re.findall(r"^([\w.-]+)(?:\[.*\])?==", requirements(name), re.M)
        }
        names = {re.split(r"[\[<>=]", dependency)[0].lower() for dependency in dependencies}
        assert names <= pins


def test_what_both_files_pin_is_pinned_alike() -> None:
    run, dev = (
        dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", requirements(name), re.M)) for name in ("run.txt", "dev.txt")
    )

    assert {name: version for name, version in run.items() if dev.get(name) != version} == {}
