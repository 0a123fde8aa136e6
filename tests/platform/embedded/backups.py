"""Helpers that back up and restore a data folder, and compare its files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from adsum.platform.database.revision import newest_revision
from adsum.platform.embedded.backup import Backup, back_up
from adsum.platform.embedded.data_folder import DataFolder
from adsum.platform.embedded.restore import Restored, restore

NOW = datetime(2026, 11, 23, 17, 30, tzinfo=UTC)


def make(folder: DataFolder, target: Path, *recipients: str) -> Backup:
    return back_up(folder, target, version="0.1.0", now=NOW, progress=lambda _: None, recipients=recipients)


def put_back(
    folder: DataFolder,
    archive: Path,
    *,
    force: bool = False,
    newest: str | None = None,
    identity: Path | None = None,
) -> Restored:
    newest_schema = newest or newest_revision()
    return restore(
        folder, archive, newest_schema=newest_schema, now=NOW, force=force, prepare=unchanged, identity=identity
    )


def unchanged(database: Path, revision: str) -> None:
    """Changes nothing in the database of a backup."""


def state(folder: DataFolder) -> dict[str, bytes]:
    """Returns the files of a folder, except those of a running process."""
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
