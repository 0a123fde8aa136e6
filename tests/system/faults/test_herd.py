"""After an outage of the database, many clients that were refused together come back apart, and each is served."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
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


@pytest.mark.long
async def test_clients_come_back_apart(postgres_data: Path, redis_url: str, tmp_path: Path) -> None:
    began: list[float] = []
    statuses: list[int] = []

    async def note_request(_request: httpx2.Request) -> None:
        began.append(time.monotonic())

    async def note_response(response: httpx2.Response) -> None:
        statuses.append(response.status_code)

    async def all_are_refused() -> bool:
        return statuses.count(503) >= CLIENTS

    async with AsyncExitStack() as stack:
        server, url = stack.enter_context(controlled_postgres(postgres_data))
        await server.start()
        settings = Settings(
            database_url=url.replace("/postgres?", f"/{TEMPLATE}?"),
            redis_url=redis_url,
            secret_key=KEY,  # pyright: ignore[reportArgumentType]
        )
        installation = await stack.enter_async_context(open_installation(tmp_path, settings, has_proxies=False))
        classes = await create_classes(installation, classes=10)
        _, address = await installation.api(stack, QUICK)
        http = await stack.enter_async_context(
            httpx2.AsyncClient(
                limits=httpx2.Limits(max_connections=CLIENTS),
                event_hooks={"request": [note_request], "response": [note_response]},
            )
        )
        client = AsyncClient(address, token=classes.token, http=http)
        batches = [
            NewBatch(each.class_id, each.session_id, each.learning_date.isoformat(), is_selected_all=True)
            for each in islice(classes.batches(), CLIENTS)
        ]
        await server.down()
        marking = asyncio.gather(*(client.create_batch(each) for each in batches))
        await until(all_are_refused, 30)
        await server.start()
        results = await marking

    assert sum(result.total_jobs for result in results) == CLIENTS * len(classes.students)
    again = sorted(began[CLIENTS:])
    busiest = max(sum(moment <= each < moment + WINDOW_S for each in again) for moment in again)
    assert busiest <= SHARE * CLIENTS, f"{busiest} of {CLIENTS} clients within {WINDOW_S} s, {len(again)} attempts"
