"""Opens the doctor on the configured servers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from urllib.parse import parse_qsl, unquote, urlsplit

from adsum.accounts.api_keys.service import ApiKeys, key_lifetime
from adsum.accounts.wiring import password_policy
from adsum.batches.complete import Completion
from adsum.batches.queue.key_scanner import KeyScanner
from adsum.batches.wiring import earlier_shards, new_sweepers, queue_control, queue_service, used_number_of_shards
from adsum.operations.doctor.environment import Installation
from adsum.operations.doctor.inspected_server import InspectedServer
from adsum.operations.doctor.service import Deployment, Doctor, Repair
from adsum.platform.addresses import is_loopback_host, names_cluster
from adsum.platform.clock import Clock, system_clock
from adsum.platform.database.engine import Database
from adsum.platform.database.standby import Standby
from adsum.platform.embedded.data_folder import DataFolder
from adsum.platform.errors import Unavailable
from adsum.platform.redis.cluster import parse_cluster_url
from adsum.platform.redis.inspection import RedisInspection
from adsum.platform.redis.sentinel import names_sentinels, parse_sentinel_url
from adsum.platform.redis.shards import Shards
from adsum.platform.redis.tls import is_verified
from adsum.platform.redis.tls_mismatch import find_mismatch
from adsum.platform.settings import Settings
from adsum.roster.syncing.schedule import schedule_of
from adsum.servers import key_ring, open_servers, open_standby_of, redis_url

CHECK_URL = "adsum config show  # check the URL"


@asynccontextmanager
async def open_doctor(settings: Settings) -> AsyncGenerator[Doctor]:
    """Opens the doctor, which needs neither a readable signing key nor a server that responds."""
    find_number = partial(_known_number_of_shards, settings)
    async with AsyncExitStack() as stack:
        database, shards = await stack.enter_async_context(open_servers(settings, find_number))
        standby = open_standby_of(settings, database)
        if standby is not None:
            stack.push_async_callback(standby.close)
        installation = _installation(settings, database)
        yield _doctor(settings, database, standby, shards, redis_url(settings), installation, system_clock)


def _installation(settings: Settings, database: Database) -> Installation:
    folder = DataFolder.of(settings)
    stores_data = settings.database_url is None or settings.redis_url is None
    file = folder.database if database.file is None else database.file
    of_database = [file.with_name(f"{file.name}{ending}") for ending in ("", "-wal", "-shm")]
    return Installation(
        private=(folder.root, *of_database, folder.secret, folder.valkey_password, folder.credentials),
        data=folder.root if stores_data else None,
        signing_keys=lambda: key_ring(settings).keys(),
        create_key="export ADSUM_SECRET_KEY=$(openssl rand -hex 32)" if settings.database_url else "adsum up",
        breached=password_policy(settings).breached,
    )


async def _known_number_of_shards(settings: Settings, database: Database) -> int:
    """The number of shards; one if a server is away, which the doctor reports."""
    try:
        return await used_number_of_shards(settings, database, system_clock)
    except Unavailable:
        return 1


def _doctor(
    settings: Settings,
    database: Database,
    standby: Standby | None,
    shards: Shards,
    redis_url: str,
    installation: Installation,
    now: Clock,
) -> Doctor:
    """The doctor of a deployment. `redis_url` is the address of the open Redis connection."""
    queue, control = queue_service(settings, shards), queue_control(settings, shards)
    key_scanner = KeyScanner(shards)
    deployment = Deployment(
        database=database,
        standby=standby,
        standby_servers=() if standby is None else (_server_of(standby.database, "ADSUM_DATABASE_READ_URL"),),
        database_server=_database_server(settings, database),
        redis_server=_redis_server(settings, redis_url),
        inspections=[RedisInspection(each) for each in (shards.home, *(shards if names_cluster(redis_url) else ()))],
        queue=queue,
        control=control,
        earlier_shards=earlier_shards(settings, database, control, shards, now),
        key_scanner=key_scanner,
        api_keys=ApiKeys(database, now, key_lifetime(settings)),
        installation=installation,
        roster_schedule=schedule_of(settings),
    )
    sweepers = new_sweepers(settings, database, queue, Completion(database, queue.ledger, now), now)
    repair = Repair(
        queue.ledger, control, key_scanner, sweepers, lock_ttl=settings.lock_ttl, completed_ttl=settings.completed_ttl
    )
    return Doctor(deployment, repair, now)


def _database_server(settings: Settings, database: Database) -> InspectedServer:
    if settings.database_url is None:
        return InspectedServer(str(database.file), "adsum up")
    return _server_of(database, "ADSUM_DATABASE_URL")


def _server_of(database: Database, setting: str) -> InspectedServer:
    url = database.engine.url
    hosts = database.hosts or ((url.host or str(url.query.get("host", "")), url.port or 5432),)
    name = database.file or f"{','.join(f'{host}:{port}' for host, port in hosts)}/{url.database}"
    # Without `sslmode` asyncpg encrypts if the server offers it, and believes any certificate.
    is_here = database.file is not None or all(_is_here(host) for host, _ in hosts)
    return InspectedServer(
        *(str(name), "adsum migrate" if database.is_missing else CHECK_URL),
        is_here=is_here,
        is_verified=url.query.get("ssl") == "verify-full",
        encrypt=f"add sslmode=verify-full to {setting}",
    )


def _redis_server(settings: Settings, redis_url: str) -> InspectedServer:
    return replace(_named_server(settings, redis_url), find_mismatch=partial(find_mismatch, redis_url))


def _named_server(settings: Settings, redis_url: str) -> InspectedServer:
    """The command contains no password: `valkey-cli` reads it from `REDISCLI_AUTH`."""
    if names_sentinels(redis_url):
        return _server_of_sentinels(redis_url)
    if names_cluster(redis_url):
        return _server_of_cluster(redis_url)
    url = urlsplit(redis_url)
    if settings.redis_url is None:
        return InspectedServer(unquote(url.path), "adsum up")
    if url.scheme == "unix":
        return InspectedServer(unquote(url.path), CHECK_URL, f"valkey-cli -s {unquote(url.path)}")
    host, port = url.hostname, url.port or 6379
    tls = " --tls" if url.scheme == "rediss" else ""
    return InspectedServer(
        *(f"{host}:{port}", CHECK_URL, f"valkey-cli -h {host} -p {port}{tls}"),
        is_here=_is_here(host or ""),
        is_verified=url.scheme == "rediss" and is_verified(dict(parse_qsl(url.query))),
        encrypt="use rediss:// in ADSUM_REDIS_URL, with verification",
    )


def _server_of_sentinels(redis_url: str) -> InspectedServer:
    url = parse_sentinel_url(redis_url)
    return InspectedServer(
        *(f"{url.name} of {url.hosts}", CHECK_URL, "valkey-cli"),
        is_here=all(_is_here(host) for host, _ in url.sentinels),
        is_verified=url.is_verified,
        encrypt="use rediss+sentinel:// in ADSUM_REDIS_URL, with verification",
    )


def _server_of_cluster(redis_url: str) -> InspectedServer:
    url = parse_cluster_url(redis_url)
    return InspectedServer(
        *(f"the cluster of {url.hosts}", CHECK_URL, "valkey-cli"),
        is_here=all(_is_here(host) for host, _ in url.servers),
        is_verified=url.is_verified,
        encrypt="use rediss+cluster:// in ADSUM_REDIS_URL, with verification",
    )


def _is_here(host: str) -> bool:
    """Whether a host is this machine; the path of a unix socket is."""
    return host.startswith("/") or is_loopback_host(host)
