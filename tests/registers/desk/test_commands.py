"""`adsum desk`, run as an office runs it."""

from __future__ import annotations

import json
import re

from tests.support.commands import Commands

DAY = "2024-12-25"
ARRIVAL = ("desk", "arrival", "--student", "1", "--time", "09:00", "--reason", "dentist", "--date", DAY)


def test_times_are_read_as_imports_read_them_and_a_list_has_the_names(demo: Commands) -> None:
    departure = ("desk", "departure", "--student", "3", "--date", DAY, "--reason", "dentist")
    entered = json.loads(demo.output(*departure, "--time", "9:00", "--json"))
    absence = ("absence", "enter", "--student", "4", "--from", DAY, "--reason", "dentist", "--session", "456")
    (planned,) = json.loads(demo.output(*absence, "--from-time", "8:10", "--to-time", "9:00:00", "--json"))
    closed = json.loads(
        demo.output("calendar", "close", DAY, "--from-time", "9:30", "--reason", "heat", "--school", "1", "--json")
    )
    wrong = demo.run(*departure, "--time", "9.00")
    headings, of_student_3 = demo.output("desk", "list").splitlines()

    assert (entered["time"], planned["fromTime"], planned["toTime"]) == ("09:00", "08:10", "09:00")
    assert closed["fromTime"] == "09:30"
    assert (wrong.returncode, wrong.stderr) == (1, "adsum: '9.00' is not a time of the form HH:MM\n")
    assert headings.split()[1:4] == ["Student", "id", "Student"]
    assert of_student_3.split()[:4] == ["1", "3", "Chloé", "Marchand"]
    assert "student" not in json.loads(demo.output("desk", "list", "--json"))[0]


def test_a_repeated_entry_is_named_and_the_list_shows_the_status_of_the_missed_sessions_as_such(demo: Commands) -> None:
    entered = json.loads(demo.output(*ARRIVAL, "--json"))
    again = demo.run(*ARRIVAL, "--json")
    listed = json.loads(demo.output("desk", "list", "--json"))
    shown = demo.output("desk", "list").splitlines()
    entered_again = demo.run(*ARRIVAL).stdout

    assert json.loads(again.stdout) == entered
    assert again.stderr == f"adsum: this was entered already: {entered['id']}\n"
    assert [each["status"] for each in listed] == ["absent"]
    assert "Missed sessions" in shown[0]
    assert "Status" not in shown[0]
    assert re.search("^Missed sessions +absent$", entered_again, re.MULTILINE)


def test_people_read_the_batches_of_an_entry_by_their_ids_and_that_a_command_has_made_it(demo: Commands) -> None:
    entered = demo.output(*ARRIVAL)
    listed = demo.output("desk", "list").splitlines()
    (in_json,) = json.loads(demo.output("desk", "list", "--json"))
    wrong = demo.run("desk", "list", "--from", "2024-12-25", "--to", "2024-12-24")

    batches = ", ".join(run["batchId"] for run in in_json["runs"])
    assert re.search(f"^Batches +{batches}$", entered, re.MULTILINE)
    assert re.search("^Entered by role +system$", entered, re.MULTILINE)
    assert ("batchId" in entered, "system" in listed[1], in_json["enteredByRole"]) == (False, True, "admin")
    assert wrong.returncode == 2
    assert wrong.stderr.endswith("Invalid value for --to: 2024-12-24 is before 2024-12-25\n")
