"""Fixtures for histories: a world for the state machine, closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from adsum.platform.redis import connection
from tests.system.histories.runs import run_histories
from tests.system.histories.world import World

NewWorld = Callable[[str, int], World]
RunHistories = Callable[[World, int], None]


@pytest.fixture
def new_world(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Generator[NewWorld]:
    """Creates a world with a database and a chunk size. Long timeouts make its histories reproducible."""
    monkeypatch.setattr(connection, "REQUEST_DEADLINE_S", 60)
    opened: list[World] = []

    def new(database_url: str, chunk_size: int) -> World:
        opened.append(World(database_url, redis_url, chunk_size=chunk_size))
        return opened[-1]

    yield new
    for world in opened:
        world.close()


@pytest.fixture
def run(request: pytest.FixtureRequest, share: int) -> RunHistories:
    """Makes at least a number of steps in a world: in the daily form a third, with `--seed` ten times as many."""
    seed: int | None = request.config.getoption("--seed")
    if seed is None:
        return lambda world, steps: run_histories(world, steps // share)
    return lambda world, steps: run_histories(world, 10 * steps, seed=seed)
