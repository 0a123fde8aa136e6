"""Positions and looks of the days of a heat map."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.reports.heat_maps import Look, look_of_many, look_of_one, map_of_many, map_of_one
from adsum.reports.rules import Counts

WEDNESDAY = date(2024, 10, 30)


def test_weeks_are_columns_and_the_label_of_a_month_is_above_its_first_week() -> None:
    drawn = map_of_many(WEDNESDAY, date(2024, 12, 3), {date(2024, 11, 4): Counts(20, 20)})
    assert [(cell.day.day, cell.column, cell.row) for cell in drawn.cells[:4]] == [
        (30, 0, 2),
        (31, 0, 3),
        (1, 0, 4),
        (4, 1, 0),
    ]
    # The label of October would overlap that of November, so its two days have none.
    assert drawn.months == [(date(2024, 11, 1), 0), (date(2024, 12, 1), 5)]
    assert (drawn.columns, drawn.rows, [cell.day for cell in drawn.days_with_counts]) == (6, 5, [date(2024, 11, 4)])
    assert [day.weekday() for day in drawn.weekdays] == [0, 1, 2, 3, 4]


def test_weekends_have_rows_only_with_records_on_a_weekend() -> None:
    saturday = date(2024, 11, 2)
    assert map_of_one(WEDNESDAY, saturday, {saturday: Counts(1, 1)}).rows == 7
    assert map_of_one(saturday, saturday, {}).cells == []


def test_a_year_fits_into_a_page() -> None:
    drawn = map_of_many(date(2024, 9, 2), date(2025, 9, 1), {})
    assert drawn.columns * drawn.pitch < 1000


@pytest.mark.parametrize(
    ("absent", "look"), [(1, Look.LEAST), (2, Look.LITTLE), (5, Look.SOME), (10, Look.MUCH), (20, Look.MOST)]
)
def test_the_look_of_a_day_of_many_students_follows_the_share_of_absences(absent: int, look: Look) -> None:
    assert look_of_many(Counts(100, 100 - absent, absent)) is look


@pytest.mark.parametrize(
    ("counts", "look"),
    [
        (Counts(2, 2, days=1), Look.ATTENDED),
        (Counts(2, 2, late=1, days=1), Look.LATE),
        (Counts(5, 4, 1, 1, days=1), Look.PARTLY),
        (Counts(2, 0, 2, 2, days=1, days_absent=1), Look.AUTHORISED),
        (Counts(2, 0, 2, 1, days=1, days_absent=1), Look.ABSENT),
    ],
)
def test_the_look_of_a_day_of_one_student_follows_its_worst_mark(counts: Counts, look: Look) -> None:
    assert look_of_one(counts) is look
