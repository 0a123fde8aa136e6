"""Opens the servers that the settings name, or those of the data folder of `up`, and finds the signing key."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from adsum.embedded.data_folder import DataFolder
from adsum.platform.database.engine import Database, open_database
from adsum.platform.errors import ConfigurationError
from adsum.platform.redis.connection import RedisClient, open_redis, require_redis
from adsum.platform.redis.scripts import ScriptedRedis
from adsum.platform.settings import MIN_SECRET_KEY_LENGTH, NO_SIGNING_KEY, Settings

REDIS_CONNECTIONS = 64
REDIS_TIMEOUT_S = 5.0


def database_url(settings: Settings) -> str:
    """The URL of the configured database, or of the one in the data folder of `up`."""
    return settings.database_url or DataFolder.of(settings).database_url


def redis_url(settings: Settings) -> str:
    """The URL of the configured Valkey or Redis, or of the one in the data folder of `up`."""
    return settings.redis_url or DataFolder.of(settings).redis_url


def signing_key(settings: Settings) -> str | None:
    """The configured secret key, or the one in the data folder of `up`; None if neither exists.

    Raises:
        ConfigurationError: the file in the data folder cannot be read, or its key is too short.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    path = DataFolder.of(settings).secret
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the secret key in {path}: {error}") from None
    if len(secret) < MIN_SECRET_KEY_LENGTH:
        raise ConfigurationError(f"the secret key in {path} is shorter than {MIN_SECRET_KEY_LENGTH} characters")
    return secret


def require_signing_key(settings: Settings) -> str:
    """The signing key. Raises ConfigurationError if there is none."""
    key = signing_key(settings)
    if key is None:
        raise ConfigurationError(NO_SIGNING_KEY)
    return key


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
        await require_redis(redis_url(settings))


@asynccontextmanager
async def open_servers(settings: Settings) -> AsyncGenerator[tuple[Database, RedisClient]]:
    """Opens the database and Valkey or Redis. Neither is contacted yet."""
    async with AsyncExitStack() as stack:
        database = open_database(database_url(settings))
        stack.push_async_callback(database.close)
        redis = open_queue(settings)
        stack.push_async_callback(redis.aclose)
        yield database, redis


def open_queue(settings: Settings) -> RedisClient:
    """Opens Valkey or Redis. It is not contacted yet."""
    return open_redis(
        redis_url(settings), connections=REDIS_CONNECTIONS, socket_timeout=REDIS_TIMEOUT_S, kind=ScriptedRedis
    )
