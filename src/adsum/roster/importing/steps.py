"""The steps of an import in its transaction: schools, people, classes, enrolments; each is staged, then applied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from itertools import islice
from typing import TypeVar

from adsum.accounts.access import Caller
from adsum.accounts.visibility import sees_names
from adsum.platform.database.engine import Connection
from adsum.platform.database.tombstones import Erased, Tombstones, find_tombstones
from adsum.platform.days import Span, today_in
from adsum.roster.importing.contact_steps import apply_contacts, count_before, stored_roles
from adsum.roster.importing.repository import changes, comparison, names, sessions, staging, transfers
from adsum.roster.importing.repository.changes import (
    CLASSES,
    ENROLMENTS,
    SLICE,
    STUDENTS,
    TEACHERS,
    TEACHINGS,
    ImportTable,
)
from adsum.roster.importing.repository.unplaced import only_school, stored_elsewhere
from adsum.roster.importing.roster_mapping.classes import ClassMapping
from adsum.roster.importing.roster_mapping.contacts import COLUMN
from adsum.roster.importing.roster_mapping.enrolments import FILE as ENROLMENTS_FILE
from adsum.roster.importing.roster_mapping.enrolments import EnrolmentMapping, References, reassigned_id
from adsum.roster.importing.roster_mapping.people import PeopleMapping
from adsum.roster.importing.roster_mapping.references import OrgReferences, read_references
from adsum.roster.importing.roster_mapping.schools import (
    Orgs,
    TimeZone,
    is_visible_school,
    read_orgs,
    refuse_invisible_schools,
)
from adsum.roster.importing.roster_mapping.staged_people import one_name
from adsum.roster.importing.roster_mapping.terms import KnownTerms, read_terms
from adsum.roster.importing.rules import ChangedStudents, Findings, Removal, StudentChange, TableReport
from adsum.roster.importing.tables import (
    import_classes,
    import_elsewhere,
    import_enrolments,
    import_leavers,
    import_sessions,
    import_students,
    import_teachers,
)
from adsum.roster.importing.term_steps import TermSteps
from adsum.roster.oneroster.csv_table import Mode
from adsum.roster.oneroster.package import Package, repeated_id
from adsum.roster.oneroster.records import STUDENT, TEACHER
from adsum.schools.locks import lock_rosters
from adsum.schools.repository import add_named_zones, today_of_schools

BATCH = 5_000

Item = TypeVar("Item")
ReportProgress = Callable[[str, int, int], None]
"""Called with the name of a file or table, the units done, and the units in total."""


class RosterSteps:
    """One import. `run` fills `findings` and `removals`.

    `compares`: finds who joins, leaves and moves, for `changed_students`.
    """

    def __init__(
        self,
        connection: Connection,
        package: Package,
        caller: Caller,
        now: datetime,
        progress: ReportProgress | None,
        *,
        compares: bool,
    ) -> None:
        self._connection = connection
        self._package = package
        self._caller = caller
        self._now = now
        self._progress = progress or _ignore_progress
        self._compares = compares
        self.findings = Findings()
        self.removals: list[Removal] = []
        self._orgs = Orgs(is_complete=False)
        self._terms: TermSteps | None = None
        self._tombstones: dict[Erased, Tombstones] = {}
        self._empty_names: dict[int, str] = {}

    async def run(self, time_zone: TimeZone, valid_from: date | None = None) -> dict[str, TableReport]:
        """Runs all steps; returns a report for each table.

        Args:
            time_zone: of new schools.
            valid_from: the day from which sessions are added and end; None: the today of each school.
        """
        schools = await self._read_and_apply_schools(time_zone)
        school_ids = self._orgs.ids.values()
        self._tombstones = {kind: await find_tombstones(self._connection, kind, school_ids) for kind in Erased}
        file = await asyncio.to_thread(read_terms, self._package, self.findings)
        self._terms = terms = TermSteps(self._connection, file, self.findings)
        table_of_terms = await terms.apply(self._orgs, self._caller)
        people = await self._map_people(time_zone)
        known = await terms.known(is_sent=self._package.mode("academicsessions") is not Mode.ABSENT)
        classes = await self._map_classes(known)
        await self._place_people(people, classes)
        if self._compares:
            await comparison.remember_places(self._connection)
        before = await self._count_stored()
        self._empty_names = await names.empty_names(self._connection)
        tables = {
            "schools": schools,
            "terms": table_of_terms,
            "students": await self._apply_students(people),
            "contacts": await self._apply_contacts(people),
            "teachers": await self._apply_teachers(),
            "classes": await self._apply_classes(),
            "sessions": await self._apply_sessions(classes, valid_from),
            **await self._apply_enrolments(people, classes, terms),
        }
        if self._compares:
            await comparison.compare_places(self._connection)
        self.removals = _removals(tables, before)
        # After the other warnings: there may be many, and the first warnings are kept.
        self.findings.warn(*(one_name(row, column) for row, column in self._empty_names.items()))
        return tables

    async def finish(self) -> None:
        """After `run`, directly before the commit: the step that locks what others wait for."""
        assert self._terms is not None
        await self._terms.mark_stale()

    async def changed_students(self, limit: int | None) -> dict[StudentChange, ChangedStudents]:
        """After `run`: the students with each kind of change, the first `limit` of them by name."""
        with_names = sees_names(self._caller)
        return {
            change: await comparison.changed_students(self._connection, change, limit, with_names=with_names)
            for change in (StudentChange if self._compares else ())
        }

    async def _read_and_apply_schools(self, time_zone: TimeZone) -> TableReport:
        """Reads orgs.csv and, if it is not complete, the orgs that other files name."""
        self._orgs = await asyncio.to_thread(read_orgs, self._package, self.findings)
        references = (
            OrgReferences() if self._orgs.is_complete else await asyncio.to_thread(read_references, self._package)
        )
        schools = await self._apply_schools(references.orgs or await self._only_school(references), time_zone)
        await self._report_unplaced(references)
        return schools

    async def _count_stored(self) -> dict[ImportTable, int]:
        """The numbers of rows before the import, which `removals` compares."""
        kinds = (TEACHERS, CLASSES, ENROLMENTS)
        before = {kind: await changes.count_stored(self._connection, kind) for kind in kinds}
        return {**before, STUDENTS: await transfers.count_active_students(self._connection)}

    async def _apply_schools(self, referenced: Collection[str], time_zone: TimeZone) -> TableReport:
        """Adds and renames schools, stages the schools of the import, and fills `ids` and `today` of the orgs.

        Args:
            referenced: orgs that other files name, if orgs.csv is not complete.
            time_zone: of new schools.

        Raises:
            Forbidden: orgs.csv has schools that the caller does not see; with a violation for each.
        """
        connection, orgs = self._connection, self._orgs
        sources = {*orgs.schools, *orgs.gone, *referenced}
        known = {school.source_id: school for school in await staging.schools_of(connection, sources)}
        refuse_invisible_schools(orgs, known, self._caller)
        await lock_rosters(
            connection, [school.id for school in known.values() if is_visible_school(self._caller, school)]
        )
        self.findings.warn(*time_zone.warnings(orgs.schools.values(), known))
        new = [(source, org.name) for source, org in orgs.schools.items() if source not in known]
        renamed = [org for source, org in orgs.schools.items() if source in known and known[source].name != org.name]
        await staging.add_schools(connection, new, time_zone.name)
        for org in renamed:
            await staging.rename_school(connection, known[org.source_id].id, org.name)
        found = await staging.schools_of(connection, sources)
        schools = [school for school in found if is_visible_school(self._caller, school)]
        if time_zone.given is not None:
            listed = [school for school in schools if school.source_id in orgs.schools]
            named = [school.id for school in listed if school.time_zone == time_zone.given]
            await add_named_zones(connection, named, time_zone.given, self._caller, self._now)
        orgs.ids = {school.source_id: school.id for school in schools if school.source_id not in orgs.gone}
        orgs.today = {school.source_id: today_in(school.time_zone, self._now) for school in schools}
        today = [(school.id, orgs.today[school.source_id], school.source_id in orgs.gone) for school in schools]
        await staging.stage_schools(connection, today)
        return TableReport(len(new), len(renamed), unchanged=len(orgs.schools) - len(new) - len(renamed))

    async def _only_school(self, references: OrgReferences) -> set[str]:
        """Rows that name no org are of the only school, if there is one. Elsewhere the same id may be somebody else."""
        only = await only_school(self._connection, self._caller) if references.unplaced else None
        return set() if only is None or self._orgs.schools or self._orgs.gone else {only}

    async def _report_unplaced(self, references: OrgReferences) -> None:
        for file, thing, source_ids in references.things():
            today = await today_of_schools(self._connection, self._caller, self._now)
            stored = await stored_elsewhere(self._connection, self._caller, thing, source_ids, today)
            self.findings.add(*(references.not_named(file, source_id) for source_id in sorted(stored)))

    async def _map_people(self, time_zone: TimeZone) -> PeopleMapping:
        # Of orgs that are not schools, such as a district: a role there is over once it is at all schools.
        today = min(self._orgs.today.values(), default=today_in(time_zone.name, self._now))
        has_roles = self._package.has_roles
        is_delta = self._package.mode("roles" if has_roles else "users") is Mode.DELTA
        lists_all_roles = not is_delta or self._package.lists_all_roles
        people = PeopleMapping(
            *(self._orgs, self.findings, today, self._tombstones), is_delta=is_delta, lists_all_roles=lists_all_roles
        )
        if has_roles:
            known = await self._stored_people() if is_delta else {}
            contacts = await stored_roles(self._connection) if is_delta else {}
            await asyncio.to_thread(people.read_roles, self._package.roles(), known, contacts)
        async for batch in self._batches("users", self._package.people()):
            await asyncio.to_thread(people.map, batch)
            await self._stage_people(people)
        await asyncio.to_thread(people.map_deleted)
        await asyncio.to_thread(people.map_roles_without_person)
        await self._stage_people(people)
        return people

    async def _place_people(self, people: PeopleMapping, classes: ClassMapping) -> None:
        stored_classes = await staging.active_classes(self._connection)
        schools = {source: school_id for school_id, source in (*stored_classes, *classes.places)}
        is_complete = self._package.mode("users") is Mode.BULK
        teachers = {} if is_complete else await staging.stored_teachers(self._connection)
        stored = await self._stored_people()
        keeps_all = not (is_complete and self._package.mode("enrollments") is Mode.BULK)
        await asyncio.to_thread(
            people.place, self._package.enrolments(), schools, stored, teachers, keeps_all=keeps_all
        )
        await self._stage_people(people)
        await staging.index_staged(self._connection, import_students)
        await staging.index_staged(self._connection, import_teachers)

    async def _stored_people(self) -> dict[str, dict[tuple[int, str], int]]:
        return {
            STUDENT: await transfers.active_students(self._connection),
            TEACHER: await staging.active_teachers(self._connection),
        }

    async def _stage_people(self, people: PeopleMapping) -> None:
        rows = people.staged.take_rows()
        await staging.stage(self._connection, import_students, rows[STUDENT])
        await staging.stage(self._connection, import_teachers, rows[TEACHER])

    async def _map_classes(self, terms: KnownTerms) -> ClassMapping:
        is_delta = self._package.mode("classes") is Mode.DELTA
        classes = ClassMapping(self._orgs, terms, self.findings, is_delta=is_delta)
        async for batch in self._batches("classes", self._package.classes()):
            await asyncio.to_thread(classes.map, batch)
            await staging.stage(self._connection, import_classes, classes.take_rows())
        await staging.index_staged(self._connection, import_classes)
        return classes

    async def _apply(self, kind: ImportTable, name: str) -> TableReport:
        added = changed = 0
        last = await changes.last_row(self._connection, kind)
        for start in range(0, last + 1, SLICE):
            changed += await changes.change_differing(self._connection, kind, start)
            added += await changes.add_new(self._connection, kind, start)
            self._progress(name, min(start + SLICE, last), last)
        present = await changes.count_present(self._connection, kind)
        return TableReport(added, changed, unchanged=present - added - changed)

    async def _apply_students(self, people: PeopleMapping) -> TableReport:
        """A transfer to another school is a change. Every other school of a student counts like a student."""
        connection, absent = self._connection, self._absence_means_gone("users")
        await transfers.find_elsewhere(connection)
        for table in (import_elsewhere, import_leavers):
            await staging.index_staged(connection, table)
        transferred = await transfers.transfer(connection, absent=absent)
        is_delta = self._package.mode("users") is Mode.DELTA
        doubles = await transfers.double_students(connection, self._caller, is_delta=is_delta)
        report = await self._apply(STUDENTS, "students")
        if doubles:
            ids = None if self._compares else await transfers.active_students(connection)
            people.warn_of_doubles(doubles, ids)
        await transfers.find_elsewhere(connection)
        joined, again = await transfers.join_schools(connection)
        ended = await transfers.end_missing_students(connection, absent=absent)
        changed = transferred + again
        return TableReport(report.added + joined, report.changed + changed, ended, report.unchanged - joined - changed)

    async def _apply_contacts(self, people: PeopleMapping) -> TableReport:
        """A file without the column of the agents changes the contacts that it has, and ends none."""
        is_complete = self._absence_means_gone("users") and self._package.has_column("users", COLUMN)
        report, empty_names = await apply_contacts(self._connection, people, self.findings, is_complete=is_complete)
        self._empty_names |= empty_names
        return report

    async def _apply_teachers(self) -> TableReport:
        table = await self._apply(TEACHERS, "teachers")
        ended = await changes.end_missing_teachers(self._connection, absent=self._absence_means_gone("users"))
        return TableReport(table.added, table.changed, ended, table.unchanged)

    async def _apply_classes(self) -> TableReport:
        table = await self._apply(CLASSES, "classes")
        ended = await changes.end_missing_classes(self._connection, absent=self._absence_means_gone("classes"))
        return TableReport(table.added, table.changed, ended, table.unchanged)

    async def _apply_sessions(self, classes: ClassMapping, valid_from: date | None) -> TableReport:
        rows = classes.sessions(await staging.active_classes(self._connection))
        await staging.stage(self._connection, import_sessions, rows)
        await staging.index_staged(self._connection, import_sessions)
        added, changed, ended = await sessions.apply_sessions(self._connection, valid_from)
        return TableReport(added, changed, ended, unchanged=len(rows) - added - changed)

    async def _apply_enrolments(
        self, people: PeopleMapping, classes: ClassMapping, terms: TermSteps
    ) -> dict[str, TableReport]:
        await terms.set_terms_of_classes()
        await self._map_enrolments(await self._references(people, classes, terms.bounds))
        terms.widened = await changes.widened_enrolments(self._connection)
        absent = self._absence_means_gone("enrollments")
        tables: dict[str, TableReport] = {}
        for kind, name in ((ENROLMENTS, "enrolments"), (TEACHINGS, "teachings")):
            table = await self._apply(kind, name)
            ended = await changes.end_missing_enrolments(
                self._connection, kind, absent=absent, teachers_absent=self._absence_means_gone("users")
            )
            tables[name] = TableReport(table.added, table.changed, ended, table.unchanged)
        for name, bounded in (await terms.bound_enrolments()).items():
            tables[name] = replace(tables[name], changed=tables[name].changed + bounded)
        await transfers.add_schools_of_enrolments(self._connection)
        return tables

    async def _references(self, people: PeopleMapping, classes: ClassMapping, bounds: Mapping[int, Span]) -> References:
        connection = self._connection
        by_school = await staging.active_classes(connection)
        students = await transfers.known_students(connection)
        listed_teachers = await staging.teachers(connection, staged_only=self._absence_means_gone("users"))
        return References(
            classes={source: (school_id, class_id) for (school_id, source), class_id in by_school.items()},
            students=students,
            teachers=listed_teachers,
            people=await asyncio.to_thread(
                lambda: people.listed | {source for _, source in (*students.at_schools, *listed_teachers)}
            ),
            gone_classes=classes.gone,
            gone_people=people.gone,
            left_out_classes=classes.left_out,
            left_out_people=people.left_out,
            bounds=bounds,
            tombstones=self._tombstones,
        )

    async def _map_enrolments(self, references: References) -> None:
        is_delta = self._package.mode("enrollments") is Mode.DELTA
        enrolments = EnrolmentMapping(references, self.findings, is_delta=is_delta)
        async for batch in self._batches("enrollments", self._package.enrolments()):
            await staging.stage(self._connection, import_enrolments, await asyncio.to_thread(enrolments.map, batch))
        await staging.index_staged(self._connection, import_enrolments)
        for row, first in await staging.keep_repeated(self._connection):
            self.findings.add(repeated_id(ENROLMENTS_FILE, row, first))
        for kind in (ENROLMENTS, TEACHINGS):
            rows = await changes.reassigned(self._connection, kind)
            self.findings.add(*map(reassigned_id, rows))
            await staging.keep_rows(self._connection, rows)

    def _absence_means_gone(self, name: str) -> bool:
        """Whether a row that is absent from a file has ended: the file is complete and every row has a source id."""
        files = ("users.csv", "roles.csv") if name == "users" else (f"{name}.csv",)
        return self._package.mode(name) is Mode.BULK and all(map(self.findings.is_wholly_read, files))

    async def _batches(self, name: str, entries: Iterator[Item]) -> AsyncIterator[list[Item]]:
        """The records in batches, read in a thread to keep the event loop free."""
        while batch := await asyncio.to_thread(lambda: list(islice(entries, BATCH))):
            yield batch
            table = self._package.tables[name]
            self._progress(table.name, table.position, table.size)


def _ignore_progress(_name: str, _done: int, _total: int) -> None:
    pass


def _removals(tables: Mapping[str, TableReport], before: Mapping[ImportTable, int]) -> list[Removal]:
    """The rows of each table that end, and how many there were."""
    ends = {
        "students": ("users.csv", STUDENTS),
        "teachers": ("users.csv", TEACHERS),
        "classes": ("classes.csv", CLASSES),
        "enrolments": (ENROLMENTS_FILE, ENROLMENTS),
    }
    removals = [Removal(name, file, tables[name].ended, before[kind]) for name, (file, kind) in ends.items()]
    contacts = tables["contacts"]
    return [*removals, Removal("contacts", "users.csv", contacts.ended, count_before(contacts))]
