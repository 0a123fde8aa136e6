"""The values that the admin pages compute for their templates."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from adsum.attendance.statuses.rules import DEFAULTS, CountsAs, Status, StatusFlag, tone_of
from adsum.platform.days import Span
from adsum.platform.errors import Invalid
from adsum.platform.pages.fields import day_typed, number_typed
from adsum.schools.calendar.pages import year_of
from adsum.schools.calendar.rules import RecordedClosedDay

CHRISTMAS = date(2024, 12, 25)


def test_a_year_shows_for_each_day_whether_it_is_closed_in_a_term_or_today() -> None:
    closed = RecordedClosedDay(CHRISTMAS, "Christmas", None, datetime(2024, 1, 1, tzinfo=UTC), "office", 1, None)
    terms = [Span(date(2024, 9, 2), date(2024, 12, 21))]
    months = year_of(2024, {CHRISTMAS: closed}, terms, date(2024, 2, 29), first_weekday=6)
    days = {day.day: day for month in months for week in month.weeks for day in week if day}
    assert len(days) == 366
    assert months[8].weeks[0][0] == days[date(2024, 9, 1)]
    assert [day for day, each in days.items() if each.is_today] == [date(2024, 2, 29)]
    assert [day for day, each in days.items() if each.closed] == [CHRISTMAS]
    assert days[date(2024, 12, 20)].is_in_term
    assert not days[date(2024, 12, 21)].is_in_term


def test_a_status_is_shown_by_its_label_and_category() -> None:
    assert [tone_of(status) for status in DEFAULTS] == ["attended", "absent", "late", "authorised"]
    at_home = Status("home", "At home", "H", CountsAs.NOT_EXPECTED, frozenset({StatusFlag.AUTHORISED}))
    assert tone_of(at_home) == "not_expected"


@pytest.mark.parametrize("text", ["", "2024-02-30", "25/12/2024", "9999-12-31"])
def test_a_field_without_a_date_is_refused_with_its_pointer(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        day_typed(text, "/date")
    assert [violation.pointer for violation in caught.value.violations] == ["/date"]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "\u0661", "9" * 30])
def test_a_field_without_a_whole_number_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        number_typed(text, "/position")
