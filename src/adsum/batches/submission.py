"""What create-batch is asked, and what it answers: plain values that the web, the library and the database share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from adsum.attendance.rules import Mark, RecordedMark
from adsum.batches.plan import MarkConflict
from adsum.batches.rules import OnExisting
from adsum.batches.selection import Selection
from adsum.platform.errors import Notice


@dataclass(frozen=True, slots=True)
class Submission:
    """One request to record the attendance of a class.

    Attributes:
        class_id: of the class.
        session_id: of a session of that class.
        learning_date: as the client wrote it; the school's time zone decides which day it is.
        selection: who is marked how.
        on_existing: what to do about students who have a record.
        roster_version: of the roster that the client saw, or None.
        idempotency_key: under which the first answer is kept, or None.
        force: record although the school is closed on that day.
        reason: why it is forced.
    """

    class_id: int
    session_id: int
    learning_date: str
    selection: Selection
    on_existing: OnExisting = OnExisting.SKIP
    roster_version: str | None = None
    idempotency_key: str | None = None
    force: bool = False
    reason: str | None = None

    def digest(self) -> str:
        """Of everything that is asked, the key left out: two requests that mean the same have the same."""
        asked = asdict(self)
        del asked["idempotency_key"]
        # Digests of before there was force are kept in databases.
        if not self.force and self.reason is None:
            del asked["force"], asked["reason"]
        for entry in asked["selection"]["marks"]:
            for name in ("arrived_at", "left_at", "absence_id"):
                if entry["mark"][name] is None:
                    del entry["mark"][name]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The answer to a submission.

    Attributes:
        batch_id: of the batch.
        run_id: of the run that this answer speaks of: the new one, the open one, or the newest. None: there is none.
        total_jobs: how many students were asked for.
        added_jobs: how many of them got an attendance job.
        skipped_jobs: how many keep what is recorded, or being recorded.
        lock_key: of the batch, in Redis.
        message: for people.
        is_new_run: whether a run was accepted.
        is_skipped: whether another run of the batch was open.
        conflicts: the marks that were not applied although something else is recorded.
        is_repeated: whether this answer was given before, under the same idempotency key.
        warnings: what is odd about the request.
    """

    batch_id: str
    run_id: str | None
    total_jobs: int
    added_jobs: int
    skipped_jobs: int
    lock_key: str
    message: str
    is_new_run: bool
    is_skipped: bool
    conflicts: tuple[MarkConflict, ...] = ()
    is_repeated: bool = False
    warnings: tuple[Notice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form in which it is kept under an idempotency key."""
        return asdict(self)


def result_of_json(kept: Mapping[str, Any]) -> BatchResult:
    """Reads what `BatchResult.to_json` wrote."""
    result = BatchResult(**{name: value for name, value in kept.items() if name not in {"conflicts", "warnings"}})
    return replace(
        result,
        is_repeated=True,
        conflicts=tuple(_conflict_of_json(entry) for entry in kept["conflicts"]),
        # An answer of before there were warnings has none.
        warnings=tuple(Notice(**entry) for entry in kept.get("warnings", ())),
    )


def _conflict_of_json(kept: Mapping[str, Any]) -> MarkConflict:
    recorded = RecordedMark(**kept["recorded"]) if kept["recorded"] is not None else None
    return MarkConflict(kept["student_id"], recorded, Mark(**kept["requested"]))
