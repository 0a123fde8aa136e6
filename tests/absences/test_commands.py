"""`adsum absence`, `adsum contradiction` and `adsum school change`, run as an office runs them."""

from __future__ import annotations

import json

from tests.support.commands import Commands

DAY = "2024-12-24"


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


def test_contradictions_and_the_edit_window_on_the_command_line(demo: Commands) -> None:
    window = json.loads(demo.output("school", "change", "--edit-window", "7", "--school", "1", "--json"))

    assert window["editWindowDays"] == 7
    assert demo.run("contradiction", "list", "--school", "1").stderr == "adsum: no contradictions\n"
    assert demo.run("contradiction", "settle", "3", "--holds", "said").returncode == 1
    assert demo.run("school", "change").returncode == 2
