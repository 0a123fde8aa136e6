"""The slots of a cluster, and the prefixes that put the keys of a shard into one."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable, Iterator
from itertools import count

SLOTS = 16_384
# The hash tag of keys that belong to no session.
HOME = "{adsum}"


def slot_of(key: str) -> int:
    """The slot of a key in a cluster."""
    _, opened, rest = key.partition("{")
    tag, closed, _ = rest.partition("}")
    return crc_hqx((tag if opened and closed and tag else key).encode(), 0) % SLOTS


def shard_prefixes(key_prefix: str, number: int, *, is_cluster: bool) -> list[str]:
    """The prefix of the keys of each shard. A single shard without a cluster has that of the installation, so that its
    keys are the same as without shards.
    """
    return [f"{key_prefix}{tag}" for tag in tags(number)] if is_cluster or number > 1 else [key_prefix]


def home_prefix(key_prefix: str, *, is_cluster: bool) -> str:
    """The prefix of keys that belong to no session."""
    return f"{key_prefix}{HOME}" if is_cluster else key_prefix


def tags(number: int) -> list[str]:
    """The hash tags of this number of shards.

    The slots are divided into equal parts, and each tag is in the middle of one. A cluster with as many primaries as
    shards then has one shard on each; tags chosen without regard to their slots would leave some primaries idle.
    """
    return [next(filter(_in_middle(shard, number), _candidates(shard, number))) for shard in range(number)]


def _candidates(shard: int, number: int) -> Iterator[str]:
    return (f"{{adsum-{shard}-of-{number}-{attempt}}}" for attempt in count())


def _in_middle(shard: int, number: int) -> Callable[[str], bool]:
    size = SLOTS / number
    return lambda tag: (shard + 0.25) * size <= slot_of(tag) < (shard + 0.75) * size
