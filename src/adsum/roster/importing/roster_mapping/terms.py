"""The academic sessions of an import, which are terms, and the references of classes to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import file_violation, row_violation
from adsum.roster.importing.rules import Findings
from adsum.roster.oneroster.csv_table import LeftOut
from adsum.roster.oneroster.package import Package
from adsum.roster.oneroster.records import AcademicSession, SchoolClass

FILE = "academicSessions.csv"
CLASSES_FILE = "classes.csv"


@dataclass(slots=True)
class FileTerms:
    """The academic sessions of academicSessions.csv by source id, and the source ids of deleted ones."""

    active: dict[str, AcademicSession] = field(default_factory=dict[str, AcademicSession])
    gone: set[str] = field(default_factory=set[str])


def read_terms(package: Package, findings: Findings) -> FileTerms:
    """Reads academicSessions.csv; empty if it is not sent."""
    terms = FileTerms()
    for entry in package.academic_sessions():
        if isinstance(entry, LeftOut):
            findings.leave_out(FILE, entry)
        elif entry.is_gone:
            terms.gone.add(entry.source_id)
        else:
            terms.active[entry.source_id] = entry
    return terms


def unknown_parents(terms: FileTerms, known: AbstractSet[str]) -> Iterator[Violation]:
    """Warnings of academic sessions that are parts of unknown ones."""
    for entry in terms.active.values():
        if entry.parent and entry.parent not in known:
            detail = f"there is no academic session {entry.parent}"
            yield row_violation("unknown_term", FILE, entry.row, detail, column="parentSourcedId", term=entry.parent)


def break_circles(terms: FileTerms, stored: Mapping[str, str]) -> Iterator[Violation]:
    """Takes the parents from academic sessions that are parts of themselves, with a warning for each.

    Args:
        terms: of the file.
        stored: the stored parent of each academic session.
    """
    parents = {source: parent for source, parent in stored.items() if source not in terms.gone}
    parents |= {source: entry.parent for source, entry in terms.active.items()}
    for circle in list(_circles(parents)):
        for at, source in enumerate(circle):
            if (entry := terms.active.get(source)) is not None:
                terms.active[source] = replace(entry, parent="")
                around = [*circle[at:], *circle[: at + 1]]
                chain = " in ".join(around)
                detail = f"this academic session is a part of itself, so it is imported without its parent: {chain}"
                params = {"column": "parentSourcedId", "terms": around}
                yield row_violation("circular_terms", FILE, entry.row, detail, **params)


def _circles(parents: Mapping[str, str]) -> Iterable[list[str]]:
    passed: set[str] = set()
    for start in parents:
        path: list[str] = []
        source = start
        while source in parents and source not in passed:
            passed.add(source)
            path.append(source)
            source = parents[source]
        if source in path:
            yield path[path.index(source) :]


def without_school(terms: FileTerms, known: AbstractSet[str]) -> Iterator[Violation]:
    """Warnings of academic sessions that no school gets."""
    for entry in terms.active.values():
        if entry.source_id not in known:
            detail = "no other file names a school, and no school has this academic session or its parent"
            yield row_violation("no_school", FILE, entry.row, detail, column="sourcedId", term=entry.source_id)


@dataclass(slots=True)
class KnownTerms:
    """The source ids of the stored terms by school, for the references of classes.

    `is_sent`: the import has academicSessions.csv.
    """

    by_school: Mapping[int, AbstractSet[str]]
    is_sent: bool
    _unknown_files: int = 0

    def unknown(self, school_id: int, entry: SchoolClass) -> Iterator[Violation]:
        """Warnings of the terms of a class that are not known: then no term bounds the class.

        Without any known term, the first class stands for all.
        """
        known = self.by_school.get(school_id, frozenset[str]())
        unknown = [term for term in entry.terms or () if term not in known]
        if unknown and not known and not self.is_sent:
            self._unknown_files += 1
            if self._unknown_files == 1:
                detail = f"{FILE} is not sent, so the terms of classes are unknown and do not bound them"
                yield file_violation("unknown_terms", CLASSES_FILE, detail)
            return
        for term in unknown:
            detail = f"there is no academic session {term}, so terms do not bound this class"
            yield row_violation("unknown_term", CLASSES_FILE, entry.row, detail, column="termSourcedIds", term=term)
