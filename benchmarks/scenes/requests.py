"""Classes that are marked over HTTP, by clients that insist on 202."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

from adsum.platform.ids import Batch
from benchmarks.client import Answer, Line, flood, request
from benchmarks.systems import DONE_S, System, Unfinished
from benchmarks.timetable import body

CREATE = "/attendances/create-batch"
ACCEPTED = 202
LOOK_S = 0.001


class Refused(Exception):
    """A request was answered otherwise than with 202."""


async def marked(system: System, lines: Sequence[Line], port: int, count: int) -> None:
    """Marks so many more classes of 30; returns when all are accepted."""
    insist(await flood(lines, posts(system, port, system.timetable.take(count))))


def posts(system: System, port: int, batches: Sequence[Batch]) -> list[bytes]:
    return [request("POST", CREATE, port, system.token, body(batch)) for batch in batches]


def insist(answers: Sequence[Answer]) -> None:
    for answer in answers:
        if answer.status != ACCEPTED:
            raise Refused(f"{answer.status}: {answer.body[:300]!r}")


async def completed(system: System, line: Line, port: int, batch: Batch) -> float:
    """Seconds from the POST of a batch to the first answer that says completed, on one connection."""
    begin = time.perf_counter()
    answer = await line.ask(*posts(system, port, [batch]))
    insist([answer])
    look = request("GET", json.loads(answer.body)["statusUrl"], port, system.token)
    while not json.loads((await line.ask(look)).body)["isCompleted"]:
        if time.perf_counter() - begin > DONE_S:
            raise Unfinished(f"{batch.id} is not completed after {DONE_S} s")
        await asyncio.sleep(LOOK_S)
    return time.perf_counter() - begin
