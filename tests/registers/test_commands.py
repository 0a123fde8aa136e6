"""The command `adsum register`."""

from __future__ import annotations

import json

from tests.support.commands import Commands


def test_missing_registers_are_listed(demo: Commands) -> None:
    missing = json.loads(demo.output("register", "missing", "--date", "2024-12-25", "--school", "1", "--json"))
    shown = demo.output("register", "missing", "--date", "2024-12-25", "--school", "1")

    assert [(row["classId"], row["state"], row["expected"]) for row in missing] == [(123, "missing", 30)]
    assert missing[0]["missingStudentIds"] == list(range(1, 31))
    assert "missing" in shown
    assert shown.startswith("School id ")
    assert demo.run("register", "missing", "--date", "2024-08-01").stderr == "adsum: no register is missing\n"
