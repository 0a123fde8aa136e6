"""Shutdown of a server while clients listen."""

from __future__ import annotations

import signal
import time

import httpx2
import pytest

from adsum.platform.settings import Settings
from adsum.processes.serve import DRAIN_S
from adsum.wiring import open_adsum
from tests.batches.progress.conftest import begin_run
from tests.batches.progress.test_streams import token_of
from tests.support.live import SECRET, serving
from tests.support.schools import make_school


async def batch_and_token(database_url: str) -> tuple[str, str]:
    settings = Settings(database_url=database_url, secret_key=SECRET)  # pyright: ignore[reportArgumentType]
    async with open_adsum(settings) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection, students=30)
        return (await begin_run(adsum.database, school)).batch.id, await token_of(adsum)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_streams_end_at_once_on_shutdown_and_the_process_exits(
    sqlite_url: str, redis_url: str, number: signal.Signals
) -> None:
    """An upgrade of uvicorn breaks `Server` if it no longer calls `shutdown` and `capture_signals`."""
    batch_id, token = await batch_and_token(sqlite_url)
    with serving(sqlite_url, redis_url) as live, httpx2.Client(timeout=20) as client:
        url = f"http://127.0.0.1:{live.port}/attendances/batches/{batch_id}/events"
        with client.stream("GET", url, headers={"Authorization": f"Bearer {token}"}) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: status"
            terminated_at = time.monotonic()
            live.process.send_signal(number)
            rest = list(lines)  # the response is complete
        assert not any(line.startswith("event") for line in rest)
        log = live.log_until("stopped")
        assert live.process.wait(2 * DRAIN_S) == 0
        assert time.monotonic() - terminated_at < DRAIN_S, "it waited for the streams as long as it may"
    (logged,) = [line for line in log if line["event"] == "request"]
    assert (logged["route"], logged["status"]) == ("/attendances/batches/{batchId}/events", 200)
    assert "error" not in {line["level"] for line in log}
