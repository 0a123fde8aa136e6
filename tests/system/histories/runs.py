"""Running histories: the same ones at each run and in each process, and never fewer than were asked for."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.system.histories.machine import Histories

STEPS_A_HISTORY = 50
# Most histories are as long as they may be, but not all.
MORE_HISTORIES = 1.18


def run_histories(steps: int, *, shrink: bool = True) -> None:
    """Makes at least so many steps, each followed by every check. Raises what the first wrong history raises."""
    Histories.steps = 0
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=round(steps / STEPS_A_HISTORY * MORE_HISTORIES) + 3,
            stateful_step_count=STEPS_A_HISTORY,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
    assert Histories.steps >= steps
