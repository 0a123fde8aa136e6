"""A backup is one whole file or none; a restore is all of it or nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adsum.embedded import backup, restoring
from adsum.embedded.archive import BackupRefused, Manifest
from adsum.embedded.backup import Backup, back_up
from adsum.embedded.data_folder import DataFolder
from adsum.embedded.restoring import Restored, restore
from adsum.errors import ConfigurationError

NOW = datetime(2026, 11, 23, 17, 30, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> DataFolder:
    """As `up` leaves one: a database, a secret, accounts, and Valkey's files."""
    made = DataFolder(tmp_path / "data")
    made.create()
    shutil.copyfile(sqlite_template, made.database)
    made.ensure_secret()
    made.keep_credentials({"admin@school.example": "a-password"})
    (made.valkey / "appendonly.aof").write_text("what waits")
    return made


@pytest.fixture
def other(tmp_path: Path) -> DataFolder:
    """A folder that is not there yet."""
    return DataFolder(tmp_path / "other")


def make(folder: DataFolder, target: Path) -> Backup:
    return back_up(folder, target, version="0.1.0", now=NOW, progress=lambda _: None)


def put_back(folder: DataFolder, archive: Path, *, force: bool = False, newest: str = "0001") -> Restored:
    return restore(folder, archive, newest_schema=newest, now=NOW, force=force)


def state(folder: DataFolder) -> dict[str, bytes]:
    """Every file of a folder, but for what belongs to a process."""
    return {
        str(path.relative_to(folder.root)): path.read_bytes()
        for path in sorted(folder.root.rglob("*"))
        if path.is_file() and path != folder.lock
    }


