"""Keeps from test to test what each test would otherwise compute again, and what no test depends on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import limits.util
import pytest
from bullmq import redis_connection
from httpx2 import create_ssl_context
from httpx2._transports import default as httpx_transports
from pydantic import BaseModel
from redis.asyncio import client as redis_client
from redis.client import CaseInsensitiveDict
from redis.commands import core as redis_commands
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from adsum.accounts.passwords import hashing
from adsum.platform.database import pools
from adsum.platform.setting_files import PREFIX
from adsum.platform.settings import Settings

STATEMENTS_AT_MOST = 2000


@pytest.fixture(scope="session", autouse=True)
def same_statements_for_all_databases() -> Generator[None]:
    """Compiles each statement once for each kind of database. SQLAlchemy compiles it once for each open database, and
    a test opens one or more.
    """
    create, compiled = pools.create_async_engine, CompiledStatements()

    def create_with_them(*arguments: Any, **options: Any) -> AsyncEngine:
        return create(*arguments, **options, execution_options={"compiled_cache": compiled})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "create_async_engine", create_with_them)
        yield


class CompiledStatements(MutableMapping[tuple[Any, ...], Any]):
    """SQLAlchemy's compiled statements. The first part of a key is the dialect of one engine; its name is as good."""

    def __init__(self) -> None:
        self._statements: dict[tuple[Any, ...], Any] = {}

    @override
    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        return self._statements[_of_kind(key)]

    @override
    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        if len(self._statements) >= STATEMENTS_AT_MOST:
            self._statements.clear()
        self._statements[_of_kind(key)] = compiled

    @override
    def __delitem__(self, key: tuple[Any, ...]) -> None:
        del self._statements[_of_kind(key)]

    @override
    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._statements)

    @override
    def __len__(self) -> int:
        return len(self._statements)


def _of_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *statement = key
    return (dialect.name, *statement)


@pytest.fixture(scope="session", autouse=True)
def no_search_for_absent_settings() -> Generator[None]:
    """Leaves out the environment and `.env` as sources of settings while they set nothing. pydantic-settings examines
    the type of every setting, whenever a test makes `Settings`.
    """
    search = Settings.__init__

    def from_arguments(settings: Settings, **values: Any) -> None:
        is_set = Path(".env").exists() or any(name.upper().startswith(PREFIX) for name in os.environ)
        (search if is_set else BaseModel.__init__)(settings, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Settings, "__init__", from_arguments)
        yield


@pytest.fixture(scope="session", autouse=True)
def same_files_and_modules() -> Generator[None]:
    """Reads BullMQ's scripts once, and looks for the modules of `limits` once: not whenever a test opens Redis. Reads
    the certificates of authorities once, not for each client of HTTP, which takes 20 milliseconds.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx_transports, "create_ssl_context", cache(create_ssl_context))
        patch.setattr(redis_connection, "loadScript", cache(redis_connection.loadScript))
        patch.setattr(limits.util, "get_dependency", cache(limits.util.get_dependency))
        yield


@pytest.fixture(scope="session", autouse=True)
def same_scripts_and_callbacks() -> Generator[None]:
    """Computes the hash of each script once. Each opened queue registers all 35 scripts of BullMQ, and a test opens
    several. Copies redis-py's table of callbacks as a whole, which each client otherwise does name by name.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_commands, "AsyncScript", Script)
        patch.setattr(redis_client, "CaseInsensitiveDict", Callbacks)
        yield


class Script(redis_commands.AsyncScript):
    """A script with a known hash. The encoding of all clients of Adsum is UTF-8."""

    @override
    def __init__(self, registered_client: Any, script: Any) -> None:
        self.registered_client = registered_client
        self.script = script
        self.sha = _sha_of(script)


@cache
def _sha_of(script: str | bytes) -> str:
    # Valkey names scripts by this hash.
    return hashlib.sha1(script.encode() if isinstance(script, str) else script).hexdigest()


class Callbacks(CaseInsensitiveDict):
    """The functions by which a client converts the answer to each command."""

    @override
    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__({})
        dict[str, Any].update(self, {name.upper(): callback for name, callback in data.items()})


# What tests do without, and the value of the product: Argon2's cost (a hash takes 50 microseconds instead of 100
# milliseconds), and SQLite's wait for the disk (3 milliseconds a transaction), since no test cuts the power.
CHEAP: dict[ModuleType, dict[str, Any]] = {
    hashing: {"MEMORY_KIB": 8, "ROUNDS": 1, "LANES": 1, "DECOY": f"$argon2id$v=19$m=8,t=1,p=1${'A' * 22}${'A' * 43}"},
    pools: {"SQLITE_SYNCHRONOUS": "OFF"},
}
REAL = {module: {name: vars(module)[name] for name in cheap} for module, cheap in CHEAP.items()}


@pytest.fixture(scope="session", autouse=True)
def cheap_parameters() -> Generator[None]:
    """Sets the cheap parameters, except in tests that use `real_parameters`, and in programs that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        _set(patch, CHEAP)
        yield


def hash_cheaply() -> None:
    """Sets the cheap cost of hashes for commands, which are forked from the process that calls this."""
    for name, value in CHEAP[hashing].items():
        setattr(hashing, name, value)


@pytest.fixture
def real_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes passwords and writes to SQLite as the product does."""
    _set(monkeypatch, REAL)


def _set(patch: pytest.MonkeyPatch, parameters: dict[ModuleType, dict[str, Any]]) -> None:
    for module, values in parameters.items():
        for name, value in values.items():
            patch.setattr(module, name, value)
