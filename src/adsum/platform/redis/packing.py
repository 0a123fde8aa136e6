"""Connections that pack commands in C, as only redis-py's synchronous client does."""

from __future__ import annotations

from functools import cache
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from typing_extensions import override


class _Packing(AbstractConnection):
    """Packs a command with the tickets of a class in 3 µs instead of 26."""

    @override
    def pack_command(self, *args: Any) -> list[bytes]:
        try:
            if " " not in args[0]:  # redis-py sends two words as two arguments
                return [hiredis.pack_command(args)]  # pyright: ignore[reportUnknownMemberType] - its types are too narrow
        except TypeError:  # an argument that redis-py converts, or refuses with an error of its own
            pass
        return super().pack_command(*args)


@cache
def packing(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """The class of connections that are of `kind`, and pack commands in C."""
    return type(f"Packing{kind.__name__}", (_Packing, kind), {})
