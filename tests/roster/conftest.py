"""Fixtures for tests of rosters: a database, and imports into it on a day that the test sets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import IO, Any

import pytest
from sqlalchemy import Table, select

from adsum.absences.transfers import warnings_of_transfers
from adsum.accounts.access import Caller, system_caller
from adsum.operations.migrations import tables
from adsum.platform.database.engine import Database, open_database
from adsum.platform.errors import Violation
from adsum.roster.demo.service import DATA
from adsum.roster.importing.rules import ImportOptions, ImportReport
from adsum.roster.importing.service import RosterImport
from adsum.roster.oneroster.files import roster_files
from tests.roster.files import Roster, in_zip

TODAY = date(2024, 10, 15)


@dataclass
class Importing:
    """Imports rosters into one database; `today` is the current day in UTC."""

    database: Database
    today: date = TODAY

    async def run(
        self, roster: Roster | Mapping[str, bytes], caller: Caller | None = None, **options: Any
    ) -> ImportReport:
        files = roster.files() if isinstance(roster, Roster) else roster
        return await self.run_from(in_zip(files), caller, **options)

    async def run_from(self, place: Path | IO[bytes], caller: Caller | None = None, **options: Any) -> ImportReport:
        named = {each.name for each in fields(ImportOptions)}
        chosen = ImportOptions(**{name: options.pop(name) for name in named & options.keys()})
        service = RosterImport(
            self.database, "UTC", lambda: datetime.combine(self.today, time(12), UTC), warnings_of_transfers
        )
        with roster_files(place) as files:
            return await service.run(files, caller=caller or system_caller(), options=chosen, **options)

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        """All rows, by id."""
        async with self.database.snapshot() as connection:
            found = await connection.execute(select(table).order_by(*table.primary_key))
            return [dict(row) for row in found.mappings()]

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables that an import writes."""
        written = (
            tables.schools,
            tables.students,
            tables.student_contacts,
            tables.student_schools,
            tables.users,
            tables.classes,
            tables.sessions,
            tables.enrolments,
            tables.class_teachers,
        )
        return {table.name: await self.rows(table) for table in written}

    async def spans(self) -> dict[str, tuple[date | None, date | None]]:
        """The first and the last day of each enrolment of a student, by its sourcedId."""
        rows = await self.rows(tables.enrolments)
        return {row["source_id"]: (row["begin_date"], row["end_date"]) for row in rows}

    async def schools(self, source_id: str) -> list[tuple[str, bool]]:
        """The schools of the only student with this sourcedId, the home school first, and whether they are active."""
        names = {row["id"]: row["source_id"] for row in await self.rows(tables.schools)}
        (student,) = [row for row in await self.rows(tables.students) if row["source_id"] == source_id]
        others = [row for row in await self.rows(tables.student_schools) if row["student_id"] == student["id"]]
        return [(names[row["school_id"]], row["active"]) for row in (student, *others)]

    async def active(self, table: Table) -> dict[str, bool]:
        """Whether each student or class is active, by its sourcedId."""
        return {row["source_id"]: row["active"] for row in await self.rows(table)}


def places_and_codes(violations: tuple[Violation, ...]) -> list[tuple[str, str]]:
    """Returns pointer and code of each violation."""
    return [(violation.pointer, violation.code) for violation in violations]


REAL = DATA / "oneroster"
"""Two whole schools, which `adsum up` loads as its demo."""
ADDED_BY_REAL_FILES = {
    "schools": 2,
    "terms": 2,
    "students": 86,
    "contacts": 0,
    "teachers": 12,
    "classes": 28,
    "sessions": 28,
    "enrolments": 602,
    "teachings": 28,
}


def added(report: ImportReport) -> dict[str, int]:
    """The number of new rows, by table."""
    return {name: table.added for name, table in report.tables.items()}


def counts(report: ImportReport) -> dict[str, tuple[int, int, int, int]]:
    """Added, changed, ended and unchanged, by table."""
    return {name: (table.added, table.changed, table.ended, table.unchanged) for name, table in report.tables.items()}


@pytest.fixture
async def importing(database_url: str) -> AsyncGenerator[Importing]:
    database = open_database(database_url)
    yield Importing(database)
    await database.close()
