"""The file of an archive: a tar of compressed JSON Lines, one file a table, behind a manifest with their checksums.

Names in the file are compared with a fixed list and never used as paths.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Self

from adsum.platform.embedded.archive import digest_of
from adsum.privacy.years.archived_rows import ArchivedRows
from adsum.privacy.years.rules import ArchiveRefused, SchoolTotals, YearManifest

FORMAT = 2
# Archives of this format lack the revision of the schema.
FORMAT_WITHOUT_SCHEMA = 1
MANIFEST = "manifest.json"
ENDING = ".jsonl.gz"
TABLES = (
    *("attendances", "attendance_changes", "disputed_marks", "double_records"),
    *("schools", "classes", "sessions", "students"),
)
"""The files, in their order."""
_LARGEST_MANIFEST = 8 * 1024 * 1024
_LONGEST_LINE = 8 * 1024 * 1024
_DAMAGED = (
    *(tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile),
    *(ValueError, KeyError, TypeError, OverflowError, RecursionError),
)


class RowsFile:
    """A compressed file of rows, which is complete at the end of a `with` block. The same rows make the same file."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}{ENDING}"
        self._rows = 0
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._zip = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._file:
            self._zip.close()

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Adds rows, one line each."""
        for row in rows:
            line = json.dumps(row, default=_text, ensure_ascii=False, separators=(",", ":"))
            self._zip.write(f"{line}\n".encode())
            self._rows += 1

    def described(self) -> tuple[int, int, str]:
        """The rows, the bytes and the SHA-256 of the complete file."""
        return (self._rows, *digest_of(self._path))


def _text(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def digest_of_manifest(manifest: YearManifest) -> str:
    """The SHA-256 of the file `manifest.json`, which has the checksums of the others: no two archives share it."""
    return hashlib.sha256(_to_json(manifest)).hexdigest()


def require_new_file(target: Path) -> None:
    """Raises ArchiveRefused: there is a file of this name, or no such folder."""
    if target.exists():
        raise ArchiveRefused(f"{target} exists already, and no archive is overwritten")
    if not target.parent.is_dir():
        raise ArchiveRefused(f"{target} cannot be written: there is no folder {target.parent}")


def write_archive(path: Path, manifest: YearManifest, folder: Path) -> None:
    """Writes a new file that only this user can read, and flushes it to disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            text = _to_json(manifest)
            tar.addfile(_entry(MANIFEST, len(text), manifest), io.BytesIO(text))
            for name, (_, size, _digest) in manifest.files.items():
                with (folder / name).open("rb") as source:
                    tar.addfile(_entry(name, size, manifest), source)
        file.flush()
        os.fsync(file.fileno())


def read_archive(path: Path) -> YearManifest:
    """Reads an archive once, and compares it with its manifest: files with their checksums, rows with the totals.

    Raises:
        ArchiveRefused: the file is no archive, or it is damaged.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            members = iter(tar)
            manifest = _manifest_in(tar, next(members, None))
            rows = ArchivedRows(manifest.first, manifest.end)
            for name, expected in manifest.files.items():
                read = rows.reader_of(name.removesuffix(ENDING))
                if not _is_read_whole(tar, next(members, None), name, expected, read):
                    raise ArchiveRefused(f"{name} in {path} differs from the checksum in its manifest")
            if next(members, None) is not None:
                raise ArchiveRefused(f"{path} contains more than its manifest lists")
            if rows.totals() != manifest.totals:
                raise ArchiveRefused(f"the rows of {path} differ from the totals in its manifest")
    except _DAMAGED as error:
        raise ArchiveRefused(f"{path} is not an archive of Adsum, or it is damaged") from error
    except OSError as error:
        raise ArchiveRefused(f"{path} cannot be read: {error.strerror}") from error
    return manifest


class _Hashed(io.RawIOBase):
    """A file of which the bytes are hashed as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block


def _is_read_whole(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo | None,
    name: str,
    expected: tuple[int, int, str],
    read: Callable[[dict[str, Any]], None],
) -> bool:
    """Reads the rows of a file: no more than the manifest lists, and none of a file of another size."""
    rows, size, sha256 = expected
    if member is None or member.name != name or member.size != size:
        return False
    with _opened(tar, member) as file:
        hashed, count = _Hashed(file), 0
        with gzip.GzipFile(fileobj=hashed, mode="rb") as lines:
            while line := lines.readline(_LONGEST_LINE):
                count += 1
                if count > rows or not line.endswith(b"\n"):
                    return False
                read(json.loads(line))
    return count == rows and hashed.digest.hexdigest() == sha256


def _manifest_in(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> YearManifest:
    if member is None or member.name != MANIFEST or member.size > _LARGEST_MANIFEST:
        raise ValueError
    with _opened(tar, member) as file:
        text = file.read()
    manifest = _from_json(json.loads(text))
    # The digest of an archive is computed from what was read. It would not cover another form, or fields that are not
    # read.
    if _to_json(manifest) != text:
        raise ValueError
    return manifest


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if opened is None:
        raise ValueError
    return opened


def _entry(name: str, size: int, manifest: YearManifest) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(manifest.made_at.timestamp())
    return entry


def _to_json(manifest: YearManifest) -> bytes:
    files = {name: {"rows": rows, "bytes": size, "sha256": sha} for name, (rows, size, sha) in manifest.files.items()}
    # The digest of an older manifest is that of its own form.
    has_schema = manifest.schema is not None
    fields = {
        "format": FORMAT if has_schema else FORMAT_WITHOUT_SCHEMA,
        "version": manifest.version,
        **({"schema": manifest.schema} if has_schema else {}),
        "madeAt": manifest.made_at.isoformat(),
        "first": manifest.first.isoformat(),
        "end": manifest.end.isoformat(),
        "schools": {str(school_id): asdict(totals) for school_id, totals in manifest.totals.items()},
        "files": files,
    }
    return json.dumps(fields, indent=2).encode()


def _from_json(fields: dict[str, Any]) -> YearManifest:
    if fields["format"] not in {FORMAT, FORMAT_WITHOUT_SCHEMA}:
        raise ArchiveRefused(f"this archive is of a newer version of Adsum, {fields['version']}")
    entries: dict[str, Any] = dict(fields["files"])
    if tuple(entries) != tuple(f"{name}{ENDING}" for name in TABLES):
        raise ValueError
    return YearManifest(
        str(fields["version"]),
        str(fields["schema"]) if fields["format"] == FORMAT else None,
        datetime.fromisoformat(fields["madeAt"]),
        date.fromisoformat(fields["first"]),
        date.fromisoformat(fields["end"]),
        {int(school_id): SchoolTotals(**totals) for school_id, totals in dict(fields["schools"]).items()},
        {name: (int(each["rows"]), int(each["bytes"]), str(each["sha256"])) for name, each in entries.items()},
    )
