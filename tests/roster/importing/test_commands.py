"""`adsum roster import`, run as an operator runs it: results on stdout, exit 0, 1 or 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adsum.operations.migrations import tables
from adsum.roster.demo.service import DATA
from tests.roster.conftest import Importing
from tests.roster.files import Roster, a_school, enrolment, in_folder, in_zip
from tests.support.commands import Commands, commands

REAL = str(DATA / "oneroster")


@pytest.fixture
def adsum(database_url: str) -> Commands:
    return commands(database_url=database_url, redis_url="redis://127.0.0.1:1", log_level="WARNING")


@pytest.fixture
def invalid() -> Roster:
    roster = a_school(students=60)
    roster.tables["enrollments"] += [enrolment("class-9", f"student-{number}") for number in range(1, 61)]
    return roster


async def test_the_real_files_are_imported_and_the_second_time_nothing_changes(
    adsum: Commands, importing: Importing
) -> None:
    first = adsum.output_of_import("roster", "import", REAL, "--timezone", "America/Chicago")
    second = adsum.output_of_import("roster", "import", REAL)

    assert "Imported." in first
    assert "students    86     0        0      0" in first
    assert "Nothing changes: the roster is up to date." in second
    assert {row["time_zone"] for row in await importing.rows(tables.schools)} == {"America/Chicago"}


def test_a_time_zone_that_an_import_named_is_done_in_the_setup_of_its_school(adsum: Commands, tmp_path: Path) -> None:
    steps: dict[str, str] = {}
    for number, (name, zone) in enumerate({"named": ["--timezone", "Europe/Berlin"], "assumed": []}.items(), start=1):
        path = tmp_path / f"{name}.zip"
        files = {file: rows.replace(b"school-1", name.encode()) for file, rows in a_school().files().items()}
        path.write_bytes(in_zip(files).getvalue())
        for _ in range(2):  # the second one changes nothing
            adsum.output_of_import("roster", "import", str(path), *zone)
        of_school = ["--school", str(number)]
        steps[name] = adsum.output("school", "setup", *of_school).splitlines()[1]
        changes = json.loads(adsum.output("school", "history", *of_school, "--json"))
        assert [(each["setting"], each["oldValue"], each["newValue"]) for each in changes] == (
            [("timeZone", None, "Europe/Berlin")] if zone else []
        )

    assert steps["named"].split(maxsplit=2) == ["time_zone", "done", "Check the time zone"]
    assert steps["assumed"].split(maxsplit=2) == ["time_zone", "open", "Check the time zone"]


def test_an_import_that_names_the_zone_of_a_school_that_exists_completes_its_step_and_another_zone_does_not(
    adsum: Commands, tmp_path: Path
) -> None:
    path = tmp_path / "roster.zip"
    path.write_bytes(in_zip(a_school().files()).getvalue())

    def step_after_import(*options: str) -> tuple[str, list[str]]:
        adsum.output_of_import("roster", "import", str(path), *options)
        steps = json.loads(adsum.output("school", "setup", "--school", "1", "--json"))["steps"]
        changes = json.loads(adsum.output("school", "history", "--school", "1", "--json"))
        return steps[0]["state"], [each["newValue"] for each in changes]

    assert step_after_import() == ("open", [])
    assert step_after_import("--timezone", "Asia/Tokyo") == ("open", []), "it keeps UTC"
    assert step_after_import("--timezone", "UTC", "--dry-run") == ("open", [])
    assert step_after_import("--timezone", "UTC") == ("done", ["UTC"])
    assert step_after_import("--timezone", "UTC") == ("done", ["UTC"])


async def test_a_dry_run_prints_the_changes_and_makes_none(adsum: Commands, importing: Importing) -> None:
    report = json.loads(adsum.output_of_import("roster", "import", REAL, "--dry-run", "--json"))

    assert report["dryRun"] is True
    assert report["tables"]["enrolments"] == {"added": 602, "changed": 0, "ended": 0, "unchanged": 0}
    assert not any((await importing.everything()).values())


async def test_errors_are_listed_by_file_and_row_with_exit_1(adsum: Commands, invalid: Roster, tmp_path: Path) -> None:
    path = tmp_path / "roster.zip"
    path.write_bytes(in_zip(invalid.files()).getvalue())

    ended = adsum.run("roster", "import", str(path))

    assert ended.returncode == 1
    assert "60 errors:" in ended.stdout
    assert "  enrollments.csv:63: there is no class class-9" in ended.stdout
    assert "Given" not in ended.stdout + ended.stderr
    report = json.loads(adsum.run("roster", "import", str(path), "--json").stdout)
    assert report["changesNothing"] is True
    assert len(report["errors"]) == report["errorCount"] == 60
    assert report["errors"][0]["params"]["row"] == 63


def test_warnings_are_listed_with_exit_0(adsum: Commands, tmp_path: Path) -> None:
    roster = a_school()
    roster.row("users", "student-1")["orgSourcedIds"] += ",nowhere"
    path = tmp_path / "roster.zip"
    path.write_bytes(in_zip(roster.files()).getvalue())

    ended = adsum.run("roster", "import", str(path), "--strict", "--dry-run", "--timezone", "UTC")
    assumed = adsum.run("roster", "import", str(path), "--strict")
    kept = adsum.run("roster", "import", str(path), "--timezone", "Asia/Tokyo")

    assert (ended.returncode, assumed.returncode, kept.returncode) == (0, 0, 0)
    assert "1 warning:\n  users.csv:2: there is no org nowhere" in ended.stdout
    assert (
        "2 warnings:\n  orgs.csv:2: the time zone of the new school school-1 is assumed to be UTC: " in assumed.stdout
    )
    assert "  orgs.csv:2: school school-1 keeps its time zone UTC: change it in the settings" in kept.stdout


def test_wrong_values_are_not_shown_but_what_may_be_meant(adsum: Commands, tmp_path: Path) -> None:
    roster = a_school(students=5)
    roster.add("orgs", sourcedId="school-2", name="Ulmenhof", type="shcool")
    roster.add("orgs", sourcedId="school-3", name="Erlenhof", type="ext:campus")
    roster.add("orgs", sourcedId="school-4", name="Buchenhof", type="campus")
    roster.row("users", "student-1")["role"] = "studnet"
    roster.row("users", "student-2")["role"] = "Suharto"
    roster.row("users", "student-3")["status"] = "actve"
    roster.row("users", "student-4")["role"] = "Aiden"
    roster.row("users", "student-5")["enabledUser"] = "Drue"
    for each in range(1, 6):
        roster.drop("enrollments", f"class-1-student-{each}")

    folder = str(in_folder(roster.files(), tmp_path / "roster"))
    ended = adsum.run("roster", "import", folder, "--timezone", "UTC")
    report = json.loads(adsum.run("roster", "import", folder, "--timezone", "UTC", "--json").stdout)

    lines = [line.strip() for line in ended.stdout.splitlines()]
    assert lines[lines.index("2 warnings:") + 1 :] == [
        "orgs.csv:3: type is not a type of OneRoster: did you mean school?",
        "orgs.csv:5: type is not a type of OneRoster, such as school",
        "5 errors:",
        "users.csv:2: role is not a role of OneRoster: did you mean student?",
        "users.csv:3: role is not a role of OneRoster, such as student or teacher",
        "users.csv:4: status is neither active nor tobedeleted: did you mean active?",
        "users.csv:5: role is not a role of OneRoster: did you mean aide?",
        "users.csv:6: enabledUser is neither true nor false: did you mean true?",
    ]
    close = [each["params"]["close"] for each in (*report["warnings"], *report["errors"])]
    assert close == [["school"], [], ["student"], [], ["active"], ["aide"], ["true"]]


@pytest.mark.parametrize("as_json", [False, True])
async def test_a_refused_import_prints_the_reasons_with_exit_1(
    adsum: Commands, importing: Importing, invalid: Roster, tmp_path: Path, as_json: bool
) -> None:
    folder = in_folder(invalid.files(), tmp_path / "roster")

    ended = adsum.run("roster", "import", str(folder), "--strict", *(["--json"] if as_json else []))

    assert ended.returncode == 1
    if as_json:
        refusal: dict[str, Any] = json.loads(ended.stdout)
        assert (refusal["code"], len(refusal["errors"])) == ("import_refused", 60)
    else:
        assert "nothing was imported" in ended.stderr
        assert "enrollments.csv:63: " in ended.stdout
    assert not any((await importing.everything()).values())


def test_removals_are_refused_until_they_are_allowed(adsum: Commands, tmp_path: Path) -> None:
    adsum.output_of_import("roster", "import", str(in_folder(a_school(students=10).files(), tmp_path / "ten")))
    five = str(in_folder(a_school(students=5).files(), tmp_path / "five"))

    refused = adsum.run("roster", "import", five)

    assert refused.returncode == 1
    assert "users.csv: 5 of 10 active students would end" in refused.stdout
    assert "A dry run. Without --dry-run nothing" in adsum.run("roster", "import", five, "--dry-run").stdout
    assert "students    0      0        5      5" in adsum.output_of_import(
        "roster", "import", five, "--allow-removals"
    )


def test_a_file_that_is_not_a_roster_is_refused_with_exit_1(adsum: Commands, tmp_path: Path) -> None:
    folder, file = tmp_path / "empty", tmp_path / "notes.txt"
    folder.mkdir()
    file.write_text("no roster")

    empty, wrong = adsum.run("roster", "import", str(folder)), adsum.run("roster", "import", str(file))

    assert (empty.returncode, empty.stdout, empty.stderr) == (1, "", f"adsum: {folder}: it contains no CSV file\n")
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (
        *(1, ""),
        f"adsum: {file}: this is neither a folder nor a zip file\n",
    )


@pytest.mark.parametrize("arguments", [["nowhere"], [REAL, "--timezone", "Mars/Olympus"], [REAL, "--fast"], []])
def test_wrong_options_of_roster_import_exit_with_2(adsum: Commands, arguments: list[str]) -> None:
    assert adsum.run("roster", "import", *arguments).returncode == 2
