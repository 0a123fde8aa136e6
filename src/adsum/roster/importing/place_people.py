"""Students and teachers: one staged row for each school that they are of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from adsum.platform.errors import Violation
from adsum.roster.importing.findings import Findings
from adsum.roster.importing.orgs import Orgs
from adsum.roster.importing.staged_people import ROLES, StagedPeople
from adsum.roster.oneroster.records import Person, PersonRole
from adsum.roster.oneroster.rows import LeftOut
from adsum.roster.oneroster.violations import row_violation

FILE = "users.csv"
ROLES_FILE = "roles.csv"

Known = Mapping[str, Collection[tuple[int, str]]]
"""Who is known already, by role: pairs of a school's id and a sourcedId."""


class People:
    """Turns the rows of users.csv, and of OneRoster 1.2's roles.csv, into staged rows.

    Afterwards `listed` are all whom users.csv knows, `gone` those to be deleted, `left_out` those with a wrong row.
    """

    def __init__(self, orgs: Orgs, findings: Findings, *, is_delta: bool) -> None:
        self._orgs = orgs
        self._findings = findings
        self._is_delta = is_delta
        self._by_user: dict[str, list[PersonRole]] | None = None
        self._known: Known = {}
        self.staged = StagedPeople()
        self.listed: set[str] = set()
        self.gone: set[str] = set()
        self.left_out: set[str] = set()

    def read_roles(self, entries: Iterable[PersonRole | LeftOut], known: Known) -> None:
        """Before the people, where roles stand in a file of their own. `known` is for changes that name no role."""
        self._by_user = {}
        self._known = known
        for entry in entries:
            if isinstance(entry, LeftOut):
                self._leave_out(ROLES_FILE, entry)
            else:
                self._by_user.setdefault(entry.user, []).append(entry)

    def place(self, entries: Iterable[Person | LeftOut]) -> None:
        for person in self._listed(entries):
            if self._by_user is None:
                self._place_with_orgs(person)
            elif of_user := self._by_user.pop(person.source_id, []):
                self._place_with_roles(person, of_user)
            elif self._is_delta:
                self._place_as_known(person)
            else:
                violation = row_violation(
                    "missing_role", FILE, person.row, "this user is not in roles.csv", column="sourcedId"
                )
                self._leave_out(FILE, LeftOut(person.row, person.source_id, (violation,)))

    def place_roles_alone(self) -> None:
        """After the people: roles of users who are not in users.csv. Only a change of somebody known makes sense."""
        for role in [role for of_user in (self._by_user or {}).values() for role in of_user]:
            is_known = (self._orgs.ids.get(role.org), role.user) in self._known.get(role.role, ())
            if role.is_gone and self._is_delta:
                self._end_role(role)
            elif role.user not in self.left_out and not role.is_gone and not (is_known and self._is_delta):
                detail = f"user {role.user} is not in users.csv"
                violation = row_violation(
                    "unknown_user", ROLES_FILE, role.row, detail, column="userSourcedId", user=role.user
                )
                self._findings.add(violation)

    def _listed(self, entries: Iterable[Person | LeftOut]) -> Iterable[Person]:
        for entry in entries:
            if isinstance(entry, LeftOut):
                self._leave_out(FILE, entry)
                continue
            self.listed.add(entry.source_id)
            if entry.is_gone:
                self._end(entry)
            elif entry.source_id in self.left_out:
                detail = "this user's row in roles.csv was left out"
                self._findings.add(row_violation("depends_on_left_out", FILE, entry.row, detail, column="sourcedId"))
            else:
                yield entry

    def _place(self, person: Person, orgs: Mapping[str, tuple[str, ...]], column: str) -> bool:
        """Stages the person at each school of a role that is used here; False where the row is left out."""
        used = {role: sources for role, sources in orgs.items() if role in ROLES}
        sources = tuple(dict.fromkeys(source for of_role in used.values() for source in of_role))
        if not used:
            self._findings.ignore(FILE, " and ".join(sorted(orgs)))
        elif violations := self._validate_orgs(person, sources, column):
            self._leave_out(FILE, LeftOut(person.row, person.source_id, violations))
            return False
        elif self._orgs.are_gone(sources):
            self._end(person)
        for role, of_role in used.items():
            for school_id in sorted(self._orgs.found(of_role)):
                self.staged.active(role, school_id, person)
        return True

    def _validate_orgs(self, person: Person, sources: tuple[str, ...], column: str) -> tuple[Violation, ...]:
        violations = tuple(self._orgs.violations(sources, FILE, person.row, column))
        if violations or self._orgs.found(sources) or self._orgs.are_gone(sources):
            return violations
        return (row_violation("no_school", FILE, person.row, "this user is of no school", column=column),)

    def _place_with_orgs(self, person: Person) -> None:
        """OneRoster 1.1: a user has one role, at each of their orgs."""
        if self._place(person, {person.role: person.orgs}, "orgSourcedIds") and self._is_delta:
            self.staged.gone_everywhere(person.row, person.source_id)  # but where they were placed

    def _place_with_roles(self, person: Person, roles: list[PersonRole]) -> None:
        """OneRoster 1.2: each role is at one org; the primary one is also at the user's primary org."""
        orgs: dict[str, tuple[str, ...]] = {}
        for role in roles:
            if not role.is_gone:
                primary = (person.primary_org,) if role.is_primary and person.primary_org in self._orgs.ids else ()
                orgs[role.role] = (*orgs.get(role.role, ()), role.org, *primary)
            elif self._is_delta:
                self._end_role(role)
        if orgs:
            self._place(person, orgs, "sourcedId")
        elif not self._is_delta:
            self._end(person)

    def _place_as_known(self, person: Person) -> None:
        """A change that names no role, such as of a name: they stay what they are, where they are."""
        places = [
            (role, school_id)
            for role in ROLES
            for school_id in self._orgs.ids.values()
            if (school_id, person.source_id) in self._known.get(role, ())
        ]
        for role, school_id in places:
            self.staged.active(role, school_id, person)
        if not places:
            self._findings.ignore(FILE, "no role")

    def _end(self, person: Person) -> None:
        self.gone.add(person.source_id)
        self.staged.gone_everywhere(person.row, person.source_id)

    def _end_role(self, role: PersonRole) -> None:
        school_id = self._orgs.ids.get(role.org)
        if school_id is not None and role.role in ROLES:
            self.staged.gone(role.role, role.row, school_id, role.user)

    def _leave_out(self, file: str, entry: LeftOut) -> None:
        self._findings.leave_out(file, entry)
        if entry.source_id is not None and not entry.is_repeated:
            self.left_out.add(entry.source_id)
            self.staged.kept(entry.row, entry.source_id)
