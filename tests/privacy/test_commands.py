"""`adsum student`: export and erasure on the command line."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from tests.support.commands import Commands


def test_a_students_data_is_written_as_json_and_then_erased(demo: Commands, tmp_path: Path) -> None:
    file = tmp_path / "ada.json"

    shown = json.loads(demo.output("student", "export", "1"))
    demo.output("student", "export", "1", "--output", str(file))
    erased = demo.output("student", "erase", "1", "--yes", "--json")

    assert shown["student"]["id"] == 1
    written = json.loads(file.read_text(encoding="utf-8"))
    # Each export contains its own entry of the audit log, and those before it.
    assert [entry["action"] for entry in shown.pop("auditEntries")] == ["student_exported"]
    assert [entry["action"] for entry in written.pop("auditEntries")] == ["student_exported"] * 2
    assert written == shown
    assert json.loads(erased) == {"studentId": 1, "records": 0}
    gone = demo.run("student", "export", "1")
    assert (gone.returncode, gone.stderr) == (1, "adsum: there is no student 1\n")


def test_an_erasure_needs_a_confirmation(demo: Commands) -> None:
    refused = demo.run("student", "erase", "1")

    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert json.loads(demo.output("student", "export", "1"))["student"]["id"] == 1


def test_an_export_file_is_readable_by_its_owner_only(demo: Commands, tmp_path: Path) -> None:
    file = tmp_path / "ada.json"

    demo.output("student", "export", "1", "--output", str(file))

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_records_are_merged_after_every_wrong_word_was_named(demo: Commands) -> None:
    for option in ("--prefer=both", "--choose=2024-12-25", "--choose=25.12.=keep", "--choose=2024-12-25:x=keep"):
        assert demo.run("student", "merge", "1", "2", option).returncode == 2, option
    same = demo.run("student", "merge", "1", "1")
    assert (same.returncode, same.stderr.count("\n")) == (1, 1)
    nothing = demo.run("student", "merge", "1", "2", "--choose=2024-12-25:456=keep")
    assert "there is nothing to choose on 2024-12-25 in session 456" in nothing.stderr

    names = demo.run("student", "merge", "1", "2")
    assert (names.returncode, names.stderr.count("\n")) == (1, 1)
    assert "confirm with --allow-different-names" in names.stderr
    shown = demo.run("student", "merge", "1", "2", "--dry-run")
    merged = json.loads(demo.output("student", "merge", "1", "2", "--allow-different-names", "--json"))
    again = demo.run("student", "merge", "1", "2")

    assert shown.stdout.splitlines()[-1] == "A dry run: nothing was changed."
    assert (merged["student"]["id"], merged["removed"]["id"], merged["moved"]["enrolments"]) == (1, 2, 1)
    assert shown.stderr.startswith("adsum: the names differ")
    assert again.stderr.startswith("adsum: the records were merged on")
    assert again.stdout.splitlines()[-1] == "Already merged: nothing was changed."
    assert demo.run("student", "export", "2").returncode == 1


def test_a_hold_on_the_command_line_refuses_an_erasure_until_it_is_lifted(demo: Commands) -> None:
    assert demo.run("hold", "place", "1", "--reason", "because").returncode == 2
    placed = json.loads(demo.output("hold", "place", "1", "--reason", "litigation", "--reference", "C 3", "--json"))
    refused = demo.run("student", "erase", "1", "--yes")
    listed = json.loads(demo.output("hold", "list", "--json"))
    lifted = json.loads(demo.output("hold", "lift", str(placed["id"]), "--json"))

    assert (placed["studentId"], placed["reason"], placed["reference"]) == (1, "litigation", "C 3")
    assert refused.stderr == "adsum: the data of student 1 are on hold: lift the hold first (litigation)\n"
    assert [each["id"] for each in listed] == [placed["id"]]
    assert lifted["liftedByRole"] == "admin"
    demo.output("student", "erase", "1", "--yes", "--json")
    missing = demo.run("student", "readmit", "nobody", "--school", "1")
    assert missing.stderr == "adsum: no student with this source id was erased at this school\n"


def test_periods_are_shown_and_set_with_the_code_of_the_dry_run(demo: Commands) -> None:
    for option in ("--records=0", "--records=soon", "--first-month=13"):
        assert demo.run("retention", "set", "--school", "1", option).returncode == 2, option
    assert demo.run("retention", "set", "--school", "1").returncode == 2

    options = ("retention", "set", "--school", "1", "--records", "5", "--notes", "ever", "--first-month", "9")
    preview = json.loads(demo.output(*options, "--dry-run", "--json"))
    refused = demo.run(*options)
    done = json.loads(demo.output(*options, "--confirm", preview["confirmation"], "--json"))
    shown = json.loads(demo.output("retention", "show", "--school", "1", "--json"))
    default = json.loads(demo.output("retention", "set", "--school", "1", "--records", "default", "--json"))

    assert (preview["items"], preview["count"]) == ([], 0)
    assert (refused.returncode, preview["confirmation"] in refused.stderr) == (1, True)
    assert done == shown
    assert (shown["firstMonth"], [each["years"] for each in shown["periods"]]) == (9, [5, None, None, None])
    assert default["periods"][0]["isDefault"] is True


def test_a_retention_run_needs_a_confirmation(demo: Commands) -> None:
    assert demo.run("retention", "run").returncode == 2
    dry_run = demo.run("retention", "run", "--dry-run")
    assert (dry_run.stderr, dry_run.stdout.startswith("To confirm: ")) == ("adsum: nothing is due\n", True)
    assert demo.output("retention", "run", "--yes") == "0 rows were deleted or changed.\n"
