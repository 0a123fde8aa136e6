"""The packaged sample files: two high schools of 86 students in 28 classes."""

from __future__ import annotations

from pathlib import Path

from adsum.operations.migrations import tables
from tests.roster.conftest import ADDED_BY_REAL_FILES, REAL, Importing, added
from tests.roster.files import in_zip


async def test_the_real_files_are_imported_without_errors_and_a_second_import_changes_nothing(
    importing: Importing,
) -> None:
    report = await importing.run_from(REAL)

    assert report.violations == ()
    assert report.ignored_files == ("courses.csv",)
    assert added(report) == ADDED_BY_REAL_FILES
    assert (await importing.run_from(REAL)).changes_nothing


async def test_the_real_files_in_a_zip_with_one_folder_import_the_same_roster(
    importing: Importing, tmp_path: Path
) -> None:
    await importing.run_from(REAL)
    files = {path.name: path.read_bytes() for path in REAL.glob("*.csv")}

    assert (await importing.run_from(in_zip(files, "export/"))).changes_nothing


async def test_the_periods_of_the_real_files_become_sessions(importing: Importing) -> None:
    await importing.run_from(REAL)

    assert {row["title"] for row in await importing.rows(tables.sessions)} == {f"Period {n}" for n in range(1, 8)}


def test_the_real_files_are_packaged_with_their_notice() -> None:
    notice = (REAL / "NOTICE").read_text(encoding="utf-8")

    assert "MIT License" in notice
    assert "Copyright (c) 2017 Microsoft Corporation" in notice
