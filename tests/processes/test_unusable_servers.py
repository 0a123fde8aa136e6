"""A database or a Redis that Adsum cannot use: the check that `adsum up` makes before it starts servers, and what `up`
then does: it ends with one line.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from adsum.platform.embedded.valkey import Valkey
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import Settings
from adsum.servers import require_usable_servers
from tests.support.commands import Commands
from tests.support.forked import run_forked
from tests.support.live import SECRET, environment
from tests.support.servers.cluster import PASSWORD, running_cluster
from tests.support.servers.postgres import Postgres, new_postgres, running_postgres
from tests.support.servers.processes import free_ports, short_folder
from tests.support.servers.tls import in_front
from tests.support.servers.valkey import tell, url_of


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as root:
        yield root / "data"


def line_of_up(folder: Path, **settings: str) -> str:
    """The last line on stderr of an `up` that ends at once, with status 1 and without any server."""
    begin = time.monotonic()
    ended = Commands(settings).run("up", "--data-dir", str(folder), "--port", "0")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert time.monotonic() - begin < 30  # mostly for the start of a Python process on a busy machine
    *steps, line = ended.stderr.splitlines()
    assert steps in ([], ["Preparing the database"])
    assert list((folder / "running").iterdir()) == []
    assert not (folder / "valkey" / "valkey.log").exists()
    return line


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def reason(tmp_path: Path, **settings: str) -> str:
    """The message for these servers, one of which cannot be used. A database that is not given is a SQLite file."""
    given = {"database_url": f"sqlite:///{tmp_path}/adsum.db"} | settings
    with pytest.raises(ConfigurationError) as refused:
        await require_usable_servers(Settings(**given))  # pyright: ignore[reportArgumentType] - as from the environment
    return str(refused.value)


@pytest.mark.parametrize("url", ["mysql://root@127.0.0.1/adsum", "nonsense"])
async def test_a_database_url_of_another_kind_is_refused(tmp_path: Path, url: str) -> None:
    assert (await reason(tmp_path, database_url=url)).startswith("ADSUM_DATABASE_URL: ")


async def test_an_unreachable_database_server_is_refused(tmp_path: Path) -> None:
    url = f"postgresql://adsum:a-secret-word@127.0.0.1:{closed_port()}/adsum"
    message = await reason(tmp_path, database_url=url)
    assert message.startswith("ADSUM_DATABASE_URL: the database cannot be used: ")
    assert "a-secret-word" not in message


async def test_an_unknown_database_host_is_refused(tmp_path: Path) -> None:
    message = await reason(tmp_path, database_url="postgresql://adsum@nowhere.invalid/adsum")
    assert message.startswith("ADSUM_DATABASE_URL: the database cannot be used: ")


async def test_a_database_that_does_not_exist_is_refused(tmp_path: Path, postgres: Postgres) -> None:
    assert await reason(tmp_path, database_url=postgres.url("no_such_database")) == (
        'ADSUM_DATABASE_URL: the database cannot be used: database "no_such_database" does not exist'
    )


async def test_a_postgres_and_a_url_that_disagree_about_tls_are_named(tmp_path: Path, postgres_data: Path) -> None:
    with new_postgres(postgres_data) as stopped:
        server = replace(stopped, port=free_ports(1)[0])
        url = f"postgresql://postgres:a-secret-word@127.0.0.1:{server.port}/postgres?sslmode="
        several = url.replace("/postgres?", ",127.0.0.1:1/postgres?")
        with running_postgres(server):
            remedy = "turn on ssl in its configuration, or write no sslmode in the URL"
            assert await reason(tmp_path, database_url=f"{url}require") == (
                f"ADSUM_DATABASE_URL: the database cannot be used: the host does not use TLS: {remedy}"
            )
            assert f"127.0.0.1:{server.port} does not use TLS: turn on ssl" in (
                await reason(tmp_path, database_url=f"{several}require")
            )
        # As a server answers that allows connections with TLS alone; this one is built without TLS.
        (server.data / "pg_hba.conf").write_text("local all all trust\n")
        with running_postgres(server):
            message = await reason(tmp_path, database_url=f"{url}disable")
            assert message.startswith(
                "ADSUM_DATABASE_URL: the database cannot be used: the host refuses: no pg_hba.conf"
            )
            remedy = "if it allows only TLS, write sslmode=require in the URL instead of disable"
            assert message.endswith(f"no encryption: {remedy}")
            assert "a-secret-word" not in message


async def test_a_sqlite_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "no" / "such"
    message = await reason(tmp_path, database_url=f"sqlite:///{folder}/adsum.db")
    assert message.endswith(f": {folder}/adsum.db cannot be opened: there is no folder {folder}")


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "nonsense", "redis://127.0.0.1:port"])
async def test_a_redis_url_of_another_kind_is_refused(tmp_path: Path, url: str) -> None:
    assert (await reason(tmp_path, redis_url=url)).startswith("ADSUM_REDIS_URL: ")


async def test_an_unreachable_redis_is_refused(tmp_path: Path) -> None:
    message = await reason(tmp_path, redis_url=f"redis://:a-secret-word@127.0.0.1:{closed_port()}")
    assert message.startswith("ADSUM_REDIS_URL: Valkey or Redis cannot be used: ")
    assert "a-secret-word" not in message


async def test_a_wrong_password_of_redis_is_refused(tmp_path: Path, own_valkey: Valkey) -> None:
    assert tell(own_valkey, "CONFIG SET requirepass another-word") == "+OK"
    message = await reason(tmp_path, redis_url=f"{url_of(own_valkey)}?password=a-secret-word")
    assert message.startswith("ADSUM_REDIS_URL: Valkey or Redis cannot be used: ")
    assert "a-secret-word" not in message


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("DATABASE_URL", "postgresql://adsum:a-secret-word@127.0.0.1:{port}/adsum"),
        pytest.param("REDIS_URL", "redis://:a-secret-word@127.0.0.1:{port}", marks=pytest.mark.long),
        pytest.param("DATABASE_URL", "nonsense", marks=pytest.mark.long),
    ],
)
def test_up_ends_with_one_line_if_it_cannot_use_a_server(folder: Path, setting: str, url: str) -> None:
    line = line_of_up(folder, **{setting: url.format(port=closed_port())})
    assert line.startswith(f"adsum: ADSUM_{setting}: ")
    assert "a-secret-word" not in line


@pytest.mark.parametrize(
    "command",
    [["serve"], ["worker"], ["queue", "status"], pytest.param(["worker", "--processes", "2"], marks=pytest.mark.long)],
)
def test_a_command_names_a_redis_without_tls(sqlite_url: str, valkey: Valkey, command: list[str]) -> None:
    with in_front(valkey.socket, None) as port:
        url = f"rediss://:a-secret-word@127.0.0.1:{port}"
        ended = run_forked(command, environment(database_url=sqlite_url, redis_url=url, secret_key=SECRET), "")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == (
            f"adsum: ADSUM_REDIS_URL: Valkey or Redis cannot be used: 127.0.0.1:{port} does not use TLS: "
            "write a port with TLS in the URL, or redis:// instead of rediss://\n"
        )


def test_neither_api_nor_worker_begins_on_one_server_of_a_cluster(sqlite_url: str) -> None:
    with running_cluster() as cluster:
        url = f"redis://:{PASSWORD}@127.0.0.1:{cluster.primaries()[0].port}"
        for command in ("serve", "worker"):
            ended = run_forked([command], environment(database_url=sqlite_url, redis_url=url, secret_key=SECRET), "")
            assert (ended.returncode, ended.stdout) == (1, "")
            assert "redis+cluster://" in ended.stderr
            assert len(ended.stderr.splitlines()) == 1
