"""Tests `adsum attendance import`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adsum.attendance.rules import Mark, RecordedMark
from adsum.batches.marks_import import commands
from adsum.batches.marks_import.schemas import CorrectedMark, MarksAnswer
from adsum.batches.run import ChangedMark
from tests.support.commands import Commands

SCHOOL = ("--school", "1")


def test_a_file_is_checked_and_imported_and_errors_name_their_line(demo: Commands, tmp_path: Path) -> None:
    file, wrong = tmp_path / "marks.csv", tmp_path / "wrong.csv"
    header = "classId,sessionId,studentId,date,status\n"
    file.write_text(f"{header}123,456,1,2024-12-25,late\n123,456,2,2024-12-25,present\n")
    wrong.write_text(f"{header}123,456,1,2024-12-25,asleep\n123,456,31,2024-12-25,late\n")

    tried = json.loads(demo.output("attendance", "import", str(file), "--dry-run", "--json", *SCHOOL))
    shown = demo.output("attendance", "import", str(file), "--dry-run", *SCHOOL)
    done = demo.output("attendance", "import", str(file), *SCHOOL)
    again = demo.output("attendance", "import", str(file), *SCHOOL)
    file.write_text(f"{header}123,456,1,2024-12-25,absent\n")
    differing = demo.run("attendance", "import", str(file), *SCHOOL)
    refused = demo.run("attendance", "import", str(wrong), *SCHOOL)

    assert (tried["dryRun"], tried["rows"], tried["batches"][0]["addedJobs"]) == (True, 2, 2)
    assert shown.splitlines()[-1] == "A dry run: nothing was changed."
    assert "class-123-session-456-date-25122024" in done
    assert "dry run" not in done
    assert again.splitlines()[-1] == "Nothing changes: every mark of the file is recorded, or another mark stays."
    assert differing.stderr == "adsum: marks not applied, because other marks are recorded: 1; see --json\n"
    assert refused.returncode == 1
    assert [line.partition(":")[2][:8] for line in refused.stderr.splitlines()] == [" line 2:", " line 3:"]


def test_a_dry_run_prints_what_each_corrected_record_says_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = "class-123-session-456-date-25122024"
    changes = [
        ChangedMark(1, RecordedMark("late", "bus", 1, "08:10"), Mark("absent")),
        ChangedMark(2, RecordedMark("late", None, 1), Mark("late", "bus", left_at="09:00")),
        ChangedMark(3, RecordedMark(None), Mark("present")),
    ]
    monkeypatch.setattr(commands, "MAX_CHANGES", 2)

    def shown(*some: ChangedMark) -> str:
        corrected = [CorrectedMark.of(batch, change) for change in some]
        commands.show_changes(MarksAnswer(dry_run=True, rows=3, batches=[], changes=corrected))
        return capsys.readouterr().out

    assert shown() == ""
    assert shown(changes[2]) == f"1 record is corrected:\n  {batch}, student 3: no mark → present\n"
    assert shown(*changes) == (
        "3 records are corrected:\n"
        f"  {batch}, student 1: late → absent\n"
        f"  {batch}, student 2: none → bus, none → 09:00\n"
        "  and 1 more: see --json\n"
    )
