"""`adsum cover`, and an API key that acts on behalf of people."""

from __future__ import annotations

import json

from tests.support.commands import Commands

DAY = "2024-12-24"


def test_a_cover_is_assigned_listed_and_ended_on_the_command_line(demo: Commands) -> None:
    users = json.loads(demo.output("user", "list", "--json"))
    teacher = next(user["id"] for user in users if user["role"] == "teacher" and user["schoolId"] == 1)
    options = ("--class", "123", "--teacher", str(teacher), "--from", DAY)

    assigned = json.loads(demo.output("cover", "assign", *options, "--session", "456", "--json"))
    shown = json.loads(demo.output("cover", "list", "--class", "123", "--json"))
    wrong = demo.run("cover", "assign", *options, "--to", "2024-12-01", "--session", "999")

    assert (assigned["teacherId"], assigned["from"], assigned["to"]) == (teacher, DAY, DAY)
    assert shown == [assigned]
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (1, 2)
    assert json.loads(demo.output("cover", "end", str(assigned["id"]), "--json"))["ended"] is True
    assert demo.run("cover", "end", "999").returncode == 1


def test_a_key_with_the_permission_to_act_for_people_is_created(demo: Commands) -> None:
    made = json.loads(demo.output("key", "create", "platform", "--permission", "attendance:act-as", "--json"))
    assert made["permissions"] == ["attendance:act-as"]


def test_the_sessions_of_a_teacher_who_is_away_are_shown(demo: Commands) -> None:
    users = json.loads(demo.output("user", "list", "--json"))
    teacher = next(user["id"] for user in users if user["role"] == "teacher" and user["schoolId"] == 1)
    options = ("--teacher", str(teacher), "--from", DAY)

    shown = json.loads(demo.output("cover", "needed", *options, "--json"))
    table = demo.output("cover", "needed", *options)

    assert [(item["classId"], item["sessionId"], item["times"]) for item in shown["items"]] == [(123, 456, [])]
    assert table.splitlines()[1].split()[0] == DAY
    assert demo.run("cover", "needed", *options, "--to", "2024-12-01").returncode == 1
