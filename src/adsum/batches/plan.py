"""The plan of a run: which attendance jobs it has, and what of the request it will not apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adsum.attendance.rules import Mark, RecordedMark
from adsum.batches.rules import OnExisting, Tally


@dataclass(frozen=True, slots=True)
class AttendanceJob:
    """One student in a run. `version`: of the record that accept saw, which this job updates; None: it inserts."""

    student_id: int
    mark: Mark
    version: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The form in `batch_runs.plan`; what is None stays out, since a plan is stored a class at a time."""
        mark = self.mark
        fields: dict[str, Any] = {"student": self.student_id, "status": mark.status}
        # Nearly every mark is these two alone, and each is written while its class waits for the answer.
        if mark.note is not None:
            fields["note"] = mark.note
        if mark.arrived_at is not None:
            fields["arrived"] = mark.arrived_at
        if mark.left_at is not None:
            fields["left"] = mark.left_at
        if mark.absence_id is not None:
            fields["absence"] = mark.absence_id
        if self.version is not None:
            fields["version"] = self.version
        return fields


@dataclass(frozen=True, slots=True)
class MarkConflict:
    """A requested mark that was not applied, since something else is recorded or being recorded."""

    student_id: int
    recorded: RecordedMark | None
    requested: Mark


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do.

    Attributes:
        jobs: one for each student who is to be written, in the roster's order.
        kept: students whose record stays as it is: the run's `skippedJobs` from the start.
        conflicts: of those kept, whose record differs from what was asked.
        carried: of a retry, what the run before it came to, which counts for the batch.
    """

    jobs: tuple[AttendanceJob, ...]
    kept: tuple[int, ...]
    conflicts: tuple[MarkConflict, ...]
    carried: Tally = field(default_factory=Tally)

    @property
    def total(self) -> int:
        return len(self.jobs) + len(self.kept) + self.carried.total

    def chunks(self, size: int) -> list[list[AttendanceJob]]:
        """The jobs in messages of at most `size`."""
        return [list(self.jobs[start : start + size]) for start in range(0, len(self.jobs), size)]


def make_plan(
    requested: Mapping[int, Mark],
    existing: Mapping[int, RecordedMark],
    on_existing: OnExisting,
    *,
    overrules: bool = True,
) -> Plan:
    """Decides for each requested student: insert, update, or keep.

    Students whose record already says what is asked are kept whatever `on_existing`; and whose mark is the office's,
    where who asks does not overrule it. With `FAIL` the caller has to refuse when anybody is kept or would be updated:
    see `recorded_already`.
    """
    jobs: list[AttendanceJob] = []
    kept: list[int] = []
    conflicts: list[MarkConflict] = []
    for student_id, mark in requested.items():
        record = existing.get(student_id)
        if record is None:
            jobs.append(AttendanceJob(student_id, mark))
        elif record.status is None or (
            on_existing is OnExisting.UPDATE
            and not record.is_unchanged_by(mark)
            and (overrules or not record.is_offices)
        ):
            jobs.append(AttendanceJob(student_id, mark, record.version))
        else:
            kept.append(student_id)
            if not record.is_unchanged_by(mark):
                conflicts.append(MarkConflict(student_id, record, mark))
    return Plan(tuple(jobs), tuple(kept), tuple(conflicts))


def recorded_already(requested: Mapping[int, Mark], existing: Mapping[int, RecordedMark]) -> list[int]:
    """Of the requested students those who have a mark."""
    return [
        student_id for student_id in requested if student_id in existing and existing[student_id].status is not None
    ]


def not_applied(requested: Mapping[int, Mark], standing: Mapping[int, RecordedMark]) -> tuple[MarkConflict, ...]:
    """The conflicts of a request that is skipped as a whole.

    Args:
        requested: what was asked.
        standing: what is recorded, or is being recorded by the open run.
    """
    differing = ((student_id, mark, standing.get(student_id)) for student_id, mark in requested.items())
    return tuple(
        MarkConflict(student_id, record, mark)
        for student_id, mark, record in differing
        if record is None or not record.is_unchanged_by(mark)
    )
