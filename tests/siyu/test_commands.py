"""The commands as somebody at a terminal meets them: in processes of their own."""

import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from siyu.commands.words import ExportWord, FileWord, RoleWord, ScopeWord
from siyu.operators import Scope
from siyu.serving import PARTS
from siyu.tables import Role
from siyu.transfer.importing import Kind
from tests import servers

ROOT = Path(__file__).resolve().parents[2]
PURCHASES = "external_id,telegram_id,purchased_at,amount\nA,7,2026-03-01T12:00:00,19.90\nB,x,2026-03-01,1\n"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment of its own, over a migrated SQLite file."""
    database = {"SIYU_DATABASE_URL": servers.fresh_sqlite(tmp_path), "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIYU_")}
    return {**inherited, **database, "HOME": str(tmp_path), "NO_COLOR": "1"}


def _siyu(home: dict[str, str], *arguments: str, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run it; whatever happens, nobody is shown a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "siyu", *arguments],
        env={**home, **settings}, cwd=home["HOME"], capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    return done


COMMANDS = [
    ["run"], ["demo"], ["sandbox"], ["import"], ["export"], ["recompute"], ["segments"], ["fan"], ["login-link"],
    ["books"], ["doctor"], ["backup"], ["restore"], ["operator", "add"], ["token", "create"],
    ["db", "upgrade"], ["db", "check"],
]  # fmt: skip


def test_every_command_has_help_with_an_example_and_loads_nothing_heavy_for_it() -> None:
    script = f"""
