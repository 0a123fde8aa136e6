"""`GET /attendances/batches/{batchId}/events`: server-sent events that tell how far a batch has come.

States, not messages: whoever comes late, or reads slowly, gets the newest one, and never all that were in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from adsum.batches.endpoints import BatchId, Reader
from adsum.batches.progress import Watch
from adsum.batches.progress_events import event_id
from adsum.batches.rules import BatchStatus
from adsum.batches.schemas import BatchStatusAnswer
from adsum.platform.http.dependencies import OpenAdsum

EVENT = "status"
# Proxies cut connections on which nothing comes for a minute or so.
KEEP_ALIVE_S = 15.0
# Whoever goes on listening has to ask again, and is authenticated again.
LONGEST_S = 900.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
ALIVE = format_sse_event(comment="alive")

router = APIRouter(prefix="/attendances", tags=["batches"])


class EventStream(StreamingResponse):
    """An answer of server-sent events."""

    media_type = "text/event-stream"


async def _watch(
    batch_id: BatchId,
    adsum: OpenAdsum,
    caller: Reader,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="The `id` of the last event that was received")
    ] = None,
) -> AsyncGenerator[Watch]:
    """Listens from before the answer begins, so that a refusal is a problem, until it ends or its client is gone."""
    async with adsum.progress.watch(batch_id, caller, last_event_id) as watch:
        yield watch


@router.get(
    "/batches/{batchId}/events",
    name="batchEvents",
    summary="Live progress of a batch",
    response_class=EventStream,
    responses={200: {"description": "Events named `status`, each with the fields of `batchStatus` as its data"}},
)
async def batch_events(watch: Annotated[Watch, Depends(_watch)]) -> EventStream:
    """The state now, each newer state, and one terminal state; then the stream ends.

    The `id` of an event is `{runId}:{settled jobs}:{state}`. With `Last-Event-ID` nothing is sent until there is a
    newer state; a terminal state is always sent. After 15 minutes a stream ends without one: ask again.
    """
    return EventStream(_lines(watch), headers=HEADERS)


async def _lines(watch: Watch) -> AsyncGenerator[bytes]:
    until = asyncio.get_running_loop().time() + LONGEST_S
    while (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            async with asyncio.timeout(min(KEEP_ALIVE_S, left)):
                status = await anext(watch, None)
        except TimeoutError:
            yield ALIVE
            continue
        if status is None:
            return
        yield _event(status)


def _event(status: BatchStatus) -> bytes:
    data = BatchStatusAnswer.of(status).model_dump_json()
    return format_sse_event(id=event_id(status), event=EVENT, data_str=data)
