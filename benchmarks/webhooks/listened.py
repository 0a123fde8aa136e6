"""Adsum as installed, with a receiver of webhooks on loopback, and its services in this process for the set-up."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from adsum.accounts.access import system_caller
from adsum.events.webhooks.service import NewWebhook
from adsum.platform.database.new_events import EventType
from adsum.platform.settings import load_settings
from adsum.wiring import Adsum, open_adsum
from benchmarks import schools
from benchmarks.client import Connection, open_connections
from benchmarks.costs import resident_mb
from benchmarks.our_system import OurSystem
from benchmarks.scenarios.requests import mark_classes, seconds_to_completed
from benchmarks.servers import own_data, require_durability, started_servers
from benchmarks.sizes import CLIENTS, FULL, STUDENTS
from benchmarks.timetable import Timetable
from benchmarks.webhooks.receiver import Receiver, receiving

LOOPBACK = "127.0.0.0/8"
SIZE = replace(FULL, big=STUDENTS)


class ListenedSystem(OurSystem):
    """Adsum, whose webhooks may reach this machine."""

    @property
    def database_url(self) -> str:
        return self._database_url

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"ADSUM_WEBHOOK_ALLOWED_NETWORKS": LOOPBACK}


@dataclass(frozen=True)
class Bench:
    """A running system under load, and the receiver."""

    system: ListenedSystem
    adsum: Adsum
    receiver: Receiver
    port: int
    connections: Sequence[Connection]

    async def create_webhook(self, *types: EventType) -> int:
        """Creates a webhook, which receives what happens from now on. Returns its id."""
        created = await self.adsum.webhooks.create(NewWebhook(self.receiver.url(), types), system_caller())
        return created.webhook.id

    async def position_of(self, webhook_id: int) -> int:
        """The id of the event up to which everything is delivered and stored."""
        return (await self.adsum.webhooks.get(webhook_id, system_caller())).position

    async def enable(self, webhook_id: int, *, enabled: bool) -> None:
        await self.adsum.webhooks.change(webhook_id, system_caller(), enabled=enabled)

    async def flood(self, batches: int) -> float:
        """Marks classes with 64 clients. Returns the attendances per second until all are complete."""
        begin = time.perf_counter()
        await mark_classes(self.system, self.connections, self.port, batches)
        await self.system.wait_until_done()
        return batches * STUDENTS / (time.perf_counter() - begin)

    async def lone_classes(self, count: int) -> list[float]:
        """Marks one class after the other. Returns the milliseconds from each POST to completed."""
        classes = self.system.timetable.take(count)
        connection = self.connections[0]
        return [1000 * await seconds_to_completed(self.system, connection, self.port, batch) for batch in classes]

    async def memory(self) -> dict[str, float]:
        """Megabytes of the worker process and of Valkey's data."""
        info = await self.system.data.redis.info("memory")
        return {"worker": resident_mb(self.system.processes["worker"]), "Valkey": int(info["used_memory"]) / 1e6}


@asynccontextmanager
async def open_bench() -> AsyncGenerator[Bench]:
    """Starts the servers, Adsum and the receiver."""
    async with AsyncExitStack() as stack:
        receiver = stack.enter_context(receiving())
        servers = stack.enter_context(started_servers())
        await require_durability(servers)
        token = await schools.make_our_school(servers, SIZE)
        data = await stack.enter_async_context(own_data(servers, schools.OURS))
        system = ListenedSystem(data, Timetable(SIZE.classes, SIZE.big), servers, token)
        settings = load_settings(
            database_url=system.database_url,
            redis_url=data.redis_url,
            secret_key=schools.KEY,
            webhook_allowed_networks=LOOPBACK,
        )
        adsum = await stack.enter_async_context(open_adsum(settings))
        stack.enter_context(system.with_worker())
        port = stack.enter_context(system.with_api())
        connections = stack.enter_context(open_connections(port, max(CLIENTS)))
        yield Bench(system, adsum, receiver, port, connections)
