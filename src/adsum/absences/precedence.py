"""Whose mark stands: the office's before a teacher's, what is known beforehand before `present`. Nothing is lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from adsum.absences.rules import KnownAbsence
from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.statuses.rules import ABSENT, CountsAs, SchoolStatuses


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of the marks of one submission.

    Attributes:
        requested: the mark that each student is to get.
        contradictions: by student, what was said on purpose of somebody of whom the office says something else: it is
            kept beside the office's mark.
    """

    requested: dict[int, Mark]
    contradictions: dict[int, Mark]


@dataclass(frozen=True, slots=True)
class Precedence:
    """What stands before a submission.

    Attributes:
        known: absences that concern the session and day, by student.
        existing: what is recorded, by student.
        statuses: of the school.
    """

    known: Mapping[int, KnownAbsence]
    existing: Mapping[int, RecordedMark]
    statuses: SchoolStatuses

    def rule(self, requested: Mapping[int, Mark], deliberate: Collection[int], *, overrules: bool) -> Ruling:
        """Sets what is known beforehand in the place of what was asked, and tells what contradicts the office.

        Args:
            requested: the marks of a submission.
            deliberate: the students who were named in it. All the others are only among "all present", which
                contradicts nobody.
            overrules: whether who asks has the last word. Then what they said of somebody on purpose stands.
        """
        marks: dict[int, Mark] = {}
        contradictions: dict[int, Mark] = {}
        for student_id, asked in requested.items():
            is_deliberate = student_id in deliberate
            ruled = self._ruled(student_id, asked, stands=is_deliberate and overrules)
            marks[student_id] = ruled
            if is_deliberate and not overrules and self._contradicts(student_id, asked, ruled):
                contradictions[student_id] = asked
        return Ruling(marks, contradictions)

    def agrees(self, asked: Mark, status: str) -> bool:
        """Whether a mark says what the office says. A plain `absent` agrees with whatever explains the absence."""
        if asked.status == status:
            return True
        standing = self.statuses.get(status)
        return asked.status == ABSENT and standing is not None and standing.counts_as is not CountsAs.ATTENDED

    def _ruled(self, student_id: int, asked: Mark, *, stands: bool) -> Mark:
        known = self.known.get(student_id)
        if known is None or stands or asked.status == known.absence.status:
            return asked
        record = self.existing.get(student_id)
        if record is not None and record.is_offices and record.status not in (None, known.absence.status):
            return asked  # the office knew of the absence, and has decided otherwise since
        # A note, and when they came, is what was seen in class; the reason of the absence is the office's.
        return Mark(known.absence.status, asked.note, asked.arrived_at, asked.left_at, known.id)

    def _contradicts(self, student_id: int, asked: Mark, ruled: Mark) -> bool:
        record = self.existing.get(student_id)
        if record is None or record.status is None:
            return ruled is not asked and not self.agrees(asked, ruled.status)
        return record.is_offices and not self.agrees(asked, record.status)