def write_school(database: Path, name: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO schools (name, time_zone) VALUES (?, 'UTC')", (name,))


def schools(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM schools ORDER BY id")]


def test_what_was_backed_up_is_restored_for_this_user_alone(
    folder: DataFolder, other: DataFolder, tmp_path: Path
) -> None:
    write_school(folder.database, "Lindenhof")
    made = make(folder, tmp_path / "backup.tar.gz")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert (made.manifest.schema, made.manifest.made_at, made.size) == ("0001", NOW, made.path.stat().st_size)
    done = put_back(other, made.path)
    assert (done.kept_aside, done.manifest) == (None, made.manifest)
    assert schools(other.database) == ["Lindenhof"]
    assert other.secret.read_text() == folder.secret.read_text()
    assert other.credentials.read_text() == folder.credentials.read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (other.database, other.secret, other.credentials)} == {0o600}
    assert list(other.valkey.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_is_given_a_file_that_is_named_after_the_moment(folder: DataFolder, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    assert make(folder, tmp_path / "backups").path == tmp_path / "backups" / "adsum-20261123-173000.tar.gz"


def test_a_folder_without_secrets_of_its_own_is_backed_up_too(
    folder: DataFolder, other: DataFolder, tmp_path: Path
) -> None:
    folder.secret.unlink()
    folder.credentials.unlink()
    put_back(other, make(folder, tmp_path / "backup.tar.gz").path)
    assert (other.database.exists(), other.secret.exists()) == (True, False)


def test_a_backup_is_never_overwritten(folder: DataFolder, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar.gz"
    target.write_text("another one")
    with pytest.raises(BackupRefused, match="exists already"):
        make(folder, target)
    assert target.read_text() == "another one"


def test_a_backup_that_appears_meanwhile_is_not_overwritten(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, pack = tmp_path / "backup.tar.gz", backup.pack

    def appear(archive: Path, manifest: Manifest, workspace: Path) -> None:
        pack(archive, manifest, workspace)
        target.write_text("another one")

    monkeypatch.setattr(backup, "pack", appear)
    with pytest.raises(BackupRefused, match="exists already"):
        make(folder, target)
    assert target.read_text() == "another one"


def test_where_nothing_can_be_written_nothing_is_left(folder: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="cannot be written"):
        make(folder, tmp_path / "nowhere" / "backup.tar.gz")
    with pytest.raises(BackupRefused, match="nothing to back up"):
        make(DataFolder(tmp_path / "empty"), tmp_path / "backup.tar.gz")
    assert not (tmp_path / "backup.tar.gz").exists()


def test_a_database_that_is_not_whole_is_not_backed_up(folder: DataFolder, tmp_path: Path) -> None:
    with folder.database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 8192)
    with pytest.raises(BackupRefused):
        make(folder, tmp_path / "backup.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_copy_is_of_one_moment_and_keeps_nobody_from_writing(
    folder: DataFolder, other: DataFolder, tmp_path: Path
) -> None:
    """While it is being copied, page group by page group, somebody writes; what is copied is what was there before."""
    with closing(sqlite3.connect(folder.database)) as writer, writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE filling (text)")
        writer.executemany("INSERT INTO filling VALUES (?)", [("x" * 4000,)] * 12_000)
    steps: list[int] = []

    def write(done: int) -> None:
        steps.append(done)
        write_school(folder.database, f"at {done} %")

    made = back_up(folder, tmp_path / "backup.tar.gz", version="0.1.0", now=NOW, progress=write)
    put_back(other, made.path)
    assert len(steps) > 2
    assert (len(schools(folder.database)), schools(other.database)) == (len(steps), [])


def test_a_folder_with_data_is_left_alone_unless_it_is_forced_and_then_kept_aside(
    folder: DataFolder, tmp_path: Path
) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    write_school(folder.database, "after the backup")
    log = folder.database.with_name("adsum.db-wal")
    log.write_bytes(b"")  # another database's log would destroy this one
    before = state(folder)
    with pytest.raises(BackupRefused, match="--force"):
        put_back(folder, archive)
    assert state(folder) == before
    assert put_back(folder, archive, force=True).kept_aside is not None
    aside = folder.root / "before-restore-20261123-173000"
    assert schools(aside / "adsum.db") == ["after the backup"]
    assert (aside / "valkey" / "appendonly.aof").read_text() == "what waits"
    assert (schools(folder.database), list(folder.valkey.iterdir()), log.exists()) == ([], [], False)


def test_a_folder_that_an_up_works_on_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    with folder.held("http://127.0.0.1:8000"), pytest.raises(ConfigurationError, match="in use by another `adsum up`"):
        put_back(folder, archive, force=True)


def test_a_backup_of_a_newer_schema_is_refused(folder: DataFolder, other: DataFolder, tmp_path: Path) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    with pytest.raises(BackupRefused, match=r"newer than this version's, 0000: restore it with Adsum 0\.1\.0"):
        put_back(other, archive, newest="0000")
    put_back(other, archive, newest="0002")
    assert other.database.exists()


@pytest.mark.parametrize(
    ("error", "told"), [(OSError("no more"), BackupRefused), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_what_cannot_be_moved_to_the_end_is_all_moved_back(
    folder: DataFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    told: type[BaseException],
) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    write_school(folder.database, "after the backup")
    before, rename = state(folder), Path.rename

    def fail_at_last(self: Path, target: Path) -> Path:
        if target == folder.database and self.parent.name.startswith(".restore-"):
            raise error
        return rename(self, target)

    monkeypatch.setattr(restoring.Path, "rename", fail_at_last)
    with pytest.raises(told):
        put_back(folder, archive, force=True)
    assert state(folder) == before
    folder.ensure_whole()
    assert [path.name for path in folder.root.iterdir() if "restore" in path.name] == []


def test_where_what_was_there_cannot_be_kept_aside_nothing_is_moved_and_up_may_start(
    folder: DataFolder, tmp_path: Path
) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    (folder.root / "before-restore-20261123-173000").mkdir()  # of a restore in the same second
    before = state(folder)
    with pytest.raises(BackupRefused, match="is as it was"):
        put_back(folder, archive, force=True)
    assert state(folder) == before
    folder.ensure_whole()


def test_a_second_restore_that_fails_does_not_hide_that_the_first_one_was_cut_off(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    folder.half_restored.touch()

    def fail(self: Path, target: Path) -> Path:
        raise OSError("no more")

    monkeypatch.setattr(restoring.Path, "rename", fail)
    with pytest.raises(BackupRefused):
        put_back(folder, archive, force=True)
    with pytest.raises(ConfigurationError, match="was cut off"):
        folder.ensure_whole()


def test_after_a_restore_that_was_killed_up_does_not_start_until_it_is_done_again(
    folder: DataFolder, tmp_path: Path
) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    folder.half_restored.touch()
    folder.database.rename(folder.root / "somewhere")
    with pytest.raises(ConfigurationError, match="was cut off"):
        folder.ensure_whole()
    put_back(folder, archive, force=True)
    folder.ensure_whole()
    assert folder.database.exists()


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


def test_a_backup_that_is_not_there_is_told(other: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="there is no backup"):
        put_back(other, tmp_path / "none.tar.gz")
    assert not other.root.exists()
