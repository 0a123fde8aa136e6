"""Runs histories: the same ones in each run and each process, one from each seed."""

from __future__ import annotations

from itertools import count
from random import Random

from tests.system.histories.machine import RandomHistory
from tests.system.histories.world import World

STEPS_A_HISTORY = 50


def run_histories(world: World, steps: int, *, seed: int = 1) -> None:
    """Makes at least the given number of steps, each followed by every check. Raises the error of the first failed
    history, with a note that lists its steps.
    """
    for number in count():
        if number * STEPS_A_HISTORY >= steps:
            return
        history = RandomHistory(world, Random(f"{seed} {number}"))
        try:
            for _ in range(STEPS_A_HISTORY):
                history.make_step()
            history.history.end()
        except Exception as error:
            error.add_note(f"history {number} from seed {seed}: {', '.join(history.steps)}")
            raise
