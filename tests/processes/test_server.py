from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.platform.http.test_problems import problem_of
from tests.support.forked import run_forked
from tests.support.live import SECRET, Live, environment, serving

MEGABYTE = b" " * (1024 * 1024)
JSON = {"Content-Type": "application/json"}
FORM = "application/x-www-form-urlencoded"


def client_of(live: Live) -> httpx2.Client:
    return httpx2.Client(base_url=f"http://127.0.0.1:{live.port}")


def fifty_megabytes() -> Iterator[bytes]:
    for _ in range(50):
        yield MEGABYTE


def test_a_body_of_fifty_megabytes_is_refused_with_and_without_its_length(sqlite_url: str, redis_url: str) -> None:
    with serving(sqlite_url, redis_url) as live, client_of(live) as client:
        answer = client.post("/attendances/create-batch", content=MEGABYTE * 50, headers=JSON)
        assert answer.status_code == 413
        assert problem_of(answer)["params"] == {"maxBytes": 4 * 1024 * 1024}
        assert answer.headers["x-content-type-options"] == "nosniff"
        unknown = client.post("/attendances/create-batch", content=fifty_megabytes(), headers=JSON)
        assert unknown.status_code == 401  # before its length is known
        assert client.get("/livez").status_code == 200


def test_a_roster_may_be_larger_than_other_bodies(sqlite_url: str, redis_url: str) -> None:
    limits = {"max_body_bytes": "1024", "max_import_bytes": "4096"}
    with serving(sqlite_url, redis_url, **limits) as live, client_of(live) as client:
        assert client.post("/rosters/import", content=b" " * 4096).status_code != 413
        assert client.post("/rosters/import", content=b" " * 4097).status_code == 413
        assert client.post("/auth/token", content=b" " * 1025).status_code == 413


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_request_is_answered_before_the_process_ends(
    sqlite_url: str, redis_url: str, number: signal.Signals
) -> None:
    body = b"username=a%40school.example&password=wrong"
    head = (
        f"POST /auth/token HTTP/1.1\r\nHost: adsum\r\nContent-Type: {FORM}\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with serving(sqlite_url, redis_url) as live:
        with socket.create_connection(("127.0.0.1", live.port)) as connection:
            connection.sendall(head.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 100")  # the application waits for the body
            live.process.send_signal(number)
            live.log_until("Shutting down")
            connection.sendall(body)
            assert connection.recv(1000).startswith(b"HTTP/1.1 401")
        live.log_until("stopped")
        assert live.process.wait(10) == 0


def test_the_log_has_one_line_per_request_without_input(sqlite_url: str, redis_url: str) -> None:
    with serving(sqlite_url, redis_url) as live, client_of(live) as client:
        client.get("/classes/7?name=Ada", headers={"Authorization": "Bearer Ada", "X-Request-ID": "trace-7"})
        line = live.log_until("request")[-1]
    of_all = {"event", "level", "logger", "timestamp", "request_id", "method", "route", "status", "ms"}
    assert line.keys() == of_all | {"code", "address"}  # it was refused
    assert (line["method"], line["status"], line["request_id"]) == ("GET", line["status"], "trace-7")
    assert "Ada" not in str(line)


def refusal(**settings: str) -> str:
    """The error of an `adsum serve` that does not start."""
    ended = run_forked(["serve"], environment(**settings), "")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    return ended.stderr


def test_the_server_does_not_start_without_a_secret_key(sqlite_url: str) -> None:
    assert "ADSUM_SECRET_KEY" in refusal(database_url=sqlite_url)


def test_the_server_does_not_start_with_a_short_secret_key_and_does_not_show_it(sqlite_url: str) -> None:
    output = refusal(database_url=sqlite_url, secret_key="hunter2")
    assert "ADSUM_SECRET_KEY" in output
    assert "32" in output
    assert "hunter2" not in output


def test_the_server_uses_the_secret_key_of_the_data_folder(sqlite_url: str, redis_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "secret.key").write_text("short")
    given = {"database_url": sqlite_url, "data_dir": str(folder)}
    assert "secret.key" in refusal(**given)
    (folder / "secret.key").write_text("f" * 64)
    with serving(sqlite_url, redis_url, secret_key="", data_dir=str(folder)) as live:
        assert httpx2.get(f"http://127.0.0.1:{live.port}/readyz").status_code == 200


def test_the_server_does_not_start_on_a_database_without_migrations(tmp_path: Path) -> None:
    output = refusal(database_url=f"sqlite:///{tmp_path}/new.db", secret_key=SECRET)
    assert "adsum migrate" in output


def test_the_server_does_not_start_without_a_database() -> None:
    assert "database" in refusal(database_url="postgresql://adsum@127.0.0.1:1/adsum", secret_key=SECRET)


def test_the_server_does_not_start_on_a_port_in_use(sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in refusal(database_url=sqlite_url, secret_key=SECRET, port=port)
