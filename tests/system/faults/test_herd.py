"""After an outage of the database, many clients that were refused together come back apart, and each is served."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import httpx2
import pytest

from adsum.client import AsyncClient, NewBatch
from adsum.platform.settings import Settings
from tests.support.fixtures import TEMPLATE
from tests.support.servers.controlled import controlled_postgres
from tests.support.waiting import until
from tests.system.faults.classes import create_classes
from tests.system.faults.conftest import KEY
from tests.system.faults.installation import QUICK, open_installation

CLIENTS = 150
WINDOW_S = 0.5
# Of the clients in one window. With the same pause for all it would be all of them.
SHARE = 0.35


@dataclass
class Attempts:
    """When requests began, and the statuses of their answers."""

    began: list[float] = field(default_factory=list[float])
    statuses: list[int] = field(default_factory=list[int])

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            limits=httpx2.Limits(max_connections=CLIENTS),
            event_hooks={"request": [self._note_request], "response": [self._note_response]},
        )

    async def all_are_refused(self) -> bool:
        return self.statuses.count(503) >= CLIENTS

    async def _note_request(self, _request: httpx2.Request) -> None:
        self.began.append(time.monotonic())

    async def _note_response(self, response: httpx2.Response) -> None:
        self.statuses.append(response.status_code)


@pytest.mark.long
async def test_clients_come_back_apart(postgres_data: Path, redis_url: str, tmp_path: Path) -> None:
    attempts = Attempts()
    async with AsyncExitStack() as stack:
        server, url = stack.enter_context(controlled_postgres(postgres_data, durable=True))
        await server.start()
        settings = Settings(
            database_url=url.replace("/postgres?", f"/{TEMPLATE}?"),
            redis_url=redis_url,
            secret_key=KEY,  # pyright: ignore[reportArgumentType]
        )
        installation = await stack.enter_async_context(open_installation(tmp_path, settings, has_proxies=False))
        classes = await create_classes(installation, classes=10)
        _, address = await installation.api(stack, QUICK)
        client = AsyncClient(address, token=classes.token, http=await stack.enter_async_context(attempts.client()))
        batches = [
            NewBatch(each.class_id, each.session_id, each.learning_date.isoformat(), is_selected_all=True)
            for each in islice(classes.batches(), CLIENTS)
        ]
        await server.down()
        marking = asyncio.gather(*(client.create_batch(each) for each in batches))
        await until(attempts.all_are_refused, 30)
        await server.start()
        results = await marking

    assert sum(result.total_jobs for result in results) == CLIENTS * len(classes.students)
    again = sorted(attempts.began[CLIENTS:])
    busiest = max(sum(moment <= each < moment + WINDOW_S for each in again) for moment in again)
    assert busiest <= SHARE * CLIENTS, f"{busiest} of {CLIENTS} clients within {WINDOW_S} s, {len(again)} attempts"
