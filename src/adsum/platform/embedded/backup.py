"""Backs up the data folder while `up` runs. The backup omits Valkey's data: the sweeper rebuilds the queue from the
database.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from adsum.platform.embedded.archive import (
    DATABASE,
    FILES,
    BackupManifest,
    BackupRefused,
    checked_revision,
    digest_of,
    pack,
    workspace_in,
)
from adsum.platform.embedded.data_folder import DataFolder

# Pages copied between two progress reports.
_PAGES = 4096
_WORKSPACE = ".adsum-backup-"
# A path that ends so names a file; every other one is a folder.
_ENDINGS = (".tar.gz", ".age")

ReportProgress = Callable[[int], None]
"""Receives the percentage of the database that is copied."""


@dataclass(frozen=True, slots=True)
class Backup:
    """The file of a backup, its size in bytes, and its manifest."""

    path: Path
    size: int
    manifest: BackupManifest


def back_up(
    folder: DataFolder,
    target: Path,
    *,
    version: str,
    now: datetime,
    progress: ReportProgress,
    recipients: Sequence[str] = (),
) -> Backup:
    """Writes the complete file, or nothing.

    Args:
        folder: the data folder with the database, the secret and the credentials.
        target: a file that does not exist, which ends in `.tar.gz` or `.age`; or a folder, where the file is named
            after the time. A folder that is missing is not made: it may be a disk that is not mounted.
        version: the version of Adsum.
        now: the current time.
        progress: receives the progress of the copy.
        recipients: public keys of age to which the file is encrypted; none: it is not encrypted.

    Raises:
        BackupRefused: a recipient is wrong, there is no database or no such folder, the file exists, or it cannot be
            written.
    """
    encrypt = _encryption_to(recipients)
    if not folder.database.exists():
        raise BackupRefused(f"there is no database {folder.database}: nothing to back up")
    if target.is_dir():
        target /= f"adsum-{now:%Y%m%d-%H%M%S}.tar.gz{'' if encrypt is None else '.age'}"
    if target.exists():
        raise BackupRefused(f"{target} exists already, and no backup is overwritten")
    if not target.name.endswith(_ENDINGS):
        raise BackupRefused(
            f"there is no folder {target}: make it with `mkdir -p`, or name a file that ends in {' or '.join(_ENDINGS)}"
        )
    if not target.parent.is_dir():
        raise BackupRefused(f"{target} cannot be written: there is no folder {target.parent}")
    try:
        # Unencrypted files of an encrypted backup stay in the data folder: the target may be a disk of somebody else.
        plain_parent = target.parent if encrypt is None else folder.root
        with workspace_in(plain_parent, _WORKSPACE) as workspace, workspace_in(target.parent, _WORKSPACE) as beside:
            manifest = _collect(folder, workspace, version, now, progress)
            archive = workspace / "archive"
            pack(archive, manifest, workspace)
            if encrypt is not None:
                plain, archive = archive, beside / "archive"
                encrypt(plain, archive)
            publish(archive, target)
    except (OSError, sqlite3.Error) as error:
        raise BackupRefused(f"{target} cannot be written: {_reason(error)}") from error
    return Backup(target, target.stat().st_size, manifest)


def _encryption_to(recipients: Sequence[str]) -> Callable[[Path, Path], None] | None:
    """Encrypts a file into another; None: there are no recipients. Raises BackupRefused: a recipient is wrong."""
    if not recipients:
        return None
    from adsum.platform.embedded import encryption  # noqa: PLC0415 - its library is large

    keys = encryption.parse_recipients(recipients)
    return lambda plain, target: encryption.encrypt_file(plain, target, keys)


def _reason(error: OSError | sqlite3.Error) -> str:
    """The text of the error, without the name of a temporary file."""
    if isinstance(error, OSError) and _WORKSPACE in str(error.filename):
        return str(error.strerror)
    return str(error)


def _collect(
    folder: DataFolder, workspace: Path, version: str, now: datetime, progress: ReportProgress
) -> BackupManifest:
    for name in FILES:
        if name != DATABASE and (folder.root / name).exists():
            shutil.copyfile(folder.root / name, workspace / name)
    copy = workspace / DATABASE
    _copy_database(folder.database, copy, progress)
    revision = checked_revision(copy)
    files = {name: digest_of(workspace / name) for name in FILES if (workspace / name).exists()}
    return BackupManifest(version, revision, now, files)


def _copy_database(source: Path, target: Path, progress: ReportProgress) -> None:
    """Copies one state of the database. The copy reads in one transaction, which in WAL mode blocks no writer."""

    def show(_status: int, remaining: int, total: int) -> None:
        progress(100 * (total - remaining) // max(total, 1))

    with (
        closing(sqlite3.connect(f"file:{quote(str(source))}?mode=rw", uri=True, isolation_level=None)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        original.backup(copy, pages=_PAGES, progress=show)


def publish(archive: Path, target: Path) -> None:
    """Gives the finished file its name atomically. Raises BackupRefused if the name exists by now."""
    try:
        target.hardlink_to(archive)
    except FileExistsError:
        raise BackupRefused(f"{target} exists already, and no backup is overwritten") from None
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK}:
            raise
        archive.rename(target)  # a file system without hard links
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Flushes the entries of a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
