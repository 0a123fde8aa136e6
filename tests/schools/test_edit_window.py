"""Rules of the edit window."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.schools.rules import EditWindow

TODAY = date(2024, 12, 25)


@pytest.mark.parametrize(("days", "day", "over"), [(2, 23, False), (2, 22, True), (0, 25, False), (0, 24, True)])
def test_the_last_day_of_the_window_is_within_it(days: int, day: int, over: bool) -> None:
    assert EditWindow(days, TODAY).is_over(date(2024, 12, day)) is over


def test_without_a_window_teachers_may_write_about_any_day() -> None:
    assert not list(EditWindow(None, TODAY).violations(date(1990, 1, 1), None, overrules=False))


@pytest.mark.parametrize(
    ("reason", "overrules", "code"),
    [(None, False, "edit_window_over"), ("why", False, "edit_window_over"), (" ", True, "reason_missing")],
)
def test_after_the_window_only_the_office_may_write_with_a_reason(
    reason: str | None, overrules: bool, code: str
) -> None:
    window = EditWindow(1, TODAY)

    assert [violation.code for violation in window.violations(date(2024, 12, 1), reason, overrules=overrules)] == [code]
    assert not list(window.violations(date(2024, 12, 1), "a mistake", overrules=True))
    assert not list(window.violations(TODAY, None, overrules=False))
