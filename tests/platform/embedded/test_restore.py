"""A restore is complete, or changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from adsum.platform.embedded import restore as restoring
from adsum.platform.embedded.archive import BackupRefused
from adsum.platform.embedded.data_folder import DataFolder
from adsum.platform.errors import ConfigurationError
from tests.platform.embedded.backups import make, put_back, schools, state, write_school


def test_a_folder_with_data_is_replaced_only_with_force_and_kept_aside(folder: DataFolder, tmp_path: Path) -> None:
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


def test_a_folder_that_up_has_locked_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    with folder.held("http://127.0.0.1:8000"), pytest.raises(ConfigurationError, match="in use by another `adsum up`"):
        put_back(folder, archive, force=True)


def test_a_backup_of_a_newer_schema_is_refused(folder: DataFolder, other: DataFolder, tmp_path: Path) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    with pytest.raises(BackupRefused, match=r"newer than this version's, 0000: restore it with Adsum 0\.1\.0"):
        put_back(other, archive, newest="0000")
    put_back(other, archive, newest="9999")
    assert other.database.exists()


@pytest.mark.parametrize(
    ("error", "raised"), [(OSError("no more"), BackupRefused), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_failed_move_moves_all_files_back(
    folder: DataFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    raised: type[BaseException],
) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    write_school(folder.database, "after the backup")
    before, rename = state(folder), Path.rename

    def fail_at_last(self: Path, target: Path) -> Path:
        if target == folder.database and self.parent.name.startswith(".restore-"):
            raise error
        return rename(self, target)

    monkeypatch.setattr(restoring.Path, "rename", fail_at_last)
    with pytest.raises(raised):
        put_back(folder, archive, force=True)
    assert state(folder) == before
    folder.ensure_whole()
    assert [path.name for path in folder.root.iterdir() if "restore" in path.name] == []


def test_if_the_old_files_cannot_be_kept_nothing_is_moved_and_up_may_start(folder: DataFolder, tmp_path: Path) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    (folder.root / "before-restore-20261123-173000").mkdir()  # of a restore in the same second
    before = state(folder)
    with pytest.raises(BackupRefused, match="is unchanged"):
        put_back(folder, archive, force=True)
    assert state(folder) == before
    folder.ensure_whole()


def test_a_failed_second_restore_keeps_the_marker_of_an_unfinished_first_one(
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


def test_after_a_killed_restore_up_starts_only_after_another_restore(folder: DataFolder, tmp_path: Path) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    folder.half_restored.touch()
    folder.database.rename(folder.root / "somewhere")
    with pytest.raises(ConfigurationError, match="was cut off"):
        folder.ensure_whole()
    put_back(folder, archive, force=True)
    folder.ensure_whole()
    assert folder.database.exists()


def test_a_missing_backup_is_refused(other: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="there is no backup"):
        put_back(other, tmp_path / "none.tar.gz")
    assert not other.root.exists()


def test_a_folder_instead_of_a_backup_is_refused_with_its_newest_file(
    folder: DataFolder, other: DataFolder, tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    with pytest.raises(BackupRefused, match=f"^{backups} is a folder: name the file in it$"):
        put_back(other, backups)
    newest = make(folder, backups).path
    (backups / "adsum-20200101-000000.tar.gz").touch()
    with pytest.raises(BackupRefused, match=f"name the file in it, such as {newest}$"):
        put_back(other, backups)


def test_a_refused_restore_leaves_no_new_folder(folder: DataFolder, tmp_path: Path) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(BackupRefused, match="damaged"):
        put_back(DataFolder(tmp_path / "new" / "er"), archive)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar.gz", "data"]


def test_a_refused_restore_removes_only_folders_that_it_created(folder: DataFolder, tmp_path: Path) -> None:
    archive = make(folder, tmp_path / "backup.tar.gz").path
    there = DataFolder(tmp_path / "there")
    there.root.mkdir()
    with pytest.raises(BackupRefused, match="newer"):
        put_back(there, archive, newest="0000")
    assert [path.name for path in there.root.iterdir()] == ["up.lock"]
