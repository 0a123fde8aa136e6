from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import DataError

from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.packing import packing

KEYS = [f"student-{number}-session-456-date-25122024" for number in range(1, 31)]


@pytest.mark.parametrize(
    "command",
    [
        ("EVALSHA", "a" * 40, 30, *KEYS, "019dae57-4cbb-7a70-a571-3cf2c6ff6ba3", 3600),
        ("CLIENT SETNAME", "adsum:1"),
        ("SET", b"\x00\xff", "Zoë 日本\r\n", 1.5, -(2**70), ""),
        ("SET", "key", memoryview(b"\x93"), bytearray(b"x")),
        (b"SET", "key", "x" * 20_000),
    ],
)
def test_commands_are_packed_as_by_redis_py(command: tuple[Any, ...]) -> None:
    ours, theirs = packing(Connection)(decode_responses=True), Connection(decode_responses=True)
    assert b"".join(ours.pack_command(*command)) == b"".join(theirs.pack_command(*command))
    assert b"".join(ours.pack_commands([command, command])) == b"".join(theirs.pack_commands([command, command]))


@pytest.mark.parametrize("value", [True, None, {"a": 1}])
def test_a_value_that_redis_py_refuses_is_refused(value: Any) -> None:
    with pytest.raises(DataError):
        packing(Connection)().pack_command("SET", "key", value)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://127.0.0.1:1", Connection),
        ("rediss://127.0.0.1:1", SSLConnection),
        ("unix:///nowhere", UnixDomainSocketConnection),
        ("redis+sentinel://127.0.0.1:1/primary", Connection),
        ("redis+cluster://127.0.0.1:1", Connection),
    ],
)
async def test_every_kind_of_client_packs_so(url: str, kind: type) -> None:
    redis = open_redis(url, connections=1, socket_timeout=1)
    connection_class = redis.connection_pool.connection_class
    assert issubclass(connection_class, kind)
    assert connection_class is packing(connection_class.__mro__[2])
    await redis.aclose()
