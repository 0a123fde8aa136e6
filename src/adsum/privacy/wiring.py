"""Builds the services of privacy."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.attendance.statuses.service import Statuses
from adsum.platform.database.partitions import PartitionsAhead
from adsum.privacy.holds.service import StudentHolds
from adsum.privacy.merging.page_data import MergePageData
from adsum.privacy.merging.service import StudentMerges
from adsum.privacy.retention.service import Retention, RetentionRuns
from adsum.privacy.service import StudentData
from adsum.privacy.staff.service import StaffErasure
from adsum.privacy.years.archives import YearArchives
from adsum.privacy.years.repository import partitions_ahead
from adsum.privacy.years.service import SchoolYears
from adsum.roster.wiring import RosterServices
from adsum.schools.service import Schools
from adsum.servers import OpenServers


@dataclass(frozen=True)
class PrivacyServices:
    """The data of students and staff: export, erasure, retention, holds, merges, school years."""

    student_data: StudentData
    student_merges: StudentMerges
    merge_page_data: MergePageData
    staff_erasure: StaffErasure
    holds: StudentHolds
    retention: Retention
    retention_runs: RetentionRuns
    school_years: SchoolYears
    year_archives: YearArchives
    partitions_ahead: PartitionsAhead


def privacy_services(on: OpenServers, schools: Schools, roster: RosterServices, statuses: Statuses) -> PrivacyServices:
    """The services of privacy on open servers."""
    merges = StudentMerges(on.database, on.now)
    return PrivacyServices(
        student_data=StudentData(on.database, on.now),
        student_merges=merges,
        merge_page_data=MergePageData(merges, roster.directory, schools, statuses, roster.naming),
        staff_erasure=StaffErasure(on.database, on.now),
        holds=StudentHolds(on.database, on.now),
        retention=Retention(on.database, on.now),
        retention_runs=RetentionRuns(on.database, on.now),
        school_years=SchoolYears(on.database, on.now),
        year_archives=YearArchives(on.database, on.now),
        partitions_ahead=on.close_at_end(partitions_ahead(on.database, on.now)),
    )
