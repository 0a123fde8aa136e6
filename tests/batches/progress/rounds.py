"""Counting what live progress asks of the database."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from adsum.platform.database.engine import Database
from tests.support.statements import Sent, statements_sent
from tests.support.waiting import until


class Rounds:
    """Rounds since it was made: each reads the newest runs, and then counts the open ones."""

    def __init__(self, sent: Sent) -> None:
        self._sent = sent

    @property
    def statements(self) -> list[str]:
        """What was asked so far."""
        return [statement for statement, _ in self._sent if statement.lstrip().startswith(("SELECT", "WITH"))]

    @property
    def number(self) -> int:
        return sum("ORDER BY batch_runs.number" in statement for statement in self.statements)

    async def pass_by(self, number: int) -> None:
        """Waits until so many more rounds have begun."""
        goal = self.number + number

        async def reached() -> bool:
            return self.number >= goal

        await until(reached)


@contextmanager
def counted_rounds(database: Database) -> Generator[Rounds]:
    with statements_sent(database) as sent:
        yield Rounds(sent)
