"""The statuses of a school: the defaults, its own, and the validation of new ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, Status, StatusFlag, validate_status

TRIP = Status("trip", "Class trip", "T", CountsAs.ATTENDED, frozenset({StatusFlag.OFF_SITE}))
NOW = datetime(2024, 12, 1, tzinfo=UTC)


def test_every_school_begins_with_four_statuses() -> None:
    found = {each.code: (each.letter, each.counts_as, set(each.flags)) for each in SchoolStatuses()}

    assert found == {
        "present": ("P", "attended", set()),
        "absent": ("A", "absent", set()),
        "late": ("L", "attended", {"late"}),
        "excused": ("E", "absent", {"authorised"}),
    }


def test_a_school_may_begin_with_other_letters_which_its_own_statuses_replace() -> None:
    statuses = SchoolStatuses([Status("late", "Zu spät", "Z", CountsAs.ATTENDED, position=3)], "✓FVE")

    assert [(each.code, each.letter) for each in statuses] == [
        ("present", "✓"),
        ("absent", "F"),
        ("late", "Z"),
        ("excused", "E"),
    ]


def test_a_schools_own_statuses_replace_the_defaults_and_keep_its_order() -> None:
    late = Status("late", "Tardy", "L", CountsAs.ATTENDED, position=0)
    statuses = SchoolStatuses([TRIP, late])

    assert [(each.code, each.label) for each in statuses] == [
        ("late", "Tardy"),
        ("present", "Present"),
        ("absent", "Absent"),
        ("excused", "Excused"),
        ("trip", "Class trip"),
    ]


def test_only_statuses_in_use_can_be_given() -> None:
    statuses = SchoolStatuses([replace(TRIP, retired_at=NOW)])

    assert statuses.in_use == ["present", "absent", "late", "excused"]
    assert statuses.violation_of("late", "/status") is None
    for code, wrong in (("trip", "retired_status"), ("asleep", "unknown_status")):
        violation = statuses.violation_of(code, "/status")
        assert violation is not None
        assert (violation.code, violation.pointer, violation.params) == (wrong, "/status", {"allowed": statuses.in_use})


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (TRIP, []),
        (replace(TRIP, code="x" * 32, label="y" * 64, letter="ü", position=0), []),
        (replace(TRIP, code="Trip"), ["wrong_code"]),
        (replace(TRIP, code="x" * 33), ["wrong_code"]),
        (replace(TRIP, code=""), ["wrong_code"]),
        (replace(TRIP, label=" "), ["wrong_label"]),
        (replace(TRIP, label="a\u202eb"), ["wrong_label"]),
        (replace(TRIP, label="x" * 65), ["wrong_label"]),
        (replace(TRIP, letter=""), ["wrong_letter"]),
        (replace(TRIP, letter="TT"), ["wrong_letter"]),
        (replace(TRIP, letter=" "), ["wrong_letter"]),
        (replace(TRIP, letter="\x07"), ["wrong_letter"]),
        (replace(TRIP, position=1001), ["out_of_range"]),
        (
            replace(TRIP, code="1", label="", letter="", position=-1),
            ["wrong_code", "wrong_label", "wrong_letter", "out_of_range"],
        ),
    ],
)
def test_each_violation_of_a_status_is_reported(status: Status, wrong: list[str]) -> None:
    assert [violation.code for violation in validate_status(status)] == wrong


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("late", ["late"]),
        ("L", ["late"]),
        ("Late", ["late"]),
        ("LATE", ["late"]),
        ("l", ["late"]),
        ("present", ["present"]),
        ("P", ["present"]),
        ("p", ["p"]),
        ("ill", ["ill"]),
        ("Ill", ["sick"]),
        ("ILL", ["ill", "sick"]),
        ("asleep", []),
        ("old", ["old"]),
        ("Old", []),
    ],
)
def test_a_status_is_named_by_its_code_letter_or_label_if_it_is_the_only_one(text: str, codes: list[str]) -> None:
    statuses = SchoolStatuses(
        [
            Status("p", "Practice", "Q", CountsAs.ATTENDED),
            Status("ill", "At home", "I", CountsAs.ABSENT),
            Status("sick", "Ill", "S", CountsAs.ABSENT),
            Status("old", "Old", "O", CountsAs.ABSENT, retired_at=datetime(2024, 1, 1, tzinfo=UTC)),
        ]
    )

    assert statuses.codes_named(text) == codes
