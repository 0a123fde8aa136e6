"""Where the servers are, how they are opened, and the secret that signs: what the settings and the data folder say."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from adsum.embedded.data_folder import DataFolder
from adsum.platform.database.engine import Database, open_database
from adsum.platform.errors import ConfigurationError
from adsum.platform.redis.connection import RedisClient, open_redis
from adsum.platform.redis.scripts import ScriptedRedis
from adsum.platform.settings import MIN_SECRET_KEY_LENGTH, NO_SIGNING_KEY, Settings

REDIS_CONNECTIONS = 64
REDIS_TIMEOUT_S = 5.0


def database_url(settings: Settings) -> str:
    """The configured database, or the one of the data folder of `up`."""
    return settings.database_url or DataFolder.of(settings).database_url


def redis_url(settings: Settings) -> str:
    """The configured Valkey or Redis, or the one of the data folder of `up`."""
    return settings.redis_url or DataFolder.of(settings).redis_url


def signing_key(settings: Settings) -> str | None:
    """The secret that signs tokens: the configured one, else that of the data folder of `up`, if there is one.

    Raises:
        ConfigurationError: the file of the data folder cannot be read, or holds too little.
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
    """The same, for who cannot do without. Raises ConfigurationError."""
    key = signing_key(settings)
    if key is None:
        raise ConfigurationError(NO_SIGNING_KEY)
    return key


@asynccontextmanager
async def open_servers(settings: Settings) -> AsyncGenerator[tuple[Database, RedisClient]]:
    """The database and Redis, or Valkey, of these settings. Neither is asked anything yet."""
    async with AsyncExitStack() as stack:
        database = open_database(database_url(settings))
        stack.push_async_callback(database.close)
        redis = open_queue(settings)
        stack.push_async_callback(redis.aclose)
        yield database, redis


def open_queue(settings: Settings) -> RedisClient:
    """Redis, or Valkey, alone. It is not asked anything yet."""
    return open_redis(
        redis_url(settings), connections=REDIS_CONNECTIONS, socket_timeout=REDIS_TIMEOUT_S, kind=ScriptedRedis
    )
