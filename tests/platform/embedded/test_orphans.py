"""No process outlives the one that started it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adsum.platform.embedded.orphans import die_with_this_process, reap, record_process, remove_record
from tests.support.servers.processes import is_alive, wait_until

SLEEPER = (sys.executable, "-c", "import threading; threading.Event().wait()")
PARENT = """
import subprocess, sys, threading
from adsum.platform.embedded.orphans import die_with_this_process
child = subprocess.Popen(die_with_this_process(sys.argv[1:]), start_new_session=True)
print(child.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start reaps")
def test_a_child_dies_with_a_parent_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, *SLEEPER], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
        wait_until(lambda: not is_alive(child), 5, "the child is gone")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing binds")
def test_a_missing_command_fails_with_one_line() -> None:
    done = subprocess.run(die_with_this_process(["/no/such/program"]), capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "/no/such/program: No such file or directory\n"


def test_the_next_start_kills_the_processes_of_a_crashed_up(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEPER, start_new_session=True) as left_behind:
        record_process(tmp_path, "worker", left_behind.pid)
        try:
            assert reap(tmp_path) == ["worker"]
            assert left_behind.wait(5) == -9
        finally:
            left_behind.kill()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_reuses_the_id_is_not_killed(tmp_path: Path) -> None:
    (tmp_path / "worker").write_text(f"{os.getpid()} another-birth")

    assert reap(tmp_path) == []


def test_a_removed_record_is_not_reaped(tmp_path: Path) -> None:
    record_process(tmp_path, "worker", os.getpid())
    remove_record(tmp_path, "worker")

    assert reap(tmp_path) == []
