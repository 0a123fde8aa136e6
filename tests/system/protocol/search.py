"""Breadth-first search of all reachable states. Reports the shortest path to the first violation.

Where every request treats two students alike, states that differ only in which of them is which behave alike, so the
search visits one of each such pair. The path then may exchange the students at any step.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.system.protocol.actors import Step, system_steps
from tests.system.protocol.outside import Submission, outside_steps
from tests.system.protocol.properties import calm_violation, is_over, state_violation, step_violation
from tests.system.protocol.rules import ALL, Rules
from tests.system.protocol.state import Budget, State, first_state, representative


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration small enough for a complete search. One student is one chunk.

    `recorded`: each student already has a record. `calm`: the sweeper skips runs that are still being enqueued, as its
    grace period makes it do, and Redis loses nothing between its check and its claim; then stronger properties hold.
    """

    students: int
    workers: int
    submissions: tuple[Submission, ...]
    faults: int = 1
    retries: int = 0
    cancels: int = 0
    corrections: int = 0
    given_up: int = 0
    recorded: bool = False
    calm: bool = False

    @property
    def is_symmetric(self) -> bool:
        """Whether every request treats both students alike. A correction is always of the first one."""
        both = tuple(range(self.students))
        return self.students == 2 and not self.corrections and all(each.students == both for each in self.submissions)

    def first(self) -> State:
        budget = Budget(self.faults, len(self.submissions), self.retries, self.cancels, self.corrections, self.given_up)
        runs = len(self.submissions) + self.retries
        return first_state(runs, self.students, self.workers, budget, recorded=self.recorded)


@contextmanager
def no_collection() -> Generator[None]:
    """Pauses the garbage collector, which would visit every state again and again and find nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of a search. `problem` is empty if every state is safe and live."""

    states: int
    problem: str = ""


class Search:
    """A search of one configuration under a set of rules."""

    def __init__(self, configuration: Configuration, rules: Rules = ALL) -> None:
        self._configuration = configuration
        self._calm = configuration.calm
        self._is_symmetric = configuration.is_symmetric
        self._rules = rules
        first = configuration.first()
        self._numbers = {first: 0}
        self._states = [first]
        self._parents = array("i", [-1])
        # The system's own steps by state: these must lead to a final state once the faults are over.
        self._targets = array("I")
        self._ends = array("I")

    def run(self) -> Verdict:
        """Visits all states, then checks that each of them leads to a final state."""
        with no_collection():
            return self._visit()

    def _visit(self) -> Verdict:
        for number, state in enumerate(self._states):  # grows during the iteration
            problem = state_violation(state) or (self._calm and calm_violation(state)) or self._follow(number, state)
            if problem:
                return Verdict(len(self._states), f"{problem}\n{self._path_to(number)}")
        stuck = self._stuck()
        if stuck is None:
            return Verdict(len(self._states))
        return Verdict(len(self._states), f"no final state is reachable from here\n{self._path_to(stuck)}")

    def _follow(self, number: int, state: State) -> str | None:
        for _, after in system_steps(state, self._rules, calm=self._calm):
            if problem := step_violation(state, after, fault=False):
                return f"{problem}, at the step after these"
            self._targets.append(self._number(after, number))
        self._ends.append(len(self._targets))
        for _, after in self._outside(state):
            if problem := step_violation(state, after, fault=True):
                return f"{problem}, at the step after these"
            self._number(after, number)
        return None

    def _outside(self, state: State) -> Iterator[Step]:
        return outside_steps(state, self._configuration.submissions, self._rules, calm=self._calm)

    def _number(self, state: State, parent: int) -> int:
        if self._is_symmetric:
            state = representative(state)
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
            self._parents.append(parent)
        return number

    def _stuck(self) -> int | None:
        """Returns the nearest state from which the system's own steps lead to no final state.

        If there is none, the system always finishes, provided that its actors continue.
        """
        good = bytearray(is_over(state, calm=self._calm) for state in self._states)
        changed = True
        while changed:
            changed = False
            begin_of_next = len(self._targets)
            for number in range(len(good) - 1, -1, -1):  # most steps lead to later states
                begin = self._ends[number - 1] if number else 0
                if not good[number] and any(good[target] for target in self._targets[begin:begin_of_next]):
                    good[number] = changed = True
                begin_of_next = begin
        return good.find(0) if 0 in good else None

    def _path_to(self, number: int) -> str:
        """Returns the steps to a state, one per line, and the state."""
        state, steps = self._states[number], list[str]()
        while number:
            parent = self._parents[number]
            steps.append(self._step(self._states[parent], self._states[number]))
            number = parent
        lines = [f"{place:>4}. {step}" for place, step in enumerate(reversed(steps), 1)]
        return "\n".join([*lines, f"      {state}"])

    def _step(self, before: State, after: State) -> str:
        for steps in (system_steps(before, self._rules, calm=self._calm), self._outside(before)):
            for what, state in steps:
                if after in (state, representative(state) if self._is_symmetric else state):
                    return " ".join(map(str, what))
        raise AssertionError("a state cannot be reached")
