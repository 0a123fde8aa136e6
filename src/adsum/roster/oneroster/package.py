"""A whole roster: its files with their modes from manifest.csv, and their records as streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import file_violation, row_violation
from adsum.roster.oneroster.csv_table import MAX_LINES, CsvTable, LeftOut, Mode, RosterTable, Row
from adsum.roster.oneroster.files import RosterFiles, UnreadableRoster
from adsum.roster.oneroster.records import (
    AcademicSession,
    Enrolment,
    Org,
    PersonRecord,
    PersonRole,
    SchoolClass,
    read_academic_session,
    read_class,
    read_enrolment,
    read_org,
    read_person_of_1_1,
    read_person_of_1_2,
    read_role,
)

# Of each used file, the required and the optional columns.
USED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "orgs": (("sourcedId", "name", "type"), ("status",)),
    "academicsessions": (("sourcedId", "title", "type", "startDate", "endDate"), ("status", "parentSourcedId")),
    "users": (
        ("sourcedId", "givenName", "familyName"),
        ("status", "grades", "primaryOrgSourcedId", "enabledUser", "agentSourcedIds", "phone", "sms", "email"),
    ),
    "roles": (("sourcedId", "userSourcedId", "role", "orgSourcedId"), ("status", "roleType", "endDate")),
    "classes": (("sourcedId", "title", "schoolSourcedId"), ("status", "classCode", "periods", "termSourcedIds")),
    "enrollments": (
        ("sourcedId", "classSourcedId", "userSourcedId", "role"),
        ("status", "schoolSourcedId", "beginDate", "endDate"),
    ),
}
# Files that a complete roster may lack.
OPTIONAL = frozenset({"academicsessions", "roles"})
# Names whose spelling differs from their lower-case form.
SPELLED = {"academicsessions": "academicSessions"}
VERSIONS = ("1.1", "1.2")
MANIFEST = "manifest.csv"
ROLE_OF_1_1 = ("role", "orgSourcedIds")
LINES_IN_MEMORY: Mapping[str, int] = {
    "orgs": 20_000,
    "academicsessions": 20_000,
    "users": 1_000_000,
    "roles": 2_000_000,
    "classes": 1_000_000,
}
"""Lines of the files whose rows, or their ids, are compared in memory. The others are streams."""
LINES_OF_UPLOADS: Mapping[str, int] = {**LINES_IN_MEMORY, "users": 100_000, "roles": 100_000, "classes": 100_000}
"""The limits of uploads, which share a process with other requests. A row takes up to 2 kB."""

RosterRecord = TypeVar("RosterRecord", Org, AcademicSession, PersonRecord, SchoolClass)


@dataclass(frozen=True, slots=True)
class Package:
    """The used files of a roster, with valid headers. `tables` lacks files that are not sent.

    `lists_all_roles`: a changed user has all of their roles in the roles of a delta.
    """

    tables: Mapping[str, RosterTable]
    ignored_files: tuple[str, ...] = ()
    lists_all_roles: bool = False

    def mode(self, name: str) -> Mode:
        return self.tables[name].layout.mode if name in self.tables else Mode.ABSENT

    def has_column(self, name: str, column: str) -> bool:
        return name in self.tables and column in self.tables[name].layout.positions

    @property
    def has_roles(self) -> bool:
        """Whether roles have a file of their own, as in OneRoster 1.2."""
        return "roles" in self.tables

    def orgs(self) -> Iterator[Org | LeftOut]:
        return (
            _first_rows(self.tables["orgs"].name, self.tables["orgs"].records(read_org))
            if self._has("orgs")
            else iter(())
        )

    def academic_sessions(self) -> Iterator[AcademicSession | LeftOut]:
        if not self._has("academicsessions"):
            return iter(())
        table = self.tables["academicsessions"]
        return _first_rows(table.name, table.records(read_academic_session))

    def people(self) -> Iterator[PersonRecord | LeftOut]:
        if not self._has("users"):
            return iter(())
        read = read_person_of_1_2 if self._has("roles") else read_person_of_1_1
        return _first_rows(self.tables["users"].name, self.tables["users"].records(read), by_status=self._moves_people)

    @property
    def _moves_people(self) -> bool:
        """Whether a user may have two rows: one that is deleted at a school, and one that is active at another."""
        return self.mode("users") is Mode.DELTA and not self._has("roles")

    def roles(self) -> Iterator[PersonRole | LeftOut]:
        """OneRoster 1.2 only. The `source_id` of a left-out row is the user's."""
        return self.tables["roles"].records(read_role, key="userSourcedId") if self._has("roles") else iter(())

    def classes(self) -> Iterator[SchoolClass | LeftOut]:
        if not self._has("classes"):
            return iter(())
        return _first_rows(self.tables["classes"].name, self.tables["classes"].records(read_class))

    def enrolments(self) -> Iterator[Enrolment | LeftOut]:
        """In the order of the file, with repeated ids: there may be millions, so the database finds repetitions."""
        return self.tables["enrollments"].records(read_enrolment) if self._has("enrollments") else iter(())

    def _has(self, name: str) -> bool:
        return name in self.tables


