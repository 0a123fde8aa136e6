"""Records the statements that a database receives."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from adsum.platform.database.engine import Database

Sent = list[tuple[str, Any]]
"""Statements with their parameters, in the order in which they were sent."""


@contextmanager
def statements_sent(database: Database) -> Generator[Sent]:
    """Collects statements sent in the block, by SQLAlchemy or directly. A statement for many rows counts as one."""
    sent: Sent = []
    drivers: set[Any] = set()

    def keep(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    def log(query: Any) -> None:
        sent.append((query.query, query.args))

    def listen(connection: Any, _record: object, _fairy: object) -> None:
        if database.is_postgres and connection.driver_connection not in drivers:
            drivers.add(connection.driver_connection)
            connection.driver_connection.add_query_logger(log)

    listeners = (("before_cursor_execute", keep), ("checkout", listen))
    for name, listener in listeners:
        event.listen(database.engine.sync_engine, name, listener)
    try:
        yield sent
    finally:
        for name, listener in listeners:
            event.remove(database.engine.sync_engine, name, listener)
        for driver in drivers:
            driver.remove_query_logger(log)


def count_of(sent: Sent, words: str) -> int:
    """Returns the number of statements that contain these words."""
    return sum(words in statement for statement, _ in sent)
