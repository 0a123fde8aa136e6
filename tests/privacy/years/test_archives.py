"""A school year is archived in a file that can be checked."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import stat
import tarfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from adsum.accounts.audit.tables import audit_entries
from adsum.attendance.tables import attendance_changes, attendances
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import open_database
from adsum.privacy.years import archive as files
from adsum.privacy.years.archive import ArchiveRefused, digest_of_manifest, read_archive
from tests.privacy.years.site import (
    OFFICE,
    Site,
    archived,
    names_in,
    rows,
    site_on,
)
from tests.support.commands import Commands


async def test_an_archive_has_the_records_of_the_year_with_all_columns_and_the_names(
    site: Site, tmp_path: Path
) -> None:
    path = tmp_path / "2024.tar"

    manifest = await site.archives.archive(2024, path, OFFICE)

    assert read_archive(path) == manifest
    assert (manifest.first, manifest.end) == (date(2024, 8, 1), date(2025, 8, 1))
    assert (manifest.records, manifest.changes) == (1, 1)
    (mark,) = rows(path, "attendances")
    assert list(mark) == attendances.c.keys()
    assert (mark["id"], mark["learning_date"], mark["status"], mark["version"]) == (
        site.records[0],
        "2024-12-25",
        "absent",
        2,
    )
    (change,) = rows(path, "attendance_changes")
    assert list(change) == attendance_changes.c.keys()
    assert (change["attendance_id"], change["new_note"]) == (site.records[0], "Grüße")
    assert [each["status"] for each in rows(path, "disputed_marks")] == ["late"]
    assert [each["id"] for each in rows(path, "students")] == [site.school.student_ids[0]]
    assert [len(rows(path, name)) for name in ("schools", "classes", "sessions")] == [1, 1, 1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == [path.name]
    async with site.database.snapshot() as connection:
        (entry,) = (await connection.execute(select(audit_entries.c.action, audit_entries.c.after))).all()
    assert entry.action == "year_archived"
    sha256 = digest_of_manifest(manifest)
    assert json.loads(entry.after) == {"year": 2024, "records": 1, "changes": 1, "sha256": sha256}


async def test_an_archive_replaces_no_file_and_needs_a_folder(site: Site, tmp_path: Path) -> None:
    await archived(site, tmp_path)
    with pytest.raises(ArchiveRefused, match="exists already"):
        await archived(site, tmp_path)
    with pytest.raises(ArchiveRefused, match="no folder"):
        await archived(site, tmp_path / "missing")


async def test_an_archive_that_cannot_be_written_leaves_no_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("adsum.privacy.years.archives.write_archive", full)
    with pytest.raises(ArchiveRefused, match="No space left"):
        await archived(site, tmp_path)
    assert names_in(tmp_path) == []


async def test_an_archive_that_reads_differently_is_not_published(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlike(_: Path) -> None:
        return None

    monkeypatch.setattr("adsum.privacy.years.archives.read_archive", unlike)
    with pytest.raises(ArchiveRefused, match="not written correctly"):
        await archived(site, tmp_path)
    assert names_in(tmp_path) == []


def changed(path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], extra: str | None = None) -> Path:
    """A copy of an archive with other members."""
    copy = path.with_name("changed.tar")
    with tarfile.open(path) as old, tarfile.open(copy, "w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            found = change(member.name, file.read())
            if found is not None:
                member.name, content = found
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
        if extra is not None:
            new.addfile(tarfile.TarInfo(extra))
    return copy


def fewer_rows(name: str, content: bytes) -> tuple[str, bytes]:
    return name, gzip.compress(b"") if name == "attendances.jsonl.gz" else content


def with_manifest(old: str, new: str) -> Callable[[str, bytes], tuple[str, bytes]]:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        return name, content.replace(old.encode(), new.encode()) if name == files.MANIFEST else content

    return change


def unchanged(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content


def without(missing: str) -> Callable[[str, bytes], tuple[str, bytes] | None]:
    return lambda name, content: None if name == missing else (name, content)


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("change", "extra", "message"),
    [
        (fewer_rows, None, "differs from the checksum"),
        (without("students.jsonl.gz"), None, "differs from the checksum"),
        (without(files.MANIFEST), None, "not an archive"),
        (with_manifest('"format": 2', '"format": 3'), None, "newer version"),
        (with_manifest("students.jsonl.gz", "../students"), None, "not an archive"),
        (with_manifest('"rows": 1', '"rows": 2'), None, "differs from the checksum"),
        (unchanged, "more.txt", "more than its manifest lists"),
    ],
)
async def test_a_changed_archive_is_refused(
    sqlite_url: str, tmp_path: Path, change: Any, extra: str | None, message: str
) -> None:
    database = open_database(sqlite_url)
    await archived(await site_on(database), tmp_path)
    await database.close()

    with pytest.raises(ArchiveRefused, match=message):
        read_archive(changed(tmp_path / "2024.tar", change, extra))


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    other = tmp_path / "notes.tar"
    other.write_text("notes", encoding="utf-8")
    with pytest.raises(ArchiveRefused, match="not an archive"):
        read_archive(other)
    with pytest.raises(ArchiveRefused, match="cannot be read"):
        read_archive(tmp_path / "missing.tar")
    with tarfile.open(other, "w") as tar:
        folder = tarfile.TarInfo(files.MANIFEST)
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    with pytest.raises(ArchiveRefused, match="not an archive"):
        read_archive(other)


def test_a_year_is_archived_checked_and_dropped_by_commands(demo: Commands, tmp_path: Path) -> None:
    path = str(tmp_path / "2020.tar")

    refused = demo.run("year", "archive", "2020", path, "--drop")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    archived = demo.run("year", "archive", "2020", path, "--drop", "--yes", "--json")
    assert "no school has records from 2020-08-01 to 2021-07-31" in archived.stderr
    made = json.loads(archived.stdout)
    assert (made["year"], made["firstDay"], made["lastDay"], made["records"]) == (2020, "2020-08-01", "2021-07-31", 0)

    assert json.loads(demo.output("year", "verify", path, "--json")) == made
    assert json.loads(demo.output("year", "drop", path, "--yes", "--json")) == made
    (tmp_path / "2020.tar").write_bytes(b"")
    damaged = demo.run("year", "verify", path)
    assert (damaged.returncode, damaged.stderr.count("\n")) == (1, 1)


def test_nothing_is_archived_for_a_drop_that_would_be_refused(demo: Commands, tmp_path: Path) -> None:
    year = str(system_clock().year)  # it ends next year

    refused = demo.run("year", "archive", year, str(tmp_path / "year.tar"), "--drop", "--yes")

    assert (refused.returncode, "the school year ends on" in refused.stderr) == (1, True)
    assert not (tmp_path / "year.tar").exists()


def test_equal_rows_make_equal_files(tmp_path: Path) -> None:
    digests = set[str]()
    for name in ("a", "b"):
        with files.RowsFile(tmp_path, name) as file:
            file.write([{"day": date(2024, 12, 25), "note": None}])
        assert file.described()[:1] == (1,)
        digests.add(hashlib.sha256((tmp_path / f"{name}{files.ENDING}").read_bytes()).hexdigest())
    assert len(digests) == 1
    with pytest.raises(TypeError), files.RowsFile(tmp_path, "c") as file:
        file.write([{"day": {1}}])
