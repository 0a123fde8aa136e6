"""`adsum worker --processes N`: real workers, one of which dies."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from adsum.processes.worker import default_processes
from tests.support.commands import Commands
from tests.support.forked import running_forked
from tests.support.live import environment
from tests.support.servers.processes import is_alive, wait_until

STARTED = "worker started"
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")


def workers_of(pid: int) -> set[int]:
    return {
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text(encoding="ascii").split()
    }


@only_linux
def test_a_worker_that_dies_is_restarted_and_all_end_with_the_command(
    sqlite_url: str, redis_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def started() -> int:
        return log.read_text(encoding="utf-8").count(STARTED)

    settings = environment(database_url=sqlite_url, redis_url=redis_url, log_format="json")
    with running_forked(["worker", "--processes", "2"], settings, log) as command:
        wait_until(lambda: log.exists() and started() == 2, 30, "two workers have started")
        victim, other = sorted(workers_of(command.pid))
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: started() == 3, 30, "a third worker has started")
        now = workers_of(command.pid)
        assert other in now
        assert len(now - {victim, other}) == 1
    assert command.wait(0) == 0
    output = log.read_text(encoding="utf-8")
    assert re.search(r"worker 1 was ended by SIGKILL; it is started again in 0\.2 s", output)
    assert output.count("worker stopped") == 2
    assert not any(is_alive(pid) for pid in now)


def test_without_migrations_no_worker_is_started(redis_url: str, tmp_path: Path) -> None:
    adsum = Commands({"database_url": f"sqlite:///{tmp_path / 'new.db'}", "redis_url": redis_url})

    ended = adsum.run("worker", "--processes", "2")

    assert ended.returncode == 1
    assert "migrate" in ended.stderr
    assert STARTED not in ended.stdout + ended.stderr


@only_linux
@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 1), (4, 2), (9, 4)])
def test_by_default_the_database_keeps_half_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int
) -> None:
    def affinity(_: int) -> set[int]:
        return set(range(cores))

    monkeypatch.setattr(os, "sched_getaffinity", affinity)
    assert default_processes() == processes
