"""Each statement in a file that writes records or their history names every column, or leaves it out for a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adsum.attendance.tables import attendance_changes, attendances

ROOT = Path(__file__).resolve().parents[2] / "src" / "adsum"
FILES = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.sql"))}
INSERT = re.compile(r"INSERT INTO (attendances|attendance_changes) \(([^)]*)\)")
UPDATE = re.compile(r"UPDATE (attendances)\s+SET (.+?)\n(?:FROM|WHERE)", re.DOTALL)
ASSIGNED = re.compile(r"(?:^|,)\s*(\w+) =")
ASSIGNED_AS_ROW = re.compile(r"(?:^|,)\s*\(([\w\s,]+)\) = \(")
TABLES = {table.name: table for table in (attendances, attendance_changes)}

# The content of a record that changes: its key and the run that inserted it never do.
KEPT = {"id", "school_id", "class_id", "session_id", "learning_date", "student_id", "run_id"}
OFFICE_NOTE = {"old_office_note", "new_office_note"}
LEFT_OUT = {
    # The database numbers records. Only the office writes its note, by a correction.
    "insert_records": {"id", "office_note"},
    "record_jobs": {"id", "office_note"},
    "apply_changes": {"office_note"},
    "apply_undo": {"office_note"},
    # A run keeps the office's note, gives no reason and undoes nothing.
    "insert_changes": {*OFFICE_NOTE, "reason", "undoes_run_id"},
    # An undo keeps the office's note, and its marks come from no planned absence.
    "insert_undo_changes": {*OFFICE_NOTE, "absence_id"},
}


def written() -> list[tuple[str, str, set[str]]]:
    """The name of each statement, the table that it writes, and the columns that it names."""
    found: list[tuple[str, str, set[str]]] = []
    for path, text in FILES.items():
        statement = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
        for table, columns in INSERT.findall(statement):
            found.append((str(path), table, {each.strip() for each in columns.split(",")}))
        for table, assignments in UPDATE.findall(statement):
            rows = re.findall(r"\w+", " ".join(ASSIGNED_AS_ROW.findall(assignments)))
            found.append((str(path), table, {*KEPT, *ASSIGNED.findall(assignments), *rows}))
    return found


WRITTEN = written()


def test_all_statements_that_write_records_are_found() -> None:
    assert {Path(path).name.split(".")[0] for path, _, _ in WRITTEN} == {*LEFT_OUT, "apply_change"}


@pytest.mark.parametrize(("path", "table", "columns"), WRITTEN, ids=[path for path, _, _ in WRITTEN])
def test_a_statement_that_writes_records_names_every_column(path: str, table: str, columns: set[str]) -> None:
    name = Path(path).name.split(".")[0]
    assert {column.name for column in TABLES[table].c} - columns == LEFT_OUT.get(name, set())
