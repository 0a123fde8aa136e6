"""The Valkey that `up` starts."""

from __future__ import annotations

import socket
import stat
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adsum.platform.embedded.valkey import Valkey, find_binary
from adsum.platform.errors import ConfigurationError
from tests.support.servers.processes import running, short_folder
from tests.support.servers.valkey import tell, valkey_in


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as path:
        yield path


def test_data_survives_a_restart(folder: Path) -> None:
    with valkey_in(folder) as server:
        tell(server, "SET kept yes")
    with valkey_in(folder) as server:
        assert tell(server, "STRLEN kept") == ":3"


def test_valkey_never_evicts_and_only_this_user_can_connect(folder: Path) -> None:
    with valkey_in(folder) as server:
        assert "maxmemory_policy:noeviction" in tell(server, "INFO memory")
        assert "aof_enabled:1" in tell(server, "INFO persistence")
        assert "tcp_port:0" in tell(server, "INFO server")
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700


def test_a_path_may_contain_blanks_and_quotes(folder: Path) -> None:
    odd = folder / 'a "b" \\ é'
    odd.mkdir()
    with valkey_in(odd) as server:
        assert server.answers()


def test_with_a_port_valkey_answers_on_it_to_clients_with_its_password(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    server = Valkey(folder, folder / "valkey.sock", port, "a-password")
    with running(server.prepare(), server.log, server.answers), socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(64).startswith(b"-NOAUTH")
        client.sendall(b"AUTH a-password\r\n")
        assert client.recv(64) == b"+OK\r\n"
        client.sendall(b"PING\r\n")
        assert client.recv(64) == b"+PONG\r\n"
        assert not Valkey(folder, server.socket).answers()
    assert stat.S_IMODE((folder / "valkey.conf").stat().st_mode) == 0o600


@pytest.mark.parametrize(("reply", "answers"), [(b"+PONG\r\n", True), (b"-LOADING Valkey is loading\r\n", False)])
def test_a_server_that_loads_its_data_is_not_ready(folder: Path, reply: bytes, answers: bool) -> None:
    server = Valkey(folder, folder / "valkey.sock")
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor() as thread:
        listener.bind(str(server.socket))
        listener.listen()
        thread.submit(reply_once, listener, reply)
        assert server.answers() is answers


def test_a_socket_without_a_server_is_not_ready(folder: Path) -> None:
    assert not Valkey(folder, folder / "valkey.sock").answers()


def test_without_the_wheel_the_server_on_path_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = folder / "redis-server"
    on_path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder))

    assert find_binary(package="a_wheel_that_is_not_installed") == on_path


def test_without_a_server_one_line_names_the_packages_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))

    with pytest.raises(ConfigurationError, match=r"^no Valkey server: install .*$"):
        find_binary(package="a_wheel_that_is_not_installed")


def reply_once(listener: socket.socket, reply: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(64)
        connection.sendall(reply)
