"""An archive whose checksums fit is refused if its rows are not those of its manifest."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from adsum.platform.database.engine import open_database
from adsum.privacy.years import archive as files
from adsum.privacy.years.archive import digest_of_manifest, read_archive
from adsum.privacy.years.rules import ArchiveRefused
from tests.privacy.years.site import archived, site_on

Files: TypeAlias = dict[str, bytes]
"""The unpacked files of an archive by their tables."""

NOTHING_BUT_DOUBLES: Files = dict.fromkeys(set(files.TABLES) - {"double_records"}, b"")


def contents_of(path: Path) -> tuple[bytes, Files]:
    with tarfile.open(path) as tar:
        found = {each.name: file.read() for each in tar if (file := tar.extractfile(each)) is not None}
    return found.pop(files.MANIFEST), {
        name.removesuffix(files.ENDING): gzip.decompress(content) for name, content in found.items()
    }


def crafted(path: Path, changed: Files) -> Path:
    """A copy with other rows, whose sizes, numbers of rows and checksums fit."""
    text, contents = contents_of(path)
    contents.update(changed)
    packed = {f"{name}{files.ENDING}": gzip.compress(rows) for name, rows in contents.items()}
    manifest = json.loads(text)
    for name, content in packed.items():
        rows = contents[name.removesuffix(files.ENDING)].count(b"\n")
        sha256 = hashlib.sha256(content).hexdigest()
        manifest["files"][name] = {"rows": rows, "bytes": len(content), "sha256": sha256}
    return in_tar(path, json.dumps(manifest, indent=2).encode(), packed)


def in_tar(path: Path, manifest: bytes, packed: Files) -> Path:
    copy = path.with_name("crafted.tar")
    with tarfile.open(copy, "w") as tar:
        for name, content in ({files.MANIFEST: manifest} | packed).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return copy


def with_row(name: str, *, more: bool = False, **values: Any) -> Callable[[Files], Files]:
    """Changes a row, or adds one like it."""

    def change(contents: Files) -> Files:
        row = json.loads(contents[name])
        line = f"{json.dumps({**row, **values})}\n".encode()
        return {name: contents[name] + line if more else line}

    return change


def with_files(changed: Files) -> Callable[[Files], Files]:
    return lambda _: changed


@pytest.fixture
async def path(sqlite_url: str, tmp_path: Path) -> Path:
    database = open_database(sqlite_url)
    await archived(await site_on(database), tmp_path)
    await database.close()
    return tmp_path / "2024.tar"


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_files(NOTHING_BUT_DOUBLES), "differ from the totals"),
        (with_files({"attendance_changes": b""}), "differ from the totals"),
        (with_files({"disputed_marks": b""}), "differ from the totals"),
        (with_row("attendances", version=3), "differ from the totals"),
        (with_row("attendances", school_id=2, class_id=2), "differ from the totals"),
        (with_row("disputed_marks", resolved_at="2026-11-30T12:00:00+00:00"), "differ from the totals"),
        (with_row("attendances", learning_date="2026-11-02"), "rows of attendances"),
        (with_row("attendances", more=True), "rows of attendances"),
        (with_row("attendances", more=True, id=9), "rows of attendances"),
        (with_row("attendances", more=True, learning_date="2024-12-26"), "rows of attendances"),
        (with_row("attendance_changes", more=True), "rows of attendance_changes"),
        (with_row("attendance_changes", more=True, attendance_id=9), "rows of attendance_changes"),
        (with_row("disputed_marks", learning_date="2025-08-01"), "rows of disputed_marks"),
        (with_row("disputed_marks", more=True, id=9), "rows of disputed_marks"),
        (with_row("students", more=True), "rows of students"),
        (with_row("students", id=9), "rows of students"),
        (with_files({"students": b"5\n"}), "is not an archive"),
        (with_files({"students": b"{}\n"}), "is not an archive"),
        (with_files({"students": b"[" * 200_000 + b"\n"}), "is not an archive"),
        (with_row("students", id=10**30), "rows of students"),
        (with_row("attendances", id=10**30), "is not an archive"),
    ],
)
def test_rows_that_are_not_those_of_the_manifest_are_refused(
    path: Path, change: Callable[[Files], Files], message: str
) -> None:
    assert read_archive(crafted(path, {})).records == 1
    with pytest.raises(ArchiveRefused, match=message):
        read_archive(crafted(path, change(contents_of(path)[1])))


def test_a_line_without_an_end_is_not_read_into_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LONGEST_LINE", 3000)
    assert read_archive(path).records == 1
    long = crafted(path, {"students": b'{"id": 1, "name": "' + b"a" * 3000 + b'"}\n'})
    with pytest.raises(ArchiveRefused, match="differs from the checksum"):
        read_archive(long)


def test_no_more_rows_are_unpacked_than_the_manifest_lists(path: Path) -> None:
    text, contents = contents_of(path)
    rows = contents["students"] + b"no JSON\n" * 1000
    packed = {f"{name}{files.ENDING}": gzip.compress(each) for name, each in (contents | {"students": rows}).items()}
    manifest = json.loads(text)
    for name, content in packed.items():
        manifest["files"][name] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with pytest.raises(ArchiveRefused, match=r"students.jsonl.gz in .* differs from the checksum"):
        read_archive(in_tar(path, json.dumps(manifest, indent=2).encode(), packed))


def test_a_file_that_a_tar_does_not_contain_as_a_whole_is_not_read(path: Path) -> None:
    """A sparse file of terabytes is some bytes in a tar."""
    size, copy = 2 * 10**12, path.with_name("sparse.tar")
    fields = json.loads(contents_of(path)[0])
    fields["files"]["attendances.jsonl.gz"]["bytes"] = size
    text = json.dumps(fields, indent=2).encode()
    with tarfile.open(copy, "w", format=tarfile.PAX_FORMAT) as tar:
        manifest, sparse = tarfile.TarInfo(files.MANIFEST), tarfile.TarInfo("GNUSparseFile.0/attendances.jsonl.gz")
        manifest.size = len(text)
        tar.addfile(manifest, io.BytesIO(text))
        map_of_holes = f"1\n{size}\n0\n".encode().ljust(512, b"\0")
        sparse.size = len(map_of_holes)
        sparse.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "attendances.jsonl.gz",
            "GNU.sparse.realsize": str(size),
        }
        tar.addfile(sparse, io.BytesIO(map_of_holes))
    with tarfile.open(copy) as tar:
        assert tar.getmember("attendances.jsonl.gz").issparse()
    with pytest.raises(ArchiveRefused, match="is not an archive"):
        read_archive(copy)


def test_the_digest_is_that_of_the_file_of_the_manifest(path: Path) -> None:
    text, contents = contents_of(path)
    assert digest_of_manifest(read_archive(path)) == hashlib.sha256(text).hexdigest()

    packed = {f"{name}{files.ENDING}": gzip.compress(each) for name, each in contents.items()}
    for other in (text.replace(b"  ", b" "), text.replace(b'"files"', b'"more": 1, "files"')):
        with pytest.raises(ArchiveRefused, match="is not an archive"):
            read_archive(in_tar(path, other, packed))
