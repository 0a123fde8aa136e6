"""Students and teachers: one staged row for each of their schools.

The schools of a person are those of their orgs and those of their enrolments. An enrolment as a teacher makes any
member of staff a teacher: a teacher whose org is the district, a principal, an aide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from adsum.platform.database.tombstones import Erased, Tombstones
from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import row_violation
from adsum.roster.importing.roster_mapping.contacts import ListedContacts
from adsum.roster.importing.roster_mapping.roles import StoredPeople, StoredRoles, named_role
from adsum.roster.importing.roster_mapping.schools import Orgs
from adsum.roster.importing.roster_mapping.staged_people import FILE, ROLES, StagedPeople
from adsum.roster.importing.rules import DoubleStudent, Findings
from adsum.roster.oneroster.csv_table import LeftOut
from adsum.roster.oneroster.records import (
    CONTACT_ROLES,
    STAFF_ROLES,
    STUDENT,
    TEACHER,
    Enrolment,
    PersonRecord,
    PersonRole,
)

ROLES_FILE = "roles.csv"
NO_SCHOOL = "this user is of no school, and enrolled at none"


@dataclass(frozen=True, slots=True)
class _Unplaced:
    """A person without a school, unless an enrolment names one. `unknown` has the violations of unknown orgs."""

    person: PersonRecord
    roles: tuple[str, ...]
    column: str
    unknown: tuple[Violation, ...]


class PeopleMapping:
    """Maps users.csv, and roles.csv of OneRoster 1.2, to staged rows.

    `today` is the day of orgs that are not schools. `listed` has the source ids of all users, `gone` of deleted users,
    `left_out` of users with an invalid row.
    """

    def __init__(
        self,
        orgs: Orgs,
        findings: Findings,
        today: date,
        tombstones: Mapping[Erased, Tombstones],
        *,
        is_delta: bool,
        lists_all_roles: bool,
    ) -> None:
        """`lists_all_roles`: users have all of their roles in roles.csv, also those that do not change."""
        self._orgs = orgs
        self._today = today
        self._findings = findings
        self._is_delta = is_delta
        self._lists_all_roles = lists_all_roles
        self._by_user: dict[str, list[PersonRole]] | None = None
        self._stored = StoredRoles({}, {})
        self._deleted: dict[str, PersonRecord] = {}
        self._staff: dict[str, PersonRecord] = {}
        self._absent_staff: dict[str, PersonRecord] = {}
        self._unplaced: dict[str, _Unplaced] = {}
        self._placed: set[tuple[str, int, str]] = set()
        # Staff whose role at a school has ended.
        self._ended_roles: set[tuple[int, str]] = set()
        self._today_at: dict[int, date] = {}
        # The schools of enrolments of unplaced students, by whether the enrolment has not ended.
        self._enrolled: dict[bool, dict[str, set[int]]] = {True: {}, False: {}}
        self.staged = StagedPeople(tombstones, findings)
        self.contacts = ListedContacts(findings)
        self._stored_contacts: Mapping[str, str] = {}
        self.listed: set[str] = set()
        self.gone: set[str] = set()
        self.left_out: set[str] = set()

    def read_roles(
        self, entries: Iterable[PersonRole | LeftOut], stored: StoredPeople, contacts: Mapping[str, str]
    ) -> None:
        """Reads roles.csv, before `map`. `stored` supplies the roles of delta rows that name none, and `contacts`
        those of contacts, by source id.
        """
        self._by_user = {}
        self._stored_contacts = contacts
        self._stored = StoredRoles(self._orgs.ids, stored)
        for entry in entries:
            if isinstance(entry, LeftOut):
                self._leave_out(ROLES_FILE, entry)
            elif (named := named_role(entry, self._stored)) is not None:
                role = replace(named, is_gone=True) if self._is_over(named) else named
                self._by_user.setdefault(entry.user, []).append(role)
            else:
                detail = f"user {entry.user} has several roles: name the role that ends, and its org"
                self._findings.add(row_violation("role_not_named", ROLES_FILE, entry.row, detail, column="role"))

    def _is_over(self, role: PersonRole) -> bool:
        return role.end is not None and role.end <= self._orgs.today.get(role.org, self._today)

    def map(self, entries: Iterable[PersonRecord | LeftOut]) -> None:
        for person in self._listed(entries):
            if self._by_user is None:
                self._map_with_orgs(person)
            elif of_user := self._by_user.pop(person.source_id, []):
                self._map_with_roles(person, of_user)
            elif not self._lists_all_roles:
                self._map_with_stored_roles(person)
            else:
                violation = row_violation(
                    "missing_role", FILE, person.row, "this user is not in roles.csv", column="sourcedId"
                )
                self._leave_out(FILE, LeftOut(person.row, person.source_id, (violation,)))

    def map_deleted(self) -> None:
        """Ends the deleted people, after `map`. A delta may delete a person at one school and list them at another:
        then the other row names all of their schools.
        """
        for source_id, person in self._deleted.items():
            is_unclear = self._by_user is None and source_id in self.left_out
            if source_id in self._staff:
                self._end_staff(person)
            elif source_id not in self.listed and not is_unclear:
                self._end(person)
            self.listed.add(source_id)

    def map_roles_without_person(self) -> None:
        """Maps roles of users who are not in users.csv, after `map`. Valid only for changes of stored people."""
        for role in [role for of_user in (self._by_user or {}).values() for role in of_user]:
            is_stored_contact = role.role in CONTACT_ROLES and role.user in self._stored_contacts
            is_stored = is_stored_contact or (role.role, role.org) in self._stored.of(role.user)
            if role.is_gone and self._is_delta:
                self._end_role(role)
            elif role.user not in self.left_out and not role.is_gone and not (is_stored and self._is_delta):
                detail = f"user {role.user} is not in users.csv"
                violation = row_violation(
                    "unknown_user", ROLES_FILE, role.row, detail, column="userSourcedId", user=role.user
                )
                self._findings.add(violation)

    def place(
        self,
        entries: Iterable[Enrolment | LeftOut],
        schools_of_classes: Mapping[str, int],
        stored: StoredPeople,
        stored_teachers: Mapping[str, PersonRecord],
        *,
        keeps_all: bool,
    ) -> None:
        """Adds the schools at which people are enrolled, after `map`. Staff of the district stay at their schools.

        Reports the people who are of no school then. `stored_teachers` has teachers who may be absent from users.csv.
        `keeps_all`: enrollments.csv does not have all schools of a person, so they stay at theirs.
        """
        absent = stored_teachers.keys() - self.listed - self.left_out
        self._today_at = {school_id: self._orgs.today[source] for source, school_id in self._orgs.ids.items()}
        self._absent_staff = {source_id: stored_teachers[source_id] for source_id in absent}
        for entry in entries:
            if isinstance(entry, Enrolment) and not entry.is_gone and entry.class_ in schools_of_classes:
                self._place_enrolled(entry, schools_of_classes[entry.class_], stored)
        self._place_district_students()
        self._place_stored(stored, keeps_all=keeps_all)
        placed = {source_id for _, _, source_id in self._placed}
        for source_id, unplaced in self._unplaced.items():
            if source_id in placed:
                self._findings.warn(*unplaced.unknown)
            else:
                self._report(unplaced)

    def _place_enrolled(self, entry: Enrolment, school_id: int, stored: StoredPeople) -> None:
        is_stored = (school_id, entry.user) in stored.get(TEACHER, ())
        if entry.role == STUDENT and self._unplaced_student(entry.user) is not None:
            has_not_ended = entry.end is None or entry.end > self._today_at.get(school_id, self._today)
            self._enrolled[has_not_ended].setdefault(entry.user, set()).add(school_id)
        elif entry.role == TEACHER and entry.user in self._staff:
            self._place(TEACHER, school_id, self._staff[entry.user])
        elif entry.role == TEACHER and entry.user in self._absent_staff and not is_stored:
            self._place(TEACHER, school_id, self._absent_staff[entry.user])

    def _place_district_students(self) -> None:
        """A student without a school is one of the schools of their enrolments that have not ended, else of all."""
        for source_id, student in self._unplaced.items():
            for school_id in sorted(self._enrolled[True].get(source_id) or self._enrolled[False].get(source_id, ())):
                self._place(STUDENT, school_id, student.person)

    def _place_stored(self, stored: StoredPeople, *, keeps_all: bool) -> None:
        """Keeps teachers and students of the district at their schools; with `keeps_all`, all teachers.

        A teacher leaves a school at which their role has ended, or that a complete file no longer names as theirs.
        """
        for school_id, source_id in stored.get(TEACHER, ()):
            stays = keeps_all or source_id in self._unplaced
            if source_id in self._staff and stays and (school_id, source_id) not in self._ended_roles:
                self._place(TEACHER, school_id, self._staff[source_id])
        for school_id, source_id in stored.get(STUDENT, ()) if keeps_all else ():
            if (student := self._unplaced_student(source_id)) is not None and not student.unknown:
                self._place(STUDENT, school_id, student.person)

    def _unplaced_student(self, source_id: str) -> _Unplaced | None:
        unplaced = self._unplaced.get(source_id)
        return unplaced if unplaced is not None and STUDENT in unplaced.roles else None

    def _place(self, role: str, school_id: int, person: PersonRecord) -> None:
        place = (role, school_id, person.source_id)
        if place not in self._placed:
            self._placed.add(place)
            self.staged.active(role, school_id, person)

    def _report(self, unplaced: _Unplaced) -> None:
        person = unplaced.person
        if STUDENT in unplaced.roles:
            no_school = row_violation("no_school", FILE, person.row, NO_SCHOOL, column=unplaced.column)
            self._leave_out(FILE, LeftOut(person.row, person.source_id, unplaced.unknown or (no_school,)))
            return
        self._findings.warn(*unplaced.unknown)
        without_class = " without a class" if TEACHER in unplaced.roles else ""
        if others := [role for role in unplaced.roles if role not in CONTACT_ROLES]:
            self._findings.ignore(FILE, " and ".join(others) + without_class)

    def warn_of_doubles(self, doubles: Iterable[DoubleStudent], ids: Mapping[tuple[int, str], int] | None) -> None:
        """Warns of new students whose source id is known at a school that is not in the files.

        Args:
            doubles: by row.
            ids: of the new students, by school and source id; None: nothing is stored.
        """
        for each in doubles:
            new_id = None if ids is None else ids.get((each.school_id, each.source_id))
            named = "another student" if new_id is None else f"another student, {new_id}"
            detail = (
                f"student {each.source_id} is also student {each.known_id} of {each.known_school}, a school that these "
                f"files do not name, so {named}, is added; name the old school in orgs.csv to transfer a student, or "
                f"merge two records of one: adsum student merge {each.known_id} {new_id or 'NEW'}"
            )
            params = {"student": each.source_id, "school": each.known_school}
            ids_of_both = {"knownStudentId": each.known_id, "newStudentId": new_id}
            self._findings.warn(
                row_violation("known_elsewhere", FILE, each.row, detail, column="sourcedId", **params, **ids_of_both)
            )

    def _listed(self, entries: Iterable[PersonRecord | LeftOut]) -> Iterable[PersonRecord]:
        for entry in entries:
            if isinstance(entry, LeftOut):
                self._leave_out(FILE, entry)
                continue
            if entry.is_gone:
                self._deleted[entry.source_id] = entry
                continue
            self.listed.add(entry.source_id)
            if entry.source_id in self.left_out:
                detail = "this user's row in roles.csv was left out"
                self._findings.add(row_violation("depends_on_left_out", FILE, entry.row, detail, column="sourcedId"))
            else:
                yield entry

    def _stage(self, person: PersonRecord, orgs: Mapping[str, tuple[str, ...]], column: str) -> bool:
        """Stages the person at each school of `orgs` where they are student or teacher.

        Returns:
            Whether `orgs` have all schools of a student. Not if the row is left out, or an enrolment has to name them.
        """
        used = {role: sources for role, sources in orgs.items() if role in ROLES}
        sources = tuple(dict.fromkeys(source for of_role in used.values() for source in of_role))
        if violations := tuple(self._orgs.left_out_orgs(sources, FILE, person.row, column)):
            self._leave_out(FILE, LeftOut(person.row, person.source_id, violations))
            return False
        if self._orgs.are_gone(sources):
            self._end(person)
            return False
        if not STAFF_ROLES.isdisjoint(orgs):
            self._staff[person.source_id] = person
        unknown = tuple(self._orgs.unknown_orgs(sources, FILE, person.row, column))
        if not self._orgs.found(sources):
            self._unplaced[person.source_id] = _Unplaced(person, tuple(sorted(orgs)), column, unknown)
            return not used
        self._findings.warn(*unknown)
        for role, of_role in used.items():
            for school_id in sorted(self._orgs.found(of_role)):
                if role == STUDENT:
                    self.staged.active(STUDENT, school_id, person)
                else:
                    self._place(role, school_id, person)
        return True

    def _map_with_orgs(self, person: PersonRecord) -> None:
        """OneRoster 1.1: a user has one role at each of their orgs."""
        self.contacts.add(person, (person.role,), self._orgs.found(person.orgs))
        self._stage_everywhere(person, {person.role: person.orgs}, "orgSourcedIds")

    def _stage_everywhere(self, person: PersonRecord, orgs: Mapping[str, tuple[str, ...]], column: str) -> None:
        """Stages a person at all of their schools. In a delta they leave the others."""
        if not self._stage(person, orgs, column) or not self._is_delta:
            return
        self.staged.gone(STUDENT, person.row, None, person.source_id)  # except at the schools staged above
        if person.source_id not in self._staff:
            self.staged.gone(TEACHER, person.row, None, person.source_id)

    def _map_with_roles(self, person: PersonRecord, roles: list[PersonRole]) -> None:
        """OneRoster 1.2: a role is at one org; the primary role is also at the user's primary org."""
        orgs: dict[str, tuple[str, ...]] = {}
        for role in roles:
            if not role.is_gone:
                primary = (person.primary_org,) if role.is_primary and person.primary_org in self._orgs.ids else ()
                orgs[role.role] = (*orgs.get(role.role, ()), role.org, *primary)
            else:
                self._note_ended(role)
                if self._is_delta:
                    self._end_role(role)
        of_contact = {org for role in CONTACT_ROLES for org in orgs.get(role, ())}
        if orgs:
            self.contacts.add(person, orgs, self._orgs.found(of_contact))
        if orgs and self._lists_all_roles:
            self._stage_everywhere(person, orgs, "sourcedId")
        elif orgs:
            self._stage(person, orgs, "sourcedId")
        elif self._lists_all_roles:
            self._end(person)

    def _map_with_stored_roles(self, person: PersonRecord) -> None:
        """A delta row without a role, such as a new name: the stored roles and schools stay."""
        places = self._stored.of(person.source_id)
        for role, org in places:
            self._place(role, self._orgs.ids[org], person)
        roles = [role for role, _ in places]
        if person.source_id in self._stored_contacts:
            roles.append(self._stored_contacts[person.source_id])
        self.contacts.add(person, roles)
        if not roles:
            self._findings.ignore(FILE, "no role")

    def _end(self, person: PersonRecord) -> None:
        self.gone.add(person.source_id)
        self.staged.gone_everywhere(person.row, person.source_id)

    def _end_staff(self, person: PersonRecord) -> None:
        """Ends a member of staff at some schools, who is listed at others."""
        for school_id in self._orgs.found(person.orgs):
            self._ended_roles.add((school_id, person.source_id))
            self.staged.gone(TEACHER, person.row, school_id, person.source_id)

    def _note_ended(self, role: PersonRole) -> None:
        school_id = self._orgs.ids.get(role.org)
        if school_id is not None and role.role in STAFF_ROLES:
            self._ended_roles.add((school_id, role.user))

    def _end_role(self, role: PersonRole) -> None:
        school_id = self._orgs.ids.get(role.org)
        if school_id is not None and role.role in ROLES:
            self.staged.gone(role.role, role.row, school_id, role.user)
        if role.role in CONTACT_ROLES or not role.role:
            self.contacts.ended.add((role.user, school_id))

    def _leave_out(self, file: str, entry: LeftOut) -> None:
        self._findings.leave_out(file, entry)
        if entry.source_id is not None and not entry.is_repeated:
            self.left_out.add(entry.source_id)
            self.staged.kept(entry.row, entry.source_id)
