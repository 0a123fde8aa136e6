"""Precedence of marks: the office's mark over a teacher's, and a planned absence over any mark but the office's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from adsum.absences.rules import StudentAbsence
from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.statuses.rules import ABSENT, CountsAs, SchoolStatuses


@dataclass(frozen=True, slots=True)
class ResolvedMarks:
    """The marks of a submission after precedence.

    Attributes:
        requested: the mark to record for each student.
        disputed: by student, the explicit marks of a teacher that differ from the office's; stored beside the records.
    """

    requested: dict[int, Mark]
    disputed: dict[int, Mark]


@dataclass(frozen=True, slots=True)
class Precedence:
    """The data that take precedence over a submission.

    Attributes:
        absences: those that apply to the session and day, by student.
        recorded: the recorded marks, by student.
        statuses: of the school.
    """

    absences: Mapping[int, StudentAbsence]
    recorded: Mapping[int, RecordedMark]
    statuses: SchoolStatuses

    def resolve(self, requested: Mapping[int, Mark], explicit: Collection[int], *, overrules: bool) -> ResolvedMarks:
        """Replaces requested marks by those of planned absences, and finds the marks that dispute the office's.

        Args:
            requested: the marks of a submission.
            explicit: the students whom the submission names. A student who is only part of "all present" disputes
                nothing.
            overrules: whether the caller belongs to the office, whose explicit marks take precedence over absences.
        """
        marks: dict[int, Mark] = {}
        disputed: dict[int, Mark] = {}
        for student_id, mark in requested.items():
            is_explicit = student_id in explicit
            resolved = mark if is_explicit and overrules else self._resolved(student_id, mark)
            marks[student_id] = resolved
            if is_explicit and not overrules and self._is_disputed(student_id, mark, resolved):
                disputed[student_id] = mark
        return ResolvedMarks(marks, disputed)

    def agrees(self, mark: Mark, status: str) -> bool:
        """Whether a mark agrees with the office's status. `absent` agrees with every status that counts as absent."""
        if mark.status == status:
            return True
        office_status = self.statuses.get(status)
        return mark.status == ABSENT and office_status is not None and office_status.counts_as is not CountsAs.ATTENDED

    def _resolved(self, student_id: int, mark: Mark) -> Mark:
        planned = self.absences.get(student_id)
        if planned is None or mark.status == planned.absence.status:
            return mark
        record = self.recorded.get(student_id)
        if record is not None and record.is_offices and record.status not in (None, planned.absence.status):
            return mark  # an explicit mark of the office, which stays
        # The note and times are the teacher's observation. The reason of the absence stays with the office.
        return Mark(planned.absence.status, mark.note, mark.arrived_at, mark.left_at, planned.id)

    def _is_disputed(self, student_id: int, mark: Mark, resolved: Mark) -> bool:
        record = self.recorded.get(student_id)
        if record is None or record.status is None:
            return resolved is not mark and not self.agrees(mark, resolved.status)
        return record.is_offices and not self.agrees(mark, record.status)
