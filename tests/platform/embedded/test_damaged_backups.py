"""A backup that is damaged in any way is refused, and changes nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from adsum.platform.embedded.archive import BackupRefused
from adsum.platform.embedded.data_folder import DataFolder
from tests.platform.embedded.backups import make, put_back, state

Damage = Callable[[Path], None]


def cut_short(archive: Path) -> None:
    os.truncate(archive, archive.stat().st_size // 2)


def flip_a_byte(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)


def be_something_else(archive: Path) -> None:
    archive.write_bytes(b"no backup at all")


def be_an_empty_tar(archive: Path) -> None:
    with tarfile.open(archive, "w:gz"):
        pass


def rewritten(change: Callable[[dict[str, bytes]], None]) -> Damage:
    """The same archive, packed again after a change of its files."""

    def rewrite(archive: Path) -> None:
        with tarfile.open(archive) as tar:
            opened = {member.name: tar.extractfile(member) for member in tar}
            files = {name: file.read() for name, file in opened.items() if file is not None}
        change(files)
        with tarfile.open(archive, "w:gz") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))

    return rewrite


def change_the_secret(files: dict[str, bytes]) -> None:
    files["secret.key"] = b"0" * len(files["secret.key"])


def change_a_size(files: dict[str, bytes]) -> None:
    files["secret.key"] += b"0"


def add_a_file(files: dict[str, bytes]) -> None:
    files["surplus"] = b"x"


def leave_out_a_file(files: dict[str, bytes]) -> None:
    del files["adsum.db"]


def name_a_path(files: dict[str, bytes]) -> None:
    manifest = json.loads(files["manifest.json"])
    manifest["files"]["../escaped"] = manifest["files"].pop("secret.key")
    files["manifest.json"] = json.dumps(manifest).encode()
    files["../escaped"] = files.pop("secret.key")


def name_no_database(files: dict[str, bytes]) -> None:
    files["manifest.json"] = json.dumps({"format": 1, "version": "1", "schema": "1", "files": {}}).encode()


def be_of_a_newer_format(files: dict[str, bytes]) -> None:
    files["manifest.json"] = json.dumps({"format": 2, "version": "9.0.0"}).encode()


def write_nonsense(files: dict[str, bytes]) -> None:
    files["manifest.json"] = b"{"


def list_no_names(files: dict[str, bytes]) -> None:
    files["manifest.json"] = b'{"format": 1, "version": "1", "schema": "1", "files": [1]}'


def promise_without_end(files: dict[str, bytes]) -> None:
    files["manifest.json"] = b'{"format": 1, "files": {"adsum.db": {"bytes": 1e999, "sha256": ""}}}'


def nest_without_end(files: dict[str, bytes]) -> None:
    files["manifest.json"] = b"[" * 60_000


def link_to_a_secret(archive: Path) -> None:
    with gzip.open(archive) as file, tarfile.open(fileobj=file) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        content = json.loads(manifest.read())
    content["files"]["secret.key"]["bytes"] = 0
    text = json.dumps(content).encode()
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
        link = tarfile.TarInfo("secret.key")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        tar.addfile(link)


@pytest.mark.parametrize(
    "damage",
    [
        cut_short,
        flip_a_byte,
        be_something_else,
        be_an_empty_tar,
        link_to_a_secret,
        *map(
            rewritten,
            [
                change_the_secret,
                change_a_size,
                add_a_file,
                leave_out_a_file,
                name_a_path,
                name_no_database,
                be_of_a_newer_format,
                write_nonsense,
                list_no_names,
                promise_without_end,
                nest_without_end,
            ],
        ),
    ],
)
def test_a_backup_that_is_damaged_in_any_way_changes_nothing(
    folder: DataFolder, tmp_path: Path, damage: Damage
) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    damage(archive)
    before = state(folder)
    with pytest.raises(BackupRefused):
        put_back(folder, archive, force=True)
    assert state(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar.gz", "data"]
