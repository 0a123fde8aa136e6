"""Builds the services of records."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.attendance.corrections import Corrections
from adsum.attendance.disputed_marks.service import DisputedMarks
from adsum.attendance.page_data import RecordPageData
from adsum.attendance.service import Records
from adsum.attendance.statuses.service import Statuses
from adsum.roster.service import Naming
from adsum.schools.service import Schools
from adsum.servers import OpenServers


@dataclass(frozen=True)
class AttendanceServices:
    """Recorded attendance."""

    records: Records
    corrections: Corrections
    disputed_marks: DisputedMarks
    statuses: Statuses
    record_page_data: RecordPageData


def attendance_services(on: OpenServers, schools: Schools, naming: Naming) -> AttendanceServices:
    """The services of records on open servers."""
    corrections, statuses = Corrections(on.database, on.now), Statuses(on.database, on.now)
    return AttendanceServices(
        records=Records(on.database, on.reader),
        corrections=corrections,
        disputed_marks=DisputedMarks(on.database, on.now),
        statuses=statuses,
        record_page_data=RecordPageData(corrections, schools, statuses, naming, on.now),
    )
