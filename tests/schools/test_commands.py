"""`adsum calendar` and `adsum register`, run as an office runs them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import Commands

SCHOOL = ("--school", "1")


def test_a_closed_day_is_shown_keeps_classes_from_being_marked_and_is_opened_again(demo: Commands) -> None:
    mark = ("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-25", "--all")

    demo.output("calendar", "close", "2024-12-25", "--reason", "Christmas", *SCHOOL)
    (shown,) = json.loads(demo.output("calendar", "show", "--json", *SCHOOL))
    refused = demo.run(*mark)
    demo.output("calendar", "open", "2024-12-25", *SCHOOL)

    assert (shown["date"], shown["reason"], shown["fromTime"]) == ("2024-12-25", "Christmas", None)
    assert refused.returncode == 1
    assert refused.stderr == "adsum: --date: the school is closed on 2024-12-25: Christmas\n"
    assert demo.run("calendar", "show", *SCHOOL).stderr == "adsum: no closed days\n"
    assert demo.run(*mark).returncode == 0


def test_holidays_are_closed_as_a_range(demo: Commands) -> None:
    close = ("calendar", "close", "2024-12-23", "--reason", "Holidays", "--json", *SCHOOL)
    closed = json.loads(demo.output(*close, "--to", "2024-12-24"))
    refused = demo.run(*close, "--to", "2024-12-22")

    assert [(row["date"], row["reason"]) for row in closed] == [("2024-12-23", "Holidays"), ("2024-12-24", "Holidays")]
    assert (refused.returncode, refused.stderr) == (
        1,
        "adsum: the last day, 2024-12-22, is before the first, 2024-12-23\n",
    )


def test_the_school_is_required_where_there_are_several(demo: Commands) -> None:
    refused = demo.run("calendar", "show")
    assert (refused.returncode, refused.stderr) == (
        1,
        "adsum: there are several schools: name one (--school, in the API schoolId)\n",
    )


def test_a_timetable_is_tried_and_imported_with_errors_by_line(demo: Commands, tmp_path: Path) -> None:
    file, wrong = tmp_path / "times.csv", tmp_path / "wrong.csv"
    header = "classId,sessionId,weekday,begins,ends\n"
    file.write_text(f"{header}123,456,1,08:00,08:45\n")
    wrong.write_text(f"{header}123,456,Moonday,08:00,08:45\n")

    tried = json.loads(demo.output("calendar", "import", str(file), "--dry-run", "--json", *SCHOOL))
    done = json.loads(demo.output("calendar", "import", str(file), "--json", *SCHOOL))
    again = demo.output("calendar", "import", str(file), *SCHOOL)
    refused = demo.run("calendar", "import", str(wrong), *SCHOOL)
    without_school = demo.run("calendar", "import", str(wrong))
    marked = demo.run("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-25", "--all")

    assert tried == {"dryRun": True, "sessions": 1, "times": 1, "changed": 1}
    assert again.splitlines()[-1] == "Nothing changes: the sessions have these times."
    assert done == tried | {"dryRun": False}
    assert refused.returncode == 1
    assert "line 2" in refused.stderr
    assert without_school.returncode == 1
    first, second = without_school.stderr.splitlines()
    assert "line 2: 'Moonday' is no weekday" in first
    assert "there are several schools: name one (--school, in the API schoolId)" in second
    assert "does not meet on 2024-12-25, a Wednesday" in marked.stderr
