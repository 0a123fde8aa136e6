"""`adsum up`: real processes and a real Valkey; only the API and the worker are stand-ins."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from adsum.platform.embedded.data_folder import DataFolder
from adsum.platform.embedded.valkey import Valkey
from tests.support.servers.processes import is_alive, short_folder, stop, wait_until
from tests.support.servers.valkey import tell

SOURCE = Path(__file__).parent.parent.parent / "src"
NONE: Mapping[str, str] = {}
RUN_UP = Path(__file__).with_name("run_up.py")


class UpRunner:
    """A data folder, the `up` that runs on it, and the processes that it started."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.folder = DataFolder(root / "data")
        self.valkey = Valkey(self.folder.valkey, self.folder.socket)
        self.port = free_port()
        self._stack = stack

    def start(
        self, *roles: str, settings: Mapping[str, str] = NONE, stdout: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Starts `up` with stand-ins for the API, the worker and the preparation."""
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "ADSUM_DATA_DIR": str(self.folder.root)}
        environment |= {"ADSUM_PORT": str(self.port), **settings}
        command = [sys.executable, str(RUN_UP), *(roles or ("serve", "worker", "pass"))]
        process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True)
        self._stack.enter_context(process)
        self._stack.callback(stop, process, signal.SIGKILL)
        return process

    def started(self, *roles: str, settings: Mapping[str, str] = NONE) -> subprocess.Popen[str]:
        """Starts `up` and waits until it is ready."""
        up = self.folder.root / f"{'stubborn' if 'stubborn' in roles else 'worker'}.pid"
        up.unlink(missing_ok=True)
        process = self.start(*roles, settings=settings)
        assert process.stdout is not None
        assert process.stdout.readline() == f"Adsum is at http://127.0.0.1:{self.port}\n"
        wait_until(up.exists, 20, "the worker is up")
        return process

    def pid(self, role: str) -> int:
        return int((self.folder.running / role).read_text().split()[0])

    def has_restarted(self, role: str, before: int) -> bool:
        """Whether the program has restarted. Between two starts it has no file."""
        with contextlib.suppress(FileNotFoundError):
            return self.pid(role) != before and is_alive(self.pid(role))
        return False

    def pids(self) -> list[int]:
        return [self.pid(path.name) for path in self.folder.running.iterdir()]

    def stop_order(self) -> set[str]:
        return set((self.folder.root / "order").read_text().split())


@pytest.fixture
def runner() -> Generator[UpRunner]:
    with short_folder() as root, ExitStack() as stack:
        yield UpRunner(root, stack)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_stops_everything_in_order(runner: UpRunner, signal_number: signal.Signals) -> None:
    up = runner.started()
    pids = runner.pids()
    assert len(pids) == 3

    up.send_signal(signal_number)

    assert up.wait(10) == 0
    assert runner.stop_order() == {"serve", "worker"}
    assert not any(map(is_alive, pids))
    assert "ready to exit, bye bye" in runner.valkey.log.read_text()


def test_a_killed_up_leaves_no_process_and_the_next_start_continues(runner: UpRunner) -> None:
    up = runner.started()
    pids = runner.pids()
    tell(runner.valkey, "SET kept yes")

    up.kill()

    wait_until(lambda: not any(map(is_alive, pids)), 5, "all of its processes are gone")
    runner.started()
    assert tell(runner.valkey, "GET kept") == "yes"


@pytest.mark.parametrize("role", ["serve", "worker", "valkey"])
def test_a_program_that_dies_is_restarted(runner: UpRunner, role: str) -> None:
    runner.started()
    first = runner.pid(role)

    os.kill(first, signal.SIGKILL)

    wait_until(lambda: runner.has_restarted(role, first), 20, f"{role} is back")
    wait_until(runner.valkey.answers, 10, "Valkey answers")


def test_a_second_up_on_the_folder_names_the_first(runner: UpRunner) -> None:
    first = runner.started()

    second = runner.start(settings={"ADSUM_PORT": str(free_port())})
    _, errors = second.communicate(timeout=10)

    assert second.returncode == 1
    assert errors == (
        f"{runner.folder.root} is in use by another `adsum up`: process {first.pid}, http://127.0.0.1:{runner.port}\n"
    )


@pytest.mark.parametrize("setting", ["ADSUM_PORT", "ADSUM_VALKEY_PORT"])
def test_a_port_in_use_is_one_line_and_nothing_is_started(runner: UpRunner, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        up = runner.start(settings={setting: str(port)})
        _, errors = up.communicate(timeout=10)

    assert up.returncode == 1
    assert errors == f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another {setting}\n"
    assert runner.pids() == []
    assert not runner.valkey.log.exists()


def test_one_port_for_the_api_and_valkey_is_one_line_and_nothing_is_started(runner: UpRunner) -> None:
    up = runner.start(settings={"ADSUM_VALKEY_PORT": str(runner.port)})
    _, errors = up.communicate(timeout=10)

    assert up.returncode == 1
    assert errors == f"ADSUM_VALKEY_PORT and ADSUM_PORT are both {runner.port}: choose another for one\n"
    assert runner.pids() == []
    assert not runner.valkey.log.exists()


@pytest.mark.parametrize(
    ("roles", "story"),
    [
        (("crash", "worker", "pass"), "serve cannot start:\n  I cannot go on\n"),
        (("serve-never", "crash", "pass"), "worker cannot start:\n  I cannot go on\n"),
        (("serve", "worker", "crash"), "preparing the database ended with status 1:\n  I cannot go on\n"),
    ],
)
def test_a_program_that_cannot_start_ends_up_with_its_last_lines(
    runner: UpRunner, roles: tuple[str, str, str], story: str
) -> None:
    up = runner.start(*roles)
    _, errors = up.communicate(timeout=20)

    assert up.returncode == 1
    assert errors.endswith(story)
    assert runner.pids() == []
    assert not runner.valkey.answers()


def test_a_second_signal_stops_at_once(runner: UpRunner) -> None:
    up = runner.started("serve", "stubborn", "pass")
    pids = runner.pids()
    up.terminate()
    wait_until((runner.folder.root / "order").exists, 10, "the stop has begun")

    up.terminate()

    up.wait(5)
    assert not any(map(is_alive, pids))


def test_a_signal_during_the_start_stops_up(runner: UpRunner) -> None:
    up = runner.start("serve", "worker", "endless")
    wait_until((runner.folder.root / "endless.pid").exists, 10, "the preparation runs")

    up.terminate()

    assert up.wait(10) == 0
    assert not runner.valkey.answers()


def test_valkey_starts_while_the_database_is_prepared(runner: UpRunner) -> None:
    runner.start("serve", "worker", "endless")
    wait_until((runner.folder.root / "endless.pid").exists, 10, "the preparation runs")
    wait_until(runner.valkey.answers, 10, "Valkey answers")


def test_valkey_starts_after_a_configured_database_was_checked(runner: UpRunner) -> None:
    url = f"sqlite:///{runner.folder.root}/other.db"
    runner.start("serve", "worker", "endless", settings={"ADSUM_DATABASE_URL": url})
    wait_until((runner.folder.root / "endless.pid").exists, 10, "the preparation runs")
    assert not runner.valkey.log.exists()


def test_with_a_configured_redis_no_valkey_is_started(runner: UpRunner, redis_url: str) -> None:
    runner.started(settings={"ADSUM_REDIS_URL": redis_url})

    assert {path.name for path in runner.folder.running.iterdir()} == {"serve", "worker"}


def test_after_an_unfinished_restore_up_creates_no_database(runner: UpRunner) -> None:
    runner.folder.create()
    runner.folder.half_restored.touch()
    up = runner.start()
    _, errors = up.communicate(timeout=10)
    assert (up.returncode, errors.count("\n")) == (1, 1)
    assert "`adsum restore PATH --force` again" in errors
    assert not runner.folder.database.exists()


def test_the_demo_school_is_loaded_only_into_a_new_database(runner: UpRunner) -> None:
    stop(runner.started())
    assert runner.folder.demo_wanted.exists()

    runner.folder.demo_wanted.unlink()
    runner.folder.database.touch()
    stop(runner.started())
    assert not runner.folder.demo_wanted.exists()


def test_passwords_are_not_written_to_a_file_or_pipe(runner: UpRunner) -> None:
    runner.folder.create()
    runner.folder.keep_credentials({"admin@school.example": "a-secret-word"})
    up = runner.started()
    assert up.stdout is not None
    output = ""
    while str(runner.folder.credentials) not in output:
        output += up.stdout.readline()
    up.terminate()
    rest, errors = up.communicate(timeout=10)
    assert "a-secret-word" not in output + rest + errors


@pytest.mark.long
def test_a_terminal_shows_passwords(runner: UpRunner) -> None:
    runner.folder.create()
    runner.folder.keep_credentials({"admin@school.example": "a-secret-word"})
    terminal, end = pty.openpty()
    runner.start(stdout=end, settings={"TERM": "xterm", "COLUMNS": "120"})
    os.close(end)
    terminal_output = ""
    while "Ctrl-C" not in terminal_output:
        terminal_output += os.read(terminal, 4096).decode()
    os.close(terminal)
    assert "a-secret-word" in terminal_output
    assert json.loads(runner.folder.credentials.read_text()) == {"admin@school.example": "a-secret-word"}