import sys
from typer.testing import CliRunner
from siyu.commands import cli
for command in {COMMANDS!r}:
    shown = CliRunner().invoke(cli, [*command, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "Example" in shown.output, command
assert "import" in CliRunner().invoke(cli, ["--help"]).output
print([name for name in ("aiogram", "fastapi", "sqlalchemy", "aiohttp", "jinja2") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"


def test_the_words_of_the_command_line_are_those_of_the_domain() -> None:
    assert {word.value for word in RoleWord} == {role.value for role in Role}
    assert {word.value for word in ScopeWord} == {scope.value for scope in Scope}
    assert {word.value for word in FileWord} == {kind.value for kind in Kind}
    assert {"web", "bot", "scheduler", "sender"} == PARTS
    assert {word.value for word in ExportWord} > {kind.value for kind in Kind}


USAGE = [
    ["nonsense"],
    ["import", "dragons", "x.csv"],
    ["operator", "add", "7"],
    ["operator", "add", "7", "--role", "king"],
    ["run", "--only", "web,kitchen"],
    ["export", "segment"],
    ["export", "fans", "loyalty.lost"],
    ["recompute", "--as-of", "yesterday"],
    ["fan", "Mei"],
]


@pytest.mark.parametrize("arguments", USAGE)
def test_a_command_used_wrongly_ends_with_two(home: dict[str, str], arguments: list[str]) -> None:
    done = _siyu(home, *arguments, code=2)

    assert done.stderr


def test_an_import_names_the_bad_row_keeps_the_good_one_and_can_be_repeated(home: dict[str, str]) -> None:
    file = Path(home["HOME"]) / "orders.csv"
    file.write_text(PURCHASES)

    rehearsed = _siyu(home, "import", "purchases", str(file), "--dry-run")
    first = _siyu(home, "import", "purchases", str(file), "--verdicts", "verdicts.csv")
    again = _siyu(home, "import", "purchases", str(file))
    out = _siyu(home, "export", "purchases")
    _siyu(home, "recompute", "--full", "--json")
    sizes = json.loads(_siyu(home, "segments", "--json").stdout)
    fan = json.loads(_siyu(home, "fan", "7", "--json").stdout)

    assert "created 1" in rehearsed.stdout
    assert "nothing was written" in rehearsed.stdout
    assert "row 3, telegram_id: is not a whole number" in first.stderr
    assert "2 rows: created 1, updated 0, duplicate 0, conflict 0, rejected 1" in first.stdout
    assert "created 0, updated 0, duplicate 1" in again.stdout
    verdicts = (Path(home["HOME"]) / "verdicts.csv").read_text().splitlines()
    assert verdicts == ["row,verdict,column,reason", "2,created,,", "3,rejected,telegram_id,is not a whole number"]
    assert "A,7,2026-03-01T12:00:00+08:00,19.90,CNY" in out.stdout
    assert [segment["size"] for segment in sizes if segment["key"] == "loyalty.casual"] == [1]
    assert set(sizes[0]) == {"key", "label", "rule", "size", "reachable", "computed_at"}
    assert fan["telegram_id"] == 7
    assert fan["metrics"]["spend_total"] == 1990


def test_people_come_in_by_a_link_and_programs_by_a_key(home: dict[str, str]) -> None:
    nobody = _siyu(home, "login-link", code=1)
    _siyu(home, "operator", "add", "7", "--role", "owner", "--name", "Mei")
    link = _siyu(home, "login-link", SIYU_PUBLIC_URL="https://fans.example.org").stdout.strip()
    key = _siyu(home, "token", "create", "shop", "--scope", "write").stdout.strip()
    last = _siyu(home, "operator", "add", "7", "--role", "viewer", code=1)

    assert "operator add" in nobody.stderr
    assert re.fullmatch(r"https://fans\.example\.org/login\?t=[\w-]{43}", link)
    assert re.fullmatch(r"siyu_[\w-]{43}", key)
    assert "last owner" in last.stderr


FAILURES = [
    (["segments"], {"SIYU_DATABASE_URL": "postgresql://siyu@127.0.0.1:9/siyu"}, "the database failed"),
    (["segments"], {"SIYU_DATABASE_URL": "sqlite:///nothing-here.db"}, "siyu db upgrade"),
    (["segments"], {"SIYU_COLOUR": "red"}, "SIYU_COLOUR is not a setting of Siyu"),
    (["run"], {}, "SIYU_BOT_TOKEN is not set"),
    (["run", "--only", "bot"], {"SIYU_BOT_TOKEN": "nonsense"}, "SIYU_BOT_TOKEN: does not look like"),
    (["fan", "404"], {}, "there is no fan with Telegram id 404"),
    (["import", "fans", "missing.csv"], {}, "missing.csv: No such file"),
    (["import", "fans", "siyu.bin"], {}, "the file has no header row"),
    (["import", "purchases", "siyu.bin", "--source", "telegram"], {}, "choose another name"),
    (["export", "segment", "loyalty.nonsense"], {}, "there is no segment loyalty.nonsense"),
    (["export", "deliveries", "404"], {}, "there is no broadcast 404"),
]


@pytest.mark.parametrize(("arguments", "settings", "line"), FAILURES)
def test_an_expected_failure_is_one_readable_line_and_exit_code_one(
    home: dict[str, str], arguments: list[str], settings: dict[str, str], line: str
) -> None:
    (Path(home["HOME"]) / "siyu.bin").write_bytes(b"")

    done = _siyu(home, *arguments, code=1, **settings)

    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into read-only files")
def test_a_database_that_can_only_be_read_is_said_in_one_line(home: dict[str, str]) -> None:
    database = Path(home["SIYU_DATABASE_URL"].removeprefix("sqlite:///"))
    database.chmod(stat.S_IREAD)

    done = _siyu(home, "operator", "add", "7", "--role", "owner", code=1)

    assert "can only be read" in done.stderr


def test_a_file_that_is_no_database_is_said_in_one_line(home: dict[str, str]) -> None:
    (Path(home["HOME"]) / "text.db").write_text("this is a shopping list, not a database" * 100)

    done = _siyu(home, "segments", code=1, SIYU_DATABASE_URL="sqlite:///text.db")

    assert "not a Siyu database" in done.stderr


def test_a_port_in_use_is_said_at_once(home: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        done = _siyu(home, "run", "--only", "web", code=1, SIYU_WEB_PORT=str(taken.getsockname()[1]))

    assert "cannot listen on 127.0.0.1:" in done.stderr


def test_the_doctor_says_line_by_line_what_is_well_and_what_to_do(home: dict[str, str]) -> None:
    well = _siyu(home, "doctor")
    new = _siyu(home, "doctor", code=1, SIYU_DATABASE_URL="sqlite:///fresh.db")
    unreachable = _siyu(home, "doctor", code=1, SIYU_BOT_TOKEN="42:SANDBOX", SIYU_TELEGRAM_API_URL="http://127.0.0.1:9")

    assert all(line[0] in "✓·" for line in well.stdout.splitlines())
    assert "✗ database:" in new.stdout
    assert "siyu db upgrade" in new.stdout
    assert not (Path(home["HOME"]) / "fresh.db").exists()
    assert "✗ bot: http://127.0.0.1:9 cannot be reached" in unreachable.stdout


def test_the_books_of_an_untouched_house_balance(home: dict[str, str]) -> None:
    assert json.loads(_siyu(home, "books", "--json").stdout) == {"breaches": []}


def test_the_web_side_serves_until_it_is_told_to_stop_and_keeps_the_key_out_of_its_log(home: dict[str, str]) -> None:
    port = _free_port()
    settings = {"SIYU_WEB_PORT": str(port), "SIYU_BOT_TOKEN": "5123456789:AAHsecretsecretsecretsecretsecretse"}
    command = [sys.executable, "-m", "siyu", "run", "--only", "web"]

    with subprocess.Popen(
        command, env={**home, **settings}, cwd=home["HOME"], stderr=subprocess.PIPE, text=True
    ) as house:
        try:
            answered = _wait_for(f"http://127.0.0.1:{port}/readyz")
        finally:
            house.send_signal(signal.SIGTERM)
        _, log = house.communicate(timeout=30)

    assert answered == 200
    assert house.returncode == 0
    assert "Traceback" not in log
    assert "stopped" in log
    assert "secret" not in log


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(address: str) -> int:
    for _ in range(900):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return int(answer.status)
        except OSError:
            time.sleep(0.1)
    return 0


def test_a_backup_put_back_has_everything_and_sends_nothing_by_itself(home: dict[str, str]) -> None:
    database = home["SIYU_DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(database)) as house:
        house.execute(
            "INSERT INTO broadcast (title, version, is_template, include, exclude, freeze_early, ignores_quiet, text,"
            " buttons, media, versions, link_preview, silent, timing, spread_minutes, on_unknown, paid,"
            " holdout_percent, variants, test_percent, attribution_days, state, created_at, created_by, checked_to,"
            " report) VALUES ('Hi', 1, 0, '[]', '[]', 0, 0, 'Hi', '[]', '[]', '{}', 1, 0, 'now', 0, 'leave', 0, 0,"
            " '[]', 100, 7, 'running', 1, 'cli', 0, '{}')"
        )
        house.commit()
    _siyu(home, "backup", "monday.db")
    backup = Path(home["HOME"]) / "monday.db"
    with closing(sqlite3.connect(database)) as house:
        house.execute("DELETE FROM broadcast")
        house.commit()

    told = _siyu(home, "restore", "monday.db").stdout

    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert "ask before they go on: 1" in told
    with closing(sqlite3.connect(database)) as house:
        assert house.execute("SELECT state, state_reason FROM broadcast").fetchall() == [("paused", "restored")]
    with closing(sqlite3.connect(backup)) as untouched:
        assert untouched.execute("SELECT state FROM broadcast").fetchall() == [("running",)]


def test_what_is_no_backup_is_refused_in_one_line_and_changes_nothing(home: dict[str, str]) -> None:
    (Path(home["HOME"]) / "letter.txt").write_text("Dear house")

    refusals = [
        _siyu(home, "restore", "letter.txt", code=1),
        _siyu(home, "restore", "missing.db", code=1),
        _siyu(home, "backup", "letter.txt", code=1),
        _siyu(home, "backup", "x.db", code=1, SIYU_DATABASE_URL="postgresql://localhost/siyu"),
    ]

    assert all(len(one.stderr.splitlines()) == 1 for one in refusals)
    _siyu(home, "db", "check")
