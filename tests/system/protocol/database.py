"""The transactions, each one step: accept, retry, write, give up, close, cancel, correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from tests.system.protocol.rules import Rules
from tests.system.protocol.state import (
    CANCELLED,
    CLAIM,
    CLOSED,
    FAILED,
    NOT_PLANNED,
    OPEN,
    PENDING,
    PERSON,
    WITHDRAWN,
    State,
    outcome,
    pending,
    planned,
)

T = TypeVar("T")


def put(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    """The tuple with another value at one place."""
    return (*values[:place], value, *values[place + 1 :])


def accept(state: State, students: Sequence[int], *, update: bool, rules: Rules) -> State:
    """Makes an open run of what is asked, unless another is open. That one is closed, if nothing of it is pending."""
    standing = state.open_run
    if standing and rules.one_open_run_a_batch:
        if pending(state, standing):
            return state
        state = end(state, standing, CLOSED)
    asked = [len(record) if student in students else NOT_PLANNED for student, record in enumerate(state.records)]
    return insert_run(state, [seen if update or seen == 0 else NOT_PLANNED for seen in asked])


def retry(state: State) -> State:
    """Makes an open run of those students of the newest run who failed and have no record."""
    newest = state.newest_run
    if newest == 0 or state.runs[newest - 1] == OPEN:
        return state
    return insert_run(
        state,
        [
            0 if outcome(state, newest, student) == FAILED and not record else NOT_PLANNED
            for student, record in enumerate(state.records)
        ],
    )


def insert_run(state: State, plan: Sequence[int]) -> State:
    """An open run, and who is to queue it; none for an empty plan."""
    if max(plan) == NOT_PLANNED:
        return state
    place = state.newest_run
    return state._replace(
        runs=put(state.runs, place, OPEN),
        plans=put(state.plans, place, tuple(plan)),
        queuers=put(state.queuers, place, (CLAIM, 0)),
    )


def write(state: State, run: int, student: int, rules: Rules) -> State:
    """Inserts or updates the record of one job, if its run is open; a run that an insert records whole is closed."""
    if state.runs[run - 1] != OPEN and rules.insert_only_for_open_runs:
        return state
    seen, record = state.plans[run - 1][student], state.records[student]
    if seen == 0:
        allowed = not record or not rules.insert_only_where_nothing_is
    else:
        allowed = len(record) == seen or not rules.update_only_the_version_that_was_seen
    if not allowed:
        return state
    written = state._replace(records=put(state.records, student, (*record, run)))
    return close(written, run, rules) if seen == 0 and planned(state, run) == [student] else written


def give_up(state: State, run: int, student: int) -> State:
    """Records a job as failed that has no outcome, if its run is open."""
    if state.runs[run - 1] != OPEN or outcome(state, run, student) != PENDING:
        return state
    return _fail(state, run, [student], FAILED)


def close(state: State, run: int, rules: Rules) -> State:
    """Closes a run that is open and of which nothing is pending: one conditional UPDATE."""
    if state.runs[run - 1] != OPEN or (rules.close_only_what_has_nothing_pending and pending(state, run)):
        return state
    return state._replace(runs=put(state.runs, run - 1, CLOSED))


def cancel(state: State, run: int) -> State:
    """Ends the open run; a run with nothing to cancel is closed."""
    withdrawn = pending(state, run)
    return end(_fail(state, run, withdrawn, WITHDRAWN), run, CANCELLED if withdrawn else CLOSED)


def correct(state: State, student: int) -> State:
    """A person changes a record: its next version."""
    return state._replace(records=put(state.records, student, (*state.records[student], PERSON)))


def end(state: State, run: int, how: int) -> State:
    """Ends a run from outside its workers; whoever did it goes on to release it."""
    return state._replace(runs=put(state.runs, run - 1, how), releasing=put(state.releasing, run - 1, value=True))


def _fail(state: State, run: int, students: Sequence[int], how: int) -> State:
    failures = tuple([how if student in students else old for student, old in enumerate(state.failures[run - 1])])
    return state._replace(failures=put(state.failures, run - 1, failures))
