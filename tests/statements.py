"""Which statements a database is sent."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from adsum.storage.database import Database

Sent = list[tuple[str, Any]]
"""Statements with their parameters, in the order in which they were sent."""


@contextmanager
def statements_sent(database: Database) -> Generator[Sent]:
    """What is sent meanwhile; many rows at once are one statement."""
    sent: Sent = []

    def keep(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", keep)


def count_of(sent: Sent, beginning: str) -> int:
    """How many of these statements begin so."""
    return sum(statement.startswith(beginning) for statement, _ in sent)
