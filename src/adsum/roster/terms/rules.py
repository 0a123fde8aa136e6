"""The terms of classes: which of them open the school, and the dates of enrolments that have none of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from adsum.platform.days import Span

GRADING_PERIOD = "gradingPeriod"


@dataclass(frozen=True, slots=True)
class EnrolmentDates:
    """The days of an enrolment, half-open. `…_from_terms`: the date is that of the terms of its class."""

    begin_date: date | None = None
    end_date: date | None = None
    begin_from_terms: bool = False
    end_from_terms: bool = False


def bounded(given: Span, bounds: Span | None) -> EnrolmentDates:
    """The dates of an enrolment. A missing one is that of `bounds`, the days of the terms of its class."""
    if bounds is None:
        return EnrolmentDates(given.begin, given.end)
    return EnrolmentDates(
        begin_date=given.begin or bounds.begin,
        end_date=given.end or bounds.end,
        begin_from_terms=given.begin is None,
        end_from_terms=given.end is None,
    )


@dataclass(frozen=True, slots=True)
class FileTerm:
    """A term of a school that a roster file has sent.

    Attributes:
        id: of the stored term.
        school_id: of its school.
        source_id: its id in the file.
        kind: OneRoster's type.
        parent: the source id of the term that it is a part of, or None.
        is_named: whether a class names it.
        opens_school: the stored decision.
    """

    id: int
    school_id: int
    source_id: str
    kind: str
    parent: str | None
    is_named: bool
    opens_school: bool


def opening_terms(terms: Collection[FileTerm]) -> set[int]:
    """The ids of the terms in which their school is open.

    These are the narrowest terms above grading periods: a school year counts only without semesters or terms of its
    own. A file does not tell the school of a term. So a school year and its parts are of the schools whose classes name
    any of them, or of all schools if no class does.
    """
    by_school: defaultdict[int, dict[str, FileTerm]] = defaultdict(dict)
    for term in terms:
        by_school[term.school_id][term.source_id] = term
    roots = {term.id: _root(term, by_school[term.school_id]) for term in terms}
    named = {(term.school_id, roots[term.id]) for term in terms if term.is_named}
    named_anywhere = {root for _, root in named}
    return {
        term.id
        for school in by_school.values()
        for term in _narrowest(school)
        if (term.school_id, roots[term.id]) in named or roots[term.id] not in named_anywhere
    }


def _narrowest(terms: Mapping[str, FileTerm]) -> Iterable[FileTerm]:
    divided = {term.parent for term in terms.values() if term.kind != GRADING_PERIOD}
    for term in terms.values():
        is_narrowest = term.parent not in terms if term.kind == GRADING_PERIOD else term.source_id not in divided
        if is_narrowest:
            yield term


def _root(term: FileTerm, terms: Mapping[str, FileTerm]) -> str:
    """The source id of the outermost term around a term. Of parents that form a cycle, the smallest source id."""
    passed = {term.source_id}
    while term.parent is not None and term.parent in terms:
        term = terms[term.parent]
        if term.source_id in passed:
            return min(passed)
        passed.add(term.source_id)
    return term.source_id
