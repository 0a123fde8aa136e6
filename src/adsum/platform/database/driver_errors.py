"""What the errors of the drivers say."""

from __future__ import annotations

import sqlite3

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has types of its own, but no marker of them
from sqlalchemy.exc import DBAPIError


def state_of(error: DBAPIError | asyncpg.PostgresError) -> str | None:
    """The SQLSTATE. SQLite has none."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state if isinstance(state, str) else None


def is_locked(error: BaseException) -> bool:
    """Whether another process holds a lock on the SQLite file."""
    code = getattr(error, "sqlite_errorcode", None)  # an extended code holds the primary code in its low byte
    return isinstance(code, int) and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def name_of(error: DBAPIError | asyncpg.PostgresError) -> str:
    """The class of the error. Its text may quote a row."""
    return type(error.orig if isinstance(error, DBAPIError) else error).__name__
