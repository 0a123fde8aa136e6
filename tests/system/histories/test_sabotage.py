"""Histories detect violations: they fail if a safeguard is removed from a statement or script."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from adsum.platform.database import statements
from adsum.platform.database.engine import RejectedRows
from adsum.platform.database.sqlite.cursor import fetch
from tests.system.histories.conftest import NewWorld, RunHistories

# Found after about 100 steps, and at most 1,100 with any of ten seeds.
STEPS = 4_000
LOCK_TAKEN = "an open run lost its lock to another one"
# Script, safeguard, replacement, violation. (Histories of the ledger alone detect counting without tickets: see
# tests/batches/queue.)
WEAKER_SCRIPTS = [
    ("release", "if holder ~= ARGV[1] then", "if not holder then", LOCK_TAKEN),
    ("claim", "if holder then", "if false then", LOCK_TAKEN),
    ("claim", ", 'EX', ARGV[2])\nfor", ")\nfor", "a key has no time to live"),
]
WEAKER_SCRIPTS_BY = ["release without compare", "claim without checking the holder", "no time to live"]
# The safeguard in a statement, and the violation without it.
WEAKER_STATEMENTS = [
    ("AND r.state = 'open'", AssertionError, "a run that had ended wrote a record"),
    (" AND a.version = job.expected_version", AssertionError, "a change and its record differ"),
    # The table's check constraint refuses the counts.
    (" AND tally.remaining = 0", RejectedRows, "IntegrityError"),
]
WEAKER_STATEMENTS_BY = ["no fence", "update of any version", "close with pending jobs"]


@pytest.mark.parametrize(("name", "piece", "instead", "violation"), WEAKER_SCRIPTS, ids=WEAKER_SCRIPTS_BY)
def test_histories_find_a_script_without_its_safeguard(
    new_world: NewWorld, run: RunHistories, sqlite_url: str, name: str, piece: str, instead: str, violation: str
) -> None:
    world = new_world(sqlite_url, 2)
    world.ledger.weaken(name, piece, instead)
    with pytest.raises(AssertionError, match=violation):
        run(world, STEPS)


@contextmanager
def statements_without(piece: str) -> Generator[list[str]]:
    """Removes a safeguard from all statements sent in the block. Yields the changed statements."""
    weakened: list[str] = []

    async def fetch_weakened(connection: Any, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        if piece in sql:
            weakened.append(sql)
        return await fetch(connection, sql.replace(piece, ""), values)

    with pytest.MonkeyPatch.context() as changing:
        changing.setattr(statements, "fetch", fetch_weakened)
        yield weakened


@pytest.mark.parametrize(("piece", "error", "violation"), WEAKER_STATEMENTS, ids=WEAKER_STATEMENTS_BY)
def test_histories_find_a_statement_without_its_safeguard(
    new_world: NewWorld, run: RunHistories, sqlite_url: str, piece: str, error: type[Exception], violation: str
) -> None:
    world = new_world(sqlite_url, 2)
    with statements_without(piece) as weakened, pytest.raises(error, match=violation):
        run(world, STEPS)
    assert weakened
