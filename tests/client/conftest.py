"""Fixtures for the client: a running system, a caller with a school of their own, and both kinds of clients."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adsum.client import Retries
from tests.client.clients import KINDS, AnyClient
from tests.client.proxy import Proxy, proxy_to
from tests.client.system import Caller, System, running_system

QUICK = Retries(attempts=5, first_pause=0.01)

Connect = Callable[..., AnyClient]


@pytest.fixture(scope="package")
def system(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[System]:
    with running_system(sqlite_template, tmp_path_factory.mktemp("client")) as running:
        yield running


@pytest.fixture
def caller(system: System) -> Caller:
    return system.new_caller()


@pytest.fixture
def proxy(system: System) -> Generator[Proxy]:
    with proxy_to(system.port) as running:
        yield running


@pytest.fixture(params=list(KINDS))
def connect(request: pytest.FixtureRequest) -> Generator[Connect]:
    """Makes clients; the test runs once with each kind."""
    with ExitStack() as stack:

        def made(address: str, **options: Any) -> AnyClient:
            given: dict[str, Any] = {"retries": QUICK} | options
            client: AnyClient = KINDS[request.param](address, **given)
            stack.callback(client.close)
            return client

        yield made


@pytest.fixture
def client(connect: Connect, system: System, caller: Caller) -> AnyClient:
    """A client with the caller's key."""
    return connect(system.address, api_key=caller.key)


@pytest.fixture
def proxied(connect: Connect, proxy: Proxy, caller: Caller) -> AnyClient:
    """The same, through the proxy."""
    return connect(proxy.address, api_key=caller.key)
