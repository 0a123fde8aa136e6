"""`adsum absence`, `adsum contradiction` and `adsum school change`, run as an office runs them."""

from __future__ import annotations

import json

from tests.support.commands import Commands

DAY = "2024-12-24"
NAME_OF_4 = ("Dmitri", "Волков")


def test_an_absence_is_entered_shown_changed_and_revoked(demo: Commands) -> None:
    options = ("--student", "4-5", "--from", DAY, "--reason", "flu", "--json")
    entered = json.loads(demo.output("absence", "enter", *options))
    moved = json.loads(demo.output("absence", "change", "1", "--to", "2024-12-27", "--json"))
    demo.output("absence", "revoke", "2")
    shown = json.loads(demo.output("absence", "list", "--school", "1", "--json"))
    elsewhere = demo.run("absence", "list", "--school", "2")
    enter = ("absence", "enter", "--student", "4", "--from", DAY)
    wrong = demo.run(*enter, "--to", "2024-12-01", "--reason", "x")
    not_a_school = demo.run(*enter, "--reason", "x", "--school", "999")

    assert [(row["studentId"], row["from"], row["to"], row["status"]) for row in entered] == [
        (4, DAY, DAY, "excused"),
        (5, DAY, DAY, "excused"),
    ]
    assert (moved["to"], moved["version"]) == ("2024-12-27", 2)
    assert [row["id"] for row in shown] == [1]
    assert elsewhere.stderr == "adsum: no absences\n"
    assert (wrong.returncode, "is before the first" in wrong.stderr) == (1, True)
    assert (not_a_school.returncode, "there is no school 999" in not_a_school.stderr) == (1, True)
    assert demo.run("absence", "change", "1").returncode == 2


def test_the_sessions_and_times_of_an_absence_are_set_and_taken_back(demo: Commands) -> None:
    change = ("absence", "change", "1")
    demo.output("absence", "enter", "--student", "4", "--from", DAY, "--reason", "dentist")
    part = demo.output(*change, "--session", "456", "--from-time", "08:00", "--to-time", "09:00", "--json")
    earlier = demo.output(*change, "--from-time", "07:30", "--session", "", "--json")
    whole = demo.output(*change, "--from-time", "", "--to-time", "", "--json")
    unknown = demo.run(*change, "--session", "4")

    times = [(each["sessionIds"], each["fromTime"], each["toTime"]) for each in map(json.loads, (part, earlier, whole))]
    assert times == [([456], "08:00", "09:00"), (None, "07:30", "09:00"), (None, None, None)]
    assert (unknown.returncode, unknown.stderr) == (1, "adsum: the school has no session 4\n")


def test_the_command_line_names_repeated_and_ineffective_absences_by_their_ids(demo: Commands) -> None:
    enter = ("absence", "enter", "--student", "4,5", "--from", DAY, "--reason", "dentist", "--school", "1")
    hours = (*enter, "--from-time", "08:00", "--to-time", "09:00")
    first = demo.run(*hours)
    again = demo.run(*hours, "--json")
    listed = demo.run("absence", "list")
    same_time = demo.run(*enter, "--from-time", "09:00", "--to-time", "09:00")
    limited = demo.run("absence", "enter", "--student", "4", "--session", "4", "--from", DAY, "--reason", "x")
    twice = demo.run(*enter, "--session", "456,456")

    no_times = "the absence applies to sessions without times only if it names them: 456"
    assert (first.returncode, first.stderr) == (0, f"adsum: {no_times}\n")
    assert [row["id"] for row in json.loads(again.stdout)] == [1, 2]
    assert again.stderr.splitlines()[:2] == [f"adsum: student {3 + i} has this absence already: {i}" for i in (1, 2)]
    headings, _, of_student_4 = listed.stdout.splitlines()
    assert (headings.split()[1:4], of_student_4.split()[:4]) == (["Student", "id", "Student"], ["1", "4", *NAME_OF_4])
    assert listed.stderr == f"adsum: absence 2: {no_times}\nadsum: absence 1: {no_times}\n"
    assert (same_time.returncode, same_time.stderr) == (1, "adsum: 09:00 is not after 09:00\n")
    assert (limited.returncode, limited.stderr) == (1, "adsum: the school has no session 4\n")
    assert (twice.returncode, "--session: session 456 is named 2 times" in twice.stderr) == (2, True)


def test_contradictions_and_the_edit_window_on_the_command_line(demo: Commands) -> None:
    window = json.loads(demo.output("school", "change", "--edit-window", "7", "--school", "1", "--json"))

    assert window["editWindowDays"] == 7
    assert demo.run("contradiction", "list", "--school", "1").stderr == "adsum: no contradictions\n"
    assert demo.run("contradiction", "settle", "3", "--holds", "said").returncode == 1
    assert demo.run("school", "change").returncode == 2
