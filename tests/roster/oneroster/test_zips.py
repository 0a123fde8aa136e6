"""Unsafe zip files are refused. In a valid one, the files are at the top or in one folder."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from adsum.platform.files.archives import MAX_DIRECTORY_BYTES
from adsum.roster.oneroster.files import MAX_FILES, UnreadableRoster, roster_files, uploaded_roster_files
from adsum.roster.oneroster.package import read_package
from tests.roster.files import a_school, in_folder, in_zip

FILES = a_school().files()


def names(archive: io.BytesIO | Path) -> list[str]:
    with roster_files(archive) as files:
        return sorted(files)


def refusal(archive: io.BytesIO | Path) -> list[str]:
    with pytest.raises(UnreadableRoster) as refused:
        read_all(archive)
    return [violation.code for violation in refused.value.violations]


def read_all(archive: io.BytesIO | Path) -> None:
    with roster_files(archive) as files:
        for table in read_package(files).tables.values():
            list(table.records(lambda row: row.source_id()))


def zip_with(extra: Mapping[str, bytes] | Mapping[zipfile.ZipInfo, bytes]) -> io.BytesIO:
    archive = in_zip(FILES)
    with zipfile.ZipFile(archive, "a") as opened:
        for name, content in extra.items():
            opened.writestr(name, content)
    return archive


@pytest.mark.parametrize("folder", ["", "export 2024/"])
def test_files_lie_at_the_top_or_in_one_folder(folder: str) -> None:
    assert names(in_zip(FILES, folder)) == sorted(FILES)


def test_a_zip_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "roster.zip"
    path.write_bytes(in_zip(FILES).getvalue())

    assert names(path) == sorted(FILES)


def test_names_are_read_in_any_case(tmp_path: Path) -> None:
    assert names(in_zip({"Users.CSV": b""})) == ["users.csv"]
    assert names(in_folder({"Users.CSV": b"", "readme.txt": b""}, tmp_path / "roster")) == ["users.csv"]


def test_files_that_macos_adds_to_a_zip_are_ignored() -> None:
    extra = {"__MACOSX/._users.csv": b"x", ".DS_Store": b"x", "__MACOSX/users.csv": b"x", "readme.txt": b"x"}

    assert names(zip_with(extra)) == sorted(FILES)


def test_files_in_several_folders_are_refused() -> None:
    assert refusal(zip_with({"other/courses.csv": b""})) == ["scattered_files"]
    assert refusal(in_zip(FILES, "a/b/")) == ["scattered_files"]


def test_the_folders_of_scattered_files_are_named() -> None:
    many = {f"{number}/users.csv": b"" for number in range(12)}

    with pytest.raises(UnreadableRoster) as refused, roster_files(zip_with({"a/b/users.csv": b"", "c/orgs.csv": b""})):
        pass
    with pytest.raises(UnreadableRoster) as of_many, roster_files(in_zip(many)):
        pass

    (violation,), (longer,) = refused.value.violations, of_many.value.violations
    assert violation.detail == (
        "CSV files are in the top, 'a/b', 'c'; they have to be together at the top, or in one folder there"
    )
    assert violation.params == {"folders": ["", "a/b", "c"]}
    assert " and 2 more; " in longer.detail


@pytest.mark.parametrize("name", ["../users.csv", "/etc/users.csv", "a\\..\\users.csv", "C:\\users.csv", "a\nb.csv"])
def test_a_path_out_of_the_zip_is_refused(name: str) -> None:
    assert refusal(zip_with({name: b""})) == ["unsafe_path"]


def test_a_link_in_a_zip_is_refused() -> None:
    link = zipfile.ZipInfo("courses.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert refusal(zip_with({link: b"/etc/passwd"})) == ["unsafe_path"]


def test_a_repeated_file_is_refused() -> None:
    assert refusal(zip_with({"USERS.csv": b""})) == ["repeated_file"]


def test_a_zip_bomb_is_refused_by_what_it_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adsum.roster.oneroster.files.MAX_UNPACKED_BYTES", 1_000_000)

    assert refusal(zip_with({"bomb.csv": b"0" * 1_000_000})) == ["too_large_unpacked"]


def test_a_zip_bomb_that_declares_less_than_it_holds_is_not_unpacked() -> None:
    bomb = in_zip({"users.csv": b"0" * 5_000_000}).getvalue()
    # Both the local header and the directory declare a wrong size.
    lying = bomb.replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))

    assert lying != bomb
    assert "damaged_file" in refusal(io.BytesIO(lying))


def test_a_zip_of_too_many_files_is_refused() -> None:
    assert refusal(in_zip({f"{number}.txt": b"" for number in range(MAX_FILES + 1)})) == ["too_many_files"]


async def test_a_zip_of_too_many_folders_is_refused_unread() -> None:
    folders = in_zip({f"{number:>200}/": b"" for number in range(MAX_DIRECTORY_BYTES // 200)})
    assert refusal(folders) == ["too_many_files"]
    with pytest.raises(UnreadableRoster):
        async with uploaded_roster_files(folders):
            pass


def test_an_encrypted_zip_is_refused() -> None:
    locked = bytearray(in_zip({"users.csv": b"sourcedId"}).getvalue())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1

    assert refusal(io.BytesIO(bytes(locked))) == ["encrypted_file"]


def test_an_unusual_compression_is_refused() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("users.csv", "sourcedId")

    assert refusal(archive) == ["unknown_compression"]


def test_a_damaged_file_is_refused() -> None:
    content = bytearray(in_zip(FILES).getvalue())
    start = content.index(b"users.csv") + len(b"users.csv")
    content[start + 30 : start + 60] = bytes(30)

    assert "damaged_file" in refusal(io.BytesIO(bytes(content)))


@pytest.mark.parametrize("content", [b"", b"sourcedId,name\r\n", b"PK\x03\x04 and no more"])
def test_a_file_that_is_not_a_zip_is_refused(content: bytes) -> None:
    assert refusal(io.BytesIO(content)) == []


def test_a_folder_or_zip_without_csv_files_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == ["missing_file"]
    assert refusal(in_zip({"readme.txt": b"x"})) == ["missing_file"]


def test_an_entry_without_a_name_is_no_file() -> None:
    files = a_school().files()
    archive = in_zip({**files, "x": b""})
    nameless = archive.getvalue().replace(b"x" + b"PK\x05\x06", b"\x00PK\x05\x06")
    with roster_files(io.BytesIO(nameless)) as opened:
        assert set(opened) == set(files)
