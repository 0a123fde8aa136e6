"""Counts the statements of live progress."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from adsum.platform.database.engine import Database
from tests.support.statements import Sent, statements_sent
from tests.support.waiting import until


class Rounds:
    """Rounds since its creation. Each round reads the newest runs, then counts the open ones."""

    def __init__(self, sent: Sent) -> None:
        self._sent = sent

    @property
    def statements(self) -> list[str]:
        """Returns the number of statements so far."""
        return [statement for statement, _ in self._sent if statement.lstrip().startswith(("SELECT", "WITH"))]

    @property
    def number(self) -> int:
        return sum("ORDER BY batch_runs.number" in statement for statement in self.statements)

    async def pass_by(self, number: int) -> None:
        """Waits until the given number of further rounds has started."""
        goal = self.number + number

        async def reached() -> bool:
            return self.number >= goal

        await until(reached)


@contextmanager
def counted_rounds(database: Database) -> Generator[Rounds]:
    with statements_sent(database) as sent:
        yield Rounds(sent)
