"""Which terms open a school, and the dates of enrolments in them."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.platform.days import Span
from adsum.roster.terms.rules import EnrolmentDates, FileTerm, bounded, opening_terms

FIRST, LAST, GIVEN = date(2024, 9, 1), date(2024, 11, 1), date(2024, 10, 1)
YEAR, TERM, PERIOD = "schoolYear", "term", "gradingPeriod"


def term(
    id_: int, source_id: str, kind: str, parent: str | None = None, *, named: bool = False, school: int = 1
) -> FileTerm:
    return FileTerm(id_, school, source_id, kind, parent, named, opens_school=False)


@pytest.mark.parametrize(
    ("terms", "opening"),
    [
        ([term(1, "y", YEAR)], {1}),
        ([term(1, "y", YEAR), term(2, "t", TERM, "y")], {2}),
        ([term(1, "y", YEAR), term(2, "s", "semester", "y"), term(3, "t", TERM, "s"), term(4, "p", PERIOD, "t")], {3}),
        ([term(1, "y", YEAR), term(2, "p", PERIOD, "y")], {1}),
        ([term(1, "p", PERIOD), term(2, "q", PERIOD, "unknown")], {1, 2}),
        ([term(1, "a", TERM, "b"), term(2, "b", TERM, "a"), term(3, "c", TERM)], {3}),
    ],
    ids=["year", "year and term", "four levels", "year and grading period", "grading periods alone", "circle"],
)
def test_the_narrowest_terms_above_grading_periods_open_the_school(terms: list[FileTerm], opening: set[int]) -> None:
    assert opening_terms(terms) == opening


def test_a_school_year_opens_the_schools_whose_classes_name_a_part_of_it() -> None:
    ours = [
        term(1, "a", YEAR, named=False),
        term(2, "a1", TERM, "a", named=True),
        term(3, "b", YEAR),
        term(4, "c", YEAR),
    ]
    theirs = [
        term(5, "a", YEAR, school=2),
        term(6, "a1", TERM, "a", school=2),
        term(7, "b", YEAR, named=True, school=2),
        term(8, "c", YEAR, school=2),
    ]

    assert opening_terms([*ours, *theirs]) == {2, 4, 7, 8}


@pytest.mark.parametrize(
    ("given", "bounds", "dates"),
    [
        (Span(None, None), None, EnrolmentDates()),
        (Span(GIVEN, None), None, EnrolmentDates(GIVEN, None)),
        (Span(None, None), Span(FIRST, LAST), EnrolmentDates(FIRST, LAST, True, True)),
        (Span(GIVEN, None), Span(FIRST, LAST), EnrolmentDates(GIVEN, LAST, False, True)),
        (Span(None, GIVEN), Span(FIRST, LAST), EnrolmentDates(FIRST, GIVEN, True, False)),
    ],
)
def test_a_missing_date_is_that_of_the_terms(given: Span, bounds: Span | None, dates: EnrolmentDates) -> None:
    assert bounded(given, bounds) == dates
