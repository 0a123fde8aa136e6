"""A run, its plan, and the decision which jobs a plan has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from adsum.attendance.rules import Mark, RecordedMark
from adsum.batches.rules import OnExisting, RunState, Tally
from adsum.platform.ids import Batch

# The keys of a job in the JSON of `batch_runs.plan`. The statements in `sql/` read the same keys; a test compares them.
STUDENT_KEY, STATUS_KEY, NOTE_KEY, ARRIVED_KEY, LEFT_KEY = "student", "status", "note", "arrived", "left"
ABSENCE_KEY, VERSION_KEY = "absence", "version"
PLAN_KEYS = (STUDENT_KEY, STATUS_KEY, NOTE_KEY, ARRIVED_KEY, LEFT_KEY, ABSENCE_KEY, VERSION_KEY)


@dataclass(frozen=True, slots=True)
class AttendanceJob:
    """One student of a run. `version`: of the record that the job updates; None: the job inserts a record."""

    student_id: int
    mark: Mark
    version: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The form in `batch_runs.plan`. Fields that are None are left out, which keeps plans small."""
        mark = self.mark
        fields: dict[str, Any] = {STUDENT_KEY: self.student_id, STATUS_KEY: mark.status}
        # Nearly every mark has only these two fields, and the client waits meanwhile.
        if mark.note is not None:
            fields[NOTE_KEY] = mark.note
        if mark.arrived_at is not None:
            fields[ARRIVED_KEY] = mark.arrived_at
        if mark.left_at is not None:
            fields[LEFT_KEY] = mark.left_at
        if mark.absence_id is not None:
            fields[ABSENCE_KEY] = mark.absence_id
        if self.version is not None:
            fields[VERSION_KEY] = self.version
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> AttendanceJob:
        """Reads the form that `to_json` writes."""
        mark = Mark(
            fields[STATUS_KEY],
            fields.get(NOTE_KEY),
            arrived_at=fields.get(ARRIVED_KEY),
            left_at=fields.get(LEFT_KEY),
            absence_id=fields.get(ABSENCE_KEY),
        )
        return cls(fields[STUDENT_KEY], mark, fields.get(VERSION_KEY))


@dataclass(frozen=True, slots=True)
class MarkConflict:
    """A requested mark that is not applied because another mark is recorded or being recorded."""

    student_id: int
    recorded: RecordedMark | None
    requested: Mark


