"""`adsum backup` and `adsum restore`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from adsum.platform.database.revision import newest_revision
from adsum.platform.embedded.data_folder import DataFolder
from tests.support.commands import commands


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    made.create()
    shutil.copy(sqlite_template, made.database)
    return made


def test_backup_and_restore_copy_a_data_folder(folder: DataFolder, tmp_path: Path) -> None:
    archive, other = tmp_path / "backup.tar.gz", tmp_path / "other"
    made = json.loads(commands().output("backup", str(archive), "--data-dir", str(folder.root), "--json"))
    assert (made["path"], made["schema"], made["bytes"]) == (str(archive), newest_revision(), archive.stat().st_size)
    restored = json.loads(commands(data_dir=str(other)).output("restore", str(archive), "--json"))
    assert restored == {"dataDir": str(other), "madeAt": made["madeAt"], "schema": newest_revision(), "keptAside": None}
    assert made["encryptedTo"] == 0
    plain = commands().output("backup", str(tmp_path / "plain.tar.gz"), "--data-dir", str(folder.root))
    assert plain.endswith("\nEncrypted to  nobody: the file is not encrypted\n")
    assert "Kept aside" not in commands(data_dir=str(tmp_path / "third")).output("restore", str(archive))
    again = commands(data_dir=str(other)).run("restore", str(archive))
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    forced = commands(data_dir=str(other)).output("restore", str(archive), "--force")
    assert "Kept aside  " + str(other / "before-restore-") in forced


@pytest.mark.parametrize(
    ("verb", "url", "message"),
    [
        ("backup", "postgresql://adsum:hunter2@db.example/adsum", "use pg_dump"),
        ("restore", "postgresql://adsum:hunter2@db.example/adsum", "use pg_restore"),
        ("backup", "sqlite:////srv/adsum.db", "a database of your own"),
    ],
)
def test_backup_refuses_a_configured_database(verb: str, url: str, message: str, tmp_path: Path) -> None:
    ended = commands(database_url=url).run(verb, str(tmp_path / "backup.tar.gz"))
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert message in ended.stderr
    assert "hunter2" not in ended.stderr
