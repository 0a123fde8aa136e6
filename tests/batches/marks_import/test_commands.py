"""Tests `adsum attendance import`."""

from __future__ import annotations

import json
from pathlib import Path

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
    file.write_text(f"{header}123,456,1,2024-12-25,absent\n")
    differing = demo.run("attendance", "import", str(file), *SCHOOL)
    corrected = demo.output("attendance", "import", str(file), "--on-existing", "update", "--dry-run", *SCHOOL)
    refused = demo.run("attendance", "import", str(wrong), *SCHOOL)

    assert (tried["dryRun"], tried["rows"], tried["batches"][0]["addedJobs"]) == (True, 2, 2)
    assert shown.splitlines()[-1] == "A dry run: nothing was changed."
    assert "class-123-session-456-date-25122024" in done
    assert "dry run" not in done
    assert differing.stderr == "adsum: marks not applied, because other marks are recorded: 1; see --json\n"
    assert "1 record is corrected:\n  class-123-session-456-date-25122024, student 1: late → absent\n" in corrected
    assert refused.returncode == 1
    assert [line.partition(":")[2][:8] for line in refused.stderr.splitlines()] == [" line 2:", " line 3:"]
