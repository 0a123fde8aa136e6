"""The steps of one import, inside its transaction: schools, people, classes, enrolments, each staged and then set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from adsum.accounts.access import Caller
from adsum.platform.database.engine import Connection
from adsum.roster.importing import endings
from adsum.roster.importing import repository as statements
from adsum.roster.importing.findings import Findings
from adsum.roster.importing.orgs import Orgs, named_schools, read_orgs
from adsum.roster.importing.place_classes import Classes
from adsum.roster.importing.place_enrolments import FILE as ENROLMENTS_FILE
from adsum.roster.importing.place_enrolments import Enrolments, Referable, reassigned_id
from adsum.roster.importing.place_people import People
from adsum.roster.importing.place_schools import set_schools
from adsum.roster.importing.report import TableReport
from adsum.roster.importing.repository import CLASSES, ENROLMENTS, SLICE, STUDENTS, TEACHERS, TEACHINGS, Kind
from adsum.roster.importing.schools import active_classes, active_students, teachers
from adsum.roster.importing.sessions import set_sessions
from adsum.roster.importing.staging import (
    import_classes,
    import_enrolments,
    import_sessions,
    import_students,
    import_teachers,
    index_staged,
    keep_repeated,
    keep_rows,
    stage,
)
from adsum.roster.oneroster.package import Package, repeated_id
from adsum.roster.oneroster.records import STUDENT, TEACHER
from adsum.roster.oneroster.rows import Mode

BATCH = 5_000

Item = TypeVar("Item")
Progress = Callable[[str, int, int], None]
"""Is told a file or table, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Removal:
    """How many of the active rows of a table, which come from `file`, an import ends."""

    table: str
    file: str
    ended: int
    active: int


