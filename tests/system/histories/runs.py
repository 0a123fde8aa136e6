"""Runs histories: the same ones in each run and each process, with a minimum number of steps."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.system.histories.machine import Histories

STEPS_A_HISTORY = 50
# Most histories have the maximum length, but not all.
MORE_HISTORIES = 1.18


def run_histories(steps: int, *, shrink: bool = True) -> None:
    """Makes at least the given number of steps, each followed by every check. Raises the error of the first failed
    history.
    """
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
