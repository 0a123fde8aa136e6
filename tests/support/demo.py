"""The demo school for commands, and a worker."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from adsum import wiring
from adsum.platform.settings import Settings
from tests.support.commands import Commands, commands
from tests.support.forked import Forked, start_forked
from tests.support.live import SECRET, environment
from tests.support.servers.processes import START_S, run_apart, wait_until
from tests.support.shared import made_once


@pytest.fixture(scope="session")
def demo_template(sqlite_template: Path, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the demo school, to be copied: loading it takes longer than most tests."""

    def load_into(path: Path) -> None:
        shutil.copy(sqlite_template, path)
        url = f"sqlite+aiosqlite:///{path}"
        run_apart(_load(Settings(database_url=url, redis_url=valkey_url, secret_key=SecretStr(SECRET))))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return made_once(tmp_path_factory, "demo.db", load_into)


async def _load(settings: Settings) -> None:
    await wiring.load_demo(settings)


@pytest.fixture
def demo(sqlite_url: str, demo_template: Path, redis_url: str) -> Commands:
    shutil.copy(demo_template, sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    return commands(database_url=sqlite_url, redis_url=redis_url, log_level="WARNING")


@pytest.fixture
def demo_worker(demo: Commands, tmp_path: Path) -> Generator[Forked]:
    """A worker process, drained at the end."""
    log = tmp_path / "worker.log"
    process = start_forked(["worker"], environment(**demo.settings | {"log_level": "INFO"}), log)
    try:
        wait_until(lambda: log.exists() and "worker started" in log.read_text(), START_S, "the worker has started")
        yield process
    finally:
        process.stop()
