"""`examples/node/progress.js` follows a batch over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from tests.support.node import first_line, program
from tests.system.examples.conftest import EXAMPLES
from tests.system.faults.classes import create_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.installation import QUICK

PROGRESS = EXAMPLES / "progress.js"


async def test_a_node_program_follows_a_batch_until_it_ends(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    async with new_installation(chunk_size=10) as installation:
        classes = await create_classes(installation)
        _, address = await installation.api(stack)
        async with platform(address, classes) as client:
            batch = next(classes.batches())
            await client.mark_accepted(batch)
        async with program(PROGRESS, batch.id, ADSUM_URL=address, ADSUM_TOKEN=classes.token) as follower:
            assert await first_line(follower) == "processing 0/30: 0 recorded, 0 failed"
            await installation.worker(stack, QUICK)
            out, err = await follower.communicate()
        assert out.decode().splitlines()[-1] == "completed 30/30: 30 recorded, 0 failed"
        assert (follower.returncode, err) == (0, b"")


async def test_a_node_program_reports_a_request_that_is_refused(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    async with new_installation() as installation:
        classes = await create_classes(installation)
        _, address = await installation.api(stack)
        unknown = "class-1-session-1-date-01012024"
        for token, status in ((classes.token, "404"), ("wrong", "401")):
            async with program(PROGRESS, unknown, ADSUM_URL=address, ADSUM_TOKEN=token) as follower:
                out, err = await follower.communicate()
            assert (follower.returncode, out, err.decode().partition(":")[0]) == (1, b"", status)


async def test_a_node_program_continues_after_its_connection_was_cut(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    async with new_installation(chunk_size=10) as installation:
        classes = await create_classes(installation)
        _, address = await installation.api(stack)
        async with platform(address, classes) as client:
            batch = next(classes.batches())
            await client.mark_accepted(batch)
        async with (
            relayed(address) as (relay, writers),
            program(PROGRESS, batch.id, ADSUM_URL=relay, ADSUM_TOKEN=classes.token) as follower,
        ):
            assert await first_line(follower) == "processing 0/30: 0 recorded, 0 failed"
            for writer in writers:
                writer.transport.abort()
            await installation.worker(stack, QUICK)
            out, _ = await follower.communicate()
        # The state that it has seen is not sent again.
        assert out.decode().splitlines()[-1] == "completed 30/30: 30 recorded, 0 failed"
        assert "processing 0/30" not in out.decode()
        assert follower.returncode == 0


@asynccontextmanager
async def relayed(address: str) -> AsyncGenerator[tuple[str, list[asyncio.StreamWriter]]]:
    """Relays connections to an API. Yields the address of the relay, and the connections to its clients."""
    writers: list[asyncio.StreamWriter] = []
    ended: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        ended.append(asyncio.current_task())
        to_api = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        try:
            with suppress(ConnectionError):
                await asyncio.gather(_copy(reader, to_api[1]), _copy(to_api[0], writer))
        finally:
            for each in (writer, to_api[1]):
                each.close()
                with suppress(OSError):
                    await each.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", writers
        for writer in writers:
            writer.close()
        await asyncio.gather(*(each for each in ended if each is not None))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        target.write(data)
        await target.drain()
    target.close()
