"""Counts, progress and states of a batch."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.batches.rules import BatchState, BatchStatus, RunState, Tally

counts = st.integers(min_value=0, max_value=10_000)
tallies = st.builds(Tally, recorded=counts, skipped=counts, failed=counts, cancelled=counts, remaining=counts)
MORNING = datetime(2024, 12, 25, 8, tzinfo=UTC)


def status(run_state: RunState, tally: Tally) -> BatchStatus:
    return BatchStatus("class-1-session-1-date-25122024", "run", 1, run_state, tally, MORNING, None)


@given(tallies)
def test_the_total_is_the_sum(tally: Tally) -> None:
    assert tally.total == tally.recorded + tally.skipped + tally.failed + tally.cancelled + tally.remaining


@given(tallies)
def test_progress_is_100_exactly_if_no_job_remains(tally: Tally) -> None:
    assert 0 <= tally.progress <= 100
    assert (tally.progress == 100) == (tally.remaining == 0)


def test_progress_is_rounded_down() -> None:
    assert Tally(recorded=9_999, remaining=1).progress == 99


def test_a_batch_without_students_is_complete() -> None:
    assert (Tally().total, Tally().progress) == (0, 100)


@pytest.mark.parametrize(
    ("run_state", "tally", "state"),
    [
        (RunState.OPEN, Tally(recorded=1, failed=1, remaining=1), BatchState.PROCESSING),
        (RunState.OPEN, Tally(recorded=3), BatchState.PROCESSING),
        (RunState.CLOSED, Tally(recorded=2, skipped=1), BatchState.COMPLETED),
        (RunState.CLOSED, Tally(recorded=2, failed=1), BatchState.COMPLETED_WITH_ERRORS),
        (RunState.CANCELLED, Tally(recorded=1, cancelled=2), BatchState.CANCELLED),
        (RunState.CANCELLED, Tally(failed=1, cancelled=2), BatchState.CANCELLED),
    ],
)
def test_the_state_of_a_batch_follows_its_run_and_its_failures(
    run_state: RunState, tally: Tally, state: BatchState
) -> None:
    assert status(run_state, tally).state is state


def test_an_open_run_is_reported_as_locked() -> None:
    found = status(RunState.OPEN, Tally(recorded=1, remaining=2))
    assert (found.is_locked, found.lock_status, found.remaining_jobs, found.is_completed) == (
        True,
        "processing",
        2,
        False,
    )


@pytest.mark.parametrize(("run_state", "completed"), [(RunState.CLOSED, True), (RunState.CANCELLED, False)])
def test_an_ended_run_is_not_reported_as_locked(run_state: RunState, completed: bool) -> None:
    found = status(run_state, Tally(recorded=3))
    assert (found.is_locked, found.lock_status, found.remaining_jobs, found.is_completed) == (False, None, 0, completed)
