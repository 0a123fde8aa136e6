"""Opens what `adsum doctor` looks at, and says in words where each server is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

from adsum.batches.complete import Completion
from adsum.batches.queue.leftovers import Leftovers
from adsum.batches.wiring import new_sweeper, queue_control, queue_service
from adsum.embedded.data_folder import DataFolder
from adsum.operations.doctor.installation import Installation
from adsum.operations.doctor.repair import Mending
from adsum.operations.doctor.servers import Place
from adsum.operations.doctor.service import Doctor, Patient
from adsum.platform.clock import system_clock as now
from adsum.platform.database.engine import Database
from adsum.platform.redis.inspection import RedisInspection
from adsum.platform.settings import Settings
from adsum.servers import open_servers, redis_url, signing_key

IS_IT_RIGHT = "adsum config show  # is the URL right?"


@asynccontextmanager
async def open_doctor(settings: Settings) -> AsyncGenerator[Doctor]:
    """Opens what the doctor looks at; unlike everything else it opens also where the signing key cannot be read."""
    async with open_servers(settings) as (database, redis):
        queue = queue_service(settings, redis)
        control = queue_control(settings, redis)
        leftovers = Leftovers(redis, settings.key_prefix)
        patient = Patient(
            database=database,
            database_place=_database_place(settings, database),
            redis_place=_redis_place(settings),
            inspection=RedisInspection(redis, settings.key_prefix),
            queue=queue,
            control=control,
            leftovers=leftovers,
            installation=_installation(settings),
        )
        sweeper = new_sweeper(settings, database, queue, Completion(database, queue, now), now)
        times = {"lock_ttl": settings.lock_ttl, "completed_ttl": settings.completed_ttl}
        yield Doctor(patient, Mending(queue, control, leftovers, sweeper, **times), now)


def _database_place(settings: Settings, database: Database) -> Place:
    if settings.database_url is None:
        return Place(str(database.file), "adsum up")
    url = database.engine.url
    where = database.file or f"{url.host or url.query.get('host')}:{url.port or 5432}/{url.database}"
    return Place(str(where), "adsum migrate" if database.is_missing else IS_IT_RIGHT)


def _redis_place(settings: Settings) -> Place:
    """`valkey-cli` is told no password; who has one has `REDISCLI_AUTH`."""
    url = urlsplit(redis_url(settings))
    if settings.redis_url is None:
        return Place(unquote(url.path), "adsum up")
    name, tell = unquote(url.path), f"valkey-cli -s {unquote(url.path)}"
    if url.scheme != "unix":
        name = f"{url.hostname}:{url.port or 6379}"
        tell = f"valkey-cli -h {url.hostname} -p {url.port or 6379}{' --tls' if url.scheme == 'rediss' else ''}"
    return Place(name, IS_IT_RIGHT, tell)


def _installation(settings: Settings) -> Installation:
    folder = DataFolder.of(settings)
    keeps_data = settings.database_url is None or settings.redis_url is None
    return Installation(
        private=(folder.root, folder.database, folder.secret, folder.credentials),
        data=folder.root if keeps_data else None,
        signing_key=lambda: signing_key(settings),
        makes_key="export ADSUM_SECRET_KEY=$(openssl rand -hex 32)" if settings.database_url else "adsum up",
    )
