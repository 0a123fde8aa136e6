"""A backup is one complete file or none."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from adsum.platform.database.revision import newest_revision
from adsum.platform.embedded import backup
from adsum.platform.embedded.archive import BackupManifest, BackupRefused
from adsum.platform.embedded.backup import back_up
from adsum.platform.embedded.data_folder import DataFolder
from tests.platform.embedded.backups import NOW, make, put_back, schools, write_school


def test_a_backup_is_restored_for_this_user_alone(folder: DataFolder, other: DataFolder, tmp_path: Path) -> None:
    write_school(folder.database, "Lindenhof")
    made = make(folder, tmp_path / "backup.tar.gz")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert (made.manifest.schema, made.manifest.made_at, made.size) == (
        newest_revision(),
        NOW,
        made.path.stat().st_size,
    )
    done = put_back(other, made.path)
    assert (done.kept_aside, done.manifest) == (None, made.manifest)
    assert schools(other.database) == ["Lindenhof"]
    assert other.secret.read_text() == folder.secret.read_text()
    assert other.credentials.read_text() == folder.credentials.read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (other.database, other.secret, other.credentials)} == {0o600}
    assert list(other.valkey.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_backup_into_a_folder_is_named_after_the_time(folder: DataFolder, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    assert make(folder, tmp_path / "backups").path == tmp_path / "backups" / "adsum-20261123-173000.tar.gz"


@pytest.mark.parametrize("name", ["backups", "backups/", "2026.11", "adsum.tar"])
def test_a_folder_that_does_not_exist_is_refused(folder: DataFolder, tmp_path: Path, name: str) -> None:
    """The first night would make a file of this name, and every later one would fail on it."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(
        BackupRefused, match=r"there is no folder .*: make it with `mkdir -p`, or name a file that ends"
    ):
        make(folder, Path(f"{tmp_path}/{name}"))
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_without_secrets_is_backed_up(folder: DataFolder, other: DataFolder, tmp_path: Path) -> None:
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


def test_a_file_that_appears_during_a_backup_is_not_overwritten(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, pack = tmp_path / "backup.tar.gz", backup.pack

    def appear(archive: Path, manifest: BackupManifest, workspace: Path) -> None:
        pack(archive, manifest, workspace)
        target.write_text("another one")

    monkeypatch.setattr(backup, "pack", appear)
    with pytest.raises(BackupRefused, match="exists already"):
        make(folder, target)
    assert target.read_text() == "another one"


def test_a_failed_write_leaves_no_file(folder: DataFolder, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(
        BackupRefused, match=f"^{nowhere}/backup.tar.gz cannot be written: there is no folder {nowhere}$"
    ):
        make(folder, nowhere / "backup.tar.gz")
    with pytest.raises(BackupRefused, match=r"^/proc/backup.tar.gz cannot be written: [^/]*$"):  # no file is made there
        make(folder, Path("/proc/backup.tar.gz"))
    with pytest.raises(BackupRefused, match="nothing to back up"):
        make(DataFolder(tmp_path / "empty"), tmp_path / "backup.tar.gz")
    assert not (tmp_path / "backup.tar.gz").exists()


def test_a_damaged_database_is_not_backed_up(folder: DataFolder, tmp_path: Path) -> None:
    with folder.database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 8192)
    with pytest.raises(BackupRefused):
        make(folder, tmp_path / "backup.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_copy_is_one_state_and_blocks_no_writer(folder: DataFolder, other: DataFolder, tmp_path: Path) -> None:
    """Another connection writes between two groups of pages. The copy holds the state before."""
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
