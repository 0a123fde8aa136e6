"""The file of a backup: a compressed tar of the database, the secrets, and a manifest with their checksums.

Names in the archive are compared with a fixed list and never used as paths.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from adsum.platform.errors import AdsumError

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "adsum.db"
# The database is last: once it is in place, all files are.
FILES = ("secret.key", "credentials.json", DATABASE)
_BLOCK = 1024 * 1024
_LARGEST_MANIFEST = 64 * 1024
_QUICK = 3  # of gzip's nine levels: speed matters more than size


class BackupRefused(AdsumError):
    """A backup or a restore was refused; nothing was changed."""

    code = "backup_refused"


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """The contents of a backup.

    Attributes:
        version: the version of Adsum that made it.
        schema: the revision of the database.
        made_at: the time of the backup.
        files: the size in bytes and the hexadecimal SHA-256 of each file.
    """

    version: str
    schema: str
    made_at: datetime
    files: Mapping[str, tuple[int, str]]

    def to_json(self) -> bytes:
        files = {name: {"bytes": size, "sha256": digest} for name, (size, digest) in self.files.items()}
        fields = {"format": FORMAT, "version": self.version, "schema": self.schema, "madeAt": self.made_at.isoformat()}
        return json.dumps({**fields, "files": files}, indent=2).encode()


def pack(archive: Path, manifest: BackupManifest, folder: Path) -> None:
    """Writes a new file that only this user can read, and flushes it to disk."""
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=_QUICK) as tar:
            text = manifest.to_json()
            tar.addfile(_entry(MANIFEST, len(text), manifest.made_at), io.BytesIO(text))
            for name, (size, _) in manifest.files.items():
                with (folder / name).open("rb") as source:
                    tar.addfile(_entry(name, size, manifest.made_at), source)
        file.flush()
        os.fsync(file.fileno())


def unpack(archive: Path, folder: Path) -> BackupManifest:
    """Writes the files of a backup into an empty folder, and flushes them to disk.

    Raises:
        BackupRefused: the archive is not a backup, or its files differ from the manifest.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = iter(tar)
            manifest = _read_manifest(tar, next(members, None))
            for name in manifest.files:
                _extract(tar, next(members, None), name, manifest.files[name], folder)
            if next(members, None) is not None:
                raise BackupRefused(f"{archive} contains more than its manifest lists")
    except (
        tarfile.TarError,
        EOFError,
        zlib.error,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise BackupRefused(f"{archive} is not a backup of Adsum, or it is damaged") from error
    except OSError as error:
        raise BackupRefused(f"{archive} cannot be read or unpacked: {error}") from error
    return manifest


def digest_of(path: Path) -> tuple[int, str]:
    """The size of a file in bytes and its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        for block in _blocks(file):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def checked_revision(database: Path) -> str:
    """Checks a database file and returns the revision of its schema.

    Raises:
        BackupRefused: SQLite finds damage, or the database was never migrated.
    """
    try:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # one file, without a write-ahead log
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise BackupRefused(f"the database is damaged: {error}") from error
    if verdict != "ok" or revision is None:
        raise BackupRefused(f"the database is damaged: {verdict}")
    return str(revision[0])


def _entry(name: str, size: int, made_at: datetime) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(made_at.timestamp())
    return entry


def _read_manifest(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> BackupManifest:
    if member is None or member.name != MANIFEST or member.size > _LARGEST_MANIFEST:
        raise ValueError
    fields: dict[str, Any] = json.loads(_opened(tar, member).read())
    if fields["format"] != FORMAT:
        raise BackupRefused(f"this backup is of a newer version of Adsum, {fields['version']}")
    entries: dict[str, Any] = dict(fields["files"])
    files = {str(name): (int(each["bytes"]), str(each["sha256"])) for name, each in entries.items()}
    if DATABASE not in files or not files.keys() <= set(FILES):
        raise ValueError
    made_at = datetime.fromisoformat(fields["madeAt"])
    return BackupManifest(str(fields["version"]), str(fields["schema"]), made_at, files)


def _extract(
    tar: tarfile.TarFile, member: tarfile.TarInfo | None, name: str, promised: tuple[int, str], folder: Path
) -> None:
    if member is None or (member.name, member.size) != (name, promised[0]):
        raise ValueError
    source, target = _opened(tar, member), folder / name  # the name comes from the fixed list, not from the archive
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for block in _blocks(source):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if digest_of(target) != promised:
        raise BackupRefused(f"{name} in the backup differs from the checksum in its manifest")


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = tar.extractfile(member) if member.isreg() else None
    if opened is None:
        raise ValueError
    return opened


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


@contextmanager
def workspace_in(folder: Path, prefix: str) -> Generator[Path]:
    """A temporary private folder inside `folder`, so that its files can be renamed into place."""
    path = Path(tempfile.mkdtemp(dir=folder, prefix=prefix))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
