"""Fixtures for histories: a world for the state machine, closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from adsum.batches.queue import service
from tests.system.histories.machine import Histories
from tests.system.histories.world import World

NewWorld = Callable[[str, int], World]


@pytest.fixture
def new_world(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Generator[NewWorld]:
    """Creates a world with a database and a chunk size. Long timeouts make its histories reproducible."""
    monkeypatch.setattr(service, "REQUEST_DEADLINE_S", 60)
    opened: list[World] = []

    def new(database_url: str, chunk_size: int) -> World:
        opened.append(World(database_url, redis_url, chunk_size=chunk_size))
        Histories.world = opened[-1]
        return opened[-1]

    yield new
    for world in opened:
        world.close()
