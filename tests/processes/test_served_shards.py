"""A worker serves the shards that its setting names."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from adsum.platform.errors import ConfigurationError
from adsum.platform.redis.shards import Shard, Shards
from adsum.processes.worker import served_shards

SHARDS = Shards([Shard(number, Redis(), f"{number}:") for number in range(3)], Shard(0, Redis(), ""))


@pytest.mark.parametrize(("setting", "served"), [("", [0, 1, 2]), ("1", [1]), ("2,0,2", [0, 2])])
def test_a_worker_serves_the_named_shards_or_all(setting: str, served: list[int]) -> None:
    assert [shard.number for shard in served_shards(setting, SHARDS)] == served


def test_a_worker_of_a_missing_shard_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="there is no shard 3: their number is 3, and the first is 0"):
        served_shards("1,3", SHARDS)