def read_package(files: RosterFiles, max_lines: Mapping[str, int] = LINES_IN_MEMORY) -> Package:
    """Opens the used files. One with more than `max_lines` is refused before a row is read.

    Without a manifest every file is complete (bulk), and orgs, users, classes and enrollments are required. With a
    manifest, exactly the files that it declares bulk or delta are read.

    Raises:
        UnreadableRoster: a file or a column is missing or unreadable; with a violation for each.
    """
    modes = _modes(files, read_manifest(files))
    violations: list[Violation] = []
    tables: dict[str, RosterTable] = {}
    for name, mode in modes.items():
        try:
            tables[name] = _table(files, name, mode, max_lines.get(name, MAX_LINES), has_roles="roles" in modes)
        except UnreadableRoster as error:
            violations.extend(error.violations)
    if modes.get("users", modes.get("roles")) is not modes.get("roles", modes.get("users")):
        detail = "file.users and file.roles have to be both bulk or both delta"
        violations.append(file_violation("mixed_modes", MANIFEST, detail, properties=["file.users", "file.roles"]))
    if violations:
        raise UnreadableRoster("these files cannot be imported", violations)
    unused = sorted(file.name for name, file in files.items() if name.removesuffix(".csv") not in {*modes, "manifest"})
    return Package(tables, tuple(unused))


def _modes(files: RosterFiles, manifest: Manifest | None) -> dict[str, Mode]:
    present = {name for name in USED if f"{name}.csv" in files}
    if manifest is None:
        return {name: Mode.BULK for name in USED if name in present or name not in OPTIONAL}
    violations = [
        file_violation(
            "undeclared_file",
            file_of(name),
            f"this file is there, and manifest.csv has no property {_property_of(name)}",
            property=_property_of(name),
        )
        for name in USED
        if name in present and name not in manifest.modes
    ]
    modes = {name: mode for name in USED if (mode := manifest.modes.get(name, Mode.ABSENT)) is not Mode.ABSENT}
    if not modes:
        properties = [_property_of(name) for name in USED]
        detail = f"{', '.join(properties)} are all absent"
        violations.append(file_violation("nothing_to_import", MANIFEST, detail, properties=properties))
    if violations:
        raise UnreadableRoster("manifest.csv and the files do not agree", violations)
    return modes


def _table(files: RosterFiles, name: str, mode: Mode, max_lines: int, *, has_roles: bool) -> CsvTable:
    source = files.get(f"{name}.csv")
    if source is None:
        raise UnreadableRoster(
            f"{file_of(name)} is missing", [file_violation("missing_file", file_of(name), _missing(files, name, mode))]
        )
    required, optional = USED[name]
    if name == "users" and not has_roles:
        required += ROLE_OF_1_1
    if mode is Mode.DELTA:
        required += ("status",)
    return CsvTable(source, mode, (*required, *optional), required, max_lines)


