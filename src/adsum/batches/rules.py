"""States of runs, outcomes of jobs, and the values that describe a batch to its users."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from adsum.platform.ids import Batch

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_run_id(text: str) -> bool:
    """Whether the text has the form of a run id, a UUID in lower case."""
    return _RUN_ID.fullmatch(text) is not None


LOCK = "attendance-batch-lock:"
"""The beginning of the Redis key of a batch's lock, which answers name."""


def lock_key(batch_id: str) -> str:
    """The name of the lock for users; in Redis it has the prefix of its shard."""
    return f"{LOCK}{batch_id}"


class RunState(StrEnum):
    """The state of a run. Marks are written only for an open run."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """The outcome of one attendance job, as the database has it."""

    RECORDED = "recorded"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PENDING = "pending"


class OnExisting(StrEnum):
    """How a run treats students who already have a record."""

    SKIP = "skip"
    UPDATE = "update"
    FAIL = "fail"


class BatchState(StrEnum):
    """The state of a batch's newest run, as users see it.

    UNDONE: an undo has set its records back. PARTLY_UNDONE: some of them; the others were changed after the run, or are
    the office's.
    """

    PROCESSING = "processing"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    CANCELLED = "cancelled"
    UNDONE = "undone"
    PARTLY_UNDONE = "partly_undone"


@dataclass(frozen=True, slots=True)
class RunUndo:
    """The effects of undos on a run.

    Attributes:
        at: of the last undo that set a record back; None: there is none.
        undone: the number of records that were set back.
        left: the number of records of the run that the last undo has left as they are.
    """

    at: datetime | None = None
    undone: int = 0
    left: int = 0

    @property
    def state(self) -> BatchState | None:
        """None: nothing was undone."""
        if self.at is None:
            return None
        return BatchState.PARTLY_UNDONE if self.left else BatchState.UNDONE


NOT_UNDONE = RunUndo()


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs of a run came to each outcome; `skipped` includes those who had their record at accept."""

    recorded: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0
    remaining: int = 0

    @property
    def total(self) -> int:
        return self.recorded + self.skipped + self.failed + self.cancelled + self.remaining

    @property
    def settled(self) -> int:
        """Jobs that have an outcome. Of one run it never decreases."""
        return self.total - self.remaining

    @property
    def progress(self) -> int:
        """Whole percent, rounded down: 100 only when nothing remains."""
        return 100 if self.remaining == 0 else self.settled * 100 // self.total


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """The newest run of a batch, as the database has it. `number` counts the runs of the batch from 1."""

    batch_id: str
    run_id: str
    number: int
    run_state: RunState
    tally: Tally
    started_at: datetime
    completed_at: datetime | None
    undo: RunUndo = NOT_UNDONE

    @property
    def state(self) -> BatchState:
        return self.undo.state or state_of_run(self.run_state, self.tally.failed)

    @property
    def undone_at(self) -> datetime | None:
        return self.undo.at

    @property
    def is_locked(self) -> bool:
        """Whether a run is open: then a second submission is skipped, as by the seed's lock."""
        return self.run_state is RunState.OPEN

    @property
    def has_ended(self) -> bool:
        """Whether the state is terminal: the run no longer changes."""
        return self.run_state is not RunState.OPEN

    @property
    def lock_status(self) -> str | None:
        return "processing" if self.is_locked else None

    @property
    def remaining_jobs(self) -> int:
        return self.tally.remaining

    @property
    def is_completed(self) -> bool:
        return self.run_state is RunState.CLOSED


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run of a batch.

    Attributes:
        run_id: of the run.
        number: of the run in its batch, from 1.
        state: as users see it.
        ended_as: its state before it was undone.
        undo: what undos have done to it.
        on_existing: how it treats students who have a record.
        tally: the outcomes of its jobs; of a retry, including the jobs of the runs before it.
        carried: the number of jobs in `tally` that belong to the runs before it.
        accepted_at: the time of the request.
        accepted_role: the role of its author.
        user_id: its author; None: an API key without a user, or the command line.
        key_id: of the API key that sent it, also if the key acts for a user.
        ended_at: the time at which it was closed or cancelled.
        ended_by: the worker that closed it, as `host:pid`: it processed the last students, or its sweeper found the
            run finished; None: a request closed it, for example a cancellation.
        pruned_at: the time at which the outcomes of its students were deleted; the counts are kept.
        forced_reason: the reason for marking on a closed day or after the edit window; None: neither applies.
    """

    run_id: str
    number: int
    state: BatchState
    ended_as: BatchState
    on_existing: OnExisting
    tally: Tally
    carried: int
    accepted_at: datetime
    accepted_role: str
    user_id: int | None
    key_id: int | None
    ended_at: datetime | None
    ended_by: str | None
    pruned_at: datetime | None
    forced_reason: str | None = None
    undo: RunUndo = NOT_UNDONE


def state_of_run(run_state: RunState, failed: int) -> BatchState:
    """The state of a run that was not undone, as users see it. `failed` counts the students who failed.

    `_in_state` in `repository/listing.py` filters by the same states, and `sql/insert_end_events.*.sql` and
    `sql/record_jobs.postgresql.sql` name the events that tell of them.
    """
    match run_state:
        case RunState.OPEN:
            return BatchState.PROCESSING
        case RunState.CANCELLED:
            return BatchState.CANCELLED
        case RunState.CLOSED:
            return BatchState.COMPLETED_WITH_ERRORS if failed else BatchState.COMPLETED
    assert_never(run_state)


@dataclass(frozen=True, slots=True)
class BatchFilters:
    """Filters of the list of batches. None does not filter; days are inclusive; `state` is that of the newest run.

    `submitted_by`: a user who has submitted any run of the batch.
    """

    school_id: int | None = None
    class_id: int | None = None
    session_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    state: BatchState | None = None
    submitted_by: int | None = None


@dataclass(frozen=True, slots=True)
class JobFilters:
    """Filters of the jobs of a batch. `run_id` None: the jobs of the newest run and of those that it carries on."""

    outcome: Outcome | None = None
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ListedBatch:
    """A batch in a list, with the status of its newest run."""

    batch: Batch
    status: BatchStatus


@dataclass(frozen=True, slots=True)
class FailedStudent:
    """A student of a run who failed. `reason`: a code."""

    student_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunAuthor:
    """The author of a run. `user_id`, `key_id`: see `ListedRun`."""

    role: str
    user_id: int | None
    key_id: int | None


@dataclass(frozen=True, slots=True)
class FailureCount:
    """The number of students of a run who failed for one reason, and the time of the last failure."""

    code: str
    students: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class UndoneRun:
    """An undo of a run: its time, the role of the caller, and the number of records that were set back.

    `user_id`, `key_id`: of the caller; both None: the command line.
    """

    run_id: str
    at: datetime
    role: str
    records: int
    user_id: int | None = None
    key_id: int | None = None
