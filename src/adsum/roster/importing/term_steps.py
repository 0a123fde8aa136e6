"""The steps of an import that apply academicSessions.csv, give terms to classes, and bound their enrolments.

A term is of one school; each school of the import has its own copy of every academic session. A term that a complete
file no longer has stays, because past days depend on it. A term with the status `tobedeleted` is deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from adsum.accounts.access import Caller
from adsum.platform.database.engine import Connection
from adsum.platform.days import Span
from adsum.roster.importing.repository import terms as statements
from adsum.roster.importing.repository.changes import ENROLMENTS, TEACHINGS
from adsum.roster.importing.roster_mapping.schools import Orgs
from adsum.roster.importing.roster_mapping.terms import (
    FileTerms,
    KnownTerms,
    break_circles,
    unknown_parents,
    without_school,
)
from adsum.roster.importing.rules import Findings, TableReport
from adsum.roster.oneroster.records import AcademicSession
from adsum.roster.terms.repository import bounds_of_classes
from adsum.roster.terms.rules import FileTerm, opening_terms
from adsum.schools.locks import lock_rosters, lock_school
from adsum.schools.stale_days import mark_stale_classes, mark_stale_days


class TermSteps:
    """The methods are called in their order. `bounds` has the days of the terms of each class once they are set.

    `widened`: the classes whose enrolments begin earlier or end later, with their school and days, for `mark_stale`.
    """

    def __init__(self, connection: Connection, file: FileTerms, findings: Findings) -> None:
        self._connection = connection
        self._file = file
        self._findings = findings
        self._schools: set[int] = set()
        self._before: Mapping[int, Span] = {}
        self._changed_schools: set[int] = set()
        self.bounds: Mapping[int, Span] = {}
        self.widened: Mapping[int, tuple[int, Span]] = {}

    async def apply(self, orgs: Orgs, caller: Caller) -> TableReport:
        """Makes the terms of the schools equal to the file.

        Without a complete orgs.csv, these are the schools of the other files and those that have terms of the file.
        """
        file, connection = self._file, self._connection
        self._schools = set(orgs.ids.values())
        if not orgs.is_complete:
            named = {*file.active, *file.gone, *(entry.parent for entry in file.active.values())} - {""}
            self._schools |= await statements.schools_with_terms(connection, caller, named)
            await lock_rosters(connection, self._schools)
        self._before = await bounds_of_classes(connection, self._schools)
        stored = await statements.stored_terms(connection, self._schools)
        self._findings.warn(*break_circles(file, {term.source_id: term.parent for term, _ in stored if term.parent}))
        known = {term.source_id for term, _ in stored} | ({*file.active} if self._schools else set[str]())
        self._findings.warn(*unknown_parents(file, known | file.active.keys()), *without_school(file, known))
        return await self._apply_differences(stored)

    async def known(self, *, is_sent: bool) -> KnownTerms:
        """The terms that classes may name."""
        by_school: defaultdict[int, set[str]] = defaultdict(set)
        for term, _ in await statements.stored_terms(self._connection, self._schools):
            by_school[term.school_id].add(term.source_id)
        return KnownTerms(by_school, is_sent)

    async def set_terms_of_classes(self) -> None:
        """Gives each class the terms that it names, or none if one of them is unknown; opens schools in their terms."""
        connection = self._connection
        stored = await statements.stored_terms(connection, self._schools)
        ids = {(term.school_id, term.source_id): term.id for term, _ in stored}
        named: set[statements.Pair] = set()
        schools: dict[int, int] = {}
        for class_id, school_id, sources in await statements.classes_with_terms(connection, self._schools):
            schools[class_id] = school_id
            found = [ids.get((school_id, source)) for source in sources.split(",") if source]
            known = {(class_id, term_id) for term_id in found if term_id is not None}
            named |= known if len(known) == len(found) else set[statements.Pair]()
        before = await statements.terms_of_classes(connection, self._schools)
        self._changed_schools |= {schools[class_id] for class_id, _ in named ^ before}
        await statements.set_terms_of_classes(connection, named - before, before - named)
        await self._open_schools()
        self.bounds = await bounds_of_classes(connection, self._schools)

    async def bound_enrolments(self) -> Mapping[str, int]:
        """Bounds the enrolments that the file does not have; returns the number of changed ones by table."""
        every = self._before.keys() | self.bounds.keys()
        changed = {each for each in every if self._before.get(each) != self.bounds.get(each)}
        return {
            name: await statements.bound_by_terms(self._connection, kind.table, changed)
            for name, kind in (("enrolments", ENROLMENTS), ("teachings", TEACHINGS))
        }

    async def mark_stale(self) -> None:
        """Marks all days of the schools whose terms changed, and the days of the classes with earlier enrolments.

        The last step: corrections and reports wait for these locks until the import is committed.
        """
        spans = {
            class_id: span for class_id, (school, span) in self.widened.items() if school not in self._changed_schools
        }
        for school_id in sorted(self._changed_schools | {school for school, _ in self.widened.values()}):
            await lock_school(self._connection, school_id)
        if spans:
            await mark_stale_classes(self._connection, spans)
        for school_id in sorted(self._changed_schools):
            await mark_stale_days(self._connection, school_id)

    async def _apply_differences(self, stored: Collection[tuple[FileTerm, Mapping[str, Any]]]) -> TableReport:
        file = self._file
        present = {(term.school_id, term.source_id) for term, _ in stored}
        added = [
            {"school_id": school_id, "source_id": source_id, "opens_school": False, **_values(entry)}
            for school_id in sorted(self._schools)
            for source_id, entry in file.active.items()
            if (school_id, source_id) not in present
        ]
        sent = [(term, values) for term, values in stored if term.source_id in file.active]
        changed = [term for term, values in sent if values != _values(file.active[term.source_id])]
        gone = [term for term, _ in stored if term.source_id in file.gone]
        self._changed_schools |= {term.school_id for term in (*changed, *gone)}
        await statements.add_terms(self._connection, added)
        for term in changed:
            await statements.change_term(self._connection, term.id, _values(file.active[term.source_id]))
        await statements.delete_terms(self._connection, [term.id for term in gone])
        return TableReport(len(added), len(changed), len(gone), unchanged=len(sent) - len(changed))

    async def _open_schools(self) -> None:
        stored = [term for term, _ in await statements.stored_terms(self._connection, self._schools)]
        opening = opening_terms(stored)
        changed = [term for term in stored if term.opens_school != (term.id in opening)]
        self._changed_schools |= {term.school_id for term in changed}
        for term in changed:
            await statements.change_term(self._connection, term.id, {"opens_school": term.id in opening})


def _values(entry: AcademicSession) -> dict[str, Any]:
    return {
        "title": entry.title,
        "kind": entry.kind,
        "begin_date": entry.begin,
        "end_date": entry.end,
        "parent_source_id": entry.parent or None,
    }
