"""Marks classes over HTTP. Each request must be answered with 202."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

from adsum.platform.ids import Batch
from benchmarks.client import Connection, Response, request, send_all
from benchmarks.sizes import Size
from benchmarks.systems import DONE_S, System, Unfinished
from benchmarks.timetable import body

CREATE = "/attendances/create-batch"
ACCEPTED = 202
POLL_S = 0.001


class Refused(Exception):
    """A request was answered with another status than 202."""


async def mark_classes(system: System, connections: Sequence[Connection], port: int, count: int) -> None:
    """Marks `count` more classes of 30. Returns when all are accepted."""
    require_accepted(await send_all(connections, posts(system, port, system.timetable.take(count))))


async def warm_up(system: System, connections: Sequence[Connection], port: int, size: Size) -> None:
    await mark_classes(system, connections, port, size.warm)
    await system.wait_until_done()


def posts(system: System, port: int, batches: Sequence[Batch]) -> list[bytes]:
    return [request("POST", CREATE, port, system.token, body(batch)) for batch in batches]


def require_accepted(responses: Sequence[Response]) -> None:
    for response in responses:
        if response.status != ACCEPTED:
            raise Refused(f"{response.status}: {response.body[:300]!r}")


async def seconds_to_completed(system: System, connection: Connection, port: int, batch: Batch) -> float:
    """Returns the seconds from the POST of a batch to the first status "completed", on one connection."""
    begin = time.perf_counter()
    response = await connection.send(*posts(system, port, [batch]))
    require_accepted([response])
    status_request = request("GET", json.loads(response.body)["statusUrl"], port, system.token)
    while not json.loads((await connection.send(status_request)).body)["isCompleted"]:
        if time.perf_counter() - begin > DONE_S:
            raise Unfinished(f"{batch.id} is not completed after {DONE_S} s")
        await asyncio.sleep(POLL_S)
    return time.perf_counter() - begin
