"""Corrections of records, and their validation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adsum.attendance.correction_rules import Correction, validate_correction
from adsum.attendance.rules import RecordedMark
from adsum.attendance.statuses.rules import DEFAULTS, SchoolStatuses
from adsum.platform.texts import MAX_NOTE, MAX_REASON

LATE = RecordedMark("late", "bus", 4)
CLEARED = RecordedMark(None, "bus", 4)


@pytest.mark.parametrize(
    ("recorded", "correction", "corrected"),
    [
        (LATE, Correction(status="absent"), RecordedMark("absent", "bus", 5)),
        (LATE, Correction(note="train"), RecordedMark("late", "train", 5)),
        (LATE, Correction(note=None), RecordedMark("late", None, 5)),
        (LATE, Correction(status=None), RecordedMark(None, None, 5)),
        (LATE, Correction(status=None, note="gone"), RecordedMark(None, None, 5)),
        (CLEARED, Correction(status="present"), RecordedMark("present", None, 5)),
        (CLEARED, Correction(status="present", note="on foot"), RecordedMark("present", "on foot", 5)),
    ],
)
def test_a_correction_makes_the_next_version_of_a_record(
    recorded: RecordedMark, correction: Correction, corrected: RecordedMark
) -> None:
    assert correction.applied_to(recorded) == corrected


def wrong_in(correction: Correction, recorded: RecordedMark) -> list[str]:
    """Validates a correction in a school that has retired `late`."""
    late = replace(SchoolStatuses().get("late") or DEFAULTS[0], retired_at=datetime(2024, 12, 1, tzinfo=UTC))
    return [violation.code for violation in validate_correction(correction, recorded, SchoolStatuses([late]))]


def test_all_violations_of_a_correction_are_reported() -> None:
    wrong = Correction(status="asleep", note="x" * (MAX_NOTE + 1), reason="y" * (MAX_REASON + 1))
    unstorable = Correction(note="a\x00b", reason="\ud800")

    assert wrong_in(wrong, LATE) == ["unknown_status", "note_too_long", "reason_too_long"]
    assert wrong_in(unstorable, LATE) == ["note_not_text", "reason_not_text"]


def test_a_valid_correction_has_no_violations() -> None:
    assert wrong_in(Correction(status="absent", note="x" * MAX_NOTE, reason="seen"), CLEARED) == []
    assert wrong_in(Correction(status=None), CLEARED) == []


def test_an_empty_correction_and_a_note_for_a_cleared_mark_are_refused() -> None:
    assert wrong_in(Correction(reason="so"), LATE) == ["empty_correction"]
    assert wrong_in(Correction(note="bus"), CLEARED) == ["mark_cleared"]


def test_a_correction_may_keep_a_retired_status() -> None:
    assert wrong_in(Correction(status="late", note="train"), LATE) == []
    assert wrong_in(Correction(note="train"), LATE) == []
    assert wrong_in(Correction(status="late"), CLEARED) == ["retired_status"]
