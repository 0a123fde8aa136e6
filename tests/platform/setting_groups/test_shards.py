"""Settings of the shards of the queue."""

from __future__ import annotations

import pytest

from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import load_settings


def test_numbers_of_shards_are_separated_by_commas() -> None:
    assert load_settings(worker_shards="0, 2").worker_shards == "0,2"


@pytest.mark.parametrize("numbers", ["a", "1,,2", "-1", "1;2"])
def test_other_texts_are_no_numbers_of_shards(numbers: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ADSUM_WORKER_SHARDS: .* is not a list of numbers, such as 0,2"):
        load_settings(worker_shards=numbers)


@pytest.mark.parametrize("number", [0, 65])
def test_the_number_of_shards_is_limited(number: int) -> None:
    with pytest.raises(ConfigurationError, match="ADSUM_QUEUE_SHARDS"):
        load_settings(queue_shards=number)


def test_a_key_prefix_with_a_hash_tag_needs_a_single_shard() -> None:
    assert load_settings(key_prefix="{ours}", queue_shards=1).key_prefix == "{ours}"
    with pytest.raises(ConfigurationError, match="with several shards or a cluster a prefix has no braces"):
        load_settings(key_prefix="{ours}", queue_shards=2)
