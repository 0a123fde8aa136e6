"""Random histories of a batch keep the invariants and end, on the real ledger and the real database.

1,200 steps in all, each followed by every check. The five students of a run form five chunks, three, or one.
"""

from __future__ import annotations

import pytest

from tests.system.histories.conftest import NewWorld, RunHistories


@pytest.mark.parametrize("chunk_size", [1, 2, 500])
def test_any_history_on_sqlite_keeps_the_invariants(
    new_world: NewWorld, run: RunHistories, sqlite_url: str, chunk_size: int
) -> None:
    run(new_world(sqlite_url, chunk_size), 300)


@pytest.mark.long
def test_any_history_on_postgres_keeps_the_invariants(
    new_world: NewWorld, run: RunHistories, postgres_url: str
) -> None:
    run(new_world(postgres_url, 2), 300)
