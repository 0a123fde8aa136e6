"""Counting what live progress asks of the database."""

from __future__ import annotations

from sqlalchemy import event

from adsum.wiring import Adsum
from tests.waiting import until


class Rounds:
    """Statements of the rounds since it was made: each round reads the newest runs, and then counts the open ones."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def see(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            self.statements.append(statement)

    @property
    def number(self) -> int:
        return sum("ORDER BY batch_runs.number" in statement for statement in self.statements)

    async def pass_by(self, number: int) -> None:
        """Waits until so many more rounds have begun."""
        goal = self.number + number

        async def reached() -> bool:
            return self.number >= goal

        await until(reached)


def counted_rounds(adsum: Adsum) -> Rounds:
    rounds = Rounds()
    event.listen(adsum.database.engine.sync_engine, "before_cursor_execute", rounds.see)
    return rounds
