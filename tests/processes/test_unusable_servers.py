"""`adsum up` with a database or a Redis that it cannot use: it ends with one line instead of starting servers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.servers.postgres import Postgres
from tests.support.servers.processes import short_folder
from tests.support.servers.valkey import tell, temporary_valkey, url_of

SOURCE = Path(__file__).parent.parent.parent / "src"


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as root:
        yield root / "data"


def line_of_up(folder: Path, **settings: str) -> str:
    """The last line on stderr of an `up` that ends at once, with status 1 and without any server."""
    begin = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "adsum", "up", "--data-dir", str(folder), "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **{f"ADSUM_{name}": each for name, each in settings.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert time.monotonic() - begin < 30  # mostly for the start of two Python processes on a busy machine
    *steps, line = ended.stderr.splitlines()
    assert steps in ([], ["Preparing the database"])
    assert list((folder / "running").iterdir()) == []
    assert not (folder / "valkey" / "valkey.log").exists()
    return line


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("url", ["mysql://root@127.0.0.1/adsum", "nonsense"])
def test_a_database_url_of_another_kind_is_refused(folder: Path, url: str) -> None:
    assert line_of_up(folder, DATABASE_URL=url).startswith("adsum: ADSUM_DATABASE_URL: ")


def test_an_unreachable_database_server_is_refused(folder: Path) -> None:
    line = line_of_up(folder, DATABASE_URL=f"postgresql://adsum:a-secret-word@127.0.0.1:{closed_port()}/adsum")
    assert line.startswith("adsum: ADSUM_DATABASE_URL: the database cannot be used: ")
    assert "a-secret-word" not in line


def test_an_unknown_database_host_is_refused(folder: Path) -> None:
    line = line_of_up(folder, DATABASE_URL="postgresql://adsum@nowhere.invalid/adsum")
    assert line.startswith("adsum: ADSUM_DATABASE_URL: the database cannot be used: ")


def test_a_database_that_does_not_exist_is_refused(folder: Path, postgres: Postgres) -> None:
    line = line_of_up(folder, DATABASE_URL=postgres.url("no_such_database"))
    assert line == (
        'adsum: ADSUM_DATABASE_URL: the database cannot be used: database "no_such_database" does not exist'
    )


def test_a_sqlite_file_that_cannot_be_opened_is_refused(folder: Path) -> None:
    line = line_of_up(folder, DATABASE_URL=f"sqlite:///{folder}/no/such/folder/adsum.db")
    assert line == "adsum: ADSUM_DATABASE_URL: the database cannot be used: unable to open database file"


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "nonsense", "redis://127.0.0.1:port"])
def test_a_redis_url_of_another_kind_is_refused(folder: Path, url: str) -> None:
    assert line_of_up(folder, REDIS_URL=url).startswith("adsum: ADSUM_REDIS_URL: ")


def test_an_unreachable_redis_is_refused(folder: Path) -> None:
    line = line_of_up(folder, REDIS_URL=f"redis://:a-secret-word@127.0.0.1:{closed_port()}")
    assert line.startswith("adsum: ADSUM_REDIS_URL: Valkey or Redis cannot be used: ")
    assert "a-secret-word" not in line


def test_a_wrong_password_of_redis_is_refused(folder: Path) -> None:
    with temporary_valkey() as valkey:
        assert tell(valkey, "CONFIG SET requirepass another-word") == "+OK"
        line = line_of_up(folder, REDIS_URL=f"{url_of(valkey)}?password=a-secret-word")
    assert line.startswith("adsum: ADSUM_REDIS_URL: Valkey or Redis cannot be used: ")
    assert "a-secret-word" not in line
