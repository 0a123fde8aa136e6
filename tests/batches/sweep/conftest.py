"""Fixtures for tests of the sweeper: services on real servers."""

from __future__ import annotations

import pytest

from adsum.platform.settings import Settings


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """Chunks of ten students; runs are swept immediately after acceptance."""
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        secret_key="x" * 64,  # pyright: ignore[reportArgumentType]
        chunk_size=10,
        sweep_grace=0,
        sweep_interval=0.1,
    )
