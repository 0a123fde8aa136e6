"""Filters of lists. A filter that is None does not narrow; days are inclusive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from adsum.batches.rules import BatchState, Outcome


@dataclass(frozen=True, slots=True)
class BatchFilters:
    """Which batches; `state` is that of the newest run."""

    school_id: int | None = None
    class_id: int | None = None
    session_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    state: BatchState | None = None


@dataclass(frozen=True, slots=True)
class JobFilters:
    """Which students of a batch. `run_id`: only the jobs of this run; else the newest run's, and what it carried on."""

    outcome: Outcome | None = None
    run_id: UUID | None = None
