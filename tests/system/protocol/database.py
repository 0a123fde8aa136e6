"""The transactions, one step each: accept, retry, write, give up, close, cancel, correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from tests.system.protocol.rules import Rules
from tests.system.protocol.state import (
    CANCELLED,
    CLAIM,
    CLOSED,
    FAILED,
    JOB_CANCELLED,
    NOT_PLANNED,
    OPEN,
    PENDING,
    PERSON,
    State,
    outcome,
    pending,
    planned,
)

T = TypeVar("T")


def replaced_at(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    """Returns the tuple with one element replaced."""
    return (*values[:place], value, *values[place + 1 :])


def accept(state: State, students: Sequence[int], *, update: bool, rules: Rules) -> State:
    """Inserts an open run for the marks, unless another run is open. Closes that one if it has no pending job."""
    open_run_before = state.open_run
    if open_run_before and rules.one_open_run_a_batch:
        if pending(state, open_run_before):
            return state
        state = end(state, open_run_before, CLOSED)
    loaded_versions = [
        len(record) if student in students else NOT_PLANNED for student, record in enumerate(state.records)
    ]
    return insert_run(state, [loaded if update or loaded == 0 else NOT_PLANNED for loaded in loaded_versions])


def retry(state: State) -> State:
    """Inserts an open run for students who failed in the newest run and have no record."""
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
    """Inserts an open run and its submitter; nothing for an empty plan."""
    if max(plan) == NOT_PLANNED:
        return state
    place = state.newest_run
    return state.but(
        runs=replaced_at(state.runs, place, OPEN),
        plans=replaced_at(state.plans, place, tuple(plan)),
        submitters=replaced_at(state.submitters, place, (CLAIM, 0)),
    )


def write(state: State, run: int, student: int, rules: Rules) -> State:
    """Inserts or updates the record of one job if its run is open. Closes a run that the insert records completely."""
    if state.runs[run - 1] != OPEN and rules.insert_only_for_open_runs:
        return state
    loaded, record = state.plans[run - 1][student], state.records[student]
    if loaded == 0:
        allowed = not record or not rules.insert_only_without_a_record
    else:
        allowed = len(record) == loaded or not rules.update_only_the_expected_version
    if not allowed:
        return state
    written = state.but(records=replaced_at(state.records, student, (*record, run)))
    return close(written, run, rules) if loaded == 0 and planned(state, run) == [student] else written


def give_up(state: State, run: int, student: int) -> State:
    """Fails a job without an outcome, if its run is open."""
    if state.runs[run - 1] != OPEN or outcome(state, run, student) != PENDING:
        return state
    return _fail(state, run, [student], FAILED)


def close(state: State, run: int, rules: Rules) -> State:
    """Closes an open run without pending jobs: one conditional UPDATE."""
    if state.runs[run - 1] != OPEN or (rules.close_only_without_pending_jobs and pending(state, run)):
        return state
    return state.but(runs=replaced_at(state.runs, run - 1, CLOSED))


def cancel(state: State, run: int) -> State:
    """Ends the open run. Closes a run without pending jobs instead."""
    cancelled = pending(state, run)
    return end(_fail(state, run, cancelled, JOB_CANCELLED), run, CANCELLED if cancelled else CLOSED)


def correct(state: State, student: int) -> State:
    """Changes a record as a person: adds its next version."""
    return state.but(records=replaced_at(state.records, student, (*state.records[student], PERSON)))


def end(state: State, run: int, run_state: int) -> State:
    """Ends a run outside its workers. The same process then releases it."""
    return state.but(
        runs=replaced_at(state.runs, run - 1, run_state), releasing=replaced_at(state.releasing, run - 1, value=True)
    )


def _fail(state: State, run: int, students: Sequence[int], run_state: int) -> State:
    failures = tuple([run_state if student in students else old for student, old in enumerate(state.failures[run - 1])])
    return state.but(failures=replaced_at(state.failures, run - 1, failures))
