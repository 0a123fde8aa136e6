"""The days before which data go, and what needs a confirmation."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.privacy.retention.rules import (
    Due,
    Kind,
    Periods,
    Preview,
    cutoff,
    deletes_more,
    school_year,
    summed,
    validate_periods,
)


@pytest.mark.parametrize(
    ("day", "first_month", "begin"),
    [
        (date(2026, 7, 31), 8, date(2025, 8, 1)),
        (date(2026, 8, 1), 8, date(2026, 8, 1)),
        (date(2024, 2, 29), 8, date(2023, 8, 1)),
        (date(2024, 2, 29), 3, date(2023, 3, 1)),
        (date(2024, 12, 31), 1, date(2024, 1, 1)),
    ],
)
def test_a_school_year_begins_on_the_first_day_of_its_month(day: date, first_month: int, begin: date) -> None:
    assert school_year(day, first_month) == begin


@pytest.mark.parametrize(
    ("today", "before"),
    [
        (date(2031, 7, 31), date(2025, 8, 1)),
        (date(2031, 8, 1), date(2026, 8, 1)),
        (date(2032, 2, 29), date(2026, 8, 1)),
    ],
)
def test_a_school_year_goes_at_once_when_its_years_are_over(today: date, before: date) -> None:
    """With 5 years, all days of 2025/26 go on 1 August 2031."""
    assert cutoff(today, 5, 8) == before


def test_one_year_keeps_the_present_and_the_last_school_year() -> None:
    assert cutoff(date(2026, 8, 1), 1, 8) == date(2025, 8, 1)
    assert cutoff(date(2, 1, 1), 100, 8) == date(1, 8, 1)


def test_a_period_that_is_not_set_is_that_of_the_default() -> None:
    default = Periods(records=5, notes=1, first_month=9)
    own = Periods(records=0, absences=3)

    effective = own.over(default)

    assert effective == Periods(records=0, notes=1, absences=3, first_month=9)
    assert effective.cutoffs(date(2026, 11, 29)) == {Kind.NOTES: date(2025, 9, 1), Kind.ABSENCES: date(2023, 9, 1)}


def test_a_student_goes_after_their_records_and_absences() -> None:
    today = date(2026, 11, 29)
    assert Kind.STUDENTS not in Periods(records=5, students=1).cutoffs(today)
    assert Periods(records=5, absences=2, students=1).cutoffs(today)[Kind.STUDENTS] == date(2021, 8, 1)
    assert Periods(records=5, absences=2, students=9).cutoffs(today)[Kind.STUDENTS] == date(2017, 8, 1)


def test_every_wrong_period_is_reported() -> None:
    wrong = Periods(records=101, notes=-1, absences=0, students=1, first_month=13)
    assert [each.pointer for each in validate_periods(wrong)] == ["/records", "/notes", "/firstMonth"]


def test_a_later_or_a_new_day_deletes_more() -> None:
    early, late = date(2020, 8, 1), date(2021, 8, 1)
    assert deletes_more({}, {Kind.RECORDS: early})
    assert deletes_more({Kind.RECORDS: early}, {Kind.RECORDS: late})
    assert not deletes_more({Kind.RECORDS: late}, {Kind.RECORDS: early})
    assert not deletes_more({Kind.RECORDS: late}, {})


def test_days_are_summed_by_school_year_and_a_changed_count_changes_the_confirmation() -> None:
    days = {date(2021, 7, 31): 2, date(2021, 8, 1): 1, date(2020, 8, 3): 3}

    due = summed(7, "records", 8, days)

    assert due == [
        Due(7, "records", date(2020, 8, 1), 5, date(2020, 8, 3), date(2021, 7, 31)),
        Due(7, "records", date(2021, 8, 1), 1, date(2021, 8, 1), date(2021, 8, 1)),
    ]
    cutoffs = {7: {Kind.RECORDS: date(2022, 8, 1)}}
    confirmations = {
        preview.confirmation
        for preview in (
            Preview(due, cutoffs, 0),
            Preview(due[:1], cutoffs, 0),
            Preview(due, {}, 0),
            Preview(due, cutoffs, 1),
        )
    }
    assert len(confirmations) == 4
