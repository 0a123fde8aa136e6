"""The command `adsum register`."""

from __future__ import annotations

import json

from tests.support.commands import Commands
from tests.support.schools import newest_school_day


def test_missing_registers_are_listed(demo: Commands) -> None:
    missing = json.loads(demo.output("register", "missing", "--date", "2024-12-25", "--school", "1", "--json"))
    shown = demo.output("register", "missing", "--date", "2024-12-25", "--school", "1")

    assert [(row["classId"], row["state"], row["expected"]) for row in missing] == [(123, "missing", 30)]
    assert missing[0]["missingStudentIds"] == list(range(1, 31))
    assert "missing" in shown
    assert shown.startswith("School id ")
    assert demo.run("register", "missing", "--date", "2024-08-01").stderr == "adsum: no register is missing\n"


def test_teachers_are_reminded_of_a_missing_register_once(demo: Commands) -> None:
    day = newest_school_day()
    remind = ("register", "remind", "--school", "1", "--session", "456", "--date")
    command = (*remind, day.isoformat())
    assert "Class 123" in demo.output(*command)
    again = demo.run(*command)
    assert "reminded a few minutes ago" in again.stderr
    (reminder,) = json.loads(demo.output("register", "reminders", "--school", "1", "--json"))
    assert (reminder["sessionId"], reminder["remindedByRole"]) == (456, "admin")
    assert json.loads(demo.output(*command, "--json"))["sent"] == []
    for wrong, message in (
        ((*command, "--session", "999"), "no register of session 999 is missing on that day"),
        ((*remind, "2024-12-24"), "nobody is reminded of registers from before"),
    ):
        refused = demo.run(*wrong)
        assert refused.returncode == 1
        assert message in refused.stderr
