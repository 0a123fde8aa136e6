"""The default period of a report."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.platform.days import Span
from adsum.reports.rules import UsualDays, usual_days

NEWEST = date(2025, 2, 14)
AUTUMN = Span(date(2024, 9, 2), date(2024, 12, 21))
SPRING = Span(date(2025, 1, 6), date(2025, 6, 14))
YEAR_BEFORE = Span(date(2023, 9, 4), date(2024, 6, 15))


@pytest.mark.parametrize(
    ("terms", "first", "is_year"),
    [
        ([], date(2024, 11, 17), False),
        ([SPRING, YEAR_BEFORE, AUTUMN], AUTUMN.begin, True),
        ([SPRING], SPRING.begin, True),
        ([YEAR_BEFORE], date(2024, 11, 17), False),
        ([Span(date(2020, 1, 1), None)], date(2024, 2, 15), True),
        ([Span(None, None)], date(2024, 2, 15), True),
    ],
    ids=["no terms", "two terms of the year", "one term", "a year that is over", "for years", "for ever"],
)
def test_the_default_period_begins_with_the_school_year_or_ninety_days_ago(
    terms: list[Span], first: date, is_year: bool
) -> None:
    assert usual_days(NEWEST, terms) == UsualDays(first, NEWEST, is_year)
