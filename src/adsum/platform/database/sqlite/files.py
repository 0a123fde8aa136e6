"""Opens files of SQLite: a new one is private, and an error names the file and the reason."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import aiosqlite

# Rows that aiosqlite fetches at once where it iterates; Adsum fetches all.
_CHUNK = 64
_OWNER_ONLY = 0o600


def open_file(file: str | Path, **options: Any) -> sqlite3.Connection:
    """Opens a database. A file that is missing is created for its owner alone: it has data of children. SQLite gives
    the files beside it the same permissions.

    Raises:
        sqlite3.OperationalError: with the path and the reason; SQLite's text has neither.
    """
    with suppress(OSError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
    try:
        return sqlite3.connect(file, **options)
    except sqlite3.OperationalError as error:
        path = Path(file).absolute()
        raise sqlite3.OperationalError(f"{path} cannot be opened: {_reason(path) or error}") from None


def _reason(path: Path) -> str | None:
    """Why the system does not open a file, or None if it does."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
    except FileNotFoundError:
        return f"there is no folder {path.parent}"
    except OSError as error:
        return error.strerror
    return None


async def open_in_thread(file: str, **options: Any) -> aiosqlite.Connection:
    """As `open_file`, in the thread of the connection.

    After a failure it waits for the end of the thread. aiosqlite does not: its thread prints an error if the event loop
    ends before it.
    """
    connection = aiosqlite.Connection(lambda: open_file(file, **options), _CHUNK)
    thread: Any = cast("Any", connection)._thread  # noqa: SLF001 - aiosqlite has no public way
    thread.daemon = True
    try:
        return await connection
    except BaseException:
        await asyncio.to_thread(thread.join)
        raise
