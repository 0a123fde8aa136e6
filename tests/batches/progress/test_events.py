"""The order of a batch's states, and the event ids that let a listener resume."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adsum.batches.progress import LastEvent, event_id, parse_event_id, step_of
from adsum.batches.rules import BatchStatus, RunState, Tally

RUN = "01930000-0000-7000-8000-000000000001"
OTHER = "01930000-0000-7000-8000-000000000002"
MORNING = datetime(2024, 12, 25, 8, tzinfo=UTC)


def state(
    recorded: int = 0, failed: int = 0, run_state: RunState = RunState.OPEN, number: int = 1, run_id: str = RUN
) -> BatchStatus:
    tally = Tally(recorded=recorded, failed=failed, remaining=30 - recorded - failed)
    return BatchStatus("class-1-session-1-date-25122024", run_id, number, run_state, tally, MORNING, None)


def test_later_states_have_higher_steps() -> None:
    in_order = [
        state(0),
        state(recorded=10, failed=2),
        state(recorded=11, failed=1),  # a record overrides a failure of the same run
        state(recorded=30),
        state(recorded=30, run_state=RunState.CLOSED),
        state(recorded=1, number=2),
        state(recorded=1, number=2, run_state=RunState.CANCELLED),
    ]
    steps = [step_of(each) for each in in_order]
    assert steps == sorted(set(steps))


def test_the_terminal_state_has_another_id_than_the_same_count_before() -> None:
    open_, closed = state(recorded=30), state(recorded=30, run_state=RunState.CLOSED)
    assert event_id(open_) == f"{RUN}:30:processing"
    assert event_id(closed) == f"{RUN}:30:completed"


def test_an_event_id_is_parsed_as_it_was_written() -> None:
    assert parse_event_id(event_id(state(recorded=7, failed=2))) == LastEvent(RUN, 9)


@pytest.mark.parametrize(
    "text", [None, "", "7", f"{RUN}:x:processing", f"{RUN}:-1:processing", f"{RUN}:7", f"{RUN}:7:processing\n", "é:1:a"]
)
def test_an_invalid_event_id_is_ignored(text: str | None) -> None:
    assert parse_event_id(text) is None


@pytest.mark.parametrize(
    ("now", "is_covered"),
    [
        (state(recorded=9), True),
        (state(recorded=8), True),
        (state(recorded=10), False),
        (state(recorded=9, run_state=RunState.CANCELLED), False),
        (state(recorded=9, number=2, run_id=OTHER), False),
    ],
)
def test_an_event_id_marks_older_states_of_the_same_open_run_as_delivered(now: BatchStatus, is_covered: bool) -> None:
    assert LastEvent(RUN, 9).covers(now) is is_covered
