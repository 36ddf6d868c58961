"""Mistakes put in on purpose, and histories that are to find them."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

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


def is_found(machine: type[RuleBasedStateMachine]) -> bool:
    """Whether any of 150 histories comes to a wrong answer, or to what the database itself refuses."""
    try:
        run_state_machine_as_test(machine, settings=HISTORIES)
    except Exception:  # noqa: BLE001 - either is found
        return True
    return False
