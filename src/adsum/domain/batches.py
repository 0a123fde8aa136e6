"""The states of a run, what became of its jobs, and what users are told about a batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never


class RunState(StrEnum):
    """Being open is the fence: nothing of a run that is not open is ever written."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What became of one attendance job, as the rows of the database say it."""

    RECORDED = "recorded"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PENDING = "pending"


class OnExisting(StrEnum):
    """What a run does about students who have a record already."""

    SKIP = "skip"
    UPDATE = "update"
    FAIL = "fail"


class BatchState(StrEnum):
    """The state of a batch's newest run, as users see it."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    CANCELLED = "cancelled"


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
    def progress(self) -> int:
        """Whole percent, rounded down: 100 only when nothing remains."""
        return 100 if self.remaining == 0 else (self.total - self.remaining) * 100 // self.total


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """The newest run of a batch, as the database has it."""

    batch_id: str
    run_id: str
    run_state: RunState
    tally: Tally
    started_at: datetime
    completed_at: datetime | None

    @property
    def state(self) -> BatchState:
        match self.run_state:
            case RunState.OPEN:
                return BatchState.PROCESSING
            case RunState.CANCELLED:
                return BatchState.CANCELLED
            case RunState.CLOSED:
                return BatchState.COMPLETED_WITH_ERRORS if self.tally.failed else BatchState.COMPLETED
            case _:
                assert_never(self.run_state)

    @property
    def is_locked(self) -> bool:
        """While a run is open, a second submission is refused as skipped: that is the seed's lock."""
        return self.run_state is RunState.OPEN

    @property
    def lock_status(self) -> str | None:
        return "processing" if self.is_locked else None

    @property
    def remaining_jobs(self) -> int:
        return self.tally.remaining

    @property
    def is_completed(self) -> bool:
        return self.run_state is RunState.CLOSED
