"""A request to record the attendance of a class, its selection of students, and its answer."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from adsum.attendance.rules import Mark, RecordedMark, validate_times_of_mark
from adsum.attendance.statuses.rules import ABSENT, PRESENT, SchoolStatuses
from adsum.batches.rules import OnExisting, lock_key
from adsum.batches.run import ChangedMark, MarkConflict, Plan, Run
from adsum.platform.database.answers import StoredAnswer
from adsum.platform.errors import Notice, Violation
from adsum.platform.ids import Batch
from adsum.platform.texts import note_text, validate_note

SELECTED = "/selectedStudentIds"
UNSELECTED = "/unselectedStudentIds"
MARKS = "/marks"


@dataclass(frozen=True, slots=True)
class StudentMark:
    """One entry of `marks`: the mark of a single student."""

    student_id: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Selection:
    """The students and marks of a request, in the seed's terms."""

    is_selected_all: bool
    selected: Sequence[int] = ()
    unselected: Sequence[int] = ()
    marks: Sequence[StudentMark] = ()

    @property
    def explicit(self) -> frozenset[int]:
        """Students who are named. The others are only part of "all present"."""
        return frozenset(student_id for _, student_id in self.mentioned)

    @property
    def mentioned(self) -> Iterator[tuple[str, int]]:
        """Every student id of the request, with the pointer to it."""
        yield from ((f"{SELECTED}/{i}", student_id) for i, student_id in enumerate(self.selected))
        yield from ((f"{UNSELECTED}/{i}", student_id) for i, student_id in enumerate(self.unselected))
        yield from ((f"{MARKS}/{i}/studentId", entry.student_id) for i, entry in enumerate(self.marks))


class KnownStudents(NamedTuple):
    """Students of a request whom the caller sees: those of the school of the class, and those of other schools only."""

    of_school: Collection[int]
    of_others: Collection[int]


