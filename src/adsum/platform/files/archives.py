"""Untrusted zip files, with a limit on the size of their directory."""

from __future__ import annotations

import zipfile
from typing import IO, Any, cast

MAX_DIRECTORY_BYTES = 2**20
"""The directory of a zip file with 500 files takes about 50 kB. Each MiB takes 0.1 s to read and 10 MB of memory."""


class LongDirectory(zipfile.BadZipFile):
    """The directory of a zip file has more bytes than any file for an import: it has too many entries."""


class BoundedZipFile(zipfile.ZipFile):
    """A zip file that is refused before its directory is read, if that is too long.

    zipfile reads the whole directory at once, and keeps an object for each entry, also for each empty folder.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Raises LongDirectory, and BadZipFile."""
        bounded = _BoundedFile(file)
        super().__init__(cast("IO[bytes]", bounded))  # it has the methods that zipfile calls
        bounded.limit = None


class _BoundedFile:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.limit: int | None = MAX_DIRECTORY_BYTES

    def read(self, size: int = -1) -> bytes:
        if self.limit is not None and size > self.limit:
            raise LongDirectory
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
