"""Builds the services of absences."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.absences.contacts.page_data import CallListPageData
from adsum.absences.contacts.service import Contacts
from adsum.absences.page_data import AbsencePageData
from adsum.absences.service import Absences
from adsum.absences.unexplained import UnexplainedAbsences
from adsum.attendance.statuses.service import Statuses
from adsum.roster.wiring import RosterServices
from adsum.schools.service import Schools
from adsum.servers import OpenServers


@dataclass(frozen=True)
class AbsenceServices:
    """Planned and unexplained absences."""

    absences: Absences
    unexplained_absences: UnexplainedAbsences
    contacts: Contacts
    absence_page_data: AbsencePageData
    call_list_page_data: CallListPageData


def absence_services(on: OpenServers, schools: Schools, roster: RosterServices, statuses: Statuses) -> AbsenceServices:
    """The services of absences on open servers."""
    absences, contacts = Absences(on.database, on.reader, on.now), Contacts(on.database, on.now)
    return AbsenceServices(
        absences=absences,
        unexplained_absences=UnexplainedAbsences(on.database, on.now),
        contacts=contacts,
        absence_page_data=AbsencePageData(absences, roster.directory, schools, statuses, roster.naming),
        call_list_page_data=CallListPageData(contacts, statuses, roster.naming),
    )