class RosterSteps:
    """One import. After `take`, `findings` and `removals` say what it met."""

    def __init__(
        self, connection: Connection, package: Package, caller: Caller, now: datetime, progress: Progress | None
    ) -> None:
        self._connection = connection
        self._package = package
        self._caller = caller
        self._now = now
        self._progress = progress or _tell_nobody
        self.findings = Findings()
        self.removals: list[Removal] = []
        self._orgs = Orgs(is_complete=False)

    async def take(self, time_zone: str) -> dict[str, TableReport]:
        """Takes all steps; a report for each table. `time_zone` is for schools that are new."""
        self._orgs = await asyncio.to_thread(read_orgs, self._package, self.findings)
        named = set[str]() if self._orgs.is_complete else await asyncio.to_thread(named_schools, self._package)
        schools = await set_schools(self._connection, self._orgs, named, self._caller, self._now, time_zone)
        people = await self._place_people()
        classes = await self._place_classes()
        before = {kind: await endings.count_open(self._connection, kind) for kind in (STUDENTS, CLASSES, ENROLMENTS)}
        tables = {
            "schools": schools,
            "students": await self._set_owned(STUDENTS, "students"),
            "teachers": await self._set(TEACHERS, "teachers"),
            "classes": await self._set_owned(CLASSES, "classes"),
            "sessions": await self._set_sessions(classes),
            **await self._set_enrolments(people, classes),
        }
        files = {STUDENTS: "users.csv", CLASSES: "classes.csv", ENROLMENTS: ENROLMENTS_FILE}
        self.removals = [
            Removal(kind.table.name, file, tables[kind.table.name].ended, before[kind]) for kind, file in files.items()
        ]
        return tables

    async def _place_people(self) -> People:
        has_roles = self._package.has_roles
        is_delta = self._package.mode("roles" if has_roles else "users") is Mode.DELTA
        people = People(self._orgs, self.findings, is_delta=is_delta)
        if has_roles:
            known = await self._known_people() if is_delta else {}
            await asyncio.to_thread(people.read_roles, self._package.roles(), known)
        async for batch in self._batches("users", self._package.people()):
            await asyncio.to_thread(people.place, batch)
            await self._stage_people(people)
        people.place_roles_alone()
        await self._stage_people(people)
        await index_staged(self._connection, import_students)
        await index_staged(self._connection, import_teachers)
        return people

    async def _known_people(self) -> dict[str, dict[tuple[int, str], int]]:
        return {STUDENT: await active_students(self._connection), TEACHER: await teachers(self._connection)}

    async def _stage_people(self, people: People) -> None:
        rows = people.staged.take()
        await stage(self._connection, import_students, rows[STUDENT])
        await stage(self._connection, import_teachers, rows[TEACHER])

    async def _place_classes(self) -> Classes:
        classes = Classes(self._orgs, self.findings, is_delta=self._package.mode("classes") is Mode.DELTA)
        async for batch in self._batches("classes", self._package.classes()):
            await asyncio.to_thread(classes.place, batch)
            await stage(self._connection, import_classes, classes.take())
        await index_staged(self._connection, import_classes)
        return classes

    async def _set(self, kind: Kind, name: str) -> TableReport:
        added = changed = 0
        last = await statements.last_row(self._connection, kind)
        for start in range(0, last + 1, SLICE):
            changed += await statements.change_differing(self._connection, kind, start)
            added += await statements.add_new(self._connection, kind, start)
            self._progress(name, min(start + SLICE, last), last)
        present = await statements.count_present(self._connection, kind)
        return TableReport(added, changed, unchanged=present - added - changed)

    async def _set_owned(self, kind: Kind, name: str) -> TableReport:
        """Also ends those students or classes that are gone."""
        table = await self._set(kind, name)
        absent = self._says_who_is_gone("users" if kind is STUDENTS else "classes")
        ended = await endings.end_missing(self._connection, kind, absent=absent)
        return TableReport(table.added, table.changed, ended, table.unchanged)

    async def _set_sessions(self, classes: Classes) -> TableReport:
        rows = classes.sessions(await active_classes(self._connection))
        await stage(self._connection, import_sessions, rows)
        await index_staged(self._connection, import_sessions)
        added, changed, ended = await set_sessions(self._connection)
        return TableReport(added, changed, ended, unchanged=len(rows) - added - changed)

    async def _set_enrolments(self, people: People, classes: Classes) -> dict[str, TableReport]:
        await self._place_enrolments(await self._referable(people, classes))
        absent = self._says_who_is_gone("enrollments")
        tables: dict[str, TableReport] = {}
        for kind, name in ((ENROLMENTS, "enrolments"), (TEACHINGS, "teachings")):
            table = await self._set(kind, name)
            ended = await endings.end_missing_enrolments(
                self._connection, kind, absent=absent, teachers_absent=self._says_who_is_gone("users")
            )
            tables[name] = TableReport(table.added, table.changed, ended, table.unchanged)
        return tables

    async def _referable(self, people: People, classes: Classes) -> Referable:
        connection = self._connection
        by_school = await active_classes(connection)
        students = await active_students(connection)
        listed_teachers = await teachers(connection, staged_only=self._says_who_is_gone("users"))
        return Referable(
            classes={source: (school_id, class_id) for (school_id, source), class_id in by_school.items()},
            students=students,
            teachers=listed_teachers,
            people=people.listed | {source for _, source in (*students, *listed_teachers)},
            gone_classes=classes.gone,
            gone_people=people.gone,
            left_out_classes=classes.left_out,
            left_out_people=people.left_out,
        )

    async def _place_enrolments(self, referable: Referable) -> None:
        is_delta = self._package.mode("enrollments") is Mode.DELTA
        enrolments = Enrolments(referable, self.findings, is_delta=is_delta)
        async for batch in self._batches("enrollments", self._package.enrolments()):
            await stage(self._connection, import_enrolments, await asyncio.to_thread(enrolments.placed, batch))
        await index_staged(self._connection, import_enrolments)
        for row, first in await keep_repeated(self._connection):
            self.findings.add(repeated_id(ENROLMENTS_FILE, row, first))
        for kind in (ENROLMENTS, TEACHINGS):
            rows = await statements.reassigned(self._connection, kind)
            self.findings.add(*map(reassigned_id, rows))
            await keep_rows(self._connection, rows)

    def _says_who_is_gone(self, name: str) -> bool:
        """Whether being absent from a file means being gone: it is complete, and could be read from end to end."""
        files = ("users.csv", "roles.csv") if name == "users" else (f"{name}.csv",)
        return self._package.mode(name) is Mode.BULK and all(map(self.findings.is_wholly_read, files))

    async def _batches(self, name: str, entries: Iterator[Item]) -> AsyncIterator[list[Item]]:
        """The records in batches, read in a thread, so that the event loop stays free."""
        while batch := await asyncio.to_thread(lambda: list(islice(entries, BATCH))):
            yield batch
            table = self._package.tables[name]
            self._progress(table.name, table.position, table.size)


def _tell_nobody(_name: str, _done: int, _total: int) -> None:
    pass
