"""The supervisor restarts programs and stops them in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from adsum.platform.embedded.supervisor import Program, Supervisor
from adsum.platform.errors import Unavailable
from tests.support.servers.processes import eventually

STAND_IN = (sys.executable, str(Path(__file__).parents[2] / "support" / "stand_in.py"))


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, shown: list[str], warned: list[str]) -> AsyncGenerator[Supervisor]:
    (tmp_path / "running").mkdir()
    supervisor = Supervisor(tmp_path / "running", shown.append, warned.append)
    yield supervisor
    supervisor.kill()
    await supervisor.stop(["worker", "stubborn", "crash"])


def program(role: str, folder: Path, *, stop_timeout: float = 10.0, log: Path | None = None) -> Program:
    environment = {**os.environ, "ADSUM_DATA_DIR": str(folder)}
    return Program(role, (*STAND_IN, role), environment, stop_timeout=stop_timeout, log=log)


async def pid_of(role: str, folder: Path, *, other_than: int = 0) -> int:
    path = folder / f"{role}.pid"
    await eventually(lambda: path.exists() and int(path.read_text()) != other_than)
    return int(path.read_text())


async def test_a_killed_program_is_restarted(supervisor: Supervisor, tmp_path: Path, warned: list[str]) -> None:
    supervisor.keep(program("worker", tmp_path))
    first = await pid_of("worker", tmp_path)

    os.kill(first, signal.SIGKILL)

    assert await pid_of("worker", tmp_path, other_than=first)
    assert warned == ["worker was ended by SIGKILL; it is started again in 0.2 s"]


async def test_the_output_of_a_program_is_shown_in_whole_lines(
    supervisor: Supervisor, tmp_path: Path, shown: list[str]
) -> None:
    supervisor.keep(program("worker", tmp_path))

    await eventually(lambda: shown)

    assert shown == ["the worker stand-in is up\n"]


async def test_a_program_with_a_log_file_writes_to_it(supervisor: Supervisor, tmp_path: Path, shown: list[str]) -> None:
    log = tmp_path / "worker.log"
    log.write_bytes(b"x" * 2_000_000)
    supervisor.keep(program("worker", tmp_path, log=log))

    await eventually(lambda: log.exists() and log.read_text() == "the worker stand-in is up\n")

    assert (tmp_path / "worker.log.1").stat().st_size == 2_000_000
    assert shown == []


async def test_a_stopped_program_finishes_and_is_not_restarted(
    supervisor: Supervisor, tmp_path: Path, warned: list[str]
) -> None:
    supervisor.keep(program("worker", tmp_path))
    await pid_of("worker", tmp_path)

    await supervisor.stop(["worker", "nobody"])

    assert (tmp_path / "order").read_text() == "worker\n"
    assert list((tmp_path / "running").iterdir()) == []
    assert warned == []


async def test_a_program_that_exceeds_its_stop_timeout_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.keep(program("stubborn", tmp_path, stop_timeout=0.3))
    pid = await pid_of("stubborn", tmp_path)

    async with asyncio.timeout(5):
        await supervisor.stop(["stubborn"])

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_killing_ends_a_waiting_stop(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.keep(program("stubborn", tmp_path, stop_timeout=60))
    await pid_of("stubborn", tmp_path)
    stopping = asyncio.create_task(supervisor.stop(["stubborn"]))
    await eventually((tmp_path / "order").exists)

    supervisor.kill()

    async with asyncio.timeout(5):
        await stopping


async def test_a_program_that_cannot_start_ends_the_wait_with_its_last_lines(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.keep(program("crash", tmp_path))

    with pytest.raises(Unavailable, match="crash cannot start:\n  I cannot go on"):
        await supervisor.until(never, 30, "it")


async def test_a_wait_ends_at_its_deadline(supervisor: Supervisor) -> None:
    with pytest.raises(Unavailable, match=r"Valkey did not answer within 0\.1 s"):
        await supervisor.until(never, 0.1, "Valkey")


async def test_a_completed_run_shows_its_output_only_on_failure(
    supervisor: Supervisor, tmp_path: Path, shown: list[str]
) -> None:
    await supervisor.run(program("pass", tmp_path))
    with pytest.raises(Unavailable, match="crash ended with status 1:\n  I cannot go on"):
        await supervisor.run(program("crash", tmp_path))

    assert shown == []


async def never() -> bool:
    return False
