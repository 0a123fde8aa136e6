"""Tests `adsum batch` on the demo school with a worker."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import Commands, commands
from tests.support.forked import STOP_S, Forked, running_forked
from tests.support.live import environment

BATCH_ID = "class-123-session-456-date-25122024"
CREATE = ("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-25")
NAME_OF_3 = ("Chloé", "Marchand")


def test_a_class_is_marked_and_watched_until_all_students_are_recorded(demo: Commands, demo_worker: Forked) -> None:
    created = demo.run(*CREATE, "--all", "--absent", "4,5", "--late", "6", "--excused", "7-8", "--watch", "--json")
    assert created.returncode == 0
    answer = json.loads(created.stdout)
    assert (answer["batchId"], answer["addedJobs"], answer["recordedJobs"]) == (BATCH_ID, 30, 30)
    assert created.stderr.splitlines()[-1] == f"{BATCH_ID}: 100 % completed"
    listed = json.loads(demo.output("attendance", "list", "--class", "123", "--limit", "100", "--json"))
    statuses = {item["studentId"]: item["status"] for item in listed}
    assert [statuses[i] for i in range(1, 10)] == [
        *["present"] * 3,
        *["absent"] * 2,
        "late",
        *["excused"] * 2,
        "present",
    ]
    (batch,) = json.loads(demo.output("batch", "list", "--json"))
    assert (batch["batchId"], batch["state"], batch["progress"]) == (BATCH_ID, "completed", 100)


def test_people_read_who_is_marked_and_what_became_of_it_without_the_keys_of_the_queue(
    demo: Commands, demo_worker: Forked
) -> None:
    watched = demo.run(*CREATE, "--present", "1,2", "--absent", "3", "--watch")
    rows = [line.split(maxsplit=2) for line in watched.stdout.splitlines()[1:]]
    assert watched.stdout.startswith("Batch processing initiated for 3 attendances\nBatch id ")
    assert ["Recorded", "jobs", "3"] in rows
    repeated = demo.output(*CREATE, "--present", "1,2", "--absent", "3")
    assert repeated.startswith("Nothing to do: all 3 attendances are recorded already\nBatch id ")
    shown = watched.stdout + repeated + demo.output("batch", "show", BATCH_ID)
    assert [word for word in ("Lock", "locked", "Is skipped", "Run id") if word in shown] == []
    listed = demo.output("attendance", "list", "--class", "123").splitlines()
    assert "Student id  Student " in listed[0]
    assert [" ".join(NAME_OF_3) in line for line in listed[1:]] == [False, False, True]
    assert {"student", "Student"}.isdisjoint(json.loads(demo.output("attendance", "list", "--json"))[0])
    assert demo_worker.is_running


def test_a_waiting_batch_is_shown_and_cancelled(demo: Commands) -> None:
    demo.output(*CREATE, "--present", "1,2,3")
    assert json.loads(demo.output("batch", "status", BATCH_ID, "--json"))["remainingJobs"] == 3
    assert json.loads(demo.output("batch", "cancel", BATCH_ID, "--json"))["state"] == "cancelled"
    watched = demo.run("batch", "watch", BATCH_ID)
    assert (watched.returncode, "Exits with 1 if students failed or were cancelled" in watch_help()) == (1, True)
    assert "adsum: cancelled: 3 of 3 students; see adsum batch show " + BATCH_ID in watched.stderr
    retried = demo.run("batch", "retry", BATCH_ID)
    message = f"adsum: no student of batch {BATCH_ID} failed; 3 were cancelled: mark the class again\n"
    assert (retried.returncode, retried.stderr) == (1, message)


def test_cancelling_a_batch_that_has_ended_says_so(demo: Commands, demo_worker: Forked) -> None:
    assert demo.run(*CREATE, "--present", "1,2,3", "--watch").returncode == 0
    ended = demo.run("batch", "cancel", BATCH_ID, "--json")
    assert (ended.returncode, json.loads(ended.stdout)["state"]) == (0, "completed")
    assert ended.stderr == "adsum: no student of this batch is pending any more: nothing was cancelled\n"


def watch_help() -> str:
    return commands().output("batch", "watch", "--help")


def test_ending_a_watch_does_not_stop_the_batch(demo: Commands, tmp_path: Path) -> None:
    demo.output(*CREATE, "--present", "1,2,3")
    watch = ("batch", "watch", BATCH_ID)
    with running_forked(watch, environment(**demo.settings), tmp_path / "log") as watching:
        watching.wait_for_output(f"{BATCH_ID}: 0 % processing\n")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(STOP_S) == 130
    assert watching.output().endswith(f"\nadsum: the batch continues: adsum batch watch {BATCH_ID}\n")


def test_watching_with_json_prints_one_state_per_line(demo: Commands, demo_worker: Forked) -> None:
    demo.output(*CREATE, "--all")
    watched = demo.output("batch", "watch", BATCH_ID, "--json")
    states = [json.loads(line) for line in watched.splitlines()]
    remaining = [state["remainingJobs"] for state in states]
    assert remaining == sorted(remaining, reverse=True)
    assert (states[-1]["state"], states[-1]["recordedJobs"]) == ("completed", 30)
    assert demo.output("batch", "watch", BATCH_ID, "--json").splitlines() == watched.splitlines()[-1:]


@pytest.mark.long
def test_a_terminal_shows_a_progress_bar_without_repeating_it_as_text(demo: Commands) -> None:
    demo.output(*CREATE, "--present", "1,2,3")
    demo.output("batch", "cancel", BATCH_ID)
    ours, terminal = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        command = [sys.executable, "-m", "adsum", "batch", "watch", BATCH_ID]
        environ = environment(**demo.settings) | {"TERM": "xterm-256color"}
        ended = subprocess.run(command, env=environ, stdout=terminal, stderr=terminal, check=False, timeout=60)
        os.close(terminal)
        shown = screen.read(100_000).decode()
    assert ended.returncode == 1
    assert "100 %" in shown
    assert "3 cancelled" in shown
    assert "Batch id" not in shown


def test_a_batch_is_shown_with_its_runs_and_students(demo: Commands) -> None:
    demo.output(*CREATE, "--present", "1,2", "--absent", "3")
    shown = json.loads(demo.output("batch", "show", BATCH_ID, "--json"))
    assert (shown["state"], [run["number"] for run in shown["runs"]]) == ("processing", [1])
    assert [(job["studentId"], job["status"], job["outcome"]) for job in shown["jobs"]] == [
        (1, "present", "pending"),
        (2, "present", "pending"),
        (3, "absent", "pending"),
    ]
    status, runs, students = demo.output("batch", "show", BATCH_ID).split("\n\n")
    assert status.startswith("Batch id")
    assert runs.split()[:2] == ["Number", "State"]
    assert students.split()[:4] == ["Student", "id", "Student", "Requested"]
    assert [line.split() for line in students.splitlines()[1:]][2] == ["3", *NAME_OF_3, "absent", "pending", "-", "-"]
    assert json.loads(demo.output("batch", "show", BATCH_ID, "--failed", "--json"))["jobs"] == []
    assert demo.run("batch", "show", BATCH_ID, "--failed").stderr == "adsum: no student failed\n"
    unknown = demo.run("batch", "show", "class-1-session-1-date-25122024")
    assert (unknown.returncode, unknown.stderr.startswith("adsum: there is no batch")) == (1, True)


def test_an_empty_list_prints_a_sentence_instead_of_a_heading(demo: Commands) -> None:
    for command, message in (("attendance", "no records"), ("batch", "no batches")):
        listed = demo.run(command, "list", "--class", "999")
        assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", f"adsum: {message}\n")
        assert demo.output(command, "list", "--class", "999", "--json") == "[]\n"


def test_each_violation_is_printed_on_one_line(demo: Commands) -> None:
    refused = demo.run(*CREATE, "--present", "1,998", "--absent", "999")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines() == ["adsum: there is no student 998", "adsum: there is no student 999"]


def test_each_mark_that_is_not_applied_is_printed_on_one_line(demo: Commands) -> None:
    demo.output(*CREATE, "--all")
    second = demo.run(*CREATE, "--all", "--absent", "4")
    assert (second.returncode, "conflicts" in second.stdout.lower()) == (0, False)
    assert second.stderr == (
        "adsum: not applied: student 4 is present, you sent absent; --on-existing update corrects what is recorded\n"
    )


def test_the_json_of_a_conflict_contains_both_notes(demo: Commands) -> None:
    demo.output(*CREATE, "--all")
    answer = json.loads(demo.output(*CREATE, "--all", "--absent", "4", "--json"))
    assert answer["conflicts"] == [
        {"studentId": 4, "recorded": "present", "requested": "absent", "recordedNote": None, "requestedNote": None}
    ]
    assert answer["statusUrl"] == f"/attendances/batch-status/{BATCH_ID}"


def test_marks_that_are_not_applied_change_the_exit_status(demo: Commands, demo_worker: Forked) -> None:
    assert demo.run(*CREATE, "--present", "1,2,3", "--watch").returncode == 0
    again = demo.run(*CREATE, "--present", "1", "--absent", "2,3")
    assert "Nothing to do: all 3 attendances are recorded already, 2 of them with a different mark\n" in again.stdout
    assert again.stderr.count("adsum: not applied: student ") == 2


def test_an_invalid_day_and_a_reused_key_name_their_options(demo: Commands) -> None:
    wrong = demo.run(*CREATE[:-1], "2025-02-29", "--all")
    assert (wrong.returncode, wrong.stderr) == (1, "adsum: --date: 2025-02-29 is not a day of the calendar\n")
    demo.output(*CREATE, "--all", "--idempotency-key", "a")
    reused = demo.run(*CREATE, "--present", "1", "--idempotency-key", "a")
    assert (reused.returncode, reused.stderr.startswith("adsum: --idempotency-key: ")) == (1, True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--all", "--on-existing", "maybe"), "'--on-existing': 'maybe' is not one of skip, update, fail\n"),
        ((), "no student is named: add --all, or one of --present, --absent, --late, --excused\n"),
    ],
)
def test_usage_errors_name_options_instead_of_fields(wrong: tuple[str, ...], message: str) -> None:
    ended = commands().run(*CREATE, *wrong)
    assert (ended.returncode, ended.stderr.endswith(message)) == (2, True), ended.stderr
    assert "Value error" not in ended.stderr


@pytest.mark.parametrize(
    "wrong",
    [("--present", "1,x"), ("--present", "9-1"), ("--absent", "4", "--late", "4"), ("--class", "0"), ("--surprise",)],
)
def test_an_unknown_option_and_an_invalid_id_are_usage_errors(wrong: tuple[str, ...]) -> None:
    assert commands().run(*CREATE, *wrong).returncode == 2
