"""The orgs that files name if orgs.csv is not complete, and rows that name none.

A delta file may have the sourcedId of a deleted row alone. Within the schools of the import it tells what is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import row_violation
from adsum.roster.importing.roster_mapping.classes import FILE as CLASSES_FILE
from adsum.roster.importing.roster_mapping.enrolments import FILE as ENROLMENTS_FILE
from adsum.roster.importing.roster_mapping.people import ROLES_FILE
from adsum.roster.importing.roster_mapping.staged_people import FILE as USERS_FILE
from adsum.roster.importing.rules import Stored
from adsum.roster.oneroster.csv_table import LeftOut
from adsum.roster.oneroster.package import Package

# By file, what its rows are about, and the column that names a school.
_FILES = {
    USERS_FILE: (Stored.PERSON, "orgSourcedIds"),
    ROLES_FILE: (Stored.PERSON, "orgSourcedId"),
    CLASSES_FILE: (Stored.CLASS, "schoolSourcedId"),
    ENROLMENTS_FILE: (Stored.ENROLMENT, "schoolSourcedId"),
}


@dataclass(frozen=True, slots=True)
class OrgReferences:
    """The orgs that users, roles, classes and enrollments name.

    `unplaced`: by file, the rows about stored things that name no org, by source id; in roles.csv, by that of the user.
    """

    orgs: set[str] = field(default_factory=set[str])
    unplaced: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])

    def things(self) -> Iterator[tuple[str, Stored, Collection[str]]]:
        """The files with unplaced rows, each with the kind and the source ids of what its rows are about."""
        for file, rows in self.unplaced.items():
            yield file, _FILES[file][0], rows.keys()

    def not_named(self, file: str, source_id: str) -> Violation:
        """The violation of an unplaced row about something at a school that the files do not name."""
        column = _FILES[file][1]
        detail = (
            f"{source_id} is at a school that these files do not name, so that this row changes nothing: name the "
            f"school in {column} or in orgs.csv"
        )
        return row_violation("school_not_named", file, self.unplaced[file][source_id], detail, column=column)

    def note(self, file: str, source_id: str, row: int, orgs: Iterable[str], *, is_stored: bool) -> None:
        """Adds a row. `is_stored`: it is about something that exists."""
        named = {org for org in orgs if org}
        self.orgs.update(named)
        if is_stored and not named:
            self.unplaced.setdefault(file, {})[source_id] = row


def read_references(package: Package) -> OrgReferences:
    """Reads the references of all files to orgs."""
    found = OrgReferences()
    roles = [role for role in package.roles() if not isinstance(role, LeftOut)]
    for role in roles:
        found.note(ROLES_FILE, role.user, role.row, (role.org,), is_stored=role.is_gone)
    with_role, with_org = {role.user for role in roles}, {role.user for role in roles if role.org}
    for person in package.people():
        if not isinstance(person, LeftOut):
            # In OneRoster 1.2 a user without a role is a stored one, who changes.
            is_stored = person.is_gone or (package.has_roles and person.source_id not in with_role)
            orgs = (*person.orgs, person.primary_org)
            is_stored = is_stored and person.source_id not in with_org
            found.note(USERS_FILE, person.source_id, person.row, orgs, is_stored=is_stored)
    classes = ((CLASSES_FILE, each) for each in package.classes())
    for file, entry in chain(classes, ((ENROLMENTS_FILE, each) for each in package.enrolments())):
        if not isinstance(entry, LeftOut):
            found.note(file, entry.source_id, entry.row, (entry.school,), is_stored=entry.is_gone)
    return found
