"""Properties of every state and of every step, and the final states."""

from __future__ import annotations

from tests.system.protocol.ledger import holder_is_open
from tests.system.protocol.state import (
    CLOSED,
    DONE,
    IDLE,
    NO_COUNTER,
    NO_RUN,
    NOT_ACCEPTED,
    OPEN,
    PERSON,
    State,
    outcome,
    pending,
)


def state_violation(state: State) -> str | None:
    """Returns the violation in a single state, or None."""
    if state.runs.count(OPEN) > 1:
        return "two runs of the batch are open"
    for place, run_state in enumerate(state.runs):
        if run_state == CLOSED and pending(state, place + 1):
            return f"run {place + 1} is closed, and not every job of it has an outcome"
    if state.marker and state.runs[state.marker - 1] != CLOSED:
        return f"the marker names run {state.marker}, which the database has not closed"
    if any(run and state.runs[run - 1] == NOT_ACCEPTED for run in (state.lock, *state.tickets)):
        return "Redis has a run that the database does not have"
    return _wrong_count(state) if state.exact and state.counter != NO_COUNTER and holder_is_open(state) else None


def _wrong_count(state: State) -> str | None:
    """Checks the count of a ledger that has lost nothing since it was claimed."""
    if state.counter != state.tickets.count(state.lock):
        return f"the counter is {state.counter}, and run {state.lock} has {state.tickets.count(state.lock)} tickets"
    if state.counter == 0 and pending(state, state.lock):
        return f"the counter of run {state.lock} is 0, although the database has pending jobs"
    return None


def step_violation(before: State, after: State, *, fault: bool) -> str | None:
    """Returns the violation in the step from one state to the other, or None."""
    if after.records is not before.records and (problem := _wrong_write(before, after)):
        return problem
    for place, run_state in enumerate(before.runs):
        ended = run_state not in (NOT_ACCEPTED, OPEN)
        if ended and (after.runs[place], after.failures[place]) != (run_state, before.failures[place]):
            return f"run {place + 1} had ended, and was changed"
    if after.lock != before.lock and not fault and before.lock and after.runs[before.lock - 1] == OPEN:
        return f"run {before.lock} is open, and its lock was taken away"
    return None


def _wrong_write(before: State, after: State) -> str | None:
    for student, (old, new) in enumerate(zip(before.records, after.records, strict=True)):
        if old == new:
            continue
        run = new[-1]
        if new[:-1] != old:
            return f"a version of the record of student {student} was rewritten"
        if run != PERSON and before.runs[run - 1] != OPEN:
            return f"run {run} is not open, and wrote the record of student {student}"
        if run != PERSON and before.plans[run - 1][student] != len(old):
            return f"run {run} overwrote an unexpected version of student {student}"
        ended = [place + 1 for place, run_state in enumerate(before.runs) if run_state not in (NOT_ACCEPTED, OPEN)]
        if any(outcome(before, run, student) != outcome(after, run, student) for run in ended):
            return f"the outcome of student {student} in an ended run changed"
    return None


def is_quiet(state: State) -> bool:
    """Returns whether no actor is active and no message waits."""
    return (
        not any(state.queue)
        and state.sweeper[0] == DONE
        and not any(state.releasing)
        and all(step == DONE for step, _ in state.submitters)
        and all(worker[0] == IDLE for worker in state.workers)
    )


def calm_violation(state: State) -> str | None:
    """Returns a violation if a run needs the sweeper to be closed, although the sweeper does not interfere."""
    holder = state.lock
    if (
        holder_is_open(state)
        and state.exact
        and state.counter != NO_COUNTER
        and is_quiet(state)
        and not pending(state, holder)
    ):
        return f"the last worker of run {holder} did not close it"
    return _wrong_marker(state) if not state.budget.losses and _has_nothing_left_to_do(state) else None


def _wrong_marker(state: State) -> str | None:
    """Checks the marker of a batch whose runs have all ended and whose keys were never lost."""
    completed = [place + 1 for place, run_state in enumerate(state.runs) if run_state == CLOSED]
    if completed and state.marker != completed[-1]:
        return f"run {completed[-1]} has completed, and no marker will be written"
    return None


def _has_nothing_left_to_do(state: State) -> bool:
    return OPEN not in state.runs and state.lock == NO_RUN and is_quiet(state)


def is_over(state: State, *, calm: bool) -> bool:
    """Returns whether each run has ended and Redis has only completion markers.

    A ticket, or a counter without a lock, may remain until it expires, if Redis lost keys or the sweeper claimed a run
    that was ending. It blocks no run.
    """
    if not _has_nothing_left_to_do(state):
        return False
    return not calm or state.budget.losses > 0 or (state.counter == NO_COUNTER and not any(state.tickets))
