"""`adsum school` and `adsum status`, run as an operator runs them, and a batch with a status of the school's own."""

from __future__ import annotations

import json

from tests.support.commands import Commands

CREATE = ("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-25")


def test_a_status_is_added_used_renamed_and_retired(demo: Commands) -> None:
    school, *others = json.loads(demo.output("school", "list", "--json"))
    assert (school["name"], len(others)) == ("Demo school", 2)
    of_school = ("--school", str(school["id"]))

    trip = ("trip", "--label", "Class trip", "--letter", "T", "--counts-as", "attended", "--flag", "off_site")
    added = json.loads(demo.output("status", "add", *trip, *of_school, "--json"))
    marked = json.loads(demo.output(*CREATE, "--mark", "trip=4,5", "--mark", "trip=7", "--late", "6", "--json"))
    changed = demo.output("status", "change", "trip", "--label", "Tour", "--retire", *of_school)
    listed = demo.output("status", "list", *of_school)

    assert (added["countsAs"], added["flags"]) == ("attended", ["off_site"])
    assert marked["addedJobs"] == 4
    assert "Tour" in changed
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["present", "absent", "late", "excused", "trip"]


def test_usage_errors_are_refused(demo: Commands) -> None:
    several = demo.run("status", "list")
    formless = demo.run(*CREATE, "--mark", "trip")
    twice = demo.run(*CREATE, "--mark", "late=4", "--late", "4")
    unknown = demo.run(*CREATE, "--mark", "asleep=4")

    assert [each.returncode for each in (several, formless, twice, unknown)] == [1, 2, 2, 1]
    assert "there are several schools: name one (--school, in the API schoolId)" in several.stderr
    assert "'trip' is not CODE=IDS" in formless.stderr
    assert "student 4 is named 2 times" in twice.stderr
    assert "'asleep' is not a status of the school" in unknown.stderr