@dataclass(frozen=True, slots=True)
class Submission:
    """One request to record the attendance of a class.

    Attributes:
        class_id: of the class.
        session_id: of a session of that class.
        learning_date: as the client sent it; the school's time zone decides which day it is.
        selection: the students and their marks.
        on_existing: applied to students who have a record.
        roster_version: of the roster that the client has, or None.
        idempotency_key: under which the first answer is stored, or None.
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
        """A hash of the request without its key. Databases store it: equal requests must always have equal digests."""
        fields = asdict(self)
        del fields["idempotency_key"]
        # Digests that older versions stored have none of the fields that are left out here.
        if not self.force and self.reason is None:
            del fields["force"], fields["reason"]
        for entry in fields["selection"]["marks"]:
            for name in ("arrived_at", "left_at", "absence_id"):
                if entry["mark"][name] is None:
                    del entry["mark"][name]
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The answer to a submission.

    Attributes:
        batch_id: of the batch.
        run_id: of the new run, the open run, or the newest run; None: the batch has none.
        total_jobs: number of students in the request.
        added_jobs: number of them with an attendance job.
        skipped_jobs: number of them whose record, or job of the open run, stays.
        lock_key: of the batch, in Redis.
        message: for people.
        is_new_run: whether a run was accepted.
        is_skipped: whether another run of the batch was open.
        conflicts: requested marks that are not applied because another mark is recorded.
        is_repeated: whether this answer was stored under the same idempotency key before.
        warnings: of the request.
        changes: of a preview, the recorded marks that the request corrects.
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
    changes: tuple[ChangedMark, ...] = ()

    @classmethod
    def initiated(cls, run: Run, plan: Plan, warnings: tuple[Notice, ...]) -> BatchResult:
        """The answer to a submission that got a run."""
        message = f"Batch processing initiated for {len(plan.jobs)} attendances"
        result = cls._without_jobs(run.batch, run.run_id, plan.total, message, plan.conflicts, warnings)
        return replace(result, added_jobs=len(plan.jobs), skipped_jobs=len(plan.kept), is_new_run=True)

    @classmethod
    def skipped(
        cls, open_run: Run, total: int, conflicts: tuple[MarkConflict, ...], warnings: tuple[Notice, ...]
    ) -> BatchResult:
        """The answer to a submission whose batch has an open run."""
        message = "Batch is already being processed"
        result = cls._without_jobs(open_run.batch, open_run.run_id, total, message, conflicts, warnings)
        return replace(result, is_skipped=True)

    @classmethod
    def unneeded(
        cls,
        batch: Batch,
        newest_run: str | None,
        total: int,
        conflicts: tuple[MarkConflict, ...] = (),
        warnings: tuple[Notice, ...] = (),
    ) -> BatchResult:
        """The answer to a submission whose students all keep their records."""
        message = f"Nothing to do: all {total} attendances are recorded already"
        return cls._without_jobs(batch, newest_run, total, message, conflicts, warnings)

    @classmethod
    def _without_jobs(
        cls,
        batch: Batch,
        run_id: str | None,
        total: int,
        message: str,
        conflicts: tuple[MarkConflict, ...],
        warnings: tuple[Notice, ...],
    ) -> BatchResult:
        return cls(
            batch_id=batch.id,
            run_id=run_id,
            total_jobs=total,
            added_jobs=0,
            skipped_jobs=total,
            lock_key=lock_key(batch.id),
            message=message,
            is_new_run=False,
            is_skipped=False,
            conflicts=conflicts,
            warnings=warnings,
        )

    def to_json(self) -> dict[str, Any]:
        """The form that is stored under an idempotency key. A preview is never stored."""
        fields = asdict(self)
        del fields["changes"]
        return fields


def first_result(stored: StoredAnswer) -> BatchResult:
    """The result of the submission that this answer confirmed."""
    assert stored.answer is not None, "it answers a submission, which is one transaction"
    return result_of_json(stored.answer)


def result_of_json(stored: Mapping[str, Any]) -> BatchResult:
    """Reads the form that `BatchResult.to_json` writes."""
    result = BatchResult(**{name: value for name, value in stored.items() if name not in {"conflicts", "warnings"}})
    return replace(
        result,
        is_repeated=True,
        conflicts=tuple(_conflict_of_json(entry) for entry in stored["conflicts"]),
        # Answers that older versions stored have no warnings.
        warnings=tuple(Notice(**entry) for entry in stored.get("warnings", ())),
    )


def _conflict_of_json(stored: Mapping[str, Any]) -> MarkConflict:
    recorded = RecordedMark(**stored["recorded"]) if stored["recorded"] is not None else None
    return MarkConflict(stored["student_id"], recorded, Mark(**stored["requested"]))


def requested_marks(selection: Selection, roster: Sequence[int]) -> dict[int, Mark]:
    """The requested mark of each student of the roster, in the order of the roster.

    `isSelectedAll: true` marks every enrolled student as present, and those of `unselectedStudentIds` as absent; with
    `false` only named students are marked. An entry of `marks` takes precedence over both lists.
    """
    present = roster if selection.is_selected_all else selection.selected
    marks = dict.fromkeys(present, Mark(PRESENT))
    marks |= dict.fromkeys(selection.unselected, Mark(ABSENT))
    marks |= {entry.student_id: _stored_mark(entry.mark) for entry in selection.marks}
    return {student_id: marks[student_id] for student_id in roster if student_id in marks}


def _stored_mark(mark: Mark) -> Mark:
    return mark if mark.note is None else replace(mark, note=note_text(mark.note))


def validate_form(selection: Selection, statuses: SchoolStatuses, ends: str | None = None) -> list[Violation]:
    """Violations that do not depend on the roster: repeated students, unknown statuses, notes, times, no student.

    `ends` is the end of the session on that day; None: unknown.
    """
    return [
        *_repeated(SELECTED, selection.selected),
        *_repeated(UNSELECTED, selection.unselected),
        *_repeated(MARKS, [entry.student_id for entry in selection.marks]),
        *_in_both(selection),
        *_wrong_statuses(selection, statuses),
        *_wrong_notes(selection),
        *_wrong_times(selection, statuses, ends),
        *_empty(selection),
    ]


def validate_roster(
    selection: Selection, roster: Collection[int], known: KnownStudents | None, class_id: int
) -> list[Violation]:
    """A violation for each named student who is not on the roster of the day.

    Args:
        selection: of the request.
        roster: ids of the students enrolled on that day.
        known: the students of the request whom the caller may know; None: the caller may not read the whole school. To
            them a student of another class and one who does not exist are the same error, so that ids cannot be probed.
        class_id: of the class.
    """
    enrolled = set(roster)
    return [
        _off_roster(pointer, student_id, known, class_id)
        for pointer, student_id in selection.mentioned
        if student_id not in enrolled
    ]


def _off_roster(pointer: str, student_id: int, known: KnownStudents | None, class_id: int) -> Violation:
    code, detail = "not_enrolled", f"student {student_id} is not enrolled in this class on that day"
    if known is None:
        code, detail = "not_on_roster", f"student {student_id} is not on the roster of this class on that day"
    elif student_id in known.of_others:
        detail = f"student {student_id} is not of the school of class {class_id}"
    elif student_id not in known.of_school:
        code, detail = "unknown_student", f"there is no student {student_id}"
    return Violation(code, detail, pointer, {"studentId": student_id})


def _repeated(pointer: str, student_ids: Sequence[int]) -> Iterator[Violation]:
    last = {student_id: i for i, student_id in enumerate(student_ids)}
    for student_id, count in Counter(student_ids).items():
        if count > 1:
            detail = f"student {student_id} appears {count} times in {pointer[1:]}"
            yield Violation("student_repeated", detail, f"{pointer}/{last[student_id]}", {"studentId": student_id})


def _in_both(selection: Selection) -> Iterator[Violation]:
    selected = set(selection.selected)
    for i, student_id in enumerate(selection.unselected):
        if student_id in selected:
            detail = f"student {student_id} is in both selectedStudentIds and unselectedStudentIds"
            yield Violation("student_in_both_lists", detail, f"{UNSELECTED}/{i}", {"studentId": student_id})


def _wrong_statuses(selection: Selection, statuses: SchoolStatuses) -> Iterator[Violation]:
    for i, entry in enumerate(selection.marks):
        violation = statuses.violation_of(entry.mark.status, f"{MARKS}/{i}/status")
        if violation is not None:
            yield violation


def _wrong_notes(selection: Selection) -> Iterator[Violation]:
    for i, entry in enumerate(selection.marks):
        yield from validate_note(entry.mark.note, f"{MARKS}/{i}/note")


def _wrong_times(selection: Selection, statuses: SchoolStatuses, ends: str | None) -> Iterator[Violation]:
    for i, entry in enumerate(selection.marks):
        mark = entry.mark
        if mark.arrived_at is not None or mark.left_at is not None:
            status = statuses.get(mark.status)
            yield from validate_times_of_mark(status, mark.arrived_at, mark.left_at, ends, f"{MARKS}/{i}")


def _empty(selection: Selection) -> Iterator[Violation]:
    if not selection.is_selected_all and not any(True for _ in selection.mentioned):
        yield Violation("empty_selection", "no student is selected: name some, or send isSelectedAll: true", SELECTED)
