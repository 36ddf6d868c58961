"""Histories of a house of one's own, and mistakes put in on purpose that they are to find."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from siyu.app import App, open_app
from siyu.kit.errors import Conflict
from siyu.settings import Settings
from siyu.tables import Fan
from tests import servers
from tests.clocks import FakeClock
from tests.trading import many_fans

Result = TypeVar("Result")

HISTORIES = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


class History(RuleBasedStateMachine):
    """A house on SQLite with some fans and a clock, from its first day until it is torn down."""

    app: App
    clock: FakeClock
    fans: list[Fan]

    def move_in(self, fans: int) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="siyu-history-"))
        self.clock = FakeClock()
        self.app = open_app(Settings(database_url=servers.fresh_sqlite(self.folder)), clock=self.clock)
        self.fans = self.do(many_fans(self.app, fans))

    def teardown(self) -> None:
        if hasattr(self, "app"):
            self.do(self.app.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:  # Any: what asyncio itself declares
        return self.runner.run(work)

    def tries(self, work: Coroutine[Any, Any, Result]) -> Result | str:  # Any: as above
        """What came of it, or the word of the refusal."""
        try:
            return self.do(work)
        except Conflict as no:
            return no.reason


def is_found(machine: type[History]) -> bool:
    """Whether any of 150 histories comes to a wrong answer, or to what the database itself refuses."""
    try:
        run_state_machine_as_test(machine, settings=HISTORIES)
    except Exception:  # noqa: BLE001 - either is found
        return True
    return False
