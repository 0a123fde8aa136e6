"""The files of a roster in a folder or a zip file, which is never unpacked to disk, and the violations in them."""

from __future__ import annotations

import asyncio
import stat
import zipfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from adsum.platform.errors import Malformed, Violation
from adsum.platform.files.archives import BoundedZipFile, LongDirectory
from adsum.platform.files.file_violations import file_violation

MAX_FILES = 500
MAX_SHOWN_FOLDERS = 10
MAX_UNPACKED_BYTES = 2**30


class UnreadableRoster(Malformed):
    """The files are not OneRoster files, or some are missing or damaged. Nothing is imported."""

    code = "unreadable_roster"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One CSV file: its name, its size in bytes, and a function that opens it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


RosterFiles = Mapping[str, SourceFile]
"""Files by lower-case name, because systems spell `academicSessions.csv` differently."""


@contextmanager
def roster_files(source: Path | IO[bytes]) -> Generator[RosterFiles]:
    """The CSV files of a folder, a zip file, or an open zip; readable inside the block.

    Raises:
        UnreadableRoster: it is neither, or an unsafe zip file.
    """
    if isinstance(source, Path) and source.is_dir():
        yield _by_name([SourceFile(path.name, path.stat().st_size, partial(path.open, "rb")) for path in _csvs(source)])
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
            archive = stack.enter_context(BoundedZipFile(file))
        except LongDirectory:
            detail = f"the zip file holds too many files or folders; at most {MAX_FILES} files are read"
            raise UnreadableRoster(detail, [Violation("too_many_files", detail, params={"limit": MAX_FILES})]) from None
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise UnreadableRoster("this is neither a folder nor a zip file") from None
        yield _files_in_zip(archive)


@asynccontextmanager
async def uploaded_roster_files(upload: IO[bytes]) -> AsyncGenerator[RosterFiles]:
    """`roster_files` of a zip file that a client sends. A thread reads its directory."""
    with ExitStack() as stack:
        yield await asyncio.to_thread(stack.enter_context, roster_files(upload))


def _csvs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv" and path.is_file())


def _files_in_zip(archive: zipfile.ZipFile) -> RosterFiles:
    # An entry may have no name, which zipfile does not expect.
    entries = [entry for entry in archive.infolist() if entry.filename and not entry.is_dir()]
    violations = [*_validate_size(entries), *(violation for entry in entries for violation in _validate_entry(entry))]
    if violations:
        raise UnreadableRoster("this zip file is not safe to read", violations)
    csvs = [entry for entry in entries if _is_roster_csv(PurePosixPath(entry.filename))]
    folders = {PurePosixPath(entry.filename).parent for entry in csvs}
    if len(folders) > 1 or any(len(folder.parts) > 1 for folder in folders):
        raise UnreadableRoster("this zip file has CSV files in wrong folders", [_scattered(folders)])
    return _by_name(
        [
            SourceFile(PurePosixPath(entry.filename).name, entry.file_size, partial(archive.open, entry))
            for entry in csvs
        ]
    )


def _scattered(folders: Collection[PurePosixPath]) -> Violation:
    """Names the folders; an empty name is the top of the zip file."""
    names = sorted("" if folder == PurePosixPath() else str(folder) for folder in folders)
    shown = ", ".join(f"{name[:100]!r}" if name else "the top" for name in names[:MAX_SHOWN_FOLDERS])
    more = f" and {len(names) - MAX_SHOWN_FOLDERS} more" if len(names) > MAX_SHOWN_FOLDERS else ""
    detail = f"CSV files are in {shown}{more}; they have to be together at the top, or in one folder there"
    return Violation("scattered_files", detail, params={"folders": names[:MAX_SHOWN_FOLDERS]})


def _is_roster_csv(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() == ".csv" and not hidden


def _validate_size(entries: Sequence[zipfile.ZipInfo]) -> list[Violation]:
    violations: list[Violation] = []
    if len(entries) > MAX_FILES:
        detail = f"the zip file holds {len(entries)} files; at most {MAX_FILES} are read"
        violations.append(Violation("too_many_files", detail, params={"files": len(entries), "limit": MAX_FILES}))
    # zipfile reads no more of an entry than its declared size, so the declared sizes are an upper bound.
    size = sum(entry.file_size for entry in entries)
    if size > MAX_UNPACKED_BYTES:
        detail = f"unpacked, the zip file would be {size} bytes; at most {MAX_UNPACKED_BYTES} are read"
        violations.append(Violation("too_large_unpacked", detail, params={"bytes": size, "limit": MAX_UNPACKED_BYTES}))
    return violations


def _validate_entry(entry: zipfile.ZipInfo) -> list[Violation]:
    name = entry.orig_filename
    path = PurePosixPath(name.replace("\\", "/"))
    shown = name[:100]
    violations: list[Violation] = []
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    if is_link or path.is_absolute() or ".." in path.parts or ":" in name or not name.isprintable():
        violations.append(file_violation("unsafe_path", shown, f"{shown!r} points out of the zip file"))
    if entry.flag_bits & 1:
        violations.append(file_violation("encrypted_file", shown, f"{shown} is encrypted"))
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        violations.append(
            file_violation("unknown_compression", shown, f"{shown} is packed in a way that is not read here")
        )
    return violations


def _by_name(files: Sequence[SourceFile]) -> RosterFiles:
    times = Counter(file.name.lower() for file in files)
    violations = [
        file_violation("repeated_file", name, f"{name} is there {count} times")
        for name, count in times.items()
        if count > 1
    ]
    if violations:
        raise UnreadableRoster("a file occurs more than once", violations)
    if not files:
        raise UnreadableRoster("it contains no CSV file", [Violation("missing_file", "it contains no CSV file")])
    return {file.name.lower(): file for file in files}
