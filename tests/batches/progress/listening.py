"""The API on a real socket in the test's process, and clients that read its events."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from adsum.app import create_app, end_streams
from adsum.platform.settings import Settings
from adsum.processes.serve import Server
from adsum.wiring import Adsum

DEADLINE_S = 15.0


@dataclass(frozen=True, slots=True)
class Served:
    """A listening API."""

    app: FastAPI
    port: int

    @property
    def adsum(self) -> Adsum:
        """The services of the API."""
        return self.app.state.adsum

    def path(self, batch_id: str) -> str:
        return f"http://127.0.0.1:{self.port}/attendances/batches/{batch_id}/events"

    @asynccontextmanager
    async def events(self, batch_id: str, token: str, last_id: str | None = None) -> AsyncGenerator[Stream]:
        """Opens a client that listens. Disconnects it at the end of the block."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last_id} if last_id is not None else {})
        async with (
            httpx2.AsyncClient(timeout=DEADLINE_S) as client,
            client.stream("GET", self.path(batch_id), headers=headers) as response,
        ):
            assert response.status_code == 200
            yield Stream(response, response.aiter_lines())


@dataclass(frozen=True, slots=True)
class Event:
    """One event. A comment has neither id nor name."""

    id: str | None
    name: str | None
    data: dict[str, Any]

    @property
    def settled(self) -> int:
        return self.data["totalJobs"] - self.data["remainingJobs"]


@dataclass
class Stream:
    """The events of one response, in the order of their arrival."""

    response: httpx2.Response
    lines: AsyncIterator[str]

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events()

    async def _events(self) -> AsyncGenerator[Event]:
        fields: dict[str, str] = {}
        async for line in self.lines:
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            else:
                yield Event(fields.get("id"), fields.get("event"), json.loads(fields.get("data", "{}")))
                fields = {}

    async def next(self) -> Event:
        async with asyncio.timeout(DEADLINE_S):
            return await anext(self._events())

    async def rest(self) -> list[Event]:
        async with asyncio.timeout(DEADLINE_S):
            return [event async for event in self]


@asynccontextmanager
async def served(settings: Settings) -> AsyncGenerator[Served]:
    """Runs uvicorn as `adsum serve` does, on the test's event loop."""
    app = create_app(settings)
    config = uvicorn.Config(app, http="httptools", ws="none", lifespan="on", log_config=None, access_log=False)
    server = Server(config, lambda: end_streams(app))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(DEADLINE_S):
            while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
                await asyncio.sleep(0.01)
        try:
            yield Served(app, listener.getsockname()[1])
        finally:
            server.should_exit = True
            await asyncio.wait_for(running, DEADLINE_S)
