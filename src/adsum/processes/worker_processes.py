"""`adsum worker --processes N`: so many workers, each a process of its own; one that dies is started again."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from adsum import wiring
from adsum.embedded.child import Program
from adsum.embedded.supervisor import Supervisor
from adsum.platform.settings import PREFIX, Settings
from adsum.processes.supervising import Stopping, show, warn_as
from adsum.processes.up_programs import DRAIN_S


def default_processes() -> int:
    """Half of the cores that this process may use, and one at least: the database needs the others."""
    return max(1, len(os.sched_getaffinity(0)) // 2) if sys.platform == "linux" else 1


def run_workers(settings: Settings, processes: int) -> None:
    """Keeps so many workers running until SIGINT, SIGTERM or SIGHUP; then each finishes the chunks that it has.

    Raises:
        ConfigurationError: the database lacks migrations; nothing was started.
        StorageOutage: the database does not answer.
    """
    asyncio.run(wiring.require_current_schema(settings))
    with TemporaryDirectory(prefix="adsum-workers-") as folder:
        asyncio.run(_keep(_programs(settings, processes), Path(folder), settings.log_format))


async def _keep(programs: list[Program], folder: Path, log_format: str) -> None:
    records = folder / "running"
    records.mkdir()
    supervisor = Supervisor(records, show, warn_as(log_format, "worker"))
    stopping = Stopping(supervisor)
    stopping.listen()
    try:
        for program in programs:
            supervisor.keep(program)
        await stopping.asked.wait()
    finally:
        await supervisor.stop([program.name for program in programs])


def _programs(settings: Settings, processes: int) -> list[Program]:
    command = (sys.executable, "-m", "adsum", "worker", "--processes", "1")
    return [
        Program(f"worker {number}", command, _environment(settings, number), patience=DRAIN_S)
        for number in range(1, processes + 1)
    ]


def _environment(settings: Settings, number: int) -> dict[str, str]:
    """What differs from this process's own. Metrics are of one process: the ports follow each other."""
    own = {f"{PREFIX}WORKER_CONCURRENCY": str(settings.worker_concurrency)}
    if settings.worker_metrics_port:
        own[f"{PREFIX}WORKER_METRICS_PORT"] = str(settings.worker_metrics_port + number - 1)
    return {**os.environ, **own}
