"""Zip files with a long directory are refused before it is read."""

from __future__ import annotations

import io
import zipfile

import pytest

from adsum.platform.files import archives
from adsum.platform.files.archives import MAX_DIRECTORY_BYTES, BoundedZipFile, LongDirectory
from adsum.platform.files.workbook_rows import UnreadableWorkbook, workbook_rows


def zip_of_folders(count: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number:>60}/", b"")
    return file.getvalue()


@pytest.fixture(scope="module")
def long_zip() -> bytes:
    return zip_of_folders(MAX_DIRECTORY_BYTES // 100)


def test_a_long_directory_is_not_read(long_zip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZipInfo", None)  # zipfile makes one for each entry
    with pytest.raises(LongDirectory):
        BoundedZipFile(io.BytesIO(long_zip))


def test_a_workbook_with_too_many_parts_is_refused(long_zip: bytes) -> None:
    with pytest.raises(UnreadableWorkbook, match="too many parts") as refused:
        list(workbook_rows(long_zip))
    assert refused.value.code == "too_large_unpacked"


def test_the_content_of_an_entry_may_be_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    file, content = io.BytesIO(), b"x" * 10_000
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("users.csv", content)
    monkeypatch.setattr(archives, "MAX_DIRECTORY_BYTES", 1000)
    with BoundedZipFile(file) as bounded:
        assert bounded.read("users.csv") == content
