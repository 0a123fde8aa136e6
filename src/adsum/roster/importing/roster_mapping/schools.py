"""The schools of an import, and the references of other files to orgs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from adsum.accounts.access import Caller
from adsum.platform.errors import Forbidden, Violation
from adsum.platform.files.file_violations import row_violation
from adsum.platform.time_zones import DEFAULT_TIME_ZONE
from adsum.roster.importing.rules import Findings, ImportSchool
from adsum.roster.oneroster.csv_table import LeftOut, Mode, unknown_value
from adsum.roster.oneroster.package import Package
from adsum.roster.oneroster.records import KINDS_OF_ORGS, Org

FILE = "orgs.csv"


@dataclass(slots=True)
class Orgs:
    """The orgs of orgs.csv by kind, and, once they are stored, the ids and the current days of the schools.

    `is_complete`: the file is complete, so there are no other orgs. `gone` has the rows of deleted orgs.
    """

    is_complete: bool
    schools: dict[str, Org] = field(default_factory=dict[str, Org])
    gone: dict[str, int] = field(default_factory=dict[str, int])
    left_out: set[str] = field(default_factory=set[str])
    others: set[str] = field(default_factory=set[str])
    ids: dict[str, int] = field(default_factory=dict[str, int])
    today: dict[str, date] = field(default_factory=dict[str, date])

    def found(self, sources: Iterable[str]) -> set[int]:
        return {self.ids[source] for source in sources if source in self.ids}

    def violations(self, sources: Iterable[str], file: str, row: int, column: str) -> Iterator[Violation]:
        """The violations of a row's references to orgs. Orgs that are not schools are ignored."""
        sources = tuple(sources)
        yield from self.left_out_orgs(sources, file, row, column)
        yield from self.unknown_orgs(sources, file, row, column)

    def left_out_orgs(self, sources: Iterable[str], file: str, row: int, column: str) -> Iterator[Violation]:
        """References to orgs whose own row is invalid."""
        for source in sources:
            if source in self.left_out:
                detail = f"depends on org {source}, whose row was left out"
                yield row_violation("depends_on_left_out", file, row, detail, column=column, org=source)

    def unknown_orgs(self, sources: Iterable[str], file: str, row: int, column: str) -> Iterator[Violation]:
        """References to orgs that do not exist. If orgs.csv has changes only, one known school suffices."""
        sources = tuple(sources)
        if not self.is_complete and self.found(sources):
            return
        for source in sources:
            if source not in self.left_out and not self._is_known(source):
                yield row_violation("unknown_school", file, row, f"there is no org {source}", column=column, org=source)

    def are_gone(self, sources: Iterable[str]) -> bool:
        """Whether all schools among these orgs are deleted, and there is at least one."""
        sources = tuple(sources)
        return not self.found(sources) and any(source in self.gone for source in sources)

    def _is_known(self, source: str) -> bool:
        return source in self.ids or source in self.gone or source in self.others


@dataclass(frozen=True, slots=True)
class TimeZone:
    """The time zone of new schools: `given` for this import, else the `default` of the installation, else UTC."""

    given: str | None
    default: str | None = None

    @property
    def name(self) -> str:
        return self.given or self.default or DEFAULT_TIME_ZONE

    def warnings(self, orgs: Iterable[Org], known: Mapping[str, ImportSchool]) -> Iterator[Violation]:
        """Warns of each new school whose time zone is assumed, and of each one that keeps another than the given."""
        for org in orgs:
            school = known.get(org.source_id)
            if school is None and self.given is None and self.default is None:
                detail = (
                    f"the time zone of the new school {org.source_id} is assumed to be {DEFAULT_TIME_ZONE}: name it at "
                    "the import, or change it in the settings of the school"
                )
                yield row_violation("assumed_time_zone", FILE, org.row, detail, org=org.source_id)
            elif school is not None and self.given not in {None, school.time_zone}:
                detail = (
                    f"school {org.source_id} keeps its time zone {school.time_zone}: "
                    "change it in the settings of the school"
                )
                yield row_violation("time_zone_kept", FILE, org.row, detail, org=org.source_id)


def read_orgs(package: Package, findings: Findings) -> Orgs:
    """Reads orgs.csv; empty if it is not sent."""
    orgs = Orgs(is_complete=package.mode("orgs") is Mode.BULK)
    for entry in package.orgs():
        if isinstance(entry, LeftOut):
            findings.leave_out(FILE, entry)
            if entry.source_id is not None and not entry.is_repeated:
                orgs.left_out.add(entry.source_id)
        elif entry.is_gone:
            orgs.gone[entry.source_id] = entry.row
        elif entry.is_school:
            orgs.schools[entry.source_id] = entry
        else:
            orgs.others.add(entry.source_id)
            findings.ignore(FILE, "no school")
            if not entry.is_known:
                findings.warn(_unknown_type(entry))
    return orgs


def _unknown_type(org: Org) -> Violation:
    """The warning of an org that is not imported, and may be a school."""
    predicate, close = unknown_value(org.kind, KINDS_OF_ORGS, "is not a type of OneRoster", ", such as school")
    return row_violation("unknown_type", FILE, org.row, f"type {predicate}", column="type", close=close)


def refuse_invisible_schools(orgs: Orgs, known: Mapping[str, ImportSchool], caller: Caller) -> None:
    """Raises Forbidden for a school that is not the caller's, in the same words whether or not it exists."""
    if caller.schools is None:
        return
    rows = {**{source: org.row for source, org in orgs.schools.items()}, **orgs.gone}
    violations: list[Violation] = []
    for source, row in rows.items():
        school = known.get(source)
        if school is None or not is_visible_school(caller, school):
            detail = f"school {source} is not one of your schools"
            violations.append(row_violation("not_your_school", FILE, row, detail, column="sourcedId", org=source))
    if violations:
        raise Forbidden("these files contain schools that are not yours", violations)


def is_visible_school(caller: Caller, school: ImportSchool) -> bool:
    """Whether the caller sees a school that exists."""
    return caller.schools is None or school.id in caller.schools
