"""`adsum report`, run as an office runs it."""

from __future__ import annotations

import json
import subprocess

from tests.support.commands import Commands

SCHOOL = ("--school", "1", "--from", "2024-12-01", "--to", "2024-12-31")


def test_reports_are_shown(demo: Commands, demo_worker: subprocess.Popen[bytes]) -> None:
    mark = ("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-25", "--all", "--absent", "4,5")
    assert demo.run(*mark, "--watch").returncode == 0

    (day,) = json.loads(demo.output("report", "rates", "--by", "day", *SCHOOL, "--json"))
    rows = json.loads(demo.output("report", "in-a-row", "--least-days", "1", *SCHOOL, "--json"))
    told = json.loads(demo.output("report", "student", "4", *SCHOOL, "--json"))

    assert (day["key"], day["sessions"], day["absent"]) == ("2024-12-25", 30, 2)
    assert [row["studentId"] for row in rows] == [4, 5]
    assert (told["daysAbsent"], told["isChronicallyAbsent"]) == (1, False)
    assert "2024-12-25" in demo.output("report", "unexplained", *SCHOOL)
    assert demo.run("report", "chronic", *SCHOOL).stderr == "adsum: nobody is\n"
    assert demo_worker.poll() is None
