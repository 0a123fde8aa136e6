"""Forked commands end with the tests, however these end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.live import ROOT, environment
from tests.support.servers.processes import eventually, is_alive

# Starts a command, prints its process id and those of the fork server, and ends as the argument says.
TESTS = """
import os, signal, sys
from pathlib import Path
from tests.support.forked import start_forked
from tests.support.servers.processes import wait_until

if __name__ == "__main__":
    log = Path(sys.argv[1])
    forked = start_forked(["serve"], dict(os.environ), log)
    wait_until(lambda: "listening" in forked.output(), 30, "the command listens")
    print(forked.pid, Path(f"/proc/{forked.pid}/stat").read_text().rpartition(")")[2].split()[1], flush=True)
    os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends processes with their parents")
@pytest.mark.parametrize("signal_number", ["9", "15"])
async def test_a_forked_command_and_the_fork_server_end_with_a_process_that_is_killed(
    tmp_path: Path, sqlite_url: str, redis_url: str, signal_number: str
) -> None:
    variables = environment(
        database_url=sqlite_url, redis_url=redis_url, secret_key="x" * 64, port="0", log_format="json"
    )
    (tmp_path / "tests_of_mine.py").write_text(TESTS)
    killed = subprocess.run(  # noqa: ASYNC221 - nothing else runs meanwhile
        [sys.executable, tmp_path / "tests_of_mine.py", tmp_path / "log", signal_number],
        env=variables | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    command, fork_server = map(int, killed.stdout.split())

    assert killed.returncode == -int(signal_number)
    await eventually(lambda: not is_alive(command) and not is_alive(fork_server))
