"""Filters of records."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from adsum.attendance.rules import RecordFilters, is_bulk


def test_a_bulk_export_has_records_of_whole_schools_over_more_than_a_month() -> None:
    first = date(2026, 1, 1)
    a_month = RecordFilters(school_id=1, first_day=first, last_day=date(2026, 2, 1))
    assert not is_bulk(a_month)
    for wider in (RecordFilters(), replace(a_month, last_day=date(2026, 2, 2)), replace(a_month, first_day=None)):
        assert is_bulk(wider)
        for narrowed in ({"class_id": 1}, {"session_id": 1}, {"student_id": 1}):
            assert not is_bulk(replace(wider, **narrowed))
