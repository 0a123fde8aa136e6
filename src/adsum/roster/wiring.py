"""Builds the services of rosters."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.accounts.service import Accounts
from adsum.roster.by_source.service import SourcedRoster
from adsum.roster.covers.by_teacher.service import TeachersAway
from adsum.roster.covers.page_data import CoverPageData
from adsum.roster.covers.service import Covers
from adsum.roster.importing.service import RosterImport, WarningsOfTransfers
from adsum.roster.people.service import People
from adsum.roster.search.service import Search
from adsum.roster.service import Directory, Naming
from adsum.roster.student_contacts.service import StudentContacts
from adsum.roster.syncing.schedule import ScheduledSync, schedule_of
from adsum.roster.syncing.service import RosterSync
from adsum.roster.timetable.service import Timetables
from adsum.servers import OpenServers


@dataclass(frozen=True)
class RosterServices:
    """Classes, students, sessions and the people of a school."""

    people: People
    directory: Directory
    search: Search
    covers: Covers
    cover_page_data: CoverPageData
    teachers_away: TeachersAway
    timetables: Timetables
    naming: Naming
    roster_import: RosterImport
    roster_sync: RosterSync
    scheduled_sync: ScheduledSync
    sourced_roster: SourcedRoster
    student_contacts: StudentContacts


def roster_services(on: OpenServers, accounts: Accounts, warnings_of_transfers: WarningsOfTransfers) -> RosterServices:
    """The services of rosters on open servers."""
    people, directory = People(on.database, accounts, on.now), Directory(on.database, on.reader, on.now)
    covers, naming = Covers(on.database, on.now), Naming(on.database)
    roster_import = RosterImport(on.database, on.settings.timezone, on.now, warnings_of_transfers)
    roster_sync = RosterSync(on.database, roster_import, on.now)
    return RosterServices(
        people=people,
        directory=directory,
        search=Search(on.database, on.now),
        covers=covers,
        cover_page_data=CoverPageData(covers, directory, people, naming),
        teachers_away=TeachersAway(on.database),
        timetables=Timetables(on.database, on.now),
        naming=naming,
        roster_import=roster_import,
        roster_sync=roster_sync,
        scheduled_sync=ScheduledSync(roster_sync, schedule_of(on.settings), on.now),
        sourced_roster=SourcedRoster(on.database, on.now),
        student_contacts=StudentContacts(on.database),
    )
