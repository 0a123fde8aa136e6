"""Rows of one batch, read in one statement, and their outcomes, computed independently of the product."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from adsum.platform.database.engine import Connection
from adsum.platform.ids import Batch

_FACTS = text("""
SELECT 'run', CAST(run_id AS text), state, CAST(plan AS text), CAST(kept AS text), number, total_jobs,
       carried_recorded, carried_skipped, carried_cancelled, recorded_jobs, skipped_jobs, failed_jobs, cancelled_jobs
FROM batch_runs WHERE session_id = :session
UNION ALL
SELECT 'record', CAST(run_id AS text), status, NULL, NULL, student_id, version, 0, 0, 0, 0, 0, 0, 0
FROM attendances WHERE session_id = :session
UNION ALL
SELECT 'change', CAST(c.run_id AS text), c.new_status, c.old_status, NULL, a.student_id, c.version, 0, 0, 0, 0, 0, 0, 0
FROM attendance_changes c JOIN attendances a ON a.id = c.attendance_id WHERE a.session_id = :session
UNION ALL
SELECT 'failure', CAST(f.run_id AS text), f.code, NULL, NULL, f.student_id, 0, 0, 0, 0, 0, 0, 0, 0
FROM job_failures f JOIN batch_runs r ON r.run_id = f.run_id WHERE r.session_id = :session
""")


@dataclass(frozen=True, slots=True)
class RunRow:
    run_id: str
    state: str
    number: int
    jobs: dict[int, dict[str, Any]]
    total: int
    carried: Counter[str]
    final: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One version of a record: its mark, the previous mark, and the run that wrote it; None for a person."""

    number: int
    status: str | None
    before: str | None
    run_id: str | None


@dataclass(slots=True)
class Facts:
    """The runs in the order of their acceptance; the record, its changes and the failures of each student."""

    runs: dict[str, RunRow] = field(default_factory=dict[str, RunRow])
    records: dict[int, Version] = field(default_factory=dict[int, Version])
    changes: dict[int, list[Version]] = field(default_factory=dict[int, list[Version]])
    failures: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    record_rows: int = 0

    @property
    def open_runs(self) -> list[RunRow]:
        return [run for run in self.runs.values() if run.state == "open"]

    @property
    def newest(self) -> RunRow | None:
        return next(reversed(self.runs.values()), None)

    @property
    def counts_of_newest(self) -> Counter[str]:
        return self.counts(self.newest) if self.newest is not None else Counter()

    @property
    def pending_changes(self) -> list[int]:
        """Returns students with a record that the open run is to change and has not changed yet."""
        return [
            student
            for run in self.open_runs
            for student, outcome in sorted(self.outcomes(run).items())
            if outcome == "pending" and "version" in run.jobs[student]
        ]

    def versions(self, student: int) -> list[Version]:
        """Returns all versions of a student's record, including the first."""
        record, changes = self.records.get(student), self.changes.get(student, [])
        if record is None:
            return []
        first = changes[0].before if changes else record.status  # records start at version 1
        return [Version(1, first, None, record.run_id), *changes]

    def outcomes(self, run: RunRow) -> dict[int, str]:
        return {student: self._outcome(run, student, job.get("version")) for student, job in run.jobs.items()}

    def _outcome(self, run: RunRow, student: int, expected_version: int | None) -> str:
        versions = self.versions(student)
        if any(each.run_id == run.run_id for each in (versions[1:] if expected_version else versions[:1])):
            return "recorded"
        failure = self.failures.get((run.run_id, student))
        if failure is not None:
            return "cancelled" if failure == "cancelled" else "failed"
        if len(versions) > (expected_version or 0):
            return "skipped"
        return "cancelled" if run.state == "cancelled" else "pending"

    def counts(self, run: RunRow) -> Counter[str]:
        """Counts each job of a run once, including those carried over by a retry."""
        return Counter(self.outcomes(run).values()) + run.carried


async def read_facts(connection: Connection, batch: Batch) -> Facts:
    facts = Facts()
    rows = (await connection.execute(_FACTS, {"session": batch.session_id})).all()
    for row in sorted(rows, key=lambda row: row[5:7]):
        kind, run_id, word, other, kept, number, count = row[:7]
        match kind:
            case "run":
                facts.runs[run_id] = _run(run_id, word, other, kept, row)
            case "record":
                facts.records[number] = Version(count, word, None, run_id)
                facts.record_rows += 1
            case "change":
                facts.changes.setdefault(number, []).append(Version(count, word, other, run_id))
            case _:
                facts.failures[run_id, number] = word
    return facts


def _run(run_id: str, state: str, plan: str, kept: str, row: Any) -> RunRow:
    jobs = {job["student"]: job for chunk in json.loads(plan) for job in chunk}
    carried = Counter(recorded=row[7], skipped=row[8] + len(json.loads(kept)), cancelled=row[9])
    final = tuple(row[10:14]) if state != "open" else None
    return RunRow(run_id, state, row[5], jobs, row[6], carried, final)
