"""Opens the servers that the settings name, or those of the data folder of `up`, and finds the signing keys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from adsum.platform.clock import Clock, system_clock
from adsum.platform.database.engine import Database, open_database, open_standby
from adsum.platform.database.reading import CLOCKS_DIFFER_S, StandbyReader
from adsum.platform.database.standby import Standby
from adsum.platform.embedded.data_folder import DataFolder
from adsum.platform.errors import ConfigurationError
from adsum.platform.keys import KeyFile, KeyRing
from adsum.platform.redis.connection import naming_mismatch, require_redis
from adsum.platform.redis.last_writes import LastWrites
from adsum.platform.redis.shards import Shard, Shards
from adsum.platform.settings import Settings, file_of_setting
from adsum.platform.signing_keys import parse_keys

if TYPE_CHECKING:
    from adsum.platform.tracing.otlp import Tracing

REDIS_CONNECTIONS = 64
REDIS_TIMEOUT_S = 5.0


class _Service(Protocol):
    async def close(self) -> None: ...


Service = TypeVar("Service", bound=_Service)


@dataclass(frozen=True)
class OpenServers:
    """The open servers, and the stack that closes the services built on them."""

    settings: Settings
    database: Database
    reader: StandbyReader
    shards: Shards
    now: Clock
    keys: KeyRing
    stack: AsyncExitStack
    tracing: Tracing | None = None

    def close_at_end(self, service: Service) -> Service:
        """Registers a service that is closed before the servers, and returns it. Later ones are closed first."""
        self.stack.push_async_callback(service.close)
        return service


def database_url(settings: Settings) -> str:
    """The URL of the configured database, or of the one in the data folder of `up`."""
    return settings.database_url or DataFolder.of(settings).database_url


def redis_url(settings: Settings) -> str:
    """The URL of the configured Valkey or Redis, or of the one in the data folder of `up`."""
    return settings.redis_url or DataFolder.of(settings).redis_url


def key_ring(settings: Settings, now: Clock = system_clock) -> KeyRing:
    """The configured signing keys, or those of the data folder of `up`.

    Raises:
        ConfigurationError: two settings contradict each other.
    """
    path = key_file(settings)
    if path is not None:
        return KeyRing(KeyFile(path), now)
    if settings.secret_key is not None:
        return KeyRing.of(settings.secret_key.get_secret_value(), now)
    assert settings.signing_keys is not None, "without a file, one of the settings has the keys"
    keys = parse_keys(settings.signing_keys.get_secret_value())
    return KeyRing(lambda: keys, now)


def key_file(settings: Settings) -> Path | None:
    """The file with the signing keys; None: a setting has them.

    Raises:
        ConfigurationError: two settings contradict each other.
    """
    if settings.secret_key is not None and settings.signing_keys is not None:
        raise ConfigurationError("ADSUM_SECRET_KEY and ADSUM_SIGNING_KEYS are both set: set one of them")
    if settings.secret_key is not None:
        return None
    return (
        DataFolder.of(settings).secret if settings.signing_keys is None else file_of_setting(settings, "signing_keys")
    )


async def require_usable_servers(settings: Settings) -> None:
    """Connects once to the database, and to Valkey or Redis unless it is the one that `up` starts.

    Raises:
        ConfigurationError: a server does not answer or refuses the connection; it names the setting and the reason.
    """
    database = open_database(database_url(settings))
    try:
        await database.require_connection()
    finally:
        await database.close()
    if redis_url(settings) != DataFolder.of(settings).redis_url:
        await require_redis(redis_url(settings), settings.key_prefix)


@asynccontextmanager
async def open_servers(
    settings: Settings, find_number: Callable[[Database], Awaitable[int]]
) -> AsyncGenerator[tuple[Database, Shards]]:
    """Opens the database and the shards of Valkey or Redis, of which `find_number` returns the number.

    Raises:
        ConfigurationError: also instead of an outage that ends the block, if its reason is a mismatch of TLS.
    """
    async with AsyncExitStack() as stack:
        database = open_database(database_url(settings), settings.database_connections)
        stack.push_async_callback(database.close)
        await stack.enter_async_context(naming_mismatch(redis_url(settings)))
        shards = open_shards(settings, await find_number(database))
        stack.push_async_callback(shards.aclose)
        yield database, shards


def open_standby_of(settings: Settings, database: Database) -> Standby | None:
    """The standby from which lists, reports and exports are read; None: there is none. It is not contacted yet.

    Raises:
        ConfigurationError: its URL is invalid, or the database is no Postgres.
    """
    if settings.database_read_url is None:
        return None
    if not database.is_postgres:
        raise ConfigurationError("ADSUM_DATABASE_READ_URL names a standby, and ADSUM_DATABASE_URL no Postgres")
    standby = open_standby(settings.database_read_url, settings.database_connections)
    return Standby(standby, database, settings.database_read_max_lag)


def last_writes(settings: Settings, home: Shard) -> LastWrites:
    """Of installations with a standby to read from."""
    return LastWrites(home.redis, key_prefix=home.key_prefix, seconds=settings.database_read_max_lag + CLOCKS_DIFFER_S)


def open_shards(settings: Settings, number: int, connections: int = REDIS_CONNECTIONS) -> Shards:
    """Opens this number of shards. They are not contacted yet."""
    return Shards.opened(
        redis_url(settings), settings.key_prefix, number, connections=connections, socket_timeout=REDIS_TIMEOUT_S
    )