def _missing(files: RosterFiles, name: str, mode: Mode) -> str:
    stated = f"; {_property_of(name)} of manifest.csv is {mode}" if MANIFEST in files else ""
    return f"the file is missing{stated}"


def file_of(name: str) -> str:
    """The name of a used file, as violations spell it."""
    return f"{SPELLED.get(name, name)}.csv"


def _property_of(name: str) -> str:
    """The property of the manifest with the mode of a file."""
    return f"file.{SPELLED.get(name, name)}"


def _first_rows(
    file: str, records: Iterator[RosterRecord | LeftOut], *, by_status: bool = False
) -> Iterator[RosterRecord | LeftOut]:
    """The first row of each sourcedId; later rows are left out.

    `by_status`: the first deleted and the first other row of each.
    """
    first: dict[tuple[str, bool], int] = {}
    for record in records:
        if record.source_id is None:
            yield record
            continue
        key = record.source_id, by_status and not isinstance(record, LeftOut) and record.is_gone
        if first.setdefault(key, record.row) == record.row:
            yield record
        else:
            violation = repeated_id(file, record.row, first[key])
            yield LeftOut(record.row, record.source_id, (violation,), is_repeated=True)


def repeated_id(file: str, row: int, first: int) -> Violation:
    """The violation of a row whose sourcedId occurs in an earlier row."""
    return row_violation(
        "repeated_id", file, row, f"this sourcedId is in row {first} already", column="sourcedId", first=first
    )


@dataclass(frozen=True, slots=True)
class Manifest:
    """Modes by lower-case file name without `.csv`, of the files that the manifest mentions."""

    modes: Mapping[str, Mode]


@dataclass(frozen=True, slots=True)
class _Property:
    """A row of the manifest. `name` is in lower case, `spelled` as it is in the file."""

    row: int
    name: str
    spelled: str
    value: str


def read_manifest(files: RosterFiles) -> Manifest | None:
    """The manifest, or None if there is none.

    Raises:
        UnreadableRoster: a version, mode or row is invalid.
    """
    if MANIFEST not in files:
        return None
    columns = ("propertyName", "value")
    table = CsvTable(files[MANIFEST], Mode.BULK, columns, columns)
    violations: list[Violation] = []
    modes: dict[str, Mode] = {}
    for entry in table.records(_property):
        if isinstance(entry, LeftOut):
            violations.extend(entry.violations)
        elif entry.name == "oneroster.version" and entry.value not in VERSIONS:
            detail = f"only OneRoster {' and '.join(VERSIONS)} is read"
            violations.append(_wrong_property("unknown_version", entry, detail))
        elif entry.name.startswith("file."):
            violations.extend(_add_mode(entry, files, modes))
    if not modes and not violations:
        violations.append(file_violation("empty_manifest", MANIFEST, "it names no file"))
    if violations:
        raise UnreadableRoster("manifest.csv is invalid", violations)
    return Manifest(modes)


def _add_mode(entry: _Property, files: RosterFiles, modes: dict[str, Mode]) -> Iterator[Violation]:
    """Adds the mode of a file. An empty mode means absent, unless the file is there and would be read."""
    name = entry.name.removeprefix("file.")
    is_read = name in USED and f"{name}.csv" in files
    value = entry.value.lower() or ("" if is_read else Mode.ABSENT)
    if value not in set(Mode):
        detail = "is neither bulk, delta nor absent" if value else f"is empty, and {file_of(name)} is there"
        yield _wrong_property("unknown_mode", entry, detail)
    elif modes.setdefault(name, Mode(value)) is not Mode(value):
        yield _wrong_property("repeated_property", entry, f"has been {modes[name]} in an earlier row")


def _wrong_property(code: str, entry: _Property, predicate: str) -> Violation:
    """A violation of a value. The value is omitted, as all cells are."""
    return row_violation(
        code, MANIFEST, entry.row, f"{entry.spelled}: {predicate}", column="value", property=entry.spelled
    )


def _property(row: Row) -> _Property:
    spelled = row.text("propertyName", required=True)
    return _Property(row.number, spelled.lower(), spelled, row.text("value"))
