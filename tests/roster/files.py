"""Rosters for the tests: OneRoster files as lists of rows, which tests change and write as CSV."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Row = dict[str, str]
Tables = dict[str, list[Row]]

SCHOOL = "school-1"
MANIFEST = "manifest.csv"


@dataclass
class Roster:
    """OneRoster files as rows. `modes` become the manifest; without modes there is none."""

    tables: Tables
    modes: dict[str, str] = field(default_factory=dict[str, str])
    version: str = "1.1"

    def row(self, table: str, source_id: str) -> Row:
        """The row of a table with this sourcedId, to be changed."""
        return next(row for row in self.tables[table] if row["sourcedId"] == source_id)

    def add(self, table: str, **cells: str) -> None:
        """Adds a row with these cells; other columns are blank."""
        first = self.tables[table][0] if self.tables[table] else cells
        self.tables[table].append({**dict.fromkeys(first, ""), **cells})

    def drop(self, table: str, source_id: str) -> None:
        self.tables[table].remove(self.row(table, source_id))

    def files(self) -> dict[str, bytes]:
        """The content of each file by name."""
        files = {f"{name}.csv": csv_of(rows) for name, rows in self.tables.items() if rows}
        return {**files, MANIFEST: manifest(self.modes, self.version)} if self.modes else files


def a_school(*, students: int = 3, classes: int = 1) -> Roster:
    """A school of OneRoster 1.1 with one teacher; every student is in every class, from 2024-09-02 on."""
    pupils = [f"student-{number}" for number in range(1, students + 1)]
    rooms = [f"class-{number}" for number in range(1, classes + 1)]
    return Roster(
        {
            "orgs": [{"sourcedId": SCHOOL, "status": "active", "name": "Lindenhof", "type": "school"}],
            "users": [
                *(user(pupil, "student", f"Given {pupil}", "Family") for pupil in pupils),
                user("teacher-1", "teacher", "Ada", "Byron"),
            ],
            "classes": [a_class(class_id) for class_id in rooms],
            "enrollments": [
                *(enrolment(class_id, pupil) for class_id in rooms for pupil in pupils),
                *(enrolment(class_id, "teacher-1", role="teacher") for class_id in rooms),
            ],
        }
    )


def a_school_of_1_2(**numbers: int) -> Roster:
    """The same in OneRoster 1.2, with the roles in a file of their own."""
    roster = a_school(**numbers)
    roster.version = "1.2"
    people = roster.tables["users"]
    roster.tables["roles"] = [role_of(person["sourcedId"], person["role"]) for person in people]
    for person in people:
        person.pop("role")
        person["primaryOrgSourcedId"] = person.pop("orgSourcedIds")
    return roster


def user(source_id: str, role: str, given: str, family: str, orgs: str = SCHOOL) -> Row:
    return {
        "sourcedId": source_id,
        "status": "active",
        "orgSourcedIds": orgs,
        "role": role,
        "givenName": given,
        "familyName": family,
        "grades": "9",
        "enabledUser": "",
    }


def role_of(person: str, role: str, org: str = SCHOOL, kind: str = "primary") -> Row:
    return {
        "sourcedId": f"role-{person}-{role}-{org}",
        "status": "active",
        "userSourcedId": person,
        "roleType": kind,
        "role": role,
        "orgSourcedId": org,
    }


def a_class(source_id: str, *, periods: str = "", school: str = SCHOOL) -> Row:
    return {
        "sourcedId": source_id,
        "status": "active",
        "title": f"Title of {source_id}",
        "classCode": "7b",
        "schoolSourcedId": school,
        "periods": periods,
    }


def enrolment(
    class_id: str, person: str, *, role: str = "student", begin: str = "2024-09-02", end: str = "", school: str = SCHOOL
) -> Row:
    return {
        "sourcedId": f"{class_id}-{person}",
        "status": "active",
        "classSourcedId": class_id,
        "schoolSourcedId": school,
        "userSourcedId": person,
        "role": role,
        "beginDate": begin,
        "endDate": end,
    }


def manifest(modes: Mapping[str, str], version: str = "1.1") -> bytes:
    """A manifest that calls every file that is not named absent."""
    every = dict.fromkeys(("orgs", "users", "roles", "classes", "enrollments", "courses"), "absent") | dict(modes)
    rows = [("oneroster.version", version), *((f"file.{name}", mode) for name, mode in every.items())]
    return csv_of([{"propertyName": name, "value": value} for name, value in rows])


def csv_of(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Returns the rows as CSV with CRLF, as OneRoster requires."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def in_zip(files: Mapping[str, bytes], folder: str = "") -> io.BytesIO:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(f"{folder}{name}", content)
    return archive


def in_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