@dataclass(frozen=True, slots=True)
class ChangedMark:
    """A recorded mark that a submission corrects, and the mark that replaces it."""

    student_id: int
    recorded: RecordedMark
    requested: Mark


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of a run.

    Attributes:
        jobs: one per student whose record is inserted or updated, in the order of the roster.
        kept: students whose record stays; they count as skipped.
        conflicts: the marks of kept students whose record differs from the request.
        carried: of a retry, the counts of the run before it that it carries over.
    """

    jobs: tuple[AttendanceJob, ...]
    kept: tuple[int, ...]
    conflicts: tuple[MarkConflict, ...]
    carried: Tally = field(default_factory=Tally)

    @property
    def total(self) -> int:
        return len(self.jobs) + len(self.kept) + self.carried.total

    def chunks(self, size: int) -> tuple[tuple[AttendanceJob, ...], ...]:
        """The jobs in chunks of at most `size` students, one per message."""
        return tuple(self.jobs[start : start + size] for start in range(0, len(self.jobs), size))


@dataclass(frozen=True, slots=True)
class Run:
    """One accepted submission of a batch, from its insertion until it is closed or cancelled.

    Attributes:
        run_id: a UUIDv7; ids are in the order of acceptance.
        school_id: of the school of the class.
        batch: the batch.
        number: counts the runs of the batch from 1.
        state: open until every job has an outcome, then closed; or cancelled.
        on_existing: applied to students who have a record.
        chunk_size: maximum number of students per chunk. With 1, a message has the seed's job id.
        chunks: the jobs of each chunk; empty after pruning, since no run is inserted without a job.
        kept: students whose record stays; they count as skipped.
        carried: of a retry, the counts of the run before it that it carries over.
        accepted_at: time of acceptance.
        accepted_role, user_id, key_id: who submitted it.
        forced_reason: why attendance is recorded on a closed day or after the edit window; None: on neither.
        trace: the context of the trace that its messages and webhooks continue; None: it is not traced.
        ended_at: when it was closed or cancelled; None while it is open.
        tally: the final counts, of a run that this process has just ended; else None.
    """

    run_id: str
    school_id: int
    batch: Batch
    number: int
    state: RunState
    on_existing: OnExisting
    chunk_size: int
    chunks: tuple[tuple[AttendanceJob, ...], ...]
    accepted_at: datetime
    accepted_role: str
    kept: tuple[int, ...] = ()
    carried: Tally = field(default_factory=Tally)
    user_id: int | None = None
    key_id: int | None = None
    forced_reason: str | None = None
    trace: str | None = None
    ended_at: datetime | None = None
    tally: Tally | None = None

    @property
    def jobs(self) -> list[AttendanceJob]:
        return [job for chunk in self.chunks for job in chunk]

    @property
    def student_ids(self) -> list[int]:
        """The students of its jobs."""
        return [job.student_id for chunk in self.chunks for job in chunk]

    @property
    def total(self) -> int:
        return len(self.jobs) + len(self.kept) + self.carried.total

    @property
    def is_pruned(self) -> bool:
        return not self.chunks

    @property
    def completed_at(self) -> datetime | None:
        """When it was closed; a cancelled run never completes."""
        return self.ended_at if self.state is RunState.CLOSED else None

    def ended(self, state: RunState, tally: Tally, at: datetime) -> Run:
        """The run after it has ended in `state` with these final counts."""
        return replace(self, state=state, tally=tally, ended_at=at)


def make_plan(
    requested: Mapping[int, Mark],
    existing: Mapping[int, RecordedMark],
    on_existing: OnExisting,
    *,
    overrules: bool = True,
) -> Plan:
    """Decides for each requested student: insert a record, update it, or keep it.

    A record that equals the requested mark is kept whatever `on_existing` is. So is a mark of the office, unless the
    caller overrules it. With `FAIL` the caller first refuses the submission if anybody has a record: see
    `recorded_already`.
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


def changed_marks(jobs: Sequence[AttendanceJob], records: Mapping[int, RecordedMark]) -> tuple[ChangedMark, ...]:
    """The records that these jobs correct, in the order of the jobs."""
    return tuple(
        ChangedMark(job.student_id, records[job.student_id], job.mark) for job in jobs if job.version is not None
    )


def recorded_already(requested: Mapping[int, Mark], existing: Mapping[int, RecordedMark]) -> list[int]:
    """The requested students who have a mark."""
    return [
        student_id for student_id in requested if student_id in existing and existing[student_id].status is not None
    ]


def conflicts_with_run(
    requested: Mapping[int, Mark], open_run: Run, records: Mapping[int, RecordedMark]
) -> tuple[MarkConflict, ...]:
    """The conflicts of a submission that is skipped as a whole, with marks that are recorded or being recorded."""
    being_recorded = {
        job.student_id: RecordedMark(job.mark.status, job.mark.note)
        for job in open_run.jobs
        # A newer version than the job expects was written by the run itself, or by a correction: it is the current one.
        if job.student_id not in records or records[job.student_id].version == job.version
    }
    return conflicts_with(requested, {**records, **being_recorded})


def conflicts_with(requested: Mapping[int, Mark], existing: Mapping[int, RecordedMark]) -> tuple[MarkConflict, ...]:
    """The requested marks that differ from existing ones, or have none."""
    compared = ((student_id, mark, existing.get(student_id)) for student_id, mark in requested.items())
    return tuple(
        MarkConflict(student_id, record, mark)
        for student_id, mark, record in compared
        if record is None or not record.is_unchanged_by(mark)
    )
