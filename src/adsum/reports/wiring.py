"""Builds the services of reports."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.absences.wiring import AbsenceServices
from adsum.attendance.statuses.service import Statuses
from adsum.reports.service import Reports, Summaries
from adsum.reports.student.page_data import StudentPageData
from adsum.reports.unexplained.page_data import UnexplainedPageData
from adsum.reports.year import Year
from adsum.roster.wiring import RosterServices
from adsum.servers import OpenServers


@dataclass(frozen=True)
class ReportServices:
    """Rates and summaries."""

    reports: Reports
    year: Year
    unexplained_page_data: UnexplainedPageData
    student_page_data: StudentPageData


def report_services(
    on: OpenServers, roster: RosterServices, statuses: Statuses, absences: AbsenceServices
) -> ReportServices:
    """The services of reports on open servers."""
    summaries = Summaries(on.database)
    reports, year = Reports(on.database, on.reader, summaries), Year(on.database, on.reader, summaries)
    unexplained = UnexplainedPageData(reports, absences.unexplained_absences, statuses, roster.naming)
    return ReportServices(
        reports=reports,
        year=year,
        unexplained_page_data=unexplained,
        student_page_data=StudentPageData(
            directory=roster.directory,
            student_contacts=roster.student_contacts,
            reports=reports,
            year=year,
            planned_absences=absences.absence_page_data,
            call_list=absences.call_list_page_data,
            unexplained=unexplained,
        ),
    )
